"""Videos of a texture that moves, written with PyAV."""
from fractions import Fraction

import av
import numpy as np

SIZE = 48, 64  # height, width


def picture(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a frame (h, w, 3): a white corner at the upper left, and a bar that moves."""
    height, width = size
    frame = np.full((height, width, 3), 60, np.uint8)
    frame[:height // 3, :width // 3] = 250
    frame[2 * height // 3:, 4 * (index % 8):4 * (index % 8) + 12] = (20, 60, 200)
    return frame


def write_video(path, times, codec='libx264', size=SIZE, pixels='yuv420p', turn=None, aspect=None,
                options=None, container=None, suffix=None):
    """Write a frame at each time in seconds; turn: degrees and whether it is mirrored."""
    with av.open(f'file:{path}', 'w', format=suffix, options=container or {}) as file:
        stream = file.add_stream(codec, rate=20, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        # AVI and MPEG-2 count in frames
        counted = codec in ('mjpeg', 'mpeg2video')
        stream.codec_context.time_base = Fraction(1, 20 if counted else 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(i, size), 'rgb24')
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time / frame.time_base)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def evenly(count: int, rate: float = 20.0) -> list[float]:
    return [i / rate for i in range(count)]


def break_jpeg(path, number: int) -> None:
    """Overwrite the midst of one JPEG of a file."""
    data, start = bytearray(path.read_bytes()), -1
    for _ in range(number + 1):
        start = data.index(b'\xff\xd8\xff', start + 1)
    end = data.index(b'\xff\xd9', start)
    data[(start + end) // 2:end] = bytes(end - (start + end) // 2)
    path.write_bytes(data)


def cut(path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])
