"""One camera of the node: what comes in, what is remembered of it, and what goes out."""
from collections import deque
from dataclasses import replace
import math
import threading
import time

import numpy as np
from std_msgs.msg import Header
from torch import Tensor

from ..engines import Engine
from ..images.focal_shift import relative_focal
from ..metres.units import inverse_depth
from ..ros.message import stamp_to_ns
from ..ros.parameters import Settings
from ..ros.topics import Topics
from ..streams.arrivals import Arrival
from ..streams.camera_health import GOOD, LOST, CameraHealth
from ..streams.depth_stream import DepthStream
from ..streams.frame_rate import FrameRate
from .camera_input import CameraInput, Picture
from .camera_outputs import CameraOutputs
from .parameter_table import of_camera
from .scale_sources import MetricScale, open_scale
from .snapshot import CameraSnapshot, EngineSnapshot, Times


class Camera:
    """Topics, temporal state and scale of one camera; '' is the name of one that has none.

    The worker takes frames from `input` through `stream` to `outputs` and notes what became of
    them; `snapshot` tells it to diagnostics.
    """

    def __init__(
        self, topics: Topics, name: str, engine: Engine, settings: Settings,
        ready: threading.Condition,
    ):
        self._topics, self.name = topics, name
        self._prefix = f'{name}/' if name else ''
        self.input = CameraInput(topics, self._prefix, settings, ready)
        self.health = CameraHealth()
        self.scale = MetricScale(None)
        self.stream: DepthStream | None = None  # None only while there is no engine
        self.configure(engine, settings)
        self.outputs = CameraOutputs(topics, self._prefix)
        self.rate = FrameRate()
        self._pixel_aspect: float | None = None
        self._not_finite: deque[float] = deque(maxlen=1000)  # times
        self.age_ms = math.nan
        self.times: Times | None = None         # of the newest frame

    def configure(self, engine: Engine, settings: Settings) -> None:
        """Take another engine and settings; the temporal state starts anew."""
        settings = self.settings(settings)
        self.input.configure(settings)
        self.health.forget()
        self.scale.unsubscribe()
        self.scale = open_scale(self._topics, self._prefix, settings, engine.spec.unit)
        self.stream = DepthStream(engine, settings['input.short_side'])

    def settings(self, settings: Settings) -> Settings:
        """Return the node's settings as they hold for this camera."""
        return of_camera(settings, self.name)

    def subscribe(self) -> None:
        """Begin to receive."""
        self.scale.subscribe()
        self.input.subscribe()

    def close(self) -> None:
        """Remove every topic."""
        self.input.unsubscribe()
        self.scale.unsubscribe()
        self.outputs.close()

    def forget(self) -> None:
        """Forget what belongs to the stream so far: the next frame is the first of another."""
        self.stream.reset()
        # a new stream of a model without a scale of its own has another
        self.scale.forget(scale=not self.stream.engine.spec.unit.is_metric)

    def judge(self, arrival: Arrival, picture: Picture, settings: Settings) -> str | None:
        """Judge a frame's picture; return why the state has been forgotten before it, or None."""
        blind_before, before = self.health.blind_frames, self.health.newest
        taken = 1e-9 * stamp_to_ns(arrival.message.header.stamp) or arrival.time
        judgment = self.health.judge(
            picture.rgb, self._topics.arrival(), settings['stream.scene_cut'], taken)
        if judgment.state != before.state:
            words, log = judgment.words(settings['health.act']), self._topics.log
            if self.input.problems.set('health', words):
                log.warning(f'{self.input.source}: {words}')
            if judgment.state == GOOD:
                log.info(f'{self.input.source}: the images are good again, after '
                         f'{judgment.since - before.since:.1f} s of being {before.state}')
        reset = 'scene cut' if judgment.cut else None
        if self._pixel_aspect not in (None, picture.view.pixel_aspect):
            reset = 'new shape of pixels'  # the network sees another size
        self._pixel_aspect = picture.view.pixel_aspect
        if blind_before >= LOST and not judgment.blind and settings['health.act']:
            reset = 'camera covered'
        if arrival.reset is not None or reset is None:  # it is forgotten already, and counted
            return arrival.reset
        self.forget()
        self.input.arrivals.count_reset(reset)
        return reset

    def note_not_finite(self) -> None:
        """Take note that a step gave NaN or Inf; its stream has forgotten the state."""
        self._not_finite.append(time.perf_counter())
        self.input.arrivals.demand('output not finite')

    def read(
        self, output: Tensor, picture: Picture, settings: Settings,
    ) -> tuple[Tensor, Picture]:
        """Return a plane (h, w) in the model's unit, and the picture with the camera to use.

        output: the network's. Most models' is such a plane already, and tells nothing of the
        camera.
        """
        if self.stream.points is None:
            return output, picture
        seen, intrinsics = picture.square.shape[:2], picture.view.intrinsics
        given = None
        if intrinsics is not None and settings['camera.focal'] == 'info':
            given = relative_focal(intrinsics.resized(*seen[::-1]))
        size = picture.rgb.shape[:2] if settings['output.size'] == 'camera' else output.shape[-2:]
        plane = self.stream.read(output, seen, size, given)
        self.input.take_estimate(self.stream.points, picture, given)
        if given is None and self.input.estimate is not None:
            picture = replace(picture, view=self.input.estimate)
        return plane, picture

    def follow_scale(
        self, output: Tensor, picture: Picture, header: Header, settings: Settings,
    ) -> tuple[float, float] | None:
        """Return factor and shift for a frame's plane (h, w), or None while there are none."""
        def d() -> np.ndarray:
            return inverse_depth(output.numpy(), self.stream.engine.spec.unit)
        return self.scale.update(d, picture, header, settings)

    def snapshot(self, publishers: int = 0) -> CameraSnapshot:
        """publishers: how many are seen on the image topic."""
        arrivals, minute_ago = self.input.arrivals, time.perf_counter() - 60
        return CameraSnapshot(
            name=self.name, topic=self.input.source, info_topic=self.input.info_topic,
            publishers=publishers,
            waiting=arrivals.last_time is None,
            problems=self.input.problems.current(),
            view=(self.input.estimate or self.input.view).words,
            qos_problem=self.outputs.qos_problem, health=self.health.newest,
            health_age=self._topics.arrival() - self.health.newest.since,
            counts=arrivals.counts, resets=arrivals.counts.resets.copy(),
            not_finite=sum(when > minute_ago for when in self._not_finite.copy()),
            rate=self.rate.value(), age_ms=self.age_ms,
            stages=self.times.milliseconds() if self.times else {},
            scale_followed=self.scale.followed, scale=self.scale.current,
            scale_problem=self.scale.problem or '', motion=self.scale.motion,
            engine=EngineSnapshot.of(self.stream.engine))
