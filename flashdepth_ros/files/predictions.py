"""Predicted depth of a sequence of a dataset: a folder of process_video's, or a file a frame."""
from collections.abc import Iterable, Sequence
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
    some frames decide by whether it grows with the truth. missing: the names that have no
    prediction, which cannot be read. Raises DepthFolderError.
    """

    def __init__(self, folder: Path, names: Sequence[str], quantity: Quantity = 'auto'):
        self.quantity = quantity
        self._folder, self._names = folder, names
        self._whole: DepthFolder | None = None
        if not folder.is_dir():
            raise DepthFolderError(f'there are no predictions {folder}')
        if (folder / SIDECAR).exists():
            self._whole = DepthFolder(folder)
            self._places = self._places_in(folder, self._whole)
            self.missing = [name for name in names if name not in self._places]
        else:
            found = {name: _file_of(folder, name) for name in names}
            self._files = {name: path for name, path in found.items() if path is not None}
            self.missing = [name for name in names if name not in self._files]
        if len(self.missing) == len(names):
            there = ', '.join(f'{names[0]}{suffix}' for suffix in SUFFIXES)
            raise DepthFolderError(
                f'{folder} has no prediction of any of {len(names)} frames, {names[0]} to '
                f'{names[-1]}: ' + (f'there is neither {SIDECAR} nor {there}' if self._whole is None
                                    else f'it has {next(iter(self._places))} and others'))

    def _places_in(self, folder: Path, whole: DepthFolder) -> dict[str, int]:
        if whole.names is None:
            if len(whole) != len(self._names):
                raise DepthFolderError(
                    f'{folder} holds {len(whole)} frames of a video without names, where '
                    f'{len(self._names)} are wanted: predict from the folder of pictures')
            return {name: i for i, name in enumerate(self._names)}
        return {name: i for i, name in enumerate(whole.names)}

    def decide(self, frames: Iterable[tuple[int, np.ndarray]]) -> None:
        """Decide what unlabelled files hold from some frames and their truths (h, w) in metres.

        Depth grows with the truth, over all of them together, and inverse depth against it.
        """
        if self._whole is not None or self.quantity != 'auto':
            return
        predicted, true = [], []
        for index, truth in frames:
            values = read_array(self._files[self._names[index]]).astype(np.float64)
            rows = np.linspace(0, values.shape[0] - 1, truth.shape[0]).round().astype(int)
            columns = np.linspace(0, values.shape[1] - 1, truth.shape[1]).round().astype(int)
            values = values[np.ix_(rows, columns)]
            known = (truth > 0) & (truth < 1e4) & np.isfinite(values)
            predicted.append(values[known])
            true.append(truth[known])
        ranks = np.stack([np.unique(np.concatenate(each), return_inverse=True)[1]
                          for each in (predicted, true)])
        if not ranks.any(axis=1).all():
            raise DepthFolderError(
                f'{self._folder} does not show whether it holds depth or inverse depth: give '
                f'--quantity')
        self.quantity = 'depth' if np.corrcoef(ranks[0], ranks[1])[0, 1] > 0 else 'inverse-depth'

    def disparity(self, index: int) -> np.ndarray:
        """Return a frame's inverse depth (h, w) float32, NaN where there is none."""
        if self._whole is not None:
            return self._whole.disparity(self._places[self._names[index]])
        path = self._files[self._names[index]]
        values = read_array(path).astype(np.float32)
        if path.suffix == '.png' and self.quantity == 'depth':
            values /= PNG_STEPS
        return inverse_of_metres(values) if self.quantity == 'depth' else values


def _file_of(folder: Path, name: str) -> Path | None:
    paths = (folder / inside / f'{name}{suffix}' for inside in INSIDE for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)
