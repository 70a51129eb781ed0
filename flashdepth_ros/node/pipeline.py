"""The way of a frame through the node, from a waiting message to what is published: one for all."""
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
import functools
import math
import time
import traceback

from torch import Tensor

from ..engines import Engine, EngineError, NotReadyError
from ..ros.parameters import Settings
from ..ros.topics import Topics
from ..streams.camera_health import GOOD
from ..streams.depth_stream import NotFiniteError, Step, launch_together
from .camera import Camera
from .diagnostics import age_ms, frame_status
from .frame import Frame, Result
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

    def process(self, ahead: Callable[[], bool] = lambda: False) -> None:
        """Take, decode, prepare, step, read, publish: the newest frame of each camera.

        Those that the network sees at the same size go through it together. ahead: says whether the
        next frames may be taken already. If so, and if the engine computes on another processor,
        that steps them while these are published.
        """
        batches, ready = self._take(), list[Result]()
        while batches:
            frames = batches.pop(0)
            begin, step = time.perf_counter(), self._launch(frames)
            self._publish(ready)
            results, ready = self._read(frames, step, begin), []
            if step is not None and step.asynchronous:
                ready = list(results)
            else:
                self._publish(results)
            if not batches and ready and ahead():
                batches = self._take()
        self._publish(ready)

    def _take(self) -> list[list[Frame]]:
        """Take, decode and prepare the frames that wait; return those that are stepped together.

        Those of which no depth is made come first, among themselves.
        """
        settings = self._settings()
        blind: list[Frame] = []
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
                frame = Frame(camera, arrival, picture, None, times, own, reset)
                if camera.health.newest.blind and own['health.act']:
                    blind.append(frame)
                    continue
                frame.network_input = camera.stream.prepare(picture.square)
                times.prepared = time.perf_counter()
                by_size.setdefault(tuple(frame.network_input.shape), []).append(frame)
        return [*([blind] if blind else []),
                *(batch for same_size in by_size.values() for batch in _batches(same_size))]

    def _launch(self, frames: list[Frame]) -> Step | None:
        """Begin the step of some frames; None where there is none, or it cannot be."""
        if frames[0].network_input is None:
            return None
        with self._forgiving([frame.camera for frame in frames]):
            return launch_together([frame.camera.stream for frame in frames],
                                   [frame.network_input for frame in frames])
        return None

    def _read(
        self, frames: list[Frame], step: Step | None, begin: float,
    ) -> Iterator[Result]:
        """Wait for a step that was launched at `begin`, and read what it gave, frame by frame."""
        outputs: list[Tensor | None] = []
        if frames[0].network_input is None:
            outputs = [None] * len(frames)
        elif step is not None:
            with self._forgiving([frame.camera for frame in frames]):
                outputs = step.wait()
                self.wait_for_others = min(
                    WAIT_FOR_OTHERS, 0.1 * (time.perf_counter() - begin))
        now = time.perf_counter()
        for frame, output in zip(frames, outputs, strict=bool(outputs)):
            frame.times.stepped = now
            result = None
            with self._forgiving([frame.camera]):
                if output is None and frame.network_input is not None:
                    frame.camera.note_not_finite()
                    raise NotFiniteError
                result = self._result(frame, output)
            if result is not None:
                yield result

    def _result(self, frame: Frame, output: Tensor | None) -> Result:
        """Read what became of a frame: the network's output, or None where there is no depth."""
        camera, settings, picture = frame.camera, frame.settings, frame.picture
        counts, confidence = camera.input.arrivals.counts, None
        if output is None:
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
            plane, picture = camera.read(output, picture, settings)
            scale = camera.follow_scale(plane, picture, frame.header, settings)
            counts.processed += 1
            camera.input.problems.good_frame('frame')
        model_ms = 1e3 * (frame.times.stepped - frame.times.prepared)
        return Result(
            frame, plane, picture, scale,
            output is not None and camera.scale.is_fresh(settings['scale.max_age']), confidence,
            functools.partial(_status_line, camera, camera.stream.engine,
                              camera.health.newest.state, settings, scale, model_ms),
            camera.snapshot() if camera.outputs.wants_status() else None)

    def _publish(self, results: Iterable[Result]) -> None:
        for result in results:
            with self._forgiving([result.frame.camera]):
                self._publish_one(result)

    def _publish_one(self, result: Result) -> None:
        frame = result.frame
        camera, times, settings = frame.camera, frame.times, frame.settings
        times.publishing = camera.outputs.publish(
            result.plane, camera.stream, result.scale, result.believed, result.picture,
            frame.header, result.status_line, settings, result.confidence)
        times.published = time.perf_counter()
        camera.rate.tick()
        camera.times = times
        camera.age_ms = age_ms(frame.header.stamp, self._topics.now())
        if result.snapshot is not None:
            camera.outputs.publish_status(frame_status(
                replace(result.snapshot, rate=camera.rate.value(), age_ms=camera.age_ms,
                        stages=times.milliseconds()),
                frame.header, settings, frame.reset is not None))

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
    camera: Camera, engine: Engine, state: str, settings: Settings,
    scale: tuple[float, float] | None, model_ms: float,
) -> list[str]:
    """Say in short what made the frame; rate and age are those of the frame before.

    engine, state: that stepped it, and of the camera's health.
    """
    age = f'age {camera.age_ms:.0f} ms' if camera.age_ms < 60_000 else 'age over a minute'
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
