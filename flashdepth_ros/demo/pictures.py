"""A recording as pictures: camera, true depth where it is known, depth, and cloud, side by side."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ..images.preview import colour_depth
from .cloud_picture import render_cloud
from .recording import RecordedFrame

HEIGHT = 360  # of each picture in a row
WHITE, RED = (255, 255, 255), (120, 160, 255)


def depth_range(depths: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return one near and far in metres for all pictures, from the spread of all depths."""
    values = np.concatenate([depth[::8, ::8].ravel() for depth in depths])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.5, 20.0
    near, far = np.percentile(values, (2, 95))
    return float(near), float(max(far, near * 1.01))


def label(
    picture: np.ndarray, text: str, colour: tuple[int, int, int] = WHITE,
) -> np.ndarray:
    """Write a line of text on a dark band over a BGR picture, in place, and return it."""
    picture[:32] //= 4
    cv2.putText(picture, text, (10, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    return picture


def scale_to_height(picture: np.ndarray) -> np.ndarray:
    """Scale a picture to the row's height; an even width, which video encoders want."""
    width = round(picture.shape[1] * HEIGHT / picture.shape[0] / 2) * 2
    return cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA)


class Pictures:
    """Draws the frames of a recording, all over one range of colours.

    title: over the camera's picture. untrained: whether the depth must be called meaningless.
    scale: that brings the depths to the truth.
    """

    def __init__(
        self, frames: Sequence[RecordedFrame], title: str, untrained: bool, scale: float = 1.0,
    ):
        self._frames, self._title = frames, title
        self._untrained, self._scale = untrained, scale
        self._near, self._far = depth_range([
            frame.depth if frame.truth is None else frame.truth for frame in frames])

    def row(self, frame: RecordedFrame) -> list[np.ndarray]:
        """Return camera | truth, where it is known | depth, BGR of HEIGHT rows."""
        near, far, scale = self._near, self._far, self._scale
        span = f'{near:.1f} m (red) to {far:.1f} m (blue)'
        text, colour = f'depth {span}', WHITE
        rgb = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        pictures = [label(scale_to_height(rgb), self._title)]
        if frame.truth is not None:
            truth = colour_depth(frame.truth, near, far, 'turbo')
            pictures.append(label(scale_to_height(truth), f'truth {span}'))
            text = f'depth x {scale:.3g}'
        if self._untrained:
            text, colour = f'UNTRAINED random weights: {text}', RED
        depth = colour_depth(frame.depth * np.float32(scale), near, far, 'turbo')
        return [*pictures, label(scale_to_height(depth), text, colour)]

    def write_frames(self, path: Path, count: int = 3) -> None:
        """Write some frames as one picture, each a row with its cloud at the end."""
        count = min(count, len(self._frames))
        rows = []
        for place in tqdm(np.linspace(0, len(self._frames) - 1, count), unit='cloud',
                          desc='rendering'):
            frame = self._frames[round(place)]
            pictures = self.row(frame)
            width = pictures[0].shape[1]
            cloud = render_cloud(frame.cloud, HEIGHT, width, self._far / self._scale)
            if cloud is None:
                cloud = label(np.zeros((HEIGHT, width, 3), np.uint8), 'no points in range')
            else:
                label(cloud, 'points')
            rows.append(np.hstack([*pictures, cloud]))
        cv2.imwrite(str(path), np.vstack(rows))

    def write_video(self, path: Path) -> None:
        """Write all frames as an MP4, at the rate they had."""
        frames = self._frames
        seconds = (frames[-1].stamp - frames[0].stamp) / 1e9
        rate = (len(frames) - 1) / seconds if seconds > 0 else 1.0
        height, width = np.hstack(self.row(frames[0])).shape[:2]
        video = cv2.VideoWriter(
            str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, (width, height))
        for frame in frames:
            video.write(np.hstack(self.row(frame)))
        video.release()
