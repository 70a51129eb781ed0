"""What is to be done with one bag, or with a part of it, wherever that happens to run."""
from collections import Counter
from dataclasses import asdict, dataclass, replace
import os
from pathlib import Path
import socket
import tempfile

from ..engines import EngineError
from ..files.bag_join import join_bags
from ..files.bag_pieces import manifest_of
from ..files.bag_reader import BagReader
from ..files.places import Place
from ..images.loops import LoopError
from ..models import CheckpointError
from .models import ModelKeeper
from .notes import Notes
from .process import Progress, Window, input_identity, process_bag
from .recipe import Recipe, one_camera

# BagError, ParameterError, ScaleError and FrameTooSmallError are ValueErrors; ImportError: fsspec
# lacks a protocol
EXPECTED = (CheckpointError, EngineError, LoopError, ValueError, OSError, ImportError)
SHORTEST = 2    # windows that are worth it

_MODELS = ModelKeeper()    # of this process


@dataclass(frozen=True)
class Job:
    """A bag, by a path or a URL, and where its depth goes.

    window: of it, in place of all. device: in place of the recipe's, where the worker is told one.
    """

    source: str
    target: str
    recipe: Recipe
    overwrite: bool = False
    window: Window | None = None
    device: str = ''


def _local(source: str, folder: str) -> Path:
    """Return the path of a bag, brought here if it is a URL."""
    if '://' not in source:
        return Path(source)
    import fsspec
    files, root = fsspec.core.url_to_fs(source)
    name = root.rstrip('/').rpartition('/')[2]
    files.get(root.rstrip('/'), f'{folder}/{name}', recursive=files.isdir(root))
    return Path(folder) / name


def run(job: Job, progress: Progress = lambda done, total: None) -> dict:
    """Do a job; return what became of it. What is expected to go wrong is told, not raised."""
    entry = {'bag': job.source, 'output': job.target,
             'worker': f'{socket.gethostname()}:{os.getpid()}'}
    notes, target = Notes('process_bag'), Place(job.target)
    try:
        found = None if job.overwrite else manifest_of(target)
        if found is not None and not _is_made_so(found['identity'], job):
            raise ValueError(f'{target} is there already, made in another way: give another '
                             f'name, or --overwrite')
        if found is not None:
            return {**entry, 'outcome': 'was there', **_short(found)}
        loads = _MODELS.loads
        with tempfile.TemporaryDirectory(prefix='bag_') as folder:
            manifest = process_bag(
                _local(job.source, folder), target, job.recipe, _MODELS, notes, job.overwrite,
                progress, job.window, job.device)
        return {**entry, 'outcome': 'done', 'loaded_model': _MODELS.loads > loads,
                **_short(manifest)}
    except EXPECTED as error:
        return {**entry, 'outcome': 'failed', 'error': str(error), 'notes': notes.kept}


def _is_made_so(identity: dict, job: Job) -> bool:
    """Say whether a bag is what a job would make."""
    expected = {'recipe': job.recipe.same_about(),
                'window': None if job.window is None else asdict(job.window)}
    if '://' not in job.source:
        expected |= input_identity(Path(job.source).expanduser())
    return all(identity.get(name) == value for name, value in expected.items())


def _short(manifest: dict) -> dict:
    resets: dict[str, int] = {}
    for camera in manifest['cameras'].values():
        for reason, count in camera['resets'].items():
            resets[reason] = resets.get(reason, 0) + count
    return {'frames': manifest['frames'], 'seconds': manifest['seconds'], 'resets': resets,
            'resumed': manifest['resumed'], 'files': manifest['files'],
            'notes': manifest['notes']}


def windows_of(job: Job, seconds: float, lead_in: int) -> list[Job]:
    """Divide a job into windows of a length, which lead their state in over some frames before.

    One that cannot be divided stays as it is: a short bag, or one without an index.
    """
    try:
        if not job.overwrite and Place(job.target).exists():
            return [job]
        with tempfile.TemporaryDirectory(prefix='bag_') as folder:
            with BagReader(_local(job.source, folder)) as reader:
                begin, end, seekable = reader.begin, reader.end, reader.seekable
    except EXPECTED:
        return [job]    # running it tells
    count = round((end - begin) / 1e9 / seconds)
    if not seekable or count < SHORTEST:
        return [job]
    edges = [begin + (end - begin) * number // count for number in range(count)] + [end + 1]
    return [replace(job, target=f'{job.target}.window_{number}',
                    window=Window(edges[number], edges[number + 1], lead_in if number else 0))
            for number in range(count)]


def join(job: Job, *parts: dict) -> dict:
    """Make one bag of the bags of its windows; return what became of it."""
    entry = {'bag': job.source, 'output': job.target}
    if failed := [part for part in parts if part['outcome'] == 'failed']:
        return {**entry, 'outcome': 'failed', 'error': failed[0]['error'],
                'notes': failed[0]['notes']}
    try:
        manifest = join_bags(Place(job.target), [Place(part['output']) for part in parts],
                             {'window': None}, job.overwrite)
    except EXPECTED as error:
        return {**entry, 'outcome': 'failed', 'error': str(error), 'notes': []}
    return {**entry, 'outcome': 'done', **_short(manifest)}


def jobs_for(
    sources: list[str], target: str, recipe: Recipe, overwrite: bool, by_camera: bool,
) -> list[Job]:
    """Return the jobs for several bags, whose depth goes into a folder by their names.

    by_camera: one for each camera, into a bag of its own. ValueError for bags of one name.
    """
    recipes = [('', recipe)]
    if by_camera:
        recipes = [(f'.{name}', each) for name, each in one_camera(recipe)]
    jobs = [Job(source, f'{target.rstrip("/")}/{name_of(source)}{suffix}', each, overwrite)
            for source in sources for suffix, each in recipes]
    targets = [job.target for job in jobs]
    if doubled := [each for each, count in Counter(targets).items() if count > 1]:
        raise ValueError(f'several bags would become {", ".join(doubled)}: bags of one name need '
                         f'folders of their own')
    return jobs


def name_of(source: str) -> str:
    """Return a bag's name: of a folder, or of a file without what it ends in."""
    name = source.rstrip('/').rpartition('/')[2]
    for suffix in ('.zstd', '.mcap', '.db3', '.bag'):
        name = name.removesuffix(suffix)
    return name
