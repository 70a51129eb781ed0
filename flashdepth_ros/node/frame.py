"""A frame on its way through the worker."""
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header
from torch import Tensor

from ..streams.arrivals import Arrival
from .camera import Camera
from .snapshot import Times


@dataclass
class Frame:
    """A frame between its arrival and its publication.

    rgb: (H, W, 3) uint8. network_input: (3, h, w) float32, normalised.
    """

    camera: Camera
    arrival: Arrival
    rgb: np.ndarray
    network_input: Tensor
    times: Times

    @property
    def header(self) -> Header:
        return self.arrival.message.header
