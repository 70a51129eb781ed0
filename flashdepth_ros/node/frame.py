"""A frame on its way through the worker."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header
from torch import Tensor

from ..ros.parameters import Settings
from ..streams.arrivals import Arrival
from .camera import Camera
from .camera_input import Picture
from .snapshot import CameraSnapshot, Times


@dataclass
class Frame:
    """A frame between its arrival and its publication.

    settings: of its camera, as they were when it was taken.
    network_input: (3, h, w) float32, normalised; None where no depth is made of the frame. reset:
    why the temporal state was forgotten before it, or None.
    """

    camera: Camera
    arrival: Arrival
    picture: Picture
    network_input: Tensor | None
    times: Times
    settings: Settings
    reset: str | None

    @property
    def header(self) -> Header:
        return self.arrival.message.header


@dataclass
class Result:
    """What a frame became, to be published as it is, whatever comes to its camera meanwhile.

    plane: (h, w) in the model's unit, of NaN where there is no depth. picture: with the camera to
    use. scale: factor and shift, None where there are no metres. believed: whether a robot may act
    on them. confidence: (h, w) float32, None where nobody wants it. status_line: gives that of the
    preview. snapshot: of the camera, None where nobody wants to know.
    """

    frame: Frame
    plane: Tensor
    picture: Picture
    scale: tuple[float, float] | None
    believed: bool
    confidence: np.ndarray | None
    status_line: Callable[[], list[str]]
    snapshot: CameraSnapshot | None
