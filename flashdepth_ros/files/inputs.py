"""What the name of a source means: a file, a webcam, or a stream's address. No ROS here."""
from dataclasses import dataclass, field
from pathlib import Path
import re
from typing import Literal
from urllib.parse import urlsplit

from .frame_source import SourceError

# FFmpeg's own names: what a stream may be asked for, and nothing that reads or joins local files
SCHEMES = ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'rtmps', 'rtp', 'srt', 'tcp', 'udp')
LIVE = {'analyzeduration': '1000000'}  # us; for a stream that tells no rate, FFmpeg takes five s


@dataclass(frozen=True)
class Wishes:
    """What is asked of a webcam or stream; 0 and '' leave it to the device.

    width, height: in pixels. rate: frames per second. pixel_format: FFmpeg's name, such as mjpeg,
    yuyv422 or h264. transport: of RTSP. timeout: seconds without data after which a stream is given
    up.
    """

    width: int = 0
    height: int = 0
    rate: float = 0.0
    pixel_format: str = ''
    transport: str = 'tcp'
    timeout: float = 10.0


@dataclass(frozen=True)
class Input:
    """What FFmpeg opens. name: for messages, without credentials. options: FFmpeg's."""

    kind: Literal['file', 'stream', 'webcam']
    name: str
    address: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None


def masked(source: str) -> str:
    """Return a source as it may be shown: no user, password or query of an address.

    People write passwords with any character, so rather too much is left out than too little.
    """
    scheme, mark, rest = source.partition('://')
    if not mark:
        return source
    _, at, rest = rest.rpartition('@')
    place, *query = re.split('[?&;]', rest, maxsplit=1)
    return f'{scheme}://{"***@" if at else ""}{place}{"?***" if query else ""}'


def is_address(source: str) -> bool:
    """Say whether a source is a stream's address, and no file of such a name."""
    return '://' in source and not Path(source).exists()


def is_webcam(source: str) -> bool:
    """Say whether a source is a webcam: its number, or its device (/dev/video0)."""
    if source.isdigit():
        return not Path(source).exists()
    return source.startswith('/dev/video') or Path(source).is_char_device()


def input_of(source: str, wishes: Wishes | None = None) -> Input:
    """Return what to open for a source that is no folder; SourceError for an unknown scheme."""
    wishes = wishes or Wishes()
    if is_webcam(source):
        device = f'/dev/video{source}' if source.isdigit() else source
        options = {}
        if wishes.width and wishes.height:
            options['video_size'] = f'{wishes.width}x{wishes.height}'
        if wishes.rate:
            options['framerate'] = f'{wishes.rate:g}'
        if wishes.pixel_format:
            options['input_format'] = wishes.pixel_format
        return Input('webcam', f'webcam {device}', device, 'v4l2', options, wishes.timeout)
    if is_address(source):
        scheme = urlsplit(source).scheme.lower()
        if scheme == 'file':
            return input_of(source.split('://', 1)[1], wishes)
        if scheme not in SCHEMES:
            raise SourceError(
                f'{masked(source)} cannot be opened: {scheme}:// is none of {", ".join(SCHEMES)}')
        options = dict(LIVE)
        if scheme.startswith('rtsp'):
            options['rtsp_transport'] = wishes.transport
        return Input('stream', masked(source), source, None, options, wishes.timeout)
    path = Path(source).expanduser()
    if not path.exists():
        raise SourceError(f'there is no video file or folder of images {path}')
    # with its scheme, so that a colon in the name makes no other
    return Input('file', str(path), f'file:{path.absolute()}')
