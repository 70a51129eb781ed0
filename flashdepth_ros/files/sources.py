"""Frames from a video file, a folder of images, a webcam or a stream. No ROS here."""
from pathlib import Path

from .frame_source import Frame, FrameSource, SourceError
from .image_folder import ImageFolder
from .inputs import Wishes, input_of, is_address
from .video import Video

__all__ = ['Frame', 'FrameSource', 'SourceError', 'Wishes', 'open_source']


def open_source(source: str, wishes: Wishes | None = None) -> FrameSource:
    """Open a video file, a folder of images, a webcam ('0', '/dev/video0') or a stream's address.

    wishes: of a webcam or stream. Raises SourceError.
    """
    path = Path(source).expanduser()
    if not is_address(source) and path.is_dir():
        return ImageFolder(path)
    return Video(input_of(source, wishes))
