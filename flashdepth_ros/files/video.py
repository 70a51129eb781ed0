"""Frames of a video file, a stream or a webcam: FFmpeg through PyAV. No ROS here."""
from collections.abc import Iterator
import errno
import functools
import logging
import math
import re
import time

import av
from av.stream import Disposition
import numpy as np

from ..images.tone_curve import Curve
from .frame_source import DEFAULT_FPS, Frame, FrameSource, SourceError
from .inputs import Input
from .video_frames import CURVES, RgbConverter, orientation

log = logging.getLogger(__name__)

DEAD = 0.5  # seconds that a file may end before the time that it says
SAYS_ITS_LENGTH = ('mov', 'avi', 'matroska', 'flv')  # the others' is measured or estimated
UNTIMED = ('mpjpeg', 'mjpeg')  # streams of JPEGs: FFmpeg counts 25 a second, whatever comes


@functools.cache
def _tell(text: str) -> None:
    """Warn of something once, also if a source is opened again and again."""
    log.warning('%s', text)


class Video(FrameSource):
    """A video file, a stream, or a webcam.

    Frames that cannot be decoded are left out and counted in `damaged`; the others keep their
    times. A file that ends before the time that it says raises SourceError after its last frame.
    live: whether it is a camera: it has no end of its own, and cannot be rewound.
    """

    def __init__(self, source: Input):
        self._source = source
        self.name = source.name
        self._begin = time.monotonic()
        self._open()

    def _open(self) -> None:
        """Open the source and read its first frame, so that a bad one is known at once."""
        source = self._source
        try:
            self._container = av.open(
                source.address, 'r', format=source.format, options=source.options,
                metadata_errors='replace', timeout=source.timeout)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(self._cannot_open(error)) from None
        try:
            self._choose_stream()
            self._start()
        except BaseException:
            self._container.close()
            raise

    def _cannot_open(self, error: Exception) -> str:
        reason = self._reason(error)
        if self._source.kind == 'webcam':
            return (f'{self.name} cannot be opened: {reason}: is it connected, free, permitted to '
                    f'this user (group video), and has it that size, rate and format?')
        if self._source.kind == 'stream':
            unknown = ' (no such host?)' if getattr(error, 'errno', None) == errno.EIO else ''
            return f'{self.name} cannot be opened: {reason}{unknown}'
        return (f'{self.name} cannot be read as a video: {reason}. It is damaged, empty, cut short '
                f'(an MP4 has its index at its end) or of a format that FFmpeg does not know')

    def _reason(self, error: Exception) -> str:
        """Return FFmpeg's words for an error, without the address that they may hold."""
        if isinstance(error, av.error.ExitError):
            return f'nothing came for {self._source.timeout:g} s'
        if isinstance(error, av.error.UndefinedError):
            return 'an unknown error'
        return getattr(error, 'strerror', None) or type(error).__name__

    def _choose_stream(self) -> None:
        container = self._container
        videos = [each for each in container.streams.video
                  if not each.disposition & Disposition.attached_pic]  # a cover is no video
        if not videos:
            raise SourceError(f'{self.name} has no video in it')
        self._stream = stream = videos[0]
        # Threads for whole frames would add their latency, and lose frames beside damaged ones
        stream.thread_type = 'SLICE'
        if stream.codec_context.name == 'mjpeg':  # or half of a picture would count as whole
            stream.codec_context.options = {'err_detect': 'explode'}
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS
        length = container.duration
        self.live = self._source.kind == 'webcam' or (
            self._source.kind == 'stream' and (length is None or length <= 0))
        self.frames = stream.frames or (round(length / av.time_base * self.fps) if length else None)
        if self.live:
            self.frames = None
            stream.codec_context.flags |= av.codec.context.Flags.low_delay
        self._by_arrival = self.live and container.format.name in UNTIMED
        aspect = stream.sample_aspect_ratio
        self._aspect = float(aspect) if aspect else 1.0

    def _start(self) -> None:
        self._converter = RgbConverter()
        self._packets = self._container.demux(self._stream)
        self._offset: float | None = None  # from the video's clock to the time since its first
        self._last = -math.inf
        self._clock: float | None = None   # of the newest picture
        self._end = 0.0                    # of the last packet, on the video's clock
        self._cut = False                  # the last packet is not whole
        self.damaged = 0
        self._decoded = self._decode()
        self._first: Frame | None = None
        first = next(self._decoded, None)
        if first is None:
            raise SourceError(
                f'{self.name} ended before its first frame' if self.live else
                f'{self.name} cannot be read as a video: no frame of it can be decoded')
        self.damaged = 0 if self.live else self.damaged  # a stream is joined in its midst
        height, width = first.shape[:2]
        self.size = height, width
        self._first = self._timed(first)

    def _decode(self) -> Iterator[np.ndarray]:
        """Yield the pictures; SourceError where a stream is lost or a file ends too early."""
        whole, partial = 0, set()  # frames so far; the time stamps of packets that are not whole
        while (packet := self._read()) is not None:
            if packet.pts is not None and packet.time_base:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._end = max(self._end, end)
            if packet.size:
                self._cut = packet.is_corrupt
                if packet.is_corrupt:
                    partial.add(packet.pts)
            try:
                frames = packet.decode()
            except (av.FFmpegError, OSError) as error:
                partial.discard(packet.pts)
                self._count_damaged(packet.pts, self._reason(error))
                continue
            for frame in frames:
                if frame.is_corrupt or frame.pts in partial:
                    partial.discard(frame.pts)
                    self._count_damaged(frame.pts, 'parts of it are missing')
                    continue
                whole += 1
                self._clock = frame.time
                curve = CURVES.get(self._stream.codec_context.color_trc)
                self._note(frame, curve)
                yield self._converter.convert(frame, curve)
        self._check_length()
        if self.damaged and self._container.format.name == 'avi':  # where packets vanish, too
            self.damaged = max(self.damaged, self._stream.frames - whole)

    def _read(self) -> av.Packet | None:
        try:
            return next(self._packets, None)
        except av.error.EOFError:
            return None
        except (av.FFmpegError, OSError) as error:
            if self._by_arrival and error.errno == errno.EIO:  # so FFmpeg calls mpjpeg's end
                return None
            what = 'stopped giving frames' if self.live else 'cannot be read to its end'
            raise SourceError(f'{self.name} {what}: {self._reason(error)}') from None

    def _count_damaged(self, stamp: int | None, reason: str) -> None:
        if not self.damaged and not (self.live and self._offset is None):
            tick = self._stream.time_base
            when = '' if stamp is None or not tick else (
                f' at {float(stamp * tick) + (self._offset or 0.0):.2f} s')
            _tell(f'{self.name}: the frame{when} is damaged ({reason}) and left out, as all are '
                  f'that cannot be decoded')
        self.damaged += 1

    def _note(self, frame: av.VideoFrame, curve: Curve | None) -> None:
        """Tell what is special about the video, and take note of the pixels' shape."""
        self.pixel_aspect = 1 / self._aspect if orientation(frame)[1] else self._aspect
        if frame.interlaced_frame:
            _tell(f'{self.name} is interlaced: moving edges look like combs, and their depth is '
                  f'wrong; deinterlace it first (ffmpeg -i IN -vf yadif OUT)')
        if curve is not None:
            _tell(f'{self.name} has a high dynamic range ({curve.upper()}): it is compressed to 8 '
                  f'bits')

    def _timed(self, rgb: np.ndarray) -> Frame:
        """Put a picture into time: seconds since the first, and always after the one before."""
        clock = time.monotonic() - self._begin if self._by_arrival else self._clock
        if clock is None:
            clock = self._last + 1 / self.fps - self._offset if self._offset is not None else 0.0
        if self._offset is None:
            self._offset = -clock
        now = clock + self._offset
        if now <= self._last:  # recordings that were joined begin again
            now = self._last + 1 / self.fps
            self._offset = now - clock
        self._last = now
        return Frame(rgb, now)

    def _check_length(self) -> None:
        """Raise SourceError where a recording ended before the time that it says."""
        stream, container = self._stream, self._container
        if self._source.kind == 'webcam':
            raise SourceError(f'{self.name} stopped giving frames')
        if self.live or not container.format.name.startswith(SAYS_ITS_LENGTH):
            return
        tick = float(stream.time_base or 0)
        begin = (stream.start_time or 0) * tick
        length = (stream.duration or 0) * tick or None
        if container.format.name == 'avi' and stream.frames:
            length = stream.frames / self.fps
        elif tag := re.fullmatch(r'(\d+):(\d+):(\d+\.\d+)', stream.metadata.get('DURATION', '')):
            hours, minutes, seconds = map(float, tag.groups())
            begin, length = 0.0, 3600 * hours + 60 * minutes + seconds  # Matroska's: of its end
        elif length is None and container.duration and len(container.streams) == 1:
            length = container.duration / av.time_base
        if length is None:
            return
        if self._cut or self._end < begin + length - max(DEAD, 3 / self.fps):
            raise SourceError(
                f'{self.name} is cut short: it says that it is {length:.1f} s long, and ends after '
                f'{max(self._end - begin, 0):.1f} s; the frames until there are good')

    def __iter__(self) -> Iterator[Frame]:
        while True:
            frame, self._first = self._first, None
            if frame is None:
                rgb = next(self._decoded, None)
                if rgb is None:
                    return
                frame = self._timed(rgb)
            self._check(frame.rgb, f'a later frame of {self.name}')
            yield frame

    def rewind(self) -> None:
        if not self.live:  # opened anew: seeking is inexact in some formats
            self.close()
            self._open()

    def close(self) -> None:
        self._first = None
        self._decoded.close()  # type: ignore[attr-defined]
        self._container.close()
