"""Rendered clips on disk, in shards that are memory-mapped.

A shard is a folder of arrays: rgb.npy (N, T, H, W, 3) uint8, depth.npy (N, T, H, W) float16 in
metres (0: no truth), seeds.npy (N,) int64, interval.npy (N,) float32 in seconds (0: the frames do
not follow each other), intrinsics.npy (N, 3, 3) in pixels and poses.npy (N, T, 4, 4), camera
(optical frame) to world, both float32. All clips of a folder of shards have the same T, H and W.
"""
from dataclasses import dataclass
import os
from pathlib import Path
import shutil

import numpy as np

ARRAYS = ('rgb', 'depth', 'seeds', 'interval', 'intrinsics', 'poses')
DTYPES = {'rgb': np.uint8, 'depth': np.float16, 'seeds': np.int64,
          'interval': np.float32, 'intrinsics': np.float32, 'poses': np.float32}


@dataclass(frozen=True)
class Clip:
    """T frames of one scene, as ARRAYS have them, without the first dimension."""

    rgb: np.ndarray
    depth: np.ndarray
    seeds: int
    interval: float
    intrinsics: np.ndarray
    poses: np.ndarray


class ShardError(ValueError):
    """A folder of shards cannot be used; the message says why and what to do."""


def write_shard(folder: Path, clips: list[Clip]) -> None:
    """Write clips as the shard `folder`, which appears only when it is whole."""
    temporary = folder.with_name(f'.{folder.name}.{os.getpid()}')
    temporary.mkdir(parents=True)
    try:
        for name in ARRAYS:
            values = [getattr(clip, name) for clip in clips]
            np.save(temporary / f'{name}.npy', np.stack(values).astype(DTYPES[name]))
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


class Shards:
    """All clips of a folder of shards, numbered in the order of the shards' names.

    refresh() finds shards that were added since; the numbers of those known stay.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        self._shards: dict[str, dict[str, np.ndarray]] = {}
        self._ends = np.zeros(0, dtype=np.int64)
        self.refresh()
        if not self._shards:
            raise ShardError(
                f'{self.folder} holds no scenes: render some with '
                f'python3 -m flashdepth_ros.tools.make_scenes {self.folder}')

    def refresh(self) -> None:
        for path in sorted(self.folder.glob('shard_*')):
            if path.name in self._shards:
                continue
            try:
                shard = {name: np.load(path / f'{name}.npy', mmap_mode='r') for name in ARRAYS}
            except (OSError, ValueError) as error:
                raise ShardError(f'{path} is no whole shard ({error}): remove it') from error
            if self._shards and shard['rgb'].shape[1:] != self.clip_shape:
                raise ShardError(
                    f'{path} has clips of {shard["rgb"].shape[1:]}, those before it of '
                    f'{self.clip_shape} (frames, height, width, colours): keep them in '
                    f'different folders')
            self._shards[path.name] = shard
        self._ends = np.cumsum([len(shard['seeds']) for shard in self._shards.values()])

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, 3)."""
        return next(iter(self._shards.values()))['rgb'].shape[1:]

    @property
    def continuous(self) -> bool:
        """Whether the frames of a clip follow each other."""
        return bool(next(iter(self._shards.values()))['interval'][0] > 0)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _place(self, index: int) -> tuple[dict[str, np.ndarray], int]:
        number = int(np.searchsorted(self._ends, index, side='right'))
        shard = list(self._shards.values())[number]
        return shard, index - int(self._ends[number]) + len(shard['seeds'])

    def frames(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rgb (T, H, W, 3) uint8 and depth (T, H, W) float16 of some of a clip's frames."""
        shard, row = self._place(index)
        return shard['rgb'][row, start:stop], shard['depth'][row, start:stop]

    def __getitem__(self, index: int) -> Clip:
        shard, row = self._place(index)
        return Clip(**{name: np.asarray(shard[name][row]) for name in ARRAYS})
