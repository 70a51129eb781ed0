"""What the node tells of its health: DepthStatus for a frame, DiagnosticArray once a second."""
import math
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from ..engines import Engine
from ..msg import DepthStatus
from ..ros.memory import resident_memory
from ..ros.message import stamp_to_ns
from ..ros.parameters import Settings
from ..streams.arrivals import Arrivals
from .camera_topics import CameraTopics, Stages

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SILENT_AFTER = 5.0  # seconds without an image until the input is called silent

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
    camera: CameraTopics, header: Header, settings: Settings, reset: bool,
) -> DepthStatus:
    """Tell of the frame that the camera has just published."""
    engine, counts, stages = camera.stream.engine, camera.arrivals.counts, camera.stages
    status = DepthStatus(header=header, camera=camera.name)
    status.model, status.backend = engine.spec.name, engine.backend
    status.device, status.precision = engine.device, engine.precision
    status.untrained = settings['model.weights'] == 'random'
    status.network_width, status.network_height = engine.width, engine.height
    status.scale_mode = settings['scale.mode']
    status.scale_factor, status.scale_shift = settings['scale.factor'], settings['scale.shift']
    status.calibrated = settings['scale.mode'] != 'nominal'
    status.scale_inliers = status.scale_age = status.scale_uncertainty = math.nan
    if camera.scale.followed:
        scale = camera.scale.current
        status.calibrated = scale is not None
        if scale is None:
            status.scale_factor = status.scale_shift = math.nan
        else:
            status.scale_factor, status.scale_shift = scale.factor, scale.shift
            status.scale_inliers, status.scale_age = scale.inliers, scale.age
            status.scale_uncertainty = scale.uncertainty
    for name, milliseconds in latencies(stages).items():
        setattr(status, f'{name}_ms', milliseconds)
    status.age_ms, status.frame_rate = camera.age_ms, camera.rate.value()
    for name in ('received', 'processed', 'replaced', 'rejected', 'failed'):
        setattr(status, name, getattr(counts, name))
    status.reset, status.resets = reset, counts.resets.total()
    status.reset_reasons = list(counts.resets)
    status.reset_counts = list(counts.resets.values())
    status.cpu_memory, status.gpu_memory = resident_memory(), engine.memory()
    return status


def latencies(stages: Stages) -> dict[str, float]:
    """Return the milliseconds that a frame spent in each stage, by its name."""
    s = stages
    return {name: 1e3 * seconds for name, seconds in (
        ('decode', s.decoded - s.started), ('preprocess', s.prepared - s.decoded),
        ('model', s.stepped - s.prepared),
        ('postprocess', s.published - s.stepped - s.publishing),
        ('publish', s.publishing), ('total', s.published - s.arrived))}


def model_health(
    name: str, state: str, engine: Engine | None, settings: Settings, problem: str | None,
    caution: str,
) -> DiagnosticStatus:
    """Tell whether there is a model, and whether its metres can be trusted.

    caution: what choosing the model had to warn of, '' for nothing.
    """
    level, message = OK, state
    if problem is not None:
        level, message = ERROR, problem
    elif engine is not None and engine.fell_back:
        level, message = WARN, f'torch runs in place of the chosen engine: {engine.fell_back}'
    elif engine is not None and (caution or settings['scale.mode'] == 'nominal'):
        level, message = WARN, '; '.join(filter(None, (
            caution, NOMINAL if settings['scale.mode'] == 'nominal' else '')))
    values = {'state': state, 'model': settings['model.name'], 'weights': settings['model.weights'],
              'scale mode': settings['scale.mode'],
              'calibrated': settings['scale.mode'] != 'nominal'}
    if engine is not None:
        values |= {
            'model': engine.spec.name, 'backend': engine.backend, 'device': engine.device,
            'precision': engine.precision, 'network size': f'{engine.width}x{engine.height}',
            'licence of the official weights': engine.spec.licence,
            'gpu memory (MB)': round(engine.memory() / 1e6)}
    values['cpu memory (MB)'] = round(resident_memory() / 1e6)
    return _status(f'{name}: model', level, message, values, engine)


