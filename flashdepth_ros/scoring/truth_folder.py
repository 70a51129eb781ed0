"""True depth in a folder of files, and the cameras that saw it in another. No ROS here."""
import json
from pathlib import Path

import numpy as np

from ..files.depth_folder import DepthFolderError, read_array
from ..files.image_folder import natural_key
from .sequences import Cameras


class TruthFolder:
    """Depth images in a folder: 16-bit PNG, or .npy, .npz and .exr in metres; NaN and 0: none."""

    def __init__(self, folder: Path, png_scale: float = 1000.0):
        self._paths = sorted(
            (path for path in folder.glob('*') if path.suffix in ('.png', '.npy', '.npz', '.exr')),
            key=lambda path: natural_key(path.name))
        if not self._paths:
            raise DepthFolderError(f'{folder} holds no truth: no .png, .npy, .npz or .exr file')
        self._png_scale = png_scale

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def names(self) -> list[str]:
        """The files' names without their suffix."""
        return [path.stem for path in self._paths]

    def depth(self, index: int) -> np.ndarray:
        """Return a frame's depth, (height, width), in metres, float64."""
        path = self._paths[index]
        values = read_array(path).astype(np.float64)
        return values / self._png_scale if path.suffix == '.png' else values


def read_cameras(path: Path, frames: int) -> Cameras:
    """Read intrinsics (frames, 3, 3) and poses (frames, 4, 4) from an .npz or .json file.

    Both have the keys `intrinsics`, (3, 3) or one for each frame, in pixels of the truth, and
    `poses`, camera to world in metres. Raises DepthFolderError.
    """
    try:
        if path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as arrays:
                content = {name: arrays[name] for name in ('intrinsics', 'poses')}
        else:
            content = json.loads(path.read_text())
        intrinsics = np.asarray(content['intrinsics'], dtype=np.float64)
        poses = np.asarray(content['poses'], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DepthFolderError(
            f"{path} cannot be read as cameras: it needs 'intrinsics' and 'poses' ({error!r})"
        ) from error
    if intrinsics.shape == (3, 3):
        intrinsics = np.broadcast_to(intrinsics, (len(poses), 3, 3))
    if (poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) < frames
            or intrinsics.shape != (len(poses), 3, 3)):
        raise DepthFolderError(
            f'{path} has intrinsics {intrinsics.shape} and poses {poses.shape}; {frames} frames '
            f'need intrinsics (3, 3) or ({frames}, 3, 3) and poses ({frames}, 4, 4)')
    return Cameras(intrinsics, poses)
