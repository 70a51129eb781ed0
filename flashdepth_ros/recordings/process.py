"""One bag in, one bag with depth out."""
from collections.abc import Callable
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Window:
    """A part of a bag: from a time in ns up to another, after a lead-in of so many images.

    In the lead-in the state is made, and nothing is written.
    """

    begin: int
    end: int
    lead_in: int


Progress = Callable[[int, int], None]  # images that were taken, and how many there are in all


def input_identity(path: Path) -> dict:
    """Return what tells a bag from another one of its name: the sizes of its files."""
    files = sorted(each for each in path.rglob('*') if each.is_file()) if path.is_dir() else [path]
    return {'input': path.name, 'bytes': [each.stat().st_size for each in files]}


def process_bag(
    source: Path, target: Place, recipe: Recipe, models: ModelKeeper, notes: Notes,
    overwrite: bool = False, progress: Progress = lambda done, total: None,
    window: Window | None = None, device: str = '',
) -> dict:
    """Write a bag with the depth of another one's images, and return its manifest.

    A run that was interrupted goes on where its last piece ends, and what it makes is what one run
    would have made. window: the part of it that is made. device: where the network runs, in
    place of the recipe's.

    Raises BagError, ParameterError, CheckpointError, EngineError, ScaleError, FrameTooSmallError or
    OSError.
    """
    begin = time.perf_counter()
    source = source.expanduser()
    if '://' not in target.where and Path(target.where).resolve() == source.resolve():
        raise BagError(f'{source} is the input: give the output another name')
    with BagReader(source) as reader:
        places = recipe.cameras(reader)
        settings = settings_of(recipe.values, [place.name for place in places])
        if device:
            settings = {**settings, 'engine.device': device}
        model = models.open(settings, notes)
        # numbers that differ in their last bit must not be joined
        identity = {**input_identity(source), 'recipe': recipe.about(), **models.about(),
                    'version': version('flashdepth_ros') if _installed() else '',
                    'window': asdict(window) if window else None}
        loaded = time.perf_counter()
        with BagPieces(target, identity, overwrite) as pieces:
            cameras = [BagCamera(place, model.engine, settings, recipe, reader, pieces, notes,
                                 window.begin if window else 0) for place in places]
            run = _Run(reader, pieces, cameras, recipe, notes, progress, window)
            seconds = run.all() + loaded - begin
            manifest = {
                'cameras': {camera.image: camera.about() for camera in cameras},
                'frames': run.frames,
                'seconds': round(seconds, 3), 'resumed': run.resumed,
                'notes': [*reader.losses, *notes.kept]}
            return pieces.finish(manifest, may_be_empty=window is not None)


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
        notes: Notes, progress: Progress, window: Window | None,
    ):
        self._reader, self._pieces, self._cameras = reader, pieces, cameras
        self._recipe, self._notes, self._progress = recipe, notes, progress
        self._copied = self._copies() if recipe.originals else set()
        self._total = sum(reader.topics[camera.image].count for camera in cameras)
        self._done, self._before = 0, 0.0
        self.resumed = pieces.resumed is not None
        self._position, self._window = Position(), window
        self._led_in = 0    # frames whose depth is not written

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
            if self._window is not None:
                self._position = self._reader.before(
                    {camera.image for camera in self._cameras}, self._window.begin,
                    self._window.lead_in)
            for camera in self._cameras:
                camera.prime(self._position.time)
        wanted = self._copied.union(*(camera.topics.subscribed for camera in self._cameras))
        last_piece = self._frames()
        for position, (topic, stamp, data) in self._reader.messages(wanted, self._position):
            if self._window is not None and stamp >= self._window.end:
                break
            leads_in = self._window is not None and stamp < self._window.begin
            if topic in self._copied and not leads_in:
                self._pieces.write(topic, stamp, data)
            for camera in self._cameras:
                if topic in camera.topics.subscribed:
                    self._take(camera, topic, stamp, data)
            if leads_in:
                self._led_in = last_piece = self._frames()
            elif self._frames() - last_piece >= self._recipe.piece:
                last_piece, self._position = self._frames(), position
                self._commit(self._before + time.perf_counter() - begin)
        if not self.frames and self._window is None:
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

    @property
    def frames(self) -> int:
        """How many images' depth was written."""
        return self._frames() - self._led_in

    def _frames(self) -> int:
        return sum(camera.processed for camera in self._cameras)

    def _commit(self, seconds: float) -> None:
        remembered = [camera.remember() for camera in self._cameras]
        arrays = {f'{number}.{name}': array.contiguous()
                  for number, (_, arrays) in enumerate(remembered)
                  for name, array in arrays.items()}
        self._pieces.commit(
            {'position': [self._position.time, self._position.count, self._position.of_time],
             'done': self._done, 'led_in': self._led_in, 'seconds': seconds,
             'notes': self._notes.kept, 'cameras': [fields for fields, _ in remembered]},
            lambda path: save_file(arrays, str(path)))

    def _resume(self, state: dict) -> None:
        self._position = Position(*state['position'])
        self._done, self._before = state['done'], state['seconds']
        self._led_in = state['led_in']
        self._notes.kept += state['notes']
        arrays = self._pieces.read_arrays(lambda path: load_file(str(path)))
        for number, (camera, fields) in enumerate(
                zip(self._cameras, state['cameras'], strict=True)):
            camera.recall(fields, {
                name.partition('.')[2]: array for name, array in arrays.items()
                if name.partition('.')[0] == str(number)}, self._position.time)
