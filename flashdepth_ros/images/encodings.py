"""The encodings of images that are understood, and how each becomes RGB. No ROS here."""
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .levels import Levels

# BT.601 in video range, as OpenCV's conversions of other YUV: (Y, U, V, 1) -> (R, G, B)
_YUV_TO_RGB = np.array([[1.164, 0, 1.596, -222.912], [1.164, -0.391, -0.813, 135.488],
                        [1.164, 2.018, 0, -276.928]], np.float32)


@dataclass(frozen=True)
class Encoding:
    """How the pixels of an image encoding lie in memory, and how they become RGB.

    channels: of a pixel, counting what several pixels share. even: (width, height) must be
    multiples of these. planes: how many images' rows there are, of the same step, where chroma
    follows the image's own, which the message's height does not count (as image_encodings.hpp and
    camera drivers do). convert: bytes (H, W[, channels]) to RGB; with planes (rows, step), and W.
    """

    dtype: type
    channels: int
    convert: Callable[..., np.ndarray]
    even: tuple[int, int] = (1, 1)
    planes: float = 1

    @property
    def planar(self) -> bool:
        return self.planes > 1

    def to_rgb(self, pixels: np.ndarray, levels: Levels) -> np.ndarray:
        """Convert pixels (H, W[, channels]) of the encoding's type to RGB (H, W, 3) uint8."""
        return self.convert(levels.to_bytes(pixels))


def _convert(code: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _yuv_422(code: int) -> Encoding:
    return Encoding(np.uint8, 2, _convert(code), even=(2, 1))


def _yuv_420(code: int) -> Encoding:
    def convert(rows: np.ndarray, width: int) -> np.ndarray:
        height = len(rows) * 2 // 3
        chroma = np.ascontiguousarray(rows[height:, :width]).reshape(-1, width // 2, 2)
        return cv2.cvtColorTwoPlane(rows[:height, :width], chroma, code)
    return Encoding(np.uint8, 1, convert, even=(2, 2), planes=1.5)


def _yuv_420_in_three_planes(code: int) -> Encoding:
    def convert(rows: np.ndarray, width: int) -> np.ndarray:
        height, step = len(rows) * 2 // 3, rows.shape[1]
        if step != width:    # chroma has rows of half a step
            chroma = rows[height:].reshape(-1)[:height * (step // 2)].reshape(height, -1)
            rows = np.concatenate([
                rows[:height, :width], chroma[:, :width // 2].reshape(height // 2, width)])
        return cv2.cvtColor(np.ascontiguousarray(rows), code)
    return Encoding(np.uint8, 1, convert, even=(2, 2), planes=1.5)


def _yuv_444(order: tuple[int, int]) -> Encoding:
    def convert(rows: np.ndarray, width: int) -> np.ndarray:
        height = len(rows) // 3
        chroma = rows[height:].reshape(height, -1)[:, :2 * width].reshape(height, width, 2)
        return cv2.transform(cv2.merge(
            [rows[:height, :width], *(chroma[..., i] for i in order)]), _YUV_TO_RGB)
    return Encoding(np.uint8, 1, convert, planes=3)


def _colours(dtype: type, channels: int, code: int) -> Encoding:
    return Encoding(dtype, channels, _convert(code))


def _same(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels)


BGR, BGRA, RGBA = cv2.COLOR_BGR2RGB, cv2.COLOR_BGRA2RGB, cv2.COLOR_RGBA2RGB
GRAY = cv2.COLOR_GRAY2RGB

# by their names as image_encodings.hpp has them, and some of drivers' own
ENCODINGS = {
    'rgb8': Encoding(np.uint8, 3, _same),
    'bgr8': _colours(np.uint8, 3, BGR),
    '8UC3': _colours(np.uint8, 3, BGR),  # OpenCV's order, as in cv_bridge
    'rgba8': _colours(np.uint8, 4, RGBA),
    'bgra8': _colours(np.uint8, 4, BGRA),
    '8UC4': _colours(np.uint8, 4, BGRA),
    'mono8': _colours(np.uint8, 1, GRAY),
    '8UC1': _colours(np.uint8, 1, GRAY),
    'mono16': _colours(np.uint16, 1, GRAY),
    '16UC1': _colours(np.uint16, 1, GRAY),
    'rgb16': Encoding(np.uint16, 3, _same),
    'bgr16': _colours(np.uint16, 3, BGR),
    '16UC3': _colours(np.uint16, 3, BGR),
    'rgba16': _colours(np.uint16, 4, RGBA),
    'bgra16': _colours(np.uint16, 4, BGRA),
    '16UC4': _colours(np.uint16, 4, BGRA),
    '32FC3': _colours(np.float32, 3, BGR),
    '32FC4': _colours(np.float32, 4, BGRA),
    'yuv422': _yuv_422(cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _yuv_422(cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'yuy2': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'yvyu': _yuv_422(cv2.COLOR_YUV2RGB_YVYU),
    'nv12': _yuv_420(cv2.COLOR_YUV2RGB_NV12),
    'nv21': _yuv_420(cv2.COLOR_YUV2RGB_NV21),
    **dict.fromkeys(('i420', 'iyuv', 'yuv420', 'yuv420p'),
                    _yuv_420_in_three_planes(cv2.COLOR_YUV2RGB_I420)),
    'yv12': _yuv_420_in_three_planes(cv2.COLOR_YUV2RGB_YV12),
    'nv24': _yuv_444((0, 1)),
    'nv42': _yuv_444((1, 0)),
    # ROS names a mosaic after its first two rows, OpenCV after the second row's second and third
    # pixel: rggb is OpenCV's BG
    **{f'bayer_{pattern}{8 * np.dtype(dtype).itemsize}': _colours(dtype, 1, code)
       for pattern, code in (
           ('rggb', cv2.COLOR_BayerBG2RGB), ('bggr', cv2.COLOR_BayerRG2RGB),
           ('gbrg', cv2.COLOR_BayerGR2RGB), ('grbg', cv2.COLOR_BayerGB2RGB))
       for dtype in (np.uint8, np.uint16)},
}


_IN_SMALL_LETTERS = {name.lower(): encoding for name, encoding in ENCODINGS.items()}


def encoding_of(name: str) -> Encoding | None:
    """Return the encoding of a name, in capitals or small letters, or None."""
    return _IN_SMALL_LETTERS.get(name.lower())
