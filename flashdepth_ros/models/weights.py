"""The official weights: where they lie on this machine, and how they get there.

A file is looked for in the folder named by FLASHDEPTH_WEIGHTS, in ~/.cache/flashdepth_ros/<model>/
(under XDG_CACHE_HOME where that is set) and in the user's Hugging Face cache; flashdepth-nano's
comes with this package. The first download records the file's sha256 in
~/.cache/flashdepth_ros/sha256.json; later uses are held to it.
"""
import hashlib
import json
import logging
import os
from pathlib import Path
import re
import tempfile
from typing import Literal

from .checkpoint import CheckpointError
from .registry import ModelSpec, model_spec

ANSWER_SECONDS = 5  # how long the server may take to say that it has the file
PREFERRED, BUNDLED = 'flashdepth-s', 'flashdepth-nano'  # what the model 'auto' is

log = logging.getLogger(__name__)


class WeightsNotFoundError(CheckpointError):
    """The weights are not on this machine and could not be fetched; the message says what to do."""


class LicenceError(CheckpointError):
    """The weights' licence must be accepted first; the message names it."""


def cache_folder() -> Path:
    """Return this package's folder in the user's cache; it need not exist."""
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(base).expanduser() / 'flashdepth_ros'


def source(spec: ModelSpec) -> str:
    """Return the address of the page where the official file can be seen and downloaded."""
    if not spec.repository:
        return 'this package, see docs/nano.md'
    return f'https://huggingface.co/{spec.repository}/blob/main/{spec.file}'


def _own_place(spec: ModelSpec) -> Path:
    return cache_folder() / spec.name / Path(spec.file).name


def _bundled_place(spec: ModelSpec) -> Path:
    return Path(__file__).with_name(spec.file)


def _places(spec: ModelSpec) -> list[Path]:
    places = []
    if named := os.environ.get('FLASHDEPTH_WEIGHTS'):
        folder = Path(named).expanduser()
        name = Path(spec.file).name
        places += [folder / spec.name / name, folder / name]
    places.append(_own_place(spec))
    if not spec.repository:
        return [*places, _bundled_place(spec)]
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:  # only downloads need it
        return places
    cached = try_to_load_from_cache(spec.repository, spec.file)
    return [*places, Path(cached)] if isinstance(cached, str) else places


def _remedy(spec: ModelSpec) -> str:
    if not spec.repository:
        return f'They come with this package, as {_bundled_place(spec)}: install it again'
    accept = '' if spec.commercial else ' --accept-licence'
    return (
        f'The file is {spec.file} of {spec.repository} (licence: {spec.licence}), from '
        f'{source(spec)}. Fetch it with: python3 -m flashdepth_ros.tools.fetch_weights '
        f'{spec.name}{accept}; or download it elsewhere and put it at {_own_place(spec)}')


# ---- the record of hashes --------------------------------------------------------------------


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


def _record_official(spec: ModelSpec, digest: str) -> None:
    record = _read_record()
    record['official'].setdefault(f'{spec.repository}/{spec.file}', digest)
    _write_record(record)


def _verify(spec: ModelSpec, path: Path) -> None:
    """Hold a file to the sha256 recorded at the first download, where there is one."""
    key = f'{spec.repository}/{spec.file}'
    expected = _read_record()['official'].get(key)
    if expected is not None and (found := sha256(path)) != expected:
        raise CheckpointError(
            f'{path.resolve()} has the sha256 {found}, but {expected} was recorded when it was '
            f'first fetched: it is damaged or was changed. Delete it and fetch it again, or remove '
            f'{key} from {_record_file()} if the authors replaced it. {_remedy(spec)}')


# ---- finding and fetching --------------------------------------------------------------------


