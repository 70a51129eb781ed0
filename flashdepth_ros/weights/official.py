"""The official weights: where they lie on this machine, and how they get there.

A file is looked for in the folder named by FLASHDEPTH_WEIGHTS, in ~/.cache/flashdepth_ros/<model>/
(under XDG_CACHE_HOME where that is set) and in the user's Hugging Face cache; flashdepth-nano's
comes with this package. The first download records the file's sha256 in
~/.cache/flashdepth_ros/sha256.json; later uses are held to it.
"""
import logging
import os
from pathlib import Path
import re

from ..models.checkpoint import CheckpointError
from ..models.spec import ModelSpec
from .folder import cache_folder
from .record import record_official, sha256, verify

ANSWER_SECONDS = 5  # how long the server may take to say that it has the file

log = logging.getLogger(__name__)


class WeightsNotFoundError(CheckpointError):
    """The weights are not on this machine and could not be fetched; the message says what to do."""


class LicenceError(CheckpointError):
    """The weights' licence must be accepted first; the message names it."""


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


def find_weights(spec: ModelSpec) -> Path:
    """Return the official weights' file where this machine has it, checked if its hash is known.

    Raises WeightsNotFoundError, or CheckpointError for a file with another hash than recorded.
    """
    for path in _places(spec):
        if path.is_file():
            verify(spec, path, _remedy(spec))
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
    record_official(spec, announced[0] if announced else sha256(path))
    verify(spec, path, _remedy(spec))
    return path
