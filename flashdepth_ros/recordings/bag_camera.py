"""One camera of a bag: the node's own, with a bag in the place of a graph."""
import threading

from torch import Tensor

from ..engines import Engine
from ..files.bag_pieces import BagPieces
from ..files.bag_reader import BagReader
from ..files.bag_types import COMPRESSED
from ..node.camera import Camera
from ..node.pipeline import Pipeline
from ..node.remembered import recall, remember
from ..ros.message import MessageError
from ..ros.parameters import Settings
from .bag_topics import TF, TF_STATIC, BagTopics
from .notes import Notes
from .recipe import OUTPUTS, CameraTopics, Recipe

TF_KEPT = 10_000_000_000  # ns of transforms that a frame may need


class BagCamera:
    """A camera whose frames come from a bag, one by one, and whose depth goes into another one.

    image: the topic of its images. begin: the time in ns from which on is written.
    """

    def __init__(
        self, place: CameraTopics, engine: Engine, settings: Settings, recipe: Recipe,
        reader: BagReader, pieces: BagPieces, notes: Notes, begin: int = 0,
    ):
        self.image, self._info, self._reader = place.image, place.info, reader
        kinds = {name: topic.kind for name, topic in reader.topics.items()}
        settings = {**settings, 'input.transport':
                    'compressed' if kinds[place.image] == COMPRESSED else 'raw'}

        def write(topic: str, time: int, data: bytes) -> None:
            if time >= begin:
                pieces.write(topic, time, data)
        self.topics = BagTopics(
            f'{place.name}/' if place.name else '', place.image, place.info, place.namespace,
            recipe.remaps, kinds, (*OUTPUTS, *recipe.more), write, notes, recipe.compress)
        self.camera = Camera(self.topics, place.name, engine, settings, threading.Condition())
        own = self.camera.settings(settings)
        self.topics.ranges = own['output.min_range'], own['output.max_range']
        for topic in self.topics.made.values():
            pieces.declare(topic)
        self.pipeline = Pipeline(self.topics, [self.camera], lambda: settings)
        self.camera.subscribe()

    def prime(self, until: int) -> None:
        """Take what holds at the beginning, which may be a time in ns in the midst of the bag.

        The camera_info that is recorded first holds for the images before it, too.
        """
        for _, (topic, stamp, data) in self._reader.messages({self._info}):
            try:
                self.topics.deliver(topic, stamp, data)
            except MessageError:
                continue
            break
        self._follow_transforms(until)

    @property
    def processed(self) -> int:
        """How many images have become depth."""
        return self.camera.input.arrivals.counts.processed

    def damaged(self, topic: str, error: MessageError) -> None:
        """Take note of a message that cannot be read."""
        if topic == self.image:
            self.camera.input.arrivals.reject()
            self.camera.input.bad_frame('message', error)
        else:
            self.topics.log.warning(f'{topic}: {error}')

    def problems(self) -> list[str]:
        return self.camera.input.problems.current()

    def remember(self) -> tuple[dict, dict[str, Tensor]]:
        """Return what it remembers, for JSON and for safetensors."""
        return remember(self.camera)

    def recall(self, fields: dict, arrays: dict[str, Tensor], until: int) -> None:
        """Go on from what another one remembered, after messages of a time in ns."""
        recall(self.camera, fields, arrays)
        self.topics.at(until)
        self._follow_transforms(until)

    def _follow_transforms(self, until: int) -> None:
        """Take the transforms before a time: tf2's own memory cannot be looked into."""
        for topic in self.topics.subscribed & {TF_STATIC, TF}:
            for _, (_, stamp, data) in self._reader.messages({topic}):
                if stamp > until:
                    break
                if topic == TF_STATIC or stamp > until - TF_KEPT:
                    self.topics.deliver(topic, stamp, data)

    def about(self) -> dict:
        """Say what became of its images."""
        counts, engine = self.camera.input.arrivals.counts, self.camera.stream.engine
        names = ('received', 'processed', 'rejected', 'late', 'repeated', 'failed')
        return {**{name: getattr(counts, name) for name in names},
                'resets': dict(counts.resets), 'network': [engine.width, engine.height],
                'camera': (self.camera.input.estimate or self.camera.input.view).words,
                'scale_problem': self.camera.scale.problem or ''}
