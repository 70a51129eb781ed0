"""The encodings of images that are understood, and how each becomes RGB. No ROS here."""
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Encoding:
    """How the pixels of an image encoding lie in memory, and how they become RGB.

    channels: of a pixel, counting what several pixels share. even: (width, height) must be
    multiples of these. planar: half as many rows of chroma follow the image's rows, at the same
    step, which the message's height does not count (as image_encodings.hpp and camera drivers do).
    """

    dtype: type
    channels: int
    to_rgb: Callable[[np.ndarray], np.ndarray]
    even: tuple[int, int] = (1, 1)
    planar: bool = False


def _convert(code: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _yuv_422(code: int) -> Encoding:
    return Encoding(np.uint8, 2, _convert(code), even=(2, 1))


def _yuv_420(code: int) -> Encoding:
    def to_rgb(planes: np.ndarray) -> np.ndarray:
        rows = planes.shape[0] * 2 // 3
        chroma = planes[rows:].reshape(-1, planes.shape[1] // 2, 2)
        return cv2.cvtColorTwoPlane(planes[:rows], chroma, code)
    return Encoding(np.uint8, 1, to_rgb, even=(2, 2), planar=True)


def _bayer(dtype: type, code: int) -> Encoding:
    def to_rgb(mosaic: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(_high_byte(mosaic) if dtype is np.uint16 else mosaic, code)
    return Encoding(dtype, 1, to_rgb)


def _high_byte(pixels: np.ndarray) -> np.ndarray:
    return (pixels >> 8).astype(np.uint8)


ENCODINGS = {
    'rgb8': Encoding(np.uint8, 3, np.ascontiguousarray),
    'bgr8': Encoding(np.uint8, 3, _convert(cv2.COLOR_BGR2RGB)),
    '8UC3': Encoding(np.uint8, 3, _convert(cv2.COLOR_BGR2RGB)),  # OpenCV's order, as in cv_bridge
    'rgba8': Encoding(np.uint8, 4, _convert(cv2.COLOR_RGBA2RGB)),
    'bgra8': Encoding(np.uint8, 4, _convert(cv2.COLOR_BGRA2RGB)),
    'mono8': Encoding(np.uint8, 1, _convert(cv2.COLOR_GRAY2RGB)),
    '8UC1': Encoding(np.uint8, 1, _convert(cv2.COLOR_GRAY2RGB)),
    'mono16': Encoding(
        np.uint16, 1, lambda pixels: cv2.cvtColor(_high_byte(pixels), cv2.COLOR_GRAY2RGB)),
    'rgb16': Encoding(np.uint16, 3, _high_byte),
    'bgr16': Encoding(
        np.uint16, 3, lambda pixels: cv2.cvtColor(_high_byte(pixels), cv2.COLOR_BGR2RGB)),
    'yuv422': _yuv_422(cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _yuv_422(cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'nv12': _yuv_420(cv2.COLOR_YUV2RGB_NV12),
    'nv21': _yuv_420(cv2.COLOR_YUV2RGB_NV21),
    # ROS names a mosaic after its first two rows, OpenCV after the second row's second and third
    # pixel: rggb is OpenCV's BG
    **{f'bayer_{pattern}{8 * np.dtype(dtype).itemsize}': _bayer(dtype, code)
       for pattern, code in (
           ('rggb', cv2.COLOR_BayerBG2RGB), ('bggr', cv2.COLOR_BayerRG2RGB),
           ('gbrg', cv2.COLOR_BayerGR2RGB), ('grbg', cv2.COLOR_BayerGB2RGB))
       for dtype in (np.uint8, np.uint16)},
}
