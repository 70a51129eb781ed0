"""OpenEXR images of one channel: depth as float. PyPI's OpenCV is built without OpenEXR."""
from pathlib import Path
from typing import Any

import numpy as np


class ExrError(ValueError):
    """An OpenEXR file cannot be read or written; the message says why and what to do."""


def _openexr() -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise ExrError(
            f"EXR files need OpenEXR ({error}): pip install '.[evaluation]'") from error
    return OpenEXR


def read_exr(path: Path) -> np.ndarray:
    """Read the only channel, or Y, Z, R or the first, as (height, width) float32; ExrError."""
    openexr = _openexr()
    try:
        channels = openexr.File(str(path), separate_channels=True).channels()
    except Exception as error:  # the library raises RuntimeError and others of its own
        raise ExrError(f'{path} cannot be read: {error}') from error
    name = next((each for each in ('Y', 'Z', 'R') if each in channels), next(iter(channels)))
    return np.asarray(channels[name].pixels, dtype=np.float32)


def write_exr(path: Path, values: np.ndarray) -> None:
    """Write (height, width) as one channel Y of 32-bit floats; ExrError."""
    openexr = _openexr()
    header = {'compression': openexr.ZIP_COMPRESSION, 'type': openexr.scanlineimage}
    try:
        openexr.File(header, {'Y': np.ascontiguousarray(values, np.float32)}).write(str(path))
    except Exception as error:
        raise ExrError(f'{path} cannot be written: {error}') from error
