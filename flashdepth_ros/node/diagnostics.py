"""What the node tells of its health: DepthStatus for a frame, DiagnosticArray twice a second."""
from collections.abc import Sequence
import math

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from ..engines import Engine
from ..metres.motion import MotionState
from ..msg import DepthStatus
from ..ros.memory import resident_memory
from ..ros.message import stamp_to_ns
from ..ros.parameters import Settings
from ..streams.depth_stream import NotFiniteError
from .parameter_table import of_camera
from .snapshot import CameraSnapshot, EngineSnapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SLOW_MODEL = 1000.0  # milliseconds a frame
STALE_SCALE = 5.0  # seconds without a fit

UNTRAINED = 'random weights: the depth means nothing (set model.weights)'
NOMINAL = ('metres are nominal, not calibrated: measure a known distance, then set scale.mode to '
           'fixed with scale.factor and scale.shift')


def age_ms(stamp: Time, now_ns: int) -> float:
    """Milliseconds from a header stamp to now; NaN for a stamp that was never set."""
    then = stamp_to_ns(stamp)
    return (now_ns - then) / 1e6 if then else math.nan


def frame_status(
    camera: CameraSnapshot, header: Header, settings: Settings, reset: bool,
) -> DepthStatus:
    """Tell of the frame that the camera has just published."""
    engine, counts = camera.engine, camera.counts
    status = DepthStatus(header=header, camera=camera.name)
    status.model, status.backend = engine.model, engine.backend
    status.device, status.precision = engine.device, engine.precision
    status.untrained = settings['model.weights'] == 'random'
    status.network_width, status.network_height = engine.width, engine.height
    status.scale_mode = settings['scale.mode']
    status.scale_factor, status.scale_shift = settings['scale.factor'], settings['scale.shift']
    status.calibrated = settings['scale.mode'] != 'nominal'
    status.scale_inliers = status.scale_age = status.scale_uncertainty = math.nan
    if camera.scale_followed:
        scale = camera.scale
        status.calibrated = scale is not None
        if scale is None:
            status.scale_factor = status.scale_shift = math.nan
        else:
            status.scale_factor, status.scale_shift = scale.factor, scale.shift
            status.scale_inliers, status.scale_age = scale.inliers, scale.age
            status.scale_uncertainty = scale.uncertainty
    _tell_motion(status, camera)
    for name, milliseconds in camera.stages.items():
        setattr(status, f'{name}_ms', milliseconds)
    status.age_ms, status.frame_rate = camera.age_ms, camera.rate
    for name in ('received', 'processed', 'blind', 'replaced', 'rejected', 'late', 'repeated',
                 'failed'):
        setattr(status, name, getattr(counts, name))
    status.reset, status.resets = reset, camera.resets.total()
    status.reset_reasons = list(camera.resets)
    status.reset_counts = list(camera.resets.values())
    status.health = camera.health.state
    status.health_age = camera.health_age
    status.cpu_memory, status.gpu_memory = resident_memory(), engine.memory
    return status


def _tell_motion(status: DepthStatus, camera: CameraSnapshot) -> None:
    status.scale_problem = camera.scale_problem
    motion = camera.motion or MotionState()
    status.motion_tracks, status.motion_parallax = motion.tracks, motion.parallax
    status.motion_accepted, status.motion_distance = motion.accepted, motion.travelled


def engine_in_use(
    opened: Engine | None, cameras: Sequence[CameraSnapshot],
) -> EngineSnapshot | None:
    """Return the engine that the newest frames went through, else the one that was opened."""
    for camera in cameras:
        if camera.stages:
            return camera.engine
    return EngineSnapshot.of(opened) if opened is not None else None


def report(
    stamp: Time, name: str, state: str, engine: EngineSnapshot | None,
    cameras: Sequence[CameraSnapshot], settings: Settings, problem: str | None, warning: str,
) -> DiagnosticArray:
    """Put together what /diagnostics tells of one moment.

    name: of the node. state: of its lifecycle. problem: why the last transition failed. warning:
    what choosing the model had to warn of, '' for nothing.
    """
    flows = any(camera.rate > 0 for camera in cameras)
    statuses = [_model_health(name, state, engine, settings, problem, warning, flows)]
    for camera in cameras:
        statuses += [_input_health(name, camera), _output_health(
            name, camera, of_camera(settings, camera.name)['scale.max_age'])]
    return DiagnosticArray(header=Header(stamp=stamp), status=statuses)


