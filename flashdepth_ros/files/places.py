"""Folders for results: on this machine, or wherever fsspec reaches by a URL."""
from collections.abc import Iterator
import contextlib
import fcntl
import os
from pathlib import Path
import shutil
import tempfile
import time

WAIT_FOR_LOCK = 60.0  # seconds; a process that was killed may take some to be gone


class Place:
    """A folder that may not exist yet, by a path or a URL such as s3://bucket/folder.

    URLs need the fsspec implementation of their protocol (s3fs, gcsfs, ...). A file that `put` or
    `write` makes is there as a whole or not at all.
    """

    def __init__(self, where: str):
        self.where = where.rstrip('/') if '://' in where else str(Path(where).expanduser())
        self._path = None if '://' in where else Path(self.where)
        self._lock: int | None = None
        if self._path is None:
            import fsspec
            self._files, self._root = fsspec.core.url_to_fs(self.where)

    def __str__(self) -> str:
        return self.where

    @property
    def name(self) -> str:
        return self.where.rpartition('/')[2]

    def beside(self, suffix: str) -> 'Place':
        """Return the place of this name with a suffix."""
        return Place(self.where + suffix)

    def below(self, name: str) -> 'Place':
        return Place(f'{self.where}/{name}')

    def exists(self, name: str = '') -> bool:
        """Whether this is there, or a file in it."""
        if self._path is not None:
            return (self._path / name).exists()
        return self._files.exists(f'{self._root}/{name}'.rstrip('/'))

    def read(self, name: str) -> bytes:
        """FileNotFoundError."""
        if self._path is not None:
            return (self._path / name).read_bytes()
        return self._files.cat_file(f'{self._root}/{name}')

    def write(self, name: str, data: bytes) -> None:
        """Write a file, in place of one of that name."""
        with self.scratch() as folder:
            (folder / 'data').write_bytes(data)
            self.put(folder / 'data', name)

    def put(self, file: Path, name: str) -> None:
        """Take over a file from this place's scratch folder, in place of one of that name."""
        if self._path is not None:
            os.replace(file, self._path / name)
        else:
            self._files.makedirs(self._root, exist_ok=True)
            self._files.put_file(str(file), f'{self._root}/{name}')
            file.unlink()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder on this machine for files that will be put here; it is removed."""
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
                prefix='.scratch_', dir=self._path, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def lock(self) -> None:
        """Keep other processes of this machine, or of one file system, from locking this.

        BlockingIOError where one keeps it. A URL cannot be locked.
        """
        if self._path is None:
            return
        self._path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path, os.O_RDONLY)
        end = time.monotonic() + WAIT_FOR_LOCK
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(lock)
                    raise BlockingIOError(f'another process writes to {self}') from None
                time.sleep(0.2)
        self._lock = lock

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def move(self, name: str, other: 'Place', new_name: str) -> None:
        """Move a file to another place of the same kind."""
        if self._path is not None and other._path is not None:
            other._path.mkdir(parents=True, exist_ok=True)
            os.replace(self._path / name, other._path / new_name)
        else:
            self._files.makedirs(other._root, exist_ok=True)
            self._files.mv(f'{self._root}/{name}', f'{other._root}/{new_name}')

    def files(self) -> list[str]:
        """Return the names of the files in it; none where it does not exist."""
        if self._path is not None:
            return sorted(each.name for each in self._path.iterdir()) if self.exists() else []
        if not self.exists():
            return []
        return sorted(each.rstrip('/').rpartition('/')[2]
                      for each in self._files.ls(self._root, detail=False))

    def remove(self, name: str = '') -> None:
        """Remove this with all that is in it, or a file or folder in it, if it is there."""
        if self._path is not None:
            path = self._path / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        elif self.exists(name):
            self._files.rm(f'{self._root}/{name}'.rstrip('/'), recursive=True)

    def rename(self, other: 'Place') -> None:
        """Give this the name of another, which does not exist."""
        if self._path is not None and other._path is not None:
            os.rename(self._path, other._path)
        else:
            self._files.mv(self._root, other._root, recursive=True)
