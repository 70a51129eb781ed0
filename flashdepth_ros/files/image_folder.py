"""The images of a folder as frames. No ROS here."""
from collections.abc import Iterator
import logging
from pathlib import Path
import re

import cv2
import numpy as np

from .frame_source import DEFAULT_FPS, Frame, FrameSource, SourceError

log = logging.getLogger(__name__)

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
NAMED = 3  # of the files that are left out
ENDS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}  # of a whole JPEG and PNG


def natural_key(name: str) -> list:
    """Return a sorting key by which frame_9 comes before frame_10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r'(\d+)', name)]


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order; SourceError where there are none.

    Other files are left out, and told; so are macOS's ._ files, which are named like images.
    """
    files = sorted((path for path in folder.iterdir() if path.is_file()),
                   key=lambda path: natural_key(path.name))
    images = [path for path in files
              if path.suffix.lower() in IMAGES and not path.name.startswith('.')]
    if not images:
        raise SourceError(
            f'{folder} holds no images; the names must end in {", ".join(IMAGES)}')
    if others := [path.name for path in files if path not in set(images)]:
        more = f' and {len(others) - NAMED} more' if len(others) > NAMED else ''
        log.warning('%s: left out, as no images: %s%s', folder, ', '.join(others[:NAMED]), more)
    return images


def read_image(path: Path) -> np.ndarray | None:
    """Return a picture (h, w, 3) BGR uint8, the way up that it says; None where it is damaged."""
    data = np.fromfile(path, np.uint8)
    # OpenCV fills what is missing with grey
    end = ENDS.get(data[:2].tobytes(), b'')
    if not data.size or end not in data[data.size // 2:].tobytes():
        return None
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


class ImageFolder(FrameSource):
    """The images of a folder, in natural order of their names; those that are damaged left out."""

    def __init__(self, folder: Path):
        self._paths = list_images(folder)
        self.name, self.fps, self.frames = str(folder), DEFAULT_FPS, len(self._paths)
        self._told = False
        self.rewind()
        first = next(iter(self), None)
        if first is None:
            raise SourceError(f'{folder}: none of its {self.frames} images can be read, such as '
                              f'{self._paths[0].name}: repair or remove them')
        self.rewind()

    def __iter__(self) -> Iterator[Frame]:
        while self._next < len(self._paths):
            index, path = self._next, self._paths[self._next]
            self._next += 1
            picture = read_image(path)
            if picture is None:
                self.damaged += 1
                if not self._told:
                    self._told = True
                    log.warning('%s cannot be read as a whole image and is left out, as all are '
                                'that cannot', path)
                continue
            if not hasattr(self, 'size'):
                self.size = picture.shape[0], picture.shape[1]
            self._check(picture, path)
            yield Frame(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), index / self.fps, path.stem)

    def rewind(self) -> None:
        self._next = self.damaged = 0

    def close(self) -> None:
        self._next = len(self._paths)
