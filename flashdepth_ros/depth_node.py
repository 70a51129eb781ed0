"""The depth node: a lifecycle node that turns a camera's images into depth with a temporal model.

The walk of a frame: an executor thread keeps the newest image (camera_topics, arrivals); one worker
thread takes it through messages.image_to_rgb, DepthStream and back out to the publishers.
"""
from collections.abc import Callable
import functools
import gc
import os
import sys
import threading
import time
import traceback

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from std_srvs.srv import Trigger

from . import diagnostics, parameters
from .arrivals import Arrival
from .camera_topics import CameraTopics
from .engines import Engine, EngineError, open_engine
from .executable import prepare, spin
from .models import CheckpointError, model_spec
from .models.weights import resolve_weights
from .process import release_memory
from .scale import ScaleError, check_mode

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE, ERROR = TransitionCallbackReturn.FAILURE, TransitionCallbackReturn.ERROR

# what a wrong parameter or file may raise while loading; anything else is a defect and gets a trace
EXPECTED = (CheckpointError, EngineError, ScaleError, parameters.ParameterError)

# the settings that a loaded engine was made from
ENGINE_SETTINGS = ('model.name', 'model.weights', 'engine.backend', 'engine.device',
                   'engine.precision', 'engine.path', 'engine.fallback')


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
    """Depth of one camera, from a network that remembers earlier frames.

    Subscribes to image and camera_info; publishes depth/image, depth/camera_info, points,
    disparity/image, depth/preview, ~/status and /diagnostics; serves ~/reset. All names but
    /diagnostics are relative or private. Parameters: see parameters.py.

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
        self._camera: CameraTopics | None = None
        self._ready = threading.Condition()  # a frame waits, or the worker must end
        self._worker: threading.Thread | None = None
        self._working = False
        self._active_since = 0.0
        self._rate = diagnostics.FrameRate()
        self._age = float('nan')

        self._wrong_parameters = parameters.declare(self)
        for problem in self._wrong_parameters.values():
            self.get_logger().error(problem)
        self._settings = parameters.read(self)
        self.add_on_set_parameters_callback(self._on_change)

        self._images = MutuallyExclusiveCallbackGroup()
        self._chores = MutuallyExclusiveCallbackGroup()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # goes on while simulated time stands still
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._publish_diagnostics, callback_group=self._chores, clock=steady)
        self.create_service(Trigger, '~/reset', self._on_reset, callback_group=self._chores)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=lambda jump: self._reset('clock jumped back'))
        if self._settings['autostart']:
            self._autostart = self.create_timer(
                0.0, self._start, callback_group=ReentrantCallbackGroup(), clock=steady)

    def _start(self) -> None:
        self.destroy_timer(self._autostart)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    # Parameters

    def _on_change(self, changes: list[RosParameter]) -> SetParametersResult:
        result = parameters.check_change(changes, self._settings, active=self._working)
        if result.successful:
            for change in changes:
                self._wrong_parameters.pop(change.name, None)
            # one assignment: a frame sees all of a change or nothing of it
            self._settings = {**self._settings, **{
                change.name: change.value for change in changes
                if change.name in parameters.PARAMETERS}}
            if self._camera is not None:
                self._camera.arrivals.continuity.max_gap = self._settings['stream.max_gap']
        return result

    # Transitions

    @_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._load()
        self._camera = CameraTopics(
            self, self._engine, self._settings, self._ready, self._images, self.get_logger().error)
        return super().on_configure(state)

    @_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._load()  # again only if a parameter has changed since
        self._camera.use(self._engine, self._settings)
        result = super().on_activate(state)
        self._working, self._active_since = True, time.perf_counter()
        self._worker = threading.Thread(target=self._work, name='depth worker', daemon=True)
        self._worker.start()
        self._camera.subscribe()
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

    def _load(self) -> None:
        """Open the engine that the parameters ask for, unless it is open."""
        settings = self._settings
        if self._wrong_parameters:
            raise parameters.ParameterError('; '.join(self._wrong_parameters.values()))
        if problem := parameters.check_together(settings):
            raise parameters.ParameterError(problem)
        name = settings['model.name']
        spec = model_spec('flashdepth-s' if name == 'auto' else name)
        check_mode(settings['scale.mode'], spec.unit, spec.name)
        wanted = tuple(settings[key] for key in ENGINE_SETTINGS)
        if self._engine is not None and wanted == self._engine_settings:
            return
        self._free_engine()
        weights = resolve_weights(spec, settings['model.weights'])
        if weights == 'random':
            self.get_logger().warning(f'{spec.name}: {diagnostics.UNTRAINED}')
        begin = time.perf_counter()
        side = spec.frame.min_side
        engine = open_engine(
            spec, weights, settings['engine.backend'], settings['engine.device'],
            settings['engine.precision'], height=side, width=side, path=settings['engine.path'],
            fallback=settings['engine.fallback'])
        engine.warm_up()
        self._engine, self._engine_settings = engine, wanted
        if engine.fell_back:
            self.get_logger().error(f'torch runs in place of the chosen engine: {engine.fell_back}')
        self.get_logger().info(
            f'{spec.name} is ready on {engine.device} ({engine.backend}, {engine.precision}) '
            f'after {time.perf_counter() - begin:.1f} s')

    def _stop(self) -> None:
        """End the worker after the frame in progress, and forget the temporal state."""
        if self._camera is not None:
            self._camera.unsubscribe()
        with self._ready:
            self._working = False
            self._ready.notify_all()
        if self._worker is not None:
            self._worker.join()
            self._worker = None
        if self._camera is not None and self._camera.stages is not None:
            self._camera.stream.reset()
            self._camera.arrivals.counts.resets['deactivated'] += 1

    def _release(self) -> None:
        """Free all that configuring made, in whatever state it is."""
        self._stop()
        if self._camera is not None:
            self._camera.destroy()
            self._camera = None
        self._free_engine()

    def _free_engine(self) -> None:
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

    # Frames

    def _work(self) -> None:
        """Turn waiting frames into depth until deactivation; runs on the worker thread."""
        arrivals = self._camera.arrivals
        while True:
            with self._ready:
                self._ready.wait_for(lambda: not self._working or arrivals.waits())
                if not self._working:
                    return
            if (arrival := arrivals.take()) is not None:
                self._process(arrival)

    def _process(self, arrival: Arrival) -> None:
        camera, settings = self._camera, self._settings
        try:
            camera.process(arrival, settings)
            self._rate.tick()
            header = arrival.message.header
            self._age = diagnostics.age_ms(header.stamp, self.get_clock().now().nanoseconds)
            if camera.status.get_subscription_count():
                camera.status.publish(diagnostics.frame_status(
                    camera, header, settings, self._rate.value(), self._age,
                    arrival.reset is not None))
        except Exception as error:
            if not rclpy.ok(context=self.context):  # the process ends while a frame was under way
                return
            camera.arrivals.counts.failed += 1
            self.get_logger().error(
                f'a frame of {camera.topic} failed and was left out: {error}\n'
                f'{traceback.format_exc()}', throttle_duration_sec=5.0)

    def _reset(self, reason: str) -> None:
        if self._camera is not None:
            self._camera.arrivals.reset(reason)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._working
        if self._working:
            self._reset('requested')
            response.message = 'the next frame starts anew'
        else:
            response.message = 'the node is not active, so there is no temporal state'
        return response

    def _publish_diagnostics(self) -> None:
        name = self.get_fully_qualified_name().lstrip('/')
        camera, engine = self._camera, self._engine
        state = self._state_machine.current_state[1]
        statuses = [diagnostics.model_health(name, state, engine, self._settings, self.problem)]
        if camera is not None and self._working:
            statuses.append(diagnostics.input_health(
                name, camera, self._active_since, self.count_publishers(camera.topic)))
            statuses.append(diagnostics.output_health(
                name, camera, self._rate.value(), self._age))
        self._diagnostics.publish(
            diagnostics.diagnostic_array(self.get_clock().now().to_msg(), statuses))


def main(args: list[str] | None = None) -> int:
    prepare(args)
    node = DepthNode()
    executor = MultiThreadedExecutor(num_threads=4)
    executor.add_node(node)
    spin(executor)
    node.end(timeout=1.5)
    rclpy.try_shutdown()
    # A network may be loading or at work for long; nothing of it needs an orderly end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == '__main__':
    sys.exit(main())
