"""Frames from a video file, a webcam or a folder of images. No ROS here."""
from abc import ABC, abstractmethod
from collections.abc import Iterator
import math
from pathlib import Path
import re

import cv2
import numpy as np

DEFAULT_FPS = 30.0  # of a folder, and of a video or webcam that does not say
IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


class SourceError(ValueError):
    """A source of frames cannot be read; the message says which, why and what to do."""


def natural_key(name: str) -> list:
    """Return a sorting key by which frame_9 comes before frame_10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r'(\d+)', name)]


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order; SourceError where there are none."""
    paths = sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGES),
                   key=lambda path: natural_key(path.name))
    if not paths:
        raise SourceError(
            f'{folder} holds no images; the names must end in {", ".join(IMAGES)}')
    return paths


class FrameSource(ABC):
    """RGB uint8 frames (height, width, 3), all of one size.

    Iterating goes on where it stopped and ends with the source; rewind() starts it again.
    Attributes: fps; size, the (height, width) of every frame; frames, their number where the
    source says it (a video's may be off by a few), else None; names, of the files without their
    suffix, where every frame is one.
    """

    fps: float
    size: tuple[int, int]
    frames: int | None = None
    names: list[str] | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames that are left; SourceError for one that cannot be read."""

    @abstractmethod
    def rewind(self) -> None:
        """Go back to the first frame; without effect on a webcam."""

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


class ImageFolder(FrameSource):
    """The images of a folder, in natural order of their names."""

    def __init__(self, folder: Path):
        self._paths = list_images(folder)
        self._next = 0
        self.fps, self.frames = DEFAULT_FPS, len(self._paths)
        self.names = [path.stem for path in self._paths]
        self.size = self._read(self._paths[0]).shape[:2]

    @staticmethod
    def _read(path: Path) -> np.ndarray:
        frame = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if frame is None:
            raise SourceError(f'{path} cannot be read as an image: repair or remove it')
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def __iter__(self) -> Iterator[np.ndarray]:
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self._next += 1
            frame = self._read(path)
            self._check(frame, path)
            yield frame

    def rewind(self) -> None:
        self._next = 0

    def close(self) -> None:
        self._next = len(self._paths)


class Video(FrameSource):
    """A video file or stream (any address that OpenCV opens), or a webcam by its index."""

    def __init__(self, source: str | int):
        self._source = source
        self._live = isinstance(source, int) or Path(source).is_char_device()  # /dev/video0
        self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and fps > 0 else DEFAULT_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frames = count if count > 0 and not self._live else None

    def _open(self) -> None:
        """Open the source and read its first frame, so that a bad one is known at once."""
        self._capture = cv2.VideoCapture(self._source)
        self._first: np.ndarray | None = None
        if self._capture.isOpened():
            _, self._first = self._capture.read()
        if self._first is None:
            self._capture.release()
            raise SourceError(
                f'webcam {self._source} gives no frames: is it connected, free and permitted to '
                f'this user (group video)?' if self._live else
                f'{self._source} cannot be read as a video: it is damaged, empty or of a format '
                f'that this OpenCV cannot decode')
        self.size = self._first.shape[:2]

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            frame, self._first = self._first, None
            if frame is None:
                read, frame = self._capture.read()
                if not read:
                    break
            self._check(frame, f'a later frame of {self._source}')
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        if self._live and self._capture.isOpened():
            raise SourceError(f'webcam {self._source} stopped giving frames')

    def rewind(self) -> None:
        if not self._live:  # opened anew: seeking is inexact in some formats
            self._capture.release()
            self._open()

    def close(self) -> None:
        self._first = None
        self._capture.release()


def open_source(source: str) -> FrameSource:
    """Open a video file, a folder of images, a webcam's index ('0') or a stream's address.

    Raises SourceError.
    """
    if source.isdigit() and not Path(source).exists():
        return Video(int(source))
    if '://' in source:
        return Video(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return ImageFolder(path)
    if not path.exists():
        raise SourceError(f'there is no video file or folder of images {path}')
    return Video(str(path))
