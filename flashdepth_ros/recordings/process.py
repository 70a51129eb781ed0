"""One bag in, one bag with depth out."""
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
import time

from safetensors.torch import load_file, save_file

from ..files.bag_pieces import BagPieces
from ..files.bag_reader import BagReader, Position
from ..files.bag_types import BagError
from ..files.places import Place
from ..ros.message import MessageError
from .bag_camera import BagCamera
from .models import ModelKeeper
from .notes import Notes
from .recipe import Recipe, settings_of

Progress = Callable[[int, int], None]  # images that were taken, and how many there are in all


def input_identity(path: Path) -> dict:
    """Return what tells a bag from another one of its name: the sizes of its files."""
    files = sorted(each for each in path.rglob('*') if each.is_file()) if path.is_dir() else [path]
    return {'input': path.name, 'bytes': [each.stat().st_size for each in files]}


def process_bag(
    source: Path, target: Place, recipe: Recipe, models: ModelKeeper, notes: Notes,
    overwrite: bool = False, progress: Progress = lambda done, total: None,
) -> dict:
    """Write a bag with the depth of another one's images, and return its manifest.

    A run that was interrupted goes on where its last piece ends, and what it makes is what one run
    would have made. Raises BagError, ParameterError, CheckpointError, EngineError, ScaleError,
    FrameTooSmallError or OSError.
    """
    begin = time.perf_counter()
    source = source.expanduser()
    if '://' not in target.where and Path(target.where).resolve() == source.resolve():
        raise BagError(f'{source} is the input: give the output another name')
    with BagReader(source) as reader:
        places = recipe.cameras(reader)
        settings = settings_of(recipe.values, [place.name for place in places])
        model = models.open(settings, notes)
        # numbers that differ in their last bit must not be joined
        identity = {**input_identity(source), 'recipe': recipe.about(), **models.about(),
                    'version': version('flashdepth_ros') if _installed() else ''}
        loaded = time.perf_counter()
        with BagPieces(target, identity, overwrite) as pieces:
            cameras = [BagCamera(place, model.engine, settings, recipe, reader, pieces, notes)
                       for place in places]
            run = _Run(reader, pieces, cameras, recipe, notes, progress)
            seconds = run.all() + loaded - begin
            manifest = {
                'cameras': {camera.image: camera.about() for camera in cameras},
                'frames': sum(camera.processed for camera in cameras),
                'seconds': round(seconds, 3), 'resumed': run.resumed,
                'notes': [*reader.losses, *notes.kept]}
            return pieces.finish(manifest)


def _installed() -> bool:
    try:
        version('flashdepth_ros')
    except PackageNotFoundError:
        return False
    return True


class _Run:
    """The messages of a bag, on their way to its cameras and, if wanted, into the other bag."""

    def __init__(
        self, reader: BagReader, pieces: BagPieces, cameras: list[BagCamera], recipe: Recipe,
        notes: Notes, progress: Progress,
    ):
        self._reader, self._pieces, self._cameras = reader, pieces, cameras
        self._recipe, self._notes, self._progress = recipe, notes, progress
        self._copied = self._copies() if recipe.originals else set()
        self._total = sum(reader.topics[camera.image].count for camera in cameras)
        self._done, self._before = 0, 0.0
        self.resumed = pieces.resumed is not None
        self._position = Position()

    def _copies(self) -> set[str]:
        """Return the topics that are copied."""
        made = {name for camera in self._cameras for name in camera.topics.made}
        taken = sorted(made & self._reader.topics.keys())
        if taken:
            raise BagError(
                f'{self._reader.path} has {", ".join(taken)} already: give --namespace for what is '
                f'made, or --no-originals')
        copied = set()
        for topic in self._reader.topics.values():
            if self._pieces.declare(topic):
                copied.add(topic.name)
            else:
                self._notes.warning(f'{topic.name} is not copied: its type {topic.kind} is unknown')
        return copied

    def all(self) -> float:
        """Go through the bag; return the seconds that it took, in all runs."""
        begin = time.perf_counter()
        if self._pieces.resumed is not None:
            self._resume(self._pieces.resumed)
        else:
            for camera in self._cameras:
                camera.prime()
        wanted = self._copied.union(*(camera.topics.subscribed for camera in self._cameras))
        last_piece = self._frames()
        for position, (topic, stamp, data) in self._reader.messages(wanted, self._position):
            if topic in self._copied:
                self._pieces.write(topic, stamp, data)
            for camera in self._cameras:
                if topic in camera.topics.subscribed:
                    self._take(camera, topic, stamp, data)
            if self._frames() - last_piece >= self._recipe.piece:
                last_piece, self._position = self._frames(), position
                self._commit(self._before + time.perf_counter() - begin)
        if not self._frames():
            problems = [text for camera in self._cameras for text in camera.problems()]
            raise BagError(f'no image of {self._reader.path} became depth: '
                           + ('; '.join(problems) or 'there are none'))
        return self._before + time.perf_counter() - begin

    def _take(self, camera: BagCamera, topic: str, stamp: int, data: bytes) -> None:
        try:
            camera.topics.deliver(topic, stamp, data)
        except MessageError as error:
            camera.damaged(topic, error)
        if topic == camera.image:
            camera.pipeline.process()
            self._done += 1
            self._progress(self._done, self._total)

    def _frames(self) -> int:
        return sum(camera.processed for camera in self._cameras)

    def _commit(self, seconds: float) -> None:
        remembered = [camera.remember() for camera in self._cameras]
        arrays = {f'{number}.{name}': array.contiguous()
                  for number, (_, arrays) in enumerate(remembered)
                  for name, array in arrays.items()}
        self._pieces.commit(
            {'position': [self._position.time, self._position.count, self._position.of_time],
             'done': self._done, 'seconds': seconds,
             'notes': self._notes.kept, 'cameras': [fields for fields, _ in remembered]},
            lambda path: save_file(arrays, str(path)))

    def _resume(self, state: dict) -> None:
        self._position = Position(*state['position'])
        self._done, self._before = state['done'], state['seconds']
        self._notes.kept += state['notes']
        arrays = self._pieces.read_arrays(lambda path: load_file(str(path)))
        for number, (camera, fields) in enumerate(
                zip(self._cameras, state['cameras'], strict=True)):
            camera.recall(fields, {
                name.partition('.')[2]: array for name, array in arrays.items()
                if name.partition('.')[0] == str(number)}, self._position.time)