def _model_health(
    name: str, state: str, engine: EngineSnapshot | None, settings: Settings,
    problem: str | None, warning: str, flows: bool,
) -> DiagnosticStatus:
    """Tell whether there is a model, and whether its metres can be trusted.

    flows: depth comes out at this moment.
    """
    nominal = any(of_camera(settings, camera)['scale.mode'] == 'nominal'
                  for camera in settings['cameras'])
    level, message = OK, state
    if problem is not None:
        level, message = ERROR, problem
    elif engine is not None:
        warnings = [text for text in (
            engine.preparing and not flows
            and f'no depth until an engine is ready for {engine.preparing}',
            engine.fell_back
            and f'torch runs in place of the chosen engine: {engine.fell_back}',
            warning, NOMINAL if nominal else '') if text]
        if warnings:
            level, message = WARN, '; '.join(warnings)
    values = {'state': state, 'model': settings['model.name'], 'weights': settings['model.weights'],
              'scale mode': settings['scale.mode'],
              'calibrated': not nominal}
    if engine is not None:
        values |= {
            'model': engine.model, 'backend': engine.backend, 'device': engine.device,
            'precision': engine.precision, 'network size': f'{engine.width}x{engine.height}',
            'in preparation': engine.preparing,
            'licence of the official weights': engine.licence,
            'gpu memory (MB)': round(engine.memory / 1e6)}
    values['cpu memory (MB)'] = round(resident_memory() / 1e6)
    return _status(f'{name}: model', level, message, values, engine)


def _input_health(name: str, camera: CameraSnapshot) -> DiagnosticStatus:
    """Tell whether images come in, and whether they can be used."""
    counts = camera.counts
    level, message = OK, f'images arrive; {camera.view}'
    if camera.waiting:
        message = f'waiting for the first image on {camera.topic}'
    if problems := [*camera.problems, *filter(None, [camera.qos_problem])]:
        level, message = WARN, '; '.join([*problems, camera.view] if camera.view else problems)
        if camera.health.is_error(camera.health_age):
            level = ERROR
    values = {
        'topic': camera.topic, 'camera_info topic': camera.info_topic, 'camera': camera.view,
        'publishers': camera.publishers, 'received': counts.received,
        'without depth': counts.blind, 'replaced by a newer one': counts.replaced,
        'rejected': counts.rejected, 'late': counts.late, 'repeated': counts.repeated,
        'camera health': camera.health.state}
    if (numbers := camera.health.numbers) is not None:
        values |= {
            'brightness': f'{numbers.brightness:.0f}', 'white share': f'{numbers.white:.2f}',
            'detail': f'{numbers.detail:.1f}', 'contrast': f'{numbers.contrast:.1f}',
            'fine detail': f'{numbers.fine:.2f}'}
    return _status(f'{_named(name, camera)}: input', level, message, values, camera.engine)


def _output_health(name: str, camera: CameraSnapshot, max_age: float) -> DiagnosticStatus:
    """Tell how fast depth comes out, and how often the temporal state was forgotten.

    max_age: the seconds after which a scale that is held is not believed; 0 is never.
    """
    counts = camera.counts
    level, message = OK, f'{camera.rate:.1f} frames per second'
    if camera.stages.get('model', 0.0) > SLOW_MODEL:
        level, message = WARN, (
            f'{message}: the network is slow here; a smaller input.short_side (such as 252) or '
            f'model.name, or another engine.backend or engine.device makes it faster')
    if camera.scale_followed and camera.stages:
        if camera.scale is None:
            level, message = WARN, (
                f'no metres yet, and so no clouds: {camera.scale_problem or "no fit"}')
        elif camera.scale.age > (STALE_SCALE if not max_age else min(STALE_SCALE, max_age)):
            level, message = WARN, (
                f'the scale is held since {camera.scale.age:.0f} s'
                + (', longer than scale.max_age, and no clouds are published: '
                   if 0 < max_age < camera.scale.age else ': ')
                + f'{camera.scale_problem}')
    if counts.failed:
        level, message = WARN, f'{counts.failed} frames failed; see the log'
    if camera.not_finite > 1:
        level, message = ERROR, f'{camera.not_finite} times in a minute {NotFiniteError()}'
    values = {'frame rate (1/s)': f'{camera.rate:.2f}', 'processed': counts.processed,
              'failed': counts.failed, 'resets': camera.resets.total()}
    values |= {f'resets: {reason}': count for reason, count in camera.resets.items()}
    if camera.stages:
        values |= {f'{stage} (ms)': f'{ms:.1f}' for stage, ms in camera.stages.items()}
        values['age (ms)'] = f'{camera.age_ms:.1f}'
    if (scale := camera.scale) is not None:
        values |= {
            'scale factor': f'{scale.factor:.4g}', 'scale shift (1/m)': f'{scale.shift:.4g}',
            'scale inliers': f'{scale.inliers:.2f}', 'scale age (s)': f'{scale.age:.1f}',
            'scale uncertainty': f'{scale.uncertainty:.3f}'}
    if (motion := camera.motion) is not None:
        values |= {
            'motion: tracks': motion.tracks, 'motion: parallax (deg)': f'{motion.parallax:.1f}',
            'motion: accepted share': f'{motion.accepted:.2f}',
            'motion: pose uncertainty': f'{motion.pose_sigma:.3f}',
            'motion: distance since the last fit (m)': f'{motion.travelled:.2f}',
            'motion: why there is no fit': camera.scale_problem}
    return _status(f'{_named(name, camera)}: output', level, message, values, camera.engine)


def _named(name: str, camera: CameraSnapshot) -> str:
    return f'{name}: {camera.name}' if camera.name else name


def _status(
    name: str, level: bytes, message: str, values: dict, engine: EngineSnapshot | None,
) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=engine.device if engine else 'none',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
