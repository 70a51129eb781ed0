"""The depth node: a lifecycle node that turns a camera's images into depth with a temporal model.

The walk of a frame: an executor thread keeps the newest image (camera_topics, arrivals); one worker
thread takes it through messages.image_to_rgb, DepthStream and back out to the publishers.
"""
from collections.abc import Callable, Sequence
import contextlib
import functools
import gc
import threading
import time
import traceback

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from std_srvs.srv import Trigger

from ..engines import Engine, EngineError, open_engine
from ..metres.units import ScaleError, check_mode
from ..models import CheckpointError, FrameTooSmallError
from ..ros import parameters
from ..ros.memory import release_memory
from ..ros.parameters import Settings
from ..streams.arrivals import Arrival
from ..streams.depth_stream import step_together
from ..weights.choice import choose_model
from . import diagnostics
from .camera_topics import CameraTopics, Walk
from .parameter_table import PARAMETERS, check_together

RCLError = rclpy_implementation.RCLError
SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE, ERROR = TransitionCallbackReturn.FAILURE, TransitionCallbackReturn.ERROR

# what a wrong parameter or file may raise while loading; anything else is a defect and gets a trace
EXPECTED = (CheckpointError, EngineError, FrameTooSmallError, ScaleError,
            parameters.ParameterError)

# the settings that a loaded engine was made from
ENGINE_SETTINGS = ('model.name', 'model.weights', 'engine.backend', 'engine.device',
                   'engine.precision', 'engine.threads', 'engine.path', 'engine.fallback')


MOMENT = 0.01  # seconds that a camera's frame may wait for those of the other cameras


def _transition(step: Callable) -> Callable:
    """Make a transition callback log what it raises: rclpy drops exceptions silently."""
    @functools.wraps(step)
    def logged(self, state: LifecycleState) -> TransitionCallbackReturn:
        name = step.__name__.removeprefix('on_')
        try:
            result = step(self, state)
        except EXPECTED as error:
            self.problem, trace = f'cannot {name}: {error}', ''
        except Exception as error:
            self.problem = f'cannot {name}: {type(error).__name__}: {error}'
            trace = f'\n{traceback.format_exc()}'
        else:
            self.problem = None
            return result
        self.get_logger().error(self.problem + trace)
        if name == 'activate':  # stays inactive
            self._stop()
            return FAILURE
        self._release()
        return FAILURE if name == 'configure' else ERROR  # both end in unconfigured
    return logged


