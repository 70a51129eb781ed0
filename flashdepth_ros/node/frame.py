"""A frame on its way through the worker."""
from dataclasses import dataclass

from std_msgs.msg import Header
from torch import Tensor

from ..ros.parameters import Settings
from ..streams.arrivals import Arrival
from .camera import Camera
from .camera_input import Picture
from .snapshot import Times


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
