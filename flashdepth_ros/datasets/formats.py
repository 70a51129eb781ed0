"""The files that the datasets are made of."""
from pathlib import Path
import re

import cv2
import numpy as np

from ..files.depth_folder import DepthFolderError, read_array
from .sequence import DatasetError

SINTEL_TAG = 202021.25  # the first four bytes of .dpt and .cam, float32
PICTURES = ('.png', '.jpg', '.jpeg', '.ppm')


def read_rgb(path: Path) -> np.ndarray:
    """Read a picture as (h, w, 3) uint8; DatasetError where it is damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error}') from error
    if path.suffix.lower() == '.ppm':
        return read_netpbm(path)
    # OpenCV fills what a truncated file lacks with grey
    whole = {'.png': b'IEND' in data[-16:], '.jpg': b'\xff\xd9' in data[-1024:],
             '.jpeg': b'\xff\xd9' in data[-1024:]}.get(path.suffix.lower(), True)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None or not whole:
        raise DatasetError(f'{path} is damaged or truncated: get it anew')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_netpbm(path: Path) -> np.ndarray:
    """Read a binary PPM as (h, w, 3) uint8, or a PGM as (h, w) uint8 or big-endian uint16.

    DatasetError where it is damaged or truncated.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error}') from error
    # magic, width, height and the largest value, apart by space and comments; one byte of space
    header = re.match(rb'P([56])' + rb'(?:\s+(?:#[^\n]*\n\s*)*)(\d+)' * 3 + rb'\s', data)
    if header is None:
        raise DatasetError(f'{path} is damaged: it is no binary PGM or PPM')
    kind, width, height, largest = (int(group) for group in header.groups())
    shape = (height, width, 3) if kind == 6 else (height, width)
    dtype = np.dtype('>u2' if largest > 255 else np.uint8)
    count = int(np.prod(shape))
    if len(data) - header.end() < count * dtype.itemsize or (kind == 6 and largest > 255):
        raise DatasetError(
            f'{path} is damaged or truncated: {len(data)} bytes for {width}x{height} pixels')
    return np.frombuffer(data, dtype, count, header.end()).reshape(shape)


def read_depth(path: Path, steps_per_metre: float = 1.0) -> np.ndarray:
    """Read a truth as (h, w) float64 in metres from PNG (16 bits), .npy, .npz or .exr.

    steps_per_metre: what a stored value is divided by. DatasetError where it is damaged.
    """
    try:
        return read_array(path).astype(np.float64) / steps_per_metre
    except DepthFolderError as error:
        raise DatasetError(str(error)) from error


def read_dpt(path: Path) -> np.ndarray:
    """Read Sintel's depth, (h, w) float64 in metres, from .dpt; DatasetError.

    float32 tag, int32 width, int32 height, then float32 row by row (Sintel's sdk/python).
    """
    data = _tagged(path)
    width, height = (int(side) for side in np.frombuffer(data, '<i4', 2, 4))
    if min(width, height) < 1 or len(data) != 12 + 4 * width * height:
        raise DatasetError(f'{path} is damaged: {len(data)} bytes for {width}x{height} pixels')
    return np.frombuffer(data, '<f4', width * height, 12).reshape(height, width).astype(np.float64)


def read_cam(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read Sintel's camera from .cam: intrinsics (3, 3) and pose (4, 4), camera to world.

    float32 tag, then float64: the intrinsics, and (3, 4) from world to camera. DatasetError.
    """
    data = _tagged(path)
    if len(data) != 4 + 8 * 21:
        raise DatasetError(f'{path} is damaged: {len(data)} bytes instead of {4 + 8 * 21}')
    to_camera = np.vstack([np.frombuffer(data, '<f8', 12, 76).reshape(3, 4), [0, 0, 0, 1]])
    return np.frombuffer(data, '<f8', 9, 4).reshape(3, 3), np.linalg.inv(to_camera)


def _tagged(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error}') from error
    if len(data) < 12 or np.frombuffer(data, '<f4', 1)[0] != SINTEL_TAG:
        raise DatasetError(f'{path} is damaged: it does not begin with the tag {SINTEL_TAG}')
    return data


def read_matrix(path: Path) -> np.ndarray | None:
    """Read a 4x4 matrix of numbers from a text file; None where there is no valid one.

    ScanNet marks frames without a pose with -inf. DatasetError where it is no 4x4 matrix.
    """
    if not path.is_file():
        return None
    try:
        matrix = np.loadtxt(path)
    except ValueError as error:
        raise DatasetError(f'{path} holds no matrix: {error}') from error
    if matrix.shape != (4, 4):
        raise DatasetError(f'{path} holds no 4x4 matrix but {matrix.shape}')
    return matrix if np.isfinite(matrix).all() else None


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name; DatasetError where it is none."""
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    return sorted(path for path in folder.iterdir() if path.is_dir())


def first_folder(root: Path, *candidates: str) -> Path:
    """Return the first of the candidates below a root that exists; DatasetError."""
    for candidate in candidates:
        if (root / candidate).is_dir():
            return root / candidate
    raise DatasetError(f'{root} has none of the folders {", ".join(candidates)}')