class DepthNode(LifecycleNodeMixin, Node):
    """Depth of one or several cameras, from a network that remembers earlier frames.

    Subscribes to image and camera_info; publishes depth/image, depth/camera_info, points,
    disparity/image, depth/preview, depth/slice, ~/status and /diagnostics; serves ~/reset. All
    names but /diagnostics are relative or private, and each camera with a name has its own below
    that name. Parameters: see parameter_table.py.

    configure loads the model, activate subscribes and starts the worker, deactivate stops both and
    forgets the temporal state, cleanup frees the memory.
    """

    def __init__(self, **options):
        Node.__init__(self, 'depth_node', **options)
        # Reentrant: the state can be asked for while a transition is under way. LifecycleNode would
        # put its services into the group where everything waits for everything.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self.problem: str | None = None      # why the last transition failed
        self._engine: Engine | None = None
        self._engine_settings: tuple = ()
        self._caution = ''                   # what choosing the engine's model had to warn of
        self._cameras: list[CameraTopics] = []
        self._camera_resets = []             # a reset service for each camera that has a name
        self._ready = threading.Condition()  # a frame waits, or the worker must end
        self._worker: threading.Thread | None = None
        self._working = False
        self._active_since = 0.0
        self._moment = MOMENT

        self._wrong_parameters = parameters.declare(self, PARAMETERS)
        for problem in self._wrong_parameters.values():
            self.get_logger().error(problem)
        self._settings = parameters.read(self, PARAMETERS)
        self.add_on_set_parameters_callback(self._on_change)

        self._images = MutuallyExclusiveCallbackGroup()
        self._chores = MutuallyExclusiveCallbackGroup()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # goes on while simulated time stands still
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._publish_diagnostics, callback_group=self._chores, clock=steady)
        self._reset_service('~/reset', None)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=lambda jump: self._reset('clock jumped back'))
        if self._settings['autostart']:
            # a group of its own, so that it is not due again before it has removed itself
            self._autostart = self.create_timer(
                0.0, self._start, callback_group=MutuallyExclusiveCallbackGroup(), clock=steady)

    def _start(self) -> None:
        self.destroy_timer(self._autostart)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    # Parameters

    def _on_change(self, changes: list[RosParameter]) -> SetParametersResult:
        result = parameters.check_change(
            changes, PARAMETERS, self._settings, self._working, check_together)
        if result.successful:
            for change in changes:
                self._wrong_parameters.pop(change.name, None)
            # one assignment: a frame sees all of a change or nothing of it
            self._settings = {**self._settings, **{
                change.name: change.value for change in changes
                if change.name in PARAMETERS}}
            for camera in self._cameras:
                camera.arrivals.continuity.max_gap = self._settings['stream.max_gap']
        return result

    # Transitions

    @_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._load()
        self._open_cameras()
        return super().on_configure(state)

    @_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._load()  # again only if a parameter has changed since
        if [camera.name for camera in self._cameras] != self._settings['cameras']:
            self._open_cameras()
        for camera in self._cameras:
            camera.use(self._engine, self._settings)
        result = super().on_activate(state)
        self._working, self._active_since = True, time.perf_counter()
        self._worker = threading.Thread(target=self._work, name='depth worker', daemon=True)
        self._worker.start()
        for camera in self._cameras:
            camera.subscribe()
        return result

    @_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    @_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return SUCCESS

    @_transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return SUCCESS

    def _LifecycleNodeMixin__change_state(self, transition: int) -> TransitionCallbackReturn:
        """Refuse a transition that the state does not have.

        Before Kilted rclpy lets the error through, and the request ends the process (rclpy issue
        1209). The method is private to the class that calls it, hence the name.
        """
        try:
            return super()._LifecycleNodeMixin__change_state(transition)
        except RCLError as error:
            self.get_logger().error(f'transition {transition} is not possible now: {error}')
            return FAILURE

    def _load(self) -> None:
        """Open the engine that the parameters ask for, unless it is open."""
        settings = self._settings
        if self._wrong_parameters:
            raise parameters.ParameterError('; '.join(self._wrong_parameters.values()))
        if problem := check_together(settings):
            raise parameters.ParameterError(problem)
        mode, wanted = settings['scale.mode'], tuple(settings[key] for key in ENGINE_SETTINGS)
        if self._engine is not None and wanted == self._engine_settings:
            check_mode(mode, self._engine.spec.unit, self._engine.spec.name)
            return
        spec, weights, caution = choose_model(settings['model.name'], settings['model.weights'])
        check_mode(mode, spec.unit, spec.name)
        self._free_engine()
        if weights == 'random':
            caution = f'{spec.name}: {diagnostics.UNTRAINED}'
        if caution:
            self.get_logger().warning(caution)
        begin = time.perf_counter()
        height, width = (spec.frame.min_side,) * 2
        if settings['input.height'] and settings['input.width']:
            height, width = spec.frame.network_size(
                settings['input.height'], settings['input.width'], settings['input.short_side'])
        engine = open_engine(
            spec, weights, settings['engine.backend'], settings['engine.device'],
            settings['engine.precision'], height=height, width=width,
            path=settings['engine.path'], fallback=settings['engine.fallback'], at_once=True,
            threads=settings['engine.threads'])
        engine.warm_up()
        self._engine, self._engine_settings, self._caution = engine, wanted, caution
        if engine.fell_back:
            self.get_logger().error(f'torch runs in place of the chosen engine: {engine.fell_back}')
        self.get_logger().info(
            f'{spec.name} is ready on {engine.device} ({engine.backend}, {engine.precision}) '
            f'after {time.perf_counter() - begin:.1f} s')

    def _stop(self) -> None:
        """End the worker after the frame in progress, and forget the temporal state."""
        for camera in self._cameras:
            camera.unsubscribe()
        with self._ready:
            self._working = False
            self._ready.notify_all()
        if self._worker is None:  # it was not active: there is no temporal state
            return
        self._worker.join()
        self._worker = None
        for camera in self._cameras:
            camera.stream.reset()
            if camera.stages is not None:
                camera.arrivals.counts.resets['deactivated'] += 1

    def _release(self) -> None:
        """Free all that configuring made, in whatever state it is."""
        self._stop()
        self._close_cameras()
        self._free_engine()

    def _open_cameras(self) -> None:
        self._close_cameras()
        for name in self._settings['cameras']:
            camera = CameraTopics(
                self, name, self._engine, self._settings, self._ready, self._images)
            self._cameras.append(camera)
            if name:
                self._camera_resets.append(self._reset_service(f'~/{name}/reset', camera))

    def _close_cameras(self) -> None:
        for service in self._camera_resets:
            self.destroy_service(service)
        for camera in self._cameras:
            camera.destroy()
        self._cameras, self._camera_resets = [], []

    def _reset_service(self, name: str, camera: CameraTopics | None):
        return self.create_service(
            Trigger, name, functools.partial(self._on_reset, camera), callback_group=self._chores)

    def _free_engine(self) -> None:
        for camera in self._cameras:  # each holds the engine of its frame size
            camera.stream = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            gc.collect()
            release_memory()

    def end(self, timeout: float) -> None:
        """Leave ROS in order, at the end of the process; wait that long for a frame in progress."""
        with self._ready:
            self._working = False
            self._ready.notify_all()
        if self._worker is not None:
            self._worker.join(timeout)
        self.destroy_node()
        self._state_machine.destroy_when_not_in_use()  # else it holds the node, and that DDS

    # Frames

    def _work(self) -> None:
        """Turn waiting frames into depth until deactivation; runs on the worker thread."""
        cameras = self._cameras

        def waits(how_many: Callable) -> bool:
            return not self._working or how_many(camera.arrivals.waits() for camera in cameras)

        while True:
            with self._ready:
                self._ready.wait_for(lambda: waits(any))
                # frames taken together arrive moments apart; a silent camera costs but the moment
                self._ready.wait_for(lambda: waits(all), self._moment if len(cameras) > 1 else 0)
                if not self._working:
                    return
            taken = [(camera, camera.arrivals.take()) for camera in cameras]
            self._process([(camera, arrival) for camera, arrival in taken if arrival is not None])

    def _process(self, taken: list[tuple[CameraTopics, Arrival]]) -> None:
        """Take the newest frames of some cameras, one each, all the way.

        Those that the network sees at the same size go through it together.
        """
        settings = self._settings
        walks: dict[tuple, list[tuple[CameraTopics, Walk]]] = {}
        for camera, arrival in taken:
            with self._forgiving([camera]):
                walk = camera.begin(arrival)
                walks.setdefault(tuple(walk.frame.shape), []).append((camera, walk))
        for together in walks.values():
            with self._forgiving([camera for camera, _ in together]):
                begin = time.perf_counter()
                outputs = step_together(
                    [camera.stream for camera, _ in together],
                    [walk.frame for _, walk in together])
                self._moment = min(MOMENT, 0.1 * (time.perf_counter() - begin))
                for (camera, walk), output in zip(together, outputs, strict=True):
                    with self._forgiving([camera]):
                        camera.finish(walk, output, settings)
                        self._report(camera, walk.arrival, settings)

    def _report(self, camera: CameraTopics, arrival: Arrival, settings: Settings) -> None:
        header = arrival.message.header
        camera.age_ms = diagnostics.age_ms(header.stamp, self.get_clock().now().nanoseconds)
        if camera.status.get_subscription_count():
            camera.status.publish(diagnostics.frame_status(
                camera, header, settings, arrival.reset is not None))

    @contextlib.contextmanager
    def _forgiving(self, cameras: list[CameraTopics]):
        """Let a frame fail alone: it is counted, logged and left out, and the node goes on."""
        try:
            yield
        except Exception as error:
            if not rclpy.ok(context=self.context):  # the process ends while a frame was under way
                return
            for camera in cameras:
                camera.arrivals.counts.failed += 1
            # a message or a frame that cannot be used is no defect of ours: no trace
            trace = '' if isinstance(error, ValueError) else f'\n{traceback.format_exc()}'
            self.get_logger().error(
                f'a frame of {cameras[0].topic} failed and was left out: {error}{trace}',
                throttle_duration_sec=5.0)

    def _reset(self, reason: str, cameras: Sequence[CameraTopics] | None = None) -> None:
        for camera in self._cameras if cameras is None else cameras:
            camera.arrivals.reset(reason)

    def _on_reset(
        self, camera: CameraTopics | None, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        response.success = self._working
        if self._working:
            self._reset('requested', None if camera is None else [camera])
            response.message = 'the next frame starts anew'
        else:
            response.message = 'the node is not active, so there is no temporal state'
        return response

    def _publish_diagnostics(self) -> None:
        name = self.get_fully_qualified_name().lstrip('/')
        engine, settings = self._engine, self._settings
        state = self._state_machine.current_state[1]
        statuses = [diagnostics.model_health(
            name, state, engine, settings, self.problem, self._caution)]
        for camera in self._cameras if self._working else ():
            camera.look_for_latched_info()
            statuses.append(diagnostics.input_health(
                name, camera, self._active_since, self.count_publishers(camera.source), settings))
            statuses.append(diagnostics.output_health(name, camera))
        self._diagnostics.publish(
            diagnostics.diagnostic_array(self.get_clock().now().to_msg(), statuses))
