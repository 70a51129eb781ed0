"""The depth node: a lifecycle node that turns a camera's images into depth with a temporal model.

Here are its transitions, parameters and services. The way of a frame is worker.py; what one camera
receives, remembers and publishes is camera.py.
"""
import contextlib
import functools
import gc
import threading

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from std_srvs.srv import Trigger

from ..ros import parameters
from ..ros.manager_bond import ManagerBond
from ..ros.memory import release_memory
from ..ros.topics import NodeTopics
from . import diagnostics, loading
from .camera import Camera
from .camera_watch import CameraWatch
from .interruptible import InterruptedWork, Interruptible
from .live_settings import LiveSettings
from .transition import transition
from .worker import Worker

RCLError = rclpy_implementation.RCLError
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

# seconds; what begins or ends is told in less than two, also by what looks once in between
LOOK_AROUND = 0.5


class DepthNode(LifecycleNodeMixin, Node):
    """Depth of one or several cameras, from a network that remembers earlier frames.

    Subscribes to image and camera_info; publishes depth/image, depth/camera_info, points,
    depth/confidence, disparity/image, depth/preview, depth/slice, ~/status and /diagnostics; serves
    ~/reset. All names but /diagnostics are relative or private, and each camera with a name has its
    own below that name. Parameters: see parameter_table.py.

    configure loads the model, activate subscribes and starts the worker, deactivate stops both and
    forgets the temporal state, cleanup frees the memory.
    """

    def __init__(self, **options):
        Node.__init__(self, 'depth_node', **options)
        # Reentrant: the state can be asked for while a transition is under way. LifecycleNode would
        # put its services into the group where everything waits for everything.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self.problem: str | None = None      # why the last transition failed
        self._model: loading.LoadedModel | None = None
        self._cameras: list[Camera] = []
        self._watches: list[CameraWatch] = []  # one for each of them
        self._camera_resets = []             # a reset service for each camera that has a name
        self._ready = threading.Condition()  # a frame waits, or the worker must end
        self._worker: Worker | None = None   # while the node is active
        self._bond = ManagerBond(self)       # likewise
        self._long_work = Interruptible()
        self._transition = threading.Lock()  # held while one is under way
        # held while engine or cameras come and go, and while diagnostics look at them
        self._members = threading.Lock()

        self._settings = LiveSettings(self, self._on_change)
        for problem in self._settings.unknown:
            self.get_logger().warning(problem)

        self._topics = NodeTopics(self, MutuallyExclusiveCallbackGroup())
        self._timers_and_services = MutuallyExclusiveCallbackGroup()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # goes on while simulated time stands still
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(LOOK_AROUND, self._look_around,
                          callback_group=self._timers_and_services, clock=steady)
        self._create_reset_service('~/reset', None)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=self._on_clock_jump)
        if self._settings.now['autostart']:
            # a group of its own, so that it is not due again before it has removed itself
            self._autostart = self.create_timer(
                0.0, self._start, callback_group=MutuallyExclusiveCallbackGroup(), clock=steady)

    def _start(self) -> None:
        self.destroy_timer(self._autostart)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def _on_change(self, settings: parameters.Settings) -> None:
        for camera in self._cameras:
            camera.input.take_running(settings)

    # Transitions

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._load()
        self._open_cameras()
        return super().on_configure(state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._settings.in_use = True  # from here on a parameter that is accepted is one that runs
        self._load()  # again only if a parameter has changed since
        if [camera.name for camera in self._cameras] != self._settings.now['cameras']:
            self._open_cameras()
        for camera in self._cameras:
            camera.configure(self._model.engine, self._settings.now)
        result = super().on_activate(state)
        self._worker = Worker(
            self._topics, self._cameras, lambda: self._settings.now, self._ready)
        self._worker.start()
        for watch in self._watches:
            watch.begin()
        self._bond.begin(self._settings.now['bond_heartbeat_period'])
        return result

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return SUCCESS

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return SUCCESS

    def _LifecycleNodeMixin__change_state(self, transition: int) -> TransitionCallbackReturn:
        """Refuse a transition that the state does not have. Private to the class that calls it.

        Before Kilted rclpy lets the error through, and the process ends (rclpy issue 1209).
        """
        try:
            # `end` may destroy the state machine meanwhile, and rclpy would crash
            with self._transition, self._state_machine:
                return super()._LifecycleNodeMixin__change_state(transition)
        except RCLError as error:
            self.get_logger().error(f'transition {transition} is not possible now: {error}')
            return FAILURE

    def _load(self) -> None:
        """Open the engine that the parameters ask for, unless it is open."""
        self._settings.declare_cameras()
        self._settings.check()
        settings = self._settings.now
        if self._model is not None and self._model.fits(settings):
            loading.check_modes(self._model.engine.spec, settings)
            return
        choice = self._long_work.run(loading.choose, settings)
        self._free_model()
        self._model = self._long_work.run(
            loading.load_model, *choice, settings, self.get_logger())

    def _stop(self) -> None:
        """End the worker after the frame in progress, and forget the temporal state."""
        self._bond.end()
        for camera in self._cameras:
            camera.input.unsubscribe()
        self._settings.in_use = False
        worker, self._worker = self._worker, None
        if worker is None:  # it was not active: there is no temporal state
            return
        with contextlib.suppress(InterruptedWork):
            self._long_work.run(worker.stop)
        for camera in self._cameras:
            camera.scale.unsubscribe()
            camera.stream.reset()
            if camera.times is not None:
                camera.input.arrivals.counts.resets['deactivated'] += 1

    def _release(self) -> None:
        """Free all that configuring made, in whatever state it is."""
        self._stop()
        self._close_cameras()
        self._free_model()

    def _open_cameras(self) -> None:
        self._close_cameras()
        for name in self._settings.now['cameras']:
            camera = Camera(
                self._topics, name, self._model.engine, self._settings.now, self._ready)
            with self._members:
                self._cameras.append(camera)
                self._watches.append(CameraWatch(self, camera))
            if name:
                self._camera_resets.append(self._create_reset_service(f'~/{name}/reset', camera))

    def _close_cameras(self) -> None:
        for service in self._camera_resets:
            self.destroy_service(service)
        with self._members:
            cameras, self._cameras, self._watches, self._camera_resets = self._cameras, [], [], []
        for camera in cameras:
            camera.close()

    def _free_model(self) -> None:
        with self._members:
            model, self._model = self._model, None
            for camera in self._cameras:  # each holds the engine of its frame size
                camera.stream = None
        if model is not None:
            model.engine.close()
            del model
            gc.collect()
            release_memory()

    def end(self, timeout: float) -> None:
        """Leave ROS in order, at the end of the process.

        timeout: seconds to wait for a frame in progress, and for a transition, which holds the node
        in rcl, and with it what DDS has in /dev/shm.
        """
        self._long_work.interrupt()
        if self._transition.acquire(timeout=timeout):
            self._transition.release()
        self._settings.in_use = False
        self._bond.end()
        if self._worker is not None:
            self._worker.stop(timeout)
        self.destroy_node()
        self._state_machine.destroy_when_not_in_use()  # else it holds the node, and that DDS

    # Resets and diagnostics

    def _create_reset_service(self, name: str, camera: Camera | None):
        return self.create_service(Trigger, name, functools.partial(self._on_reset, camera),
                                   callback_group=self._timers_and_services)

    def _reset(self, reason: str, camera: Camera | None = None) -> None:
        for each in self._cameras if camera is None else [camera]:
            each.input.arrivals.reset(reason)

    def _on_clock_jump(self, jump: TimeJump) -> None:
        now = self.get_clock().now().nanoseconds
        for camera in self._cameras:
            camera.input.arrivals.clock_jumped(now)

    def _on_reset(
        self, camera: Camera | None, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        response.success = self._worker is not None
        if response.success:
            self._reset('requested', camera)
            response.message = 'the next frame starts anew'
        else:
            response.message = 'the node is not active, so there is no temporal state'
        return response

    def _look_around(self) -> None:
        """Twice a second: follow publishers that come and go, and publish diagnostics."""
        name, settings = self.get_fully_qualified_name().lstrip('/'), self._settings.now
        state = self._state_machine.current_state[1]
        with self._members:
            cameras = []
            if self._worker is not None:
                for watch in self._watches:
                    watch.look(settings)
                    if watch.camera.stream is not None:
                        cameras.append(watch.snapshot())
            engine = diagnostics.engine_in_use(self._model and self._model.engine, cameras)
            warning = '; '.join(filter(None, (
                *self._settings.unknown, self._model.warning if self._model else '')))
        self._diagnostics.publish(diagnostics.report(
            self.get_clock().now().to_msg(), name, state, engine, cameras, settings, self.problem,
            warning))
