"""A folder of depth: one file a frame, depth.json that says what the numbers mean, a preview.

No ROS here. docs/evaluation.md describes the folder for its users.
"""
from collections.abc import Iterable
import json
import math
import os
from pathlib import Path
import zipfile

import cv2
import numpy as np

from ..models import Unit
from .exr import ExrError, read_exr
from .image_folder import natural_key
from .video_writer import VideoWriter

SUFFIXES = {'png16': '.png', 'npz': '.npz'}
SIDECAR = 'depth.json'


class DepthFolderError(ValueError):
    """A folder of depth cannot be written or read; the message says why and what to do."""


def inverse_of_metres(depth: np.ndarray) -> np.ndarray:
    """Return the inverse depth in 1/m; depth <= 0 or NaN has none: NaN."""
    return np.divide(1, depth, out=np.full_like(depth, np.nan), where=depth > 0)


def inverse_depth(values: np.ndarray, unit: Unit) -> np.ndarray:
    """Turn model output into inverse depth, in 1/m where the unit is metric; NaN where is none."""
    if unit.is_depth:
        return inverse_of_metres(values)
    return values / 100 if unit is Unit.HUNDRED_PER_METRE else values


def png_scale(first: Iterable[np.ndarray], unit: Unit) -> float:
    """Return what a value is multiplied by before it is rounded to 16 bits, for a whole sequence.

    Metres become millimetres, to 65.5 m. 100/m is stored in steps of 1/64, down to 0.1 m. Relative
    values have no known range: the first frames' largest times eight must fit, and the scale is
    the largest power of two that allows it.
    """
    if unit is Unit.METRES:
        return 1000.0
    if unit is Unit.HUNDRED_PER_METRE:
        return 64.0
    largest = max((float(np.nanmax(values, where=values != math.inf, initial=0.0))
                   for values in first), default=0.0)
    if not 0 < largest < math.inf:
        return 1.0
    return 2.0 ** math.floor(math.log2(65535 / (8 * largest)))


def colour_range(first: Iterable[np.ndarray], unit: Unit) -> tuple[float, float]:
    """Return the inverse depths that get the first and last colour, for a whole sequence.

    The 2nd and 98th percentile over the first frames: a range of each frame's own would flicker.
    """
    values = np.concatenate([inverse_depth(frame, unit)[::4, ::4].ravel() for frame in first])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, (2, 98))
    return float(low), float(max(high, low + 1e-6))


