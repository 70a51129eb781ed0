"""Pictures that a benchmark's camera plays from memory. No ROS here."""
import itertools

import cv2
import numpy as np

from ..files.sources import open_source

PICTURES = 12  # kept in memory, played forth and back so that the scene moves steadily


def moving_texture(height: int, width: int, count: int = PICTURES) -> list[np.ndarray]:
    """Make RGB pictures (height, width, 3) uint8 of a textured scene that moves, seeded."""
    rng = np.random.default_rng(0)
    shape = (height + 4 * count, width + 8 * count)
    scene = np.zeros((*shape, 3), np.float32)
    # coarse and fine structure, as photographs have
    for cell in (max(1, width // parts) for parts in (8, 32, 128)):
        coarse = rng.random((shape[0] // cell + 2, shape[1] // cell + 2, 3), dtype=np.float32)
        scene += cell ** 0.5 * cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR)
    scene = cv2.normalize(scene, scene, 0, 255, cv2.NORM_MINMAX).round().astype(np.uint8)
    return [np.ascontiguousarray(scene[4 * i:4 * i + height, 8 * i:8 * i + width])
            for i in range(count)]


def pictures_of_video(
    source: str, height: int, width: int, count: int = PICTURES,
) -> list[np.ndarray]:
    """Return the first pictures of a video or folder, resized; SourceError."""
    with open_source(source) as frames:
        return [cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA)
                for frame in itertools.islice(frames, count)]


def forth_and_back(count: int) -> list[int]:
    """Return the order in which `count` pictures are played: 0 1 2 3 2 1 for four."""
    return [*range(count), *range(count - 2, 0, -1)]