def input_health(
    name: str, camera: CameraTopics, active_since: float, publishers: int, settings: Settings,
) -> DiagnosticStatus:
    """Tell whether images come in, and whether they can be used."""
    arrivals: Arrivals = camera.arrivals
    counts = arrivals.counts
    silent = time.perf_counter() - max(arrivals.last_time or 0.0, active_since)
    level, message = OK, 'images arrive'
    if silent > SILENT_AFTER:
        level = WARN
        message = (f'no image on {camera.source} for {silent:.0f} s, '
                   f'where {publishers} publishers are seen')
    elif arrivals.last_time is None:
        message = f'waiting for the first image on {camera.source}'
    elif camera.bad_input is not None:
        level, message = WARN, camera.bad_input
    elif camera.qos_problem is not None:
        level, message = WARN, camera.qos_problem
    elif camera.info is None and settings['camera.hfov'] > 0:
        message = (f'images arrive; no camera_info, so a field of view of '
                   f'{settings["camera.hfov"]:g} degrees is assumed')
    elif camera.info is None:
        level = WARN
        message = (f'no usable camera_info has come on {camera.info_topic}: no points and no '
                   f'depth/camera_info (or set camera.hfov)')
    elif any(camera.info.d) and 'rect' not in camera.topic.rpartition('/')[2]:
        level = WARN
        message = ('camera_info has distortion, so points will be bent if these images are not '
                   'rectified: feed image_rect (image_proc makes it)')
    return _status(f'{_named(name, camera)}: input', level, message, {
        'topic': camera.source, 'publishers': publishers, 'received': counts.received,
        'replaced by a newer one': counts.replaced, 'rejected': counts.rejected,
        'last problem': camera.bad_input or ''}, camera.stream.engine)


def output_health(name: str, camera: CameraTopics) -> DiagnosticStatus:
    """Tell how fast depth comes out, and how often the temporal state was forgotten."""
    counts, rate = camera.arrivals.counts, camera.rate.value()
    level, message = OK, f'{rate:.1f} frames per second'
    if camera.stages is not None and latencies(camera.stages)['model'] > SLOW_MODEL:
        level, message = WARN, (
            f'{message}: the network is slow here; a smaller input.short_side (such as 252) or '
            f'model.name, or another engine.backend or engine.device makes it faster')
    if camera.scale.followed and camera.stages is not None:
        scale = camera.scale.current
        if scale is None:
            level, message = WARN, f'no metres yet: {camera.scale.problem or "no fit"}'
        elif scale.age > STALE_SCALE:
            level, message = WARN, (f'the scale is held since {scale.age:.0f} s: '
                                    f'{camera.scale.problem}')
    if counts.failed:
        level, message = WARN, f'{counts.failed} frames failed; see the log'
    values = {'frame rate (1/s)': f'{rate:.2f}', 'processed': counts.processed,
              'failed': counts.failed, 'resets': counts.resets.total()}
    values |= {f'resets: {reason}': count for reason, count in counts.resets.items()}
    if camera.stages is not None:
        values |= {f'{stage} (ms)': f'{ms:.1f}' for stage, ms in latencies(camera.stages).items()}
        values['age (ms)'] = f'{camera.age_ms:.1f}'
    if (scale := camera.scale.current) is not None:
        values |= {
            'scale factor': f'{scale.factor:.4g}', 'scale shift (1/m)': f'{scale.shift:.4g}',
            'scale inliers': f'{scale.inliers:.2f}', 'scale age (s)': f'{scale.age:.1f}',
            'scale uncertainty': f'{scale.uncertainty:.3f}'}
    return _status(f'{_named(name, camera)}: output', level, message, values, camera.stream.engine)


def _named(name: str, camera: CameraTopics) -> str:
    return f'{name}: {camera.name}' if camera.name else name


def _status(
    name: str, level: bytes, message: str, values: dict, engine: Engine | None,
) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=engine.device if engine else 'none',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])


def diagnostic_array(stamp: Time, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """Put the statuses of one moment together."""
    return DiagnosticArray(header=Header(stamp=stamp), status=statuses)