def colours(
    values: np.ndarray, unit: Unit, limits: tuple[float, float],
) -> np.ndarray:
    """Model output (H, W) -> BGR uint8 (H, W, 3): near is yellow, far is black, none is grey."""
    share = (inverse_depth(values, unit) - limits[0]) / (limits[1] - limits[0])
    known = np.isfinite(share)
    image = cv2.applyColorMap(
        (np.clip(np.where(known, share, 0), 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    image[~known] = 128
    return image


def write_sidecar(folder: Path, content: dict) -> None:
    """Write depth.json whole or not at all."""
    partial = folder / f'.{SIDECAR}'
    partial.write_text(json.dumps(content, indent=1) + '\n')
    os.replace(partial, folder / SIDECAR)


class FrameRecord:
    """The times, in seconds since the first, and names of the frames that were written."""

    def __init__(self) -> None:
        self._times: list[float | None] = []
        self._names: list[str | None] = []

    def add(self, time: float | None, name: str | None) -> None:
        self._times.append(None if time is None else round(time, 6))
        self._names.append(name)

    def content(self) -> dict:
        """Return the entries for depth.json, None for what frames do not have."""
        named, timed = (values and None not in values for values in (self._names, self._times))
        return {'names': self._names if named else None,
                'times': self._times if timed else None}


class DepthWriter:
    """Writes frames as they come; nothing is kept in memory.

    size: (height, width) of every frame. scale: of png16, see png_scale. limits: the preview's
    colour range, or None for no preview. about: more entries for depth.json, which may still change
    until the end. overwrite: replace a sequence that the folder holds. Raises DepthFolderError or
    OSError.
    """

    def __init__(
        self, folder: Path, unit: Unit, size: tuple[int, int], file_format: str, scale: float,
        limits: tuple[float, float] | None, fps: float, about: dict, overwrite: bool = False,
    ):
        self._folder, self._format = folder, file_format
        self._unit, self._scale, self._limits = unit, scale, limits
        self._count = self._out_of_range = 0
        check_free(folder, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*_frame_files(folder), folder / 'preview.mp4'):
            old.unlink(missing_ok=True)
        stored = {'scale': scale, 'no_value': 0 if unit.is_depth else None}
        self._about = {
            'quantity': 'depth' if unit.is_depth else 'inverse depth', 'unit': unit,
            'format': file_format, **(stored if file_format == 'png16' else {}),
            'height': size[0], 'width': size[1], 'fps': fps,
            'preview_inverse_depth': limits}
        self._more, self._record = about, FrameRecord()
        self._preview = None
        if limits is not None:
            self._preview = VideoWriter(folder / 'preview.mp4', size, fps)
        self._write_sidecar(complete=False)

    @property
    def frames(self) -> int:
        """How many frames were written."""
        return self._count

    @property
    def damaged(self) -> int:
        """How many frames of the source could not be decoded, as `about` says."""
        return self._more.get('damaged_frames', 0)

    @property
    def out_of_range(self) -> int:
        """How many pixels did not fit into 16 bits."""
        return self._out_of_range

    def _write_sidecar(self, complete: bool) -> None:
        content = {**self._about, **self._more, **self._record.content(), 'frames': self._count,
                   'complete': complete}
        if self._format == 'png16':
            content['out_of_range'] = self._out_of_range
        write_sidecar(self._folder, content)

    def _stored(self, values: np.ndarray) -> np.ndarray:
        """Model output -> uint16. What is too far becomes 0, what is too near the largest."""
        values = np.round(values * np.float32(self._scale))
        fits = (values >= 0) & (values <= 65535)  # False for NaN
        known = fits
        if self._unit is Unit.UP_TO_SCALE:  # +Inf is the model's own word for no depth
            known = fits | (values == math.inf)
        self._out_of_range += values.size - int(np.count_nonzero(known))
        beyond = 0 if self._unit.is_depth else 65535
        return np.where(fits, values, np.where(values > 65535, beyond, 0)).astype(np.uint16)

    def write(self, values: np.ndarray, time: float | None = None, name: str | None = None) -> None:
        """Write the next frame's model output (height, width) float32.

        time: in seconds since the first; None for the next at `fps`. name: of the picture.
        """
        path = self._folder / f'frame_{self._count:06d}{SUFFIXES[self._format]}'
        if self._format == 'npz':
            array = 'depth' if self._unit.is_depth else 'inverse_depth'
            # numpy's types take any keyword for allow_pickle
            np.savez_compressed(path, **{array: values})  # type: ignore[arg-type]
        # the lowest compression: higher levels cost a multiple of the time and save few bytes
        elif not cv2.imwrite(str(path), self._stored(values), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise OSError(f'{path} cannot be written: is the disk full or the folder read-only?')
        if self._preview is not None and self._limits is not None:
            self._preview.write(colours(values, self._unit, self._limits), time)
        self._record.add(time, name)
        self._count += 1

    def close(self, complete: bool) -> None:
        """Finish the files; complete: whether the whole source was written."""
        if self._preview is not None:
            self._preview.close()
        self._write_sidecar(complete)


def _frame_files(folder: Path) -> list[Path]:
    paths = [path for suffix in SUFFIXES.values() for path in folder.glob(f'frame_*{suffix}')]
    return sorted(paths, key=lambda path: natural_key(path.name))


def check_free(folder: Path, overwrite: bool = False) -> None:
    """Raise DepthFolderError where a sequence is in the way."""
    if folder.exists() and not folder.is_dir():
        raise DepthFolderError(f'{folder} is a file: name a folder for the depth')
    if not overwrite and folder.is_dir() and ((folder / SIDECAR).exists() or _frame_files(folder)):
        raise DepthFolderError(
            f'{folder} already holds a depth sequence: name another folder, or give --overwrite')


class DepthFolder:
    """Reads what DepthWriter or RgbdWriter wrote.

    about: the content of depth.json. names: of the pictures that the frames are of, None where
    they come from a video.
    """

    def __init__(self, folder: Path):
        path = folder / SIDECAR
        try:
            self.about = json.loads(path.read_text())
            self._unit, self._format = Unit(self.about['unit']), self.about['format']
            self._scale = self.about['scale'] if self._format == 'png16' else 1.0
        except FileNotFoundError:
            raise DepthFolderError(
                f'there is no {path}: give a folder that process_video wrote') from None
        except (ValueError, KeyError, TypeError) as error:
            raise DepthFolderError(
                f'{path} is damaged ({error!r}): run process_video again') from error
        self._paths = _frame_files(folder)
        if self.about.get('layout') == 'rgb-d':
            self._paths = sorted(path for path in (folder / 'depth').glob('*')
                                 if path.suffix in ('.png', '.exr'))
        self.names: list[str] | None = None
        if self.about.get('names') is not None:
            self.names = self.about['names'][:len(self._paths)]

    def __len__(self) -> int:
        return len(self._paths)

    def disparity(self, index: int) -> np.ndarray:
        """Return a frame's inverse depth (height, width) float32, in 1/m where that is known.

        NaN where there is no value. Raises DepthFolderError.
        """
        path = self._paths[index]
        values = read_array(path).astype(np.float32) / np.float32(self._scale)
        return inverse_depth(values, self._unit)


def read_array(path: Path) -> np.ndarray:
    """Read (height, width) from a 16-bit PNG, .npy, .npz (one array) or .exr; DepthFolderError.

    An axis of one channel, first or last, is dropped.
    """
    values = None
    try:
        if path.suffix == '.exr':
            values = read_exr(path)
        elif path.suffix == '.npy':
            values = np.load(path, allow_pickle=False)
        elif path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as arrays:
                if len(arrays.files) == 1 or 'depth' in arrays:
                    values = arrays['depth' if 'depth' in arrays else arrays.files[0]]
        else:
            data = np.frombuffer(path.read_bytes(), np.uint8)
            if b'IEND' not in data[-16:].tobytes():
                raise DepthFolderError(f'{path} is damaged or truncated: it is no whole PNG')
            values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            if values is not None and values.dtype != np.uint16:
                raise DepthFolderError(
                    f'{path} has {values.dtype} pixels: depth needs a 16-bit PNG')
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DepthFolderError(f'{path} cannot be read: {error}') from error
    except (ValueError, ExrError) as error:
        if isinstance(error, DepthFolderError):
            raise
        raise DepthFolderError(f'{path} cannot be read: {error}') from error
    if values is not None and values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values is None or values.ndim != 2:
        raise DepthFolderError(f'{path} holds no single array (height, width)')
    return values
