"""Predicted depth of a sequence of a dataset: a folder of process_video's, or a file a frame."""
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from .depth_folder import SIDECAR, DepthFolder, DepthFolderError, inverse_of_metres, read_array

Quantity = Literal['auto', 'depth', 'inverse-depth']
SUFFIXES = ('.npy', '.npz', '.png', '.exr')
PNG_STEPS = 1000  # a metre, where a PNG holds depth; any other scale is fitted away
INSIDE = ('.', 'rgb', 'color', 'clean', 'color_origin')  # VDA's predictions lie as its pictures do


class PredictedFrames:
    """Inverse depth of a sequence's frames by their names.

    Files that process_video did not write hold depth or inverse depth up to a scale; `auto` lets
    the first frame decide by whether it grows with the truth. Raises DepthFolderError.
    """

    def __init__(self, folder: Path, names: Sequence[str], quantity: Quantity = 'auto'):
        self.quantity = quantity
        self._names = names
        self._whole: DepthFolder | None = None
        if not folder.is_dir():
            raise DepthFolderError(f'there are no predictions {folder}')
        if (folder / SIDECAR).exists():
            self._whole = DepthFolder(folder)
            self._places = self._places_in(folder, self._whole)
        else:
            self._files = [_file_of(folder, name) for name in names]

    def _places_in(self, folder: Path, whole: DepthFolder) -> list[int]:
        if whole.names is None:
            if len(whole) != len(self._names):
                raise DepthFolderError(
                    f'{folder} holds {len(whole)} frames of a video without names, where '
                    f'{len(self._names)} are wanted: predict from the folder of pictures')
            return list(range(len(whole)))
        places = {name: i for i, name in enumerate(whole.names)}
        missing = [name for name in self._names if name not in places]
        if missing:
            raise DepthFolderError(
                f'{folder} has no prediction of {len(missing)} of {len(self._names)} frames, such '
                f'as {missing[0]}; it has {whole.names[0]} to {whole.names[-1]}')
        return [places[name] for name in self._names]

    def decide(self, index: int, truth: np.ndarray) -> None:
        """Decide what unlabelled files hold from one frame and its truth (h, w) in metres."""
        if self._whole is not None or self.quantity != 'auto':
            return
        values = read_array(self._files[index]).astype(np.float64)
        rows = np.linspace(0, values.shape[0] - 1, truth.shape[0]).round().astype(int)
        columns = np.linspace(0, values.shape[1] - 1, truth.shape[1]).round().astype(int)
        values = values[np.ix_(rows, columns)]
        known = (truth > 0) & (truth < 1e4) & np.isfinite(values)
        rank, true_rank = (np.argsort(np.argsort(each[known])) for each in (values, truth))
        if known.sum() < 2 or not np.ptp(values[known]):
            raise DepthFolderError(
                f'{self._files[index]} does not show whether it is depth or inverse depth: give '
                f'--quantity')
        self.quantity = 'depth' if np.corrcoef(rank, true_rank)[0, 1] > 0 else 'inverse-depth'

    def disparity(self, index: int) -> np.ndarray:
        """Return a frame's inverse depth (h, w) float32, NaN where there is none."""
        if self._whole is not None:
            return self._whole.disparity(self._places[index])
        values = read_array(self._files[index]).astype(np.float32)
        if self._files[index].suffix == '.png' and self.quantity == 'depth':
            values /= PNG_STEPS
        return inverse_of_metres(values) if self.quantity == 'depth' else values


def _file_of(folder: Path, name: str) -> Path:
    for inside in INSIDE:
        for suffix in SUFFIXES:
            path = folder / inside / f'{name}{suffix}'
            if path.is_file():
                return path
    raise DepthFolderError(
        f'{folder} has neither {SIDECAR} nor a prediction of frame {name} '
        f'({", ".join(f"{name}{suffix}" for suffix in SUFFIXES)})')
