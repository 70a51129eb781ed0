"""The record of sha256: what was fetched first is what every later use is held to."""
import hashlib
import json
import logging
import os
from pathlib import Path
import tempfile

from ..models.checkpoint import CheckpointError
from ..models.spec import ModelSpec
from .folder import cache_folder

log = logging.getLogger(__name__)


def _record_file() -> Path:
    return cache_folder() / 'sha256.json'


def _read_record() -> dict[str, dict]:
    """Return {'official': {repository/file: sha256}, 'files': {path: [size, mtime_ns, sha256]}}."""
    try:
        record = json.loads(_record_file().read_text())
        return {'official': dict(record['official']), 'files': dict(record['files'])}
    except FileNotFoundError:
        return {'official': {}, 'files': {}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{_record_file()}, the record of the weights' sha256, cannot be read ({error!r}): "
            f'repair or delete it') from error


def _write_record(record: dict[str, dict]) -> None:
    """Replace the record as a whole; a read-only cache costs a warning and hashing again."""
    target = _record_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)
        try:
            with os.fdopen(handle, 'w') as file:
                json.dump(record, file, indent=1)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        log.warning('the sha256 of the weights could not be recorded in %s: %s', target, error)


def sha256(path: str | Path) -> str:
    """Return a file's sha256; one hashed before is not read again while size and mtime stay."""
    path = Path(path).resolve()
    status = path.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    record = _read_record()
    known = record['files'].get(str(path))
    if known and known[:2] == stamp:
        return known[2]
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    record = {'official': record['official'],
              'files': {**record['files'], str(path): [*stamp, digest.hexdigest()]}}
    _write_record(record)
    return digest.hexdigest()


def record_official(spec: ModelSpec, digest: str) -> None:
    """Record the sha256 of a model's official file, unless one is recorded already."""
    record = _read_record()
    record['official'].setdefault(f'{spec.repository}/{spec.file}', digest)
    _write_record(record)


def verify(spec: ModelSpec, path: Path, remedy: str) -> None:
    """Hold a file to the sha256 recorded at the first download, where there is one.

    Raises CheckpointError, which ends with the remedy, for a file with another.
    """
    key = f'{spec.repository}/{spec.file}'
    expected = _read_record()['official'].get(key)
    if expected is not None and (found := sha256(path)) != expected:
        raise CheckpointError(
            f'{path.resolve()} has the sha256 {found}, but {expected} was recorded when it was '
            f'first fetched: it is damaged or was changed. Delete it and fetch it again, or remove '
            f'{key} from {_record_file()} if the authors replaced it. {remedy}')
