"""Decoded frames of a video as RGB: colours, high dynamic range, and the way up. No ROS here."""
from av import VideoFrame
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter
import numpy as np

from ..images.tone_curve import Curve, to_8_bits

CURVES: dict[int, Curve] = {16: 'pq', 18: 'hlg'}  # transfer characteristics of ITU-T H.273
Matrix = tuple[int, int, int, int]  # a b, c d of FFmpeg's display matrix
UPRIGHT: Matrix = (1, 0, 0, 1)


def orientation(frame: VideoFrame) -> Matrix:
    """Return how a frame is to be turned, to quarters: UPRIGHT for as it is."""
    data = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return UPRIGHT
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).tolist()
    if not (a or b) or not (c or d):
        return UPRIGHT
    upright = abs(a) + abs(d) >= abs(b) + abs(c)
    a, b, c, d = (int(np.sign(each)) for each in (a, b, c, d))
    return (a or 1, 0, 0, d or 1) if upright else (0, b or 1, c or 1, 0)


def turn(picture: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Turn and mirror a picture (h, w, 3): (x, y) goes to (a x + c y, b x + d y)."""
    if matrix == UPRIGHT:
        return picture
    a, b, c, d = matrix
    if b:
        picture = picture.swapaxes(0, 1)
    across, down = (c, b) if b else (a, d)
    return np.ascontiguousarray(picture[::down, ::across])


class RgbConverter:
    """Makes RGB of the frames of one video; FFmpeg's tables are kept between them."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame, curve: Curve | None = None) -> np.ndarray:
        """Return (h, w, 3) uint8, the way up that the video says; curve: of its high range."""
        layout = 'rgb24' if curve is None else 'rgb48le'
        picture = self._reformatter.reformat(frame, format=layout).to_ndarray()
        if curve is not None:
            picture = to_8_bits(picture, curve)
        return turn(picture, orientation(frame))
