"""Built engines in the user's cache: found again by what they are, or not at all.

An entry is a folder that is made under another name and renamed when it is whole. It holds the key
it was made for and the sha256 of its files, and what differs in either is built anew. A file is
hashed when it is made, and again only where the file system says that it is another one, or that it
was written to: a large model has more than a gigabyte.
"""
from collections.abc import Callable, Iterator, Mapping
import contextlib
from dataclasses import dataclass
import fcntl
import functools
import hashlib
import json
import logging
import os
from pathlib import Path
import shutil
import tempfile

from ..weights.folder import cache_folder
from .engine import EngineError
from .plan_file import replace_file

ABOUT = 'entry.json'

# What is kept; the least recently used goes first. A camera that changes its size makes an entry of
# up to 1.5 GB for each, and a verdict of a kilobyte.
MOST_ENTRIES = 64
MOST_BYTES = 12 << 30

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A whole entry: its folder, the facts that its maker noted, and a digest of its files."""

    folder: Path
    facts: dict
    digest: str


def engines_folder() -> Path:
    """Return the folder of all entries; it need not exist."""
    return cache_folder() / 'engines'


@functools.cache
def code_digest(*patterns: str) -> str:
    """Return a digest of the source that a file is made by, such as 'models/*.py'."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in package.glob(pattern)}):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return a file's sha256."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    """Return what changes with whatever happens to a file; no program can set the time in it."""
    status = path.stat()
    return [status.st_size, status.st_ino, status.st_ctime_ns]


def place(key: Mapping[str, str]) -> Path:
    """Return the folder where the entry of a key is, or would be."""
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:16]
    name = '-'.join(str(key[part]) for part in ('model', 'width', 'height', 'kind') if part in key)
    return engines_folder() / f'{name}-{digest}'


def _digest_of_files(digests: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _write_about(
    folder: Path, key: Mapping[str, str], digests: dict[str, str], facts: dict,
) -> None:
    """Write what an entry is of, with its files as they are now."""
    stamps = {name: _stamp(folder / name) for name in digests}
    replace_file(folder / ABOUT, json.dumps({
        'key': dict(key), 'files': digests, 'stamps': stamps, 'facts': facts}, indent=1).encode())


def _check(folder: Path, about: dict) -> list[str]:
    """Return the files that are not what they were; those that may have changed are hashed."""
    digests, stamps = dict(about['files']), dict(about['stamps'])
    touched = [name for name in digests if _stamp(folder / name) != stamps.get(name)]
    damaged = [name for name in touched if file_digest(folder / name) != digests[name]]
    if touched and not damaged:  # copied, or restored from a backup
        with contextlib.suppress(OSError):
            _write_about(folder, about['key'], digests, about['facts'])
    return damaged


def _read(key: Mapping[str, str], whole: bool) -> Entry | None:
    folder = place(key)
    try:
        about = json.loads((folder / ABOUT).read_text())
        if about['key'] != dict(key):
            problem = 'is of something else'
        else:
            damaged = _check(folder, about) if whole else [
                name for name, stamp in about['stamps'].items()
                if (folder / name).stat().st_size != stamp[0]]
            if not damaged:
                return Entry(folder, about['facts'], _digest_of_files(about['files']))
            problem = f'is damaged ({", ".join(damaged)})'
    except FileNotFoundError as error:
        if not folder.exists():
            return None
        problem = f'is not whole ({error.filename} is missing)'
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f'cannot be read ({error!r})'
    if whole:
        log.warning('%s %s and is built anew', folder, problem)
    return None


def _note_use(entry: Entry) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written is good to read
        os.utime(entry.folder / ABOUT)


def _last_use(folder: Path) -> float:
    try:
        return (folder / ABOUT).stat().st_mtime
    except OSError:  # removed meanwhile, or not whole
        return 0.0


def _prune(kept: Path) -> None:
    """Remove what was not used for longest, until the rest is within the limits, but not `kept`."""
    entries = [folder for folder in kept.parent.iterdir()
               if folder.is_dir() and not folder.name.startswith('.') and folder != kept]
    number, room = 1, MOST_BYTES - _bytes(kept)
    for folder in sorted(entries, key=_last_use, reverse=True):
        number, room = number + 1, room - _bytes(folder)
        if number > MOST_ENTRIES or room < 0:
            log.info('%s was not used for longest and is removed', folder)
            shutil.rmtree(folder, ignore_errors=True)


def _bytes(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0


def look(key: Mapping[str, str]) -> Entry | None:
    """Return the entry of a key where it seems to be whole; its files are not read."""
    return _read(key, whole=False)


def find(key: Mapping[str, str]) -> Entry | None:
    """Return the entry of a key where it is there, whole, and really of that key."""
    entry = _read(key, whole=True)
    if entry is not None:
        _note_use(entry)
    return entry


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of an entry; it is free again when its holder ends, however that ends.

    What builders that were killed have left behind is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f'.{folder.name}.lock', 'w') as file:
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info('waiting for another process that builds %s', folder.name)
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks: then both build, and the last one stays
            yield
            return
        for left in folder.parent.glob(f'.{folder.name}.*/'):
            shutil.rmtree(left, ignore_errors=True)
        yield


def get(key: Mapping[str, str], make: Callable[[Path], dict]) -> Entry:
    """Return the entry of a key; where there is none, `make` fills a new folder, returning facts.

    Two processes that want the same build it once. Raises what `make` raises, and EngineError where
    the cache cannot be written.
    """
    if (entry := find(key)) is not None:
        return entry
    folder = place(key)
    try:
        with _alone(folder):
            if (entry := find(key)) is not None:  # built while this process waited
                return entry
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f'.{folder.name}.'))
            try:
                facts = make(temporary)
                digests = {path.name: file_digest(path) for path in temporary.iterdir()}
                _write_about(temporary, key, digests, facts)
                if folder.exists():
                    shutil.rmtree(folder)
                os.rename(temporary, folder)
                _prune(folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise EngineError(
            f'the engine cannot be kept in {folder.parent} ({error}): make room there, or name '
            f'another cache with XDG_CACHE_HOME') from error
    return Entry(folder, facts, _digest_of_files(digests))
