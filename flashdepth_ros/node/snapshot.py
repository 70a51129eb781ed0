"""What one moment of the node looks like from outside: plain values, safe to read on any thread."""
from collections import Counter
from dataclasses import dataclass
import math

from ..engines import Engine
from ..metres.motion import MotionState
from ..metres.tracker import Scale
from ..streams.arrivals import Counts
from ..streams.camera_health import Judgment


@dataclass
class Times:
    """When a frame passed each stage, in time.perf_counter seconds; NaN for one to come.

    Messages are made and published by turns; publishing is the seconds that the latter took.
    """

    arrived: float
    started: float = math.nan
    decoded: float = math.nan
    prepared: float = math.nan
    stepped: float = math.nan
    published: float = math.nan
    publishing: float = 0.0

    def milliseconds(self) -> dict[str, float]:
        """Return what each stage took, by its name in DepthStatus."""
        return {name: 1e3 * seconds for name, seconds in (
            ('decode', self.decoded - self.started),
            ('preprocess', self.prepared - self.decoded),
            ('model', self.stepped - self.prepared),
            ('postprocess', self.published - self.stepped - self.publishing),
            ('publish', self.publishing),
            ('total', self.published - self.arrived))}


@dataclass(frozen=True)
class EngineSnapshot:
    """The engine that really runs: also where another one was asked for."""

    model: str
    licence: str
    backend: str
    device: str
    precision: str
    width: int              # of the network's frame
    height: int
    memory: int             # bytes on the device
    preparing: str          # what is being prepared meanwhile, '' for nothing
    fell_back: str | None   # why it runs in place of the engine that was asked for

    @classmethod
    def of(cls, engine: Engine) -> 'EngineSnapshot':
        return cls(engine.spec.name, engine.spec.licence, engine.backend, engine.device,
                   engine.precision, engine.width, engine.height, engine.memory(),
                   engine.preparing, engine.fell_back)


@dataclass(frozen=True)
class CameraSnapshot:
    """One camera: what came in, what went out."""

    name: str
    topic: str                    # that images are taken from, its full name
    info_topic: str
    publishers: int               # of the image topic
    waiting: bool                 # no image has come since configuring
    problems: list[str]           # what is wrong with the input now, each with what to do
    view: str                     # which camera the images are taken to be of, in words
    health: Judgment              # of the newest frame
    health_age: float             # seconds since it is so
    qos_problem: str              # a subscriber that QoS keeps apart, '' for none
    counts: Counts
    resets: Counter               # by reason
    not_finite: int               # frames of the last minute whose step gave NaN or Inf
    rate: float                   # frames published per second
    age_ms: float                 # header stamp to publication, of the newest frame
    stages: dict[str, float]      # milliseconds of the newest frame's, {} before the first
    scale_followed: bool          # fitted while the node runs
    scale: Scale | None           # None before the first fit, and where it is not followed
    scale_problem: str            # why the last frame gave no fit, '' for none
    motion: MotionState | None    # with scale.mode motion
    engine: EngineSnapshot        # of the newest frame's size
