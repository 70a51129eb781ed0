"""What every source of frames gives, be it a video, a camera or a folder. No ROS here."""
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

DEFAULT_FPS = 30.0  # of a folder, and of a video or camera that does not say


class SourceError(ValueError):
    """A source of frames cannot be read; the message says which, why and what to do."""


@dataclass(frozen=True)
class Frame:
    """A picture (height, width, 3) RGB uint8 and its time, in seconds since the source's first.

    name: of its file without the suffix, where it has one.
    """

    rgb: np.ndarray
    time: float
    name: str | None = None


class FrameSource(ABC):
    """Frames, all of one size.

    Iterating goes on where it stopped and ends with the source; rewind() starts it again.
    Attributes: name, for messages, without credentials; fps, the mean rate; size, the (height,
    width) of every frame; pixel_aspect, the width of a pixel over its height; frames, their number
    where the source says it (a video's may be off by a few), else None; damaged, how many frames
    so far could not be decoded and were left out; live, whether frames come when they are taken.
    """

    name: str
    fps: float
    size: tuple[int, int]
    pixel_aspect: float = 1.0
    frames: int | None = None
    damaged: int = 0
    live: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames that are left; SourceError where the source breaks off."""

    @abstractmethod
    def rewind(self) -> None:
        """Go back to the first frame; without effect on a camera."""

    @abstractmethod
    def close(self) -> None:
        """Free what the source holds; it yields nothing any more."""

    def __enter__(self) -> 'FrameSource':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, frame: np.ndarray, name: object) -> None:
        if frame.shape[:2] != self.size:
            raise SourceError(
                f'{name} is {frame.shape[1]}x{frame.shape[0]}, but the frames before it are '
                f'{self.size[1]}x{self.size[0]}: all frames must have one size')
