"""The node behind the page: subscribes while somebody looks, and passes wishes to the node."""
from collections import deque
from collections.abc import Callable
from dataclasses import replace
import math
import threading
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ..files.bag_types import BagError
from ..images.preview import COLORMAPS
from ..ros import parameters
from ..ros.message import MessageError
from .feed import Feed, Frame
from .guard import TOKEN_VARIABLE, Server
from .health import Health
from .page import Actions, Page
from .parameter_table import PARAMETERS
from .pictures import Colours, prepare
from .recorder import Recorder
from .remote import Descriptors, RemoteNode


class ViewNode(Node):
    """Serves a page that shows what a depth node sees, how it fares, and its parameters.

    Subscribes to image, depth/image, depth/camera_info and ~/status of one camera of the depth node
    (where it is wanted depth/confidence), and to /diagnostics and /parameter_events: while a page
    is open or a recording runs. Raises ParameterError, and AddressError where the page cannot be
    served.

    Parameters: see PARAMETERS; all are read once, at the start.
    """

    def __init__(self, **options):
        super().__init__('view', **options)
        self._settings = settings = parameters.fixed(self, PARAMETERS)
        self._name = settings['node']
        # relative names stay so, that remappings hold
        self._base = f'{self._name.rpartition("/")[0]}/' if '/' in self._name else ''
        self._wishes: deque[Callable[[], None]] = deque()  # of pages, for the executor
        self._wake = self.create_guard_condition(self._do_wishes)
        self._ending = threading.Lock()
        self._ended = False
        self._recorder = Recorder(settings['record.folder'], settings['record.max_size'] * 1e6)
        self._remote: RemoteNode | None = None
        self._feed: Feed | None = None
        self._diagnostics: Any = None
        self._camera = ''
        self._cameras: list[str] = []
        self._values: dict[str, Any] = {}
        self._health = Health('')
        self.server = server = Server(
            settings['host'], settings['port'], f'{self._name}')
        self._page = Page(server, Actions(
            choose=lambda camera: self._wish(lambda: self._choose(camera)),
            set=lambda name, value: self._wish(lambda: self._set(name, value)),
            reset=lambda: self._wish(lambda: self._remote and self._remote.reset(self._camera)),
            change_state=lambda transition: self._wish(
                lambda: self._remote and self._change_state(transition)),
            record=lambda: self._wish(self._record)))
        for connected in (server.on_client_connect, server.on_client_disconnect):
            connected(lambda client: self._wish(self._look_around))
        # of the steady clock: a page lives also where /clock stands
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._shows = self.create_timer(1 / settings['rate'], self._show, clock=steady)
        self._looks = self.create_timer(1.0, self._look_around, clock=steady)
        self._shows.cancel()
        self.get_logger().info(f'the page is at {server.address}')
        if not server.guard.local:
            self.get_logger().warning(
                f'the page is served to the network on {settings["host"]}: whoever knows the token '
                f'in its address sees the camera and can change parameters, and nothing is '
                f'encrypted; {TOKEN_VARIABLE} in the environment sets a token of your own')

    def _wish(self, wish: Callable[[], Any]) -> None:
        """Do something on the executor's thread, which all else here runs on."""
        with self._ending:
            if not self._ended:
                self._wishes.append(wish)
                self._wake.trigger()

    def _do_wishes(self) -> None:
        while self._wishes:
            self._wishes.popleft()()

    def _look_around(self) -> None:
        """Once a second and when pages come or go: what is wanted, what is there."""
        watched = bool(self.server.get_clients())
        if not watched and self._recorder.bag is None:
            self._stop()
            return
        if self._remote is None:
            self._start()
        self._remote.look_around()
        self._feed.look_around(
            self._health.image_topic, watched and self._page.with_confidence)
        if watched:
            self._page.offer_confidence(self._feed.has_confidence)
            self._page.show_health(self._health)

    def _start(self) -> None:
        self._remote = self._remote or RemoteNode(
            self, self._name, self._on_parameters, self._on_parameter, self._page.tell)
        self._health = Health(self._remote.full_name)
        self._diagnostics = self.create_subscription(
            DiagnosticArray, '/diagnostics', lambda message: self._health.on_diagnostics(message),
            10)
        self._follow()
        self._shows.reset()

    def _follow(self) -> None:
        """Follow the camera that is chosen."""
        if self._feed is not None:
            self._feed.close()
        self._health.follow(self._camera)
        self._feed = Feed(self, self._base, self._name, self._camera,
                          lambda status: self._health.on_status(status), self._write)

    def _stop(self) -> None:
        """Subscribe to nothing: nobody looks."""
        if self._remote is None:
            return
        self._shows.cancel()
        self._feed.close()
        self._remote.close()
        self.destroy_subscription(self._diagnostics)
        self._feed = self._remote = self._diagnostics = None

    def _on_parameters(self, known: Descriptors, cameras: list[str]) -> None:
        self._values = {name: value for name, (_, value) in known.items()}
        self._page.offer_parameters(known)
        if cameras != self._cameras:
            self._cameras = cameras
            self._page.offer_cameras(cameras)
        if self._camera not in cameras:
            self._choose(cameras[0])

    def _on_parameter(self, name: str, value: Any) -> None:
        if name in self._values:
            self._values[name] = value
        self._page.show_parameter(name, value)

    def _choose(self, camera: str) -> None:
        self._camera = camera
        if self._feed is not None:
            self._follow()

    def _set(self, name: str, value: Any) -> None:
        if self._remote is not None and name in self._values:  # offered, and so one that may change
            self._remote.set(name, value)

    def _change_state(self, transition: str) -> None:
        # one that waits to be configured is activated by both
        if transition == 'activate' and self._health.state == 'unconfigured':
            self._remote.change_state('configure')
        self._remote.change_state(transition)

    def _show(self) -> None:
        """Show the newest frame, if there is a new one and somebody looks."""
        if not self.server.get_clients():
            return
        try:
            frame = self._feed.newest()
        except (MessageError, ValueError) as error:
            self.get_logger().warning(f'a frame cannot be shown: {error}',
                                      throttle_duration_sec=10.0)
            return
        if frame is not None:
            self._show_frame(frame)

    def _show_frame(self, frame: Frame) -> None:
        values, look = self._values, self._page.look
        if self._page.with_slice and 'slice.near' in values:
            look = replace(look, slice=(values['slice.near'], values['slice.far']))
        colormap = values.get('preview.colormap', 'turbo')
        colours = Colours(
            values.get('preview.near', Colours.near), values.get('preview.far', Colours.far),
            colormap if colormap in COLORMAPS else Colours.colormap)
        height, width = frame.depth.shape
        caption = (f'{width}x{height}, {colours.near:g} to {colours.far:g} m in colours'
                   + ('' if frame.rgb is not None else ', without the camera image'))
        self._page.show(prepare(
            frame.depth, frame.rgb, frame.camera,
            frame.confidence if self._page.with_confidence else None, look, colours,
            self._settings['width'], self._settings['points'], frame.stamp, caption))
        if (camera := frame.camera) is not None:
            self._page.show_view(2 * math.atan(height / 2 / camera.fy),
                                 width * camera.fy / (height * camera.fx))

    def _record(self) -> None:
        if self._recorder.bag is not None:
            self._page.tell(True, f'recorded {self._recorder.end()}')
        else:
            try:
                self._page.tell(True, f'recording into {self._recorder.begin()}')
            except BagError as error:
                self._page.tell(False, str(error))
        self._page.show_recording(self._recorder.bag is not None)

    def _write(self, topic: str, kind: type, data: bytes) -> None:
        if why := self._recorder.write(topic, kind, data):
            self.get_logger().warning(f'the recording has ended: {why}')
            self._page.tell(False, f'the recording has ended: {why}')
            self._page.show_recording(False)

    def destroy_node(self) -> None:
        """End a recording in order too; pages wish for nothing any more."""
        with self._ending:
            self._ended = True
        self._recorder.end()
        super().destroy_node()