def find_weights(spec: ModelSpec) -> Path:
    """Return the official weights' file where this machine has it, checked if its hash is known.

    Raises WeightsNotFoundError, or CheckpointError for a file with another hash than recorded.
    """
    for path in _places(spec):
        if path.is_file():
            _verify(spec, path)
            return path
    raise WeightsNotFoundError(f'the weights of {spec.name} are not on this machine. '
                               f'{_remedy(spec)}')


def download_weights(spec: ModelSpec, accept_licence: bool = False) -> Path:
    """Return the official weights' file, fetched into the user's Hugging Face cache if need be.

    A connection that breaks is taken up where it stopped, by older versions of huggingface_hub in
    the next call, by newer ones (1.20) within this call. Raises LicenceError where the licence is
    non-commercial and not accepted, WeightsNotFoundError without a network, CheckpointError for a
    file with another hash than the server announced or the first download had.
    """
    try:
        return find_weights(spec)
    except WeightsNotFoundError:
        if not spec.repository:
            raise
    if not spec.commercial and not accept_licence:
        raise LicenceError(
            f'the weights of {spec.name} are not free for commercial use; their licence is: '
            f'{spec.licence}. Read it at https://huggingface.co/{spec.repository}, and give '
            f'--accept-licence to fetch them under its terms')
    try:
        import huggingface_hub as hub
    except ImportError:
        raise WeightsNotFoundError(
            f'the weights of {spec.name} are not on this machine, and fetching them needs '
            f'huggingface_hub (pip install huggingface_hub). {_remedy(spec)}') from None
    endpoint = os.environ.get('HF_ENDPOINT') or None
    try:
        # asked first, because the download itself retries for minutes where nobody answers
        remote = hub.get_hf_file_metadata(
            hub.hf_hub_url(spec.repository, spec.file, endpoint=endpoint), timeout=ANSWER_SECONDS)
        log.info('fetching %s (%.0f MB), licence %s, from %s',
                 spec.file, (remote.size or 0) / 1e6, spec.licence, source(spec))
        path = Path(hub.hf_hub_download(
            spec.repository, spec.file, endpoint=endpoint, etag_timeout=ANSWER_SECONDS))
    except Exception as error:  # the library's own errors, and those of three HTTP clients
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsNotFoundError(
            f'the weights of {spec.name} could not be fetched: {reason[0].rstrip(".")}. '
            f'{_remedy(spec)}') from error
    # the server announces the sha256 of large files; it holds for this download and all later ones
    announced = re.fullmatch('[0-9a-f]{64}', remote.etag or '')
    _record_official(spec, announced[0] if announced else sha256(path))
    _verify(spec, path)
    return path


def resolve_weights(spec: ModelSpec, weights: str) -> Path | Literal['random']:
    """Turn `model.weights` (auto, random or a path, also with ~) into what an engine takes.

    auto finds the official file or, where its licence allows commercial use, fetches it. Raises
    WeightsNotFoundError or CheckpointError.
    """
    if weights == 'random':
        return 'random'
    if weights == 'auto':
        return download_weights(spec) if spec.commercial else find_weights(spec)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsNotFoundError(
            f"model.weights is '{weights}', and there is no such file; it must be auto, random or "
            f'a .pth or .safetensors file')
    return path


def choose_model(
    name: str, weights: str,
) -> tuple[ModelSpec, Path | Literal['random'], str]:
    """Turn `model.name` and `model.weights` into a model, its weights and a warning ('': none).

    The name auto is FlashDepth-S or, where its official weights are not here and cannot be
    fetched, the small network that comes with this package. Raises ValueError for an unknown name,
    and what resolve_weights raises.
    """
    spec = model_spec(PREFERRED if name == 'auto' else name)
    warning = ''
    try:
        chosen = resolve_weights(spec, weights)
    except WeightsNotFoundError as error:
        if name != 'auto' or weights != 'auto':
            raise
        spec = model_spec(BUNDLED)
        chosen = resolve_weights(spec, weights)
        warning = f'{error}. {spec.name} runs in its place. '
    if weights == 'auto':
        warning += spec.caution
    return spec, chosen, warning
