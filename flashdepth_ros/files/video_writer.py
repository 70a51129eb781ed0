"""A video file of pictures, each at its own time. No ROS here."""
from fractions import Fraction
import math
from pathlib import Path

import av
import numpy as np

TICKS = 1000     # a second: MPEG-4 part 2 counts in 16 bits
QUALITY = 4      # quantiser: 1 is the best, 31 the worst


class VideoWriter:
    """Writes an MP4 (MPEG-4 part 2, which every FFmpeg has). Raises OSError.

    size: (height, width). fps: of frames that are given no time.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float):
        self._path, self._step = path, 1 / fps
        self._last = -1
        try:
            self._container = av.open(f'file:{path.absolute()}', 'w', format='mp4')
            self._stream = self._container.add_stream(
                'mpeg4', rate=Fraction(fps).limit_denominator(1000),
                options={'flags': '+qscale', 'global_quality': str(QUALITY * 118)})
        except av.FFmpegError as error:
            raise self._cannot(error) from None
        stream = self._stream
        stream.height, stream.width = size
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.time_base = Fraction(1, TICKS)

    def _cannot(self, error: av.FFmpegError) -> OSError:
        return OSError(f'{self._path} cannot be written: {error.strerror}')

    def write(self, bgr: np.ndarray, time: float | None = None) -> None:
        """Write the next picture (h, w, 3) uint8; time: in seconds, None for the next at fps."""
        due = self._last / TICKS + self._step if time is None else time
        self._last = max(self._last + 1, math.floor(due * TICKS + 0.5) if self._last >= 0 else 0)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), 'bgr24')
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise self._cannot(error) from None

    def close(self) -> None:
        """Finish the file."""
        if self._last >= 0:
            self._mux(None)
        self._container.close()
