"""The way of a frame through the node, from a waiting message to what is published: one for all."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import math
import time
import traceback

from torch import Tensor

from ..engines import EngineError, NotReadyError
from ..ros.parameters import Settings
from ..ros.topics import Topics
from ..streams.camera_health import GOOD
from ..streams.depth_stream import NotFiniteError, step_together
from .camera import Camera
from .diagnostics import age_ms, frame_status
from .frame import Frame
from .snapshot import Times

WAIT_FOR_OTHERS = 0.01  # seconds that a frame may wait for those of the other cameras


class Pipeline:
    """Takes the newest frame of every camera that has one all the way, at each `process`.

    settings: gives those in force, once for each round. wait_for_others: the seconds that a frame
    had better wait for those of the other cameras, by what a step takes.
    """

    def __init__(
        self, topics: Topics, cameras: Sequence[Camera], settings: Callable[[], Settings],
    ):
        self._topics, self.cameras, self._settings = topics, list(cameras), settings
        self.wait_for_others = WAIT_FOR_OTHERS

    def process(self) -> None:
        """Take, decode, prepare, step, scale to metres, publish: the newest frame of each camera.

        Those that the network sees at the same size go through it together.
        """
        settings = self._settings()
        by_size: dict[tuple[int, ...], list[Frame]] = {}
        for camera in self.cameras:
            if (arrival := camera.input.arrivals.take()) is None:
                continue
            with self._forgiving([camera]):
                times = Times(arrival.time, started=time.perf_counter())
                if arrival.reset is not None:
                    camera.forget()
                own = camera.settings(settings)
                picture = camera.input.decode(arrival.message, own)
                times.decoded = time.perf_counter()
                reset = camera.judge(arrival, picture, own)
                if camera.health.newest.blind and own['health.act']:
                    self._publish(Frame(camera, arrival, picture, None, times, own, reset), None)
                    continue
                network_input = camera.stream.prepare(picture.square)
                times.prepared = time.perf_counter()
                by_size.setdefault(tuple(network_input.shape), []).append(
                    Frame(camera, arrival, picture, network_input, times, own, reset))

        for frames in (batch for same_size in by_size.values() for batch in _batches(same_size)):
            with self._forgiving([frame.camera for frame in frames]):
                begin = time.perf_counter()
                outputs = step_together([frame.camera.stream for frame in frames],
                                        [frame.network_input for frame in frames])
                self.wait_for_others = min(
                    WAIT_FOR_OTHERS, 0.1 * (time.perf_counter() - begin))
                for frame, output in zip(frames, outputs, strict=True):
                    with self._forgiving([frame.camera]):
                        if output is None:
                            frame.camera.note_not_finite()
                            raise NotFiniteError
                        self._publish(frame, output)

    def _publish(self, frame: Frame, output: Tensor | None) -> None:
        """Publish what became of a frame: the network's output, or None where there is no depth."""
        camera, times, header = frame.camera, frame.times, frame.header
        settings = frame.settings
        times.stepped = time.perf_counter()
        counts, confidence = camera.input.arrivals.counts, None
        if output is None:
            picture = frame.picture
            plane, scale = camera.stream.nothing(picture.square.shape[:2]), None
            counts.blind += 1
        else:
            # by how the network's own output changes, before it is smoothed
            if camera.outputs.wants_confidence(settings):
                confidence = camera.stream.confidence(output)
            if settings['filter.temporal']:
                output = camera.stream.smoothed(
                    output, settings['filter.alpha'], settings['filter.delta'])
            # also where nobody subscribes: what is followed through time must not fall behind
            plane, picture = camera.read(output, frame.picture, settings)
            scale = camera.follow_scale(plane, picture, header, settings)
            counts.processed += 1
            camera.input.problems.good_frame('frame')
        times.publishing = camera.outputs.publish(
            plane, camera.stream, scale,
            output is not None and camera.scale.is_fresh(settings['scale.max_age']),
            picture, header,
            lambda: _status_line(
                camera, settings, scale, 1e3 * (times.stepped - times.prepared)),
            settings, confidence)
        times.published = time.perf_counter()
        camera.rate.tick()
        camera.times = times
        camera.age_ms = age_ms(header.stamp, self._topics.now())
        if camera.outputs.wants_status():
            camera.outputs.publish_status(frame_status(
                camera.snapshot(), header, settings, frame.reset is not None))

    @contextmanager
    def _forgiving(self, cameras: Sequence[Camera]) -> Iterator[None]:
        """Let a frame fail alone: it is counted, logged and left out, and the node goes on."""
        try:
            yield
        except Exception as error:
            if not self._topics.open():  # the process ends while a frame was under way
                return
            if isinstance(error, NotReadyError):  # diagnostics tell; a newer frame takes its place
                for camera in cameras:
                    camera.input.arrivals.counts.replaced += 1
                return
            for camera in cameras:
                camera.input.arrivals.counts.failed += 1
                camera.input.bad_frame('frame', error)
            # a frame or an engine that cannot be used is no defect of ours: no trace
            if not isinstance(error, (ValueError, EngineError)):
                self._topics.log.error(
                    f'a frame of {cameras[0].input.source} failed and was left out:\n'
                    f'{traceback.format_exc()}', throttle_duration_sec=5.0)


def _batches(frames: list[Frame]) -> list[list[Frame]]:
    """Divide frames of one size into those that are stepped together."""
    height, width = frames[0].network_input.shape[1:]
    engine = frames[0].camera.stream.engine
    if len(frames) > 1 and engine.steps_apart(height, width, len(frames)):
        return [[frame] for frame in frames]
    return [frames]


def _status_line(
    camera: Camera, settings: Settings, scale: tuple[float, float] | None, model_ms: float,
) -> list[str]:
    """Say in short what made the frame; rate and age are those of the frame before."""
    engine = camera.stream.engine
    age = f'age {camera.age_ms:.0f} ms' if camera.age_ms < 60_000 else 'age over a minute'
    state = camera.health.newest.state
    return [
        *(['RANDOM WEIGHTS'] if settings['model.weights'] == 'random' else []),
        *([f'CAMERA {state.upper()}'] if state != GOOD else []),
        f'{engine.spec.name} {engine.backend}',
        *([f'{model_ms:.0f} ms'] if math.isfinite(model_ms) else []),
        f'{camera.rate.value():.1f} Hz',
        f'{settings["scale.mode"]} '
        + ('without a scale yet' if scale is None else f'x{scale[0]:.3g}'),
        f'{camera.input.arrivals.counts.resets.total()} resets',
        *([age] if math.isfinite(camera.age_ms) else [])]
