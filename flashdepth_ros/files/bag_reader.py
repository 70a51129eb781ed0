"""Reads bags as people have them: rosbag2 (MCAP, SQLite, split, compressed, cut off) and ROS 1."""
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path
import re
import shutil
import tempfile

from .bag_parts import Rosbag1Part, Rosbag2Part
from .bag_types import COMPRESSED, IMAGE, BagError, BagPart, BagTopic, Message
from .mcap_scan import McapScan

STORAGES = ('.mcap', '.db3')


@dataclass(frozen=True)
class Position:
    """How far a bag has been read: up to which time in ns, and how many messages in all and of it.

    The counts are of the topics that are read.
    """

    time: int = 0
    count: int = 0
    of_time: int = 0

    def after(self, time: int) -> 'Position':
        """Return the position after one more message, of that time."""
        return Position(time, self.count + 1, self.of_time + 1 if time == self.time else 1)


BEGINNING = Position()


class BagReader:
    """A bag, of one file or of several, as one sequence of messages. Use it as a context.

    path: a rosbag2 folder, with or without its metadata.yaml, one of its files, or a ROS 1 .bag.
    topics: by name. losses: what could not be read so far, in words. BagError.
    """

    def __init__(self, path: Path):
        self.path = path.expanduser()
        self.losses: list[str] = []
        self._temporary: tempfile.TemporaryDirectory | None = None
        self._parts = self._open()
        self.topics: dict[str, BagTopic] = {}
        for part in self._parts:
            for name, topic in part.topics.items():
                before = self.topics.get(name)
                self.topics[name] = topic if before is None else replace(
                    before, count=before.count + topic.count)
        self.begin = min((part.begin for part in self._parts), default=0)
        self.end = max((part.end for part in self._parts), default=0)

    @property
    def seekable(self) -> bool:
        """Whether messages come in the order of their times, and from a given time on at once."""
        return all(part.seekable for part in self._parts) and all(
            one.end <= other.begin for one, other in pairwise(self._parts))

    def before(self, topics: Collection[str], time: int, count: int) -> Position:
        """Return the position of so many messages of topics before a time in ns."""
        messages = sum(self.topics[name].count for name in topics)
        reach = 1 + (self.end - self.begin) * count // max(messages, 1)
        while count:
            start = max(self.begin, time - reach)
            times = [message[1] for _, message in takewhile(
                lambda each: each[1][1] < time, self.messages(topics, Position(start)))]
            if len(times) >= count or start == self.begin:
                return Position(times[-count:][0] if times else time)
            reach *= 2
        return Position(time)

    def _open(self) -> list[BagPart]:
        path = self.path
        if not path.exists():
            raise BagError(f'{path} cannot be read as a bag: it does not exist')
        if path.is_file():
            return [self._open_file(path)]
        if (path / 'metadata.yaml').is_file():
            try:
                part = Rosbag2Part(path)
                if part.indexed:
                    return [part]
                part.close()
            except BagError as error:
                self.losses.append(f'{path} is not whole ({error}): its files are read one by one')
        else:
            self.losses.append(
                f'{path} has no metadata.yaml, as of a recording that did not end in order: its '
                f'files are read one by one')
        files = sorted((each for each in path.iterdir() if _storage(each)), key=_in_order)
        if not files:
            bags = [each.name for each in path.iterdir() if each.suffix == '.bag']
            raise BagError(f'{path} cannot be read as a bag: it holds no .mcap and no .db3 file'
                           + (f'; give one of {", ".join(sorted(bags))}' if bags else ''))
        parts: list[BagPart] = []
        for file in files:
            try:
                parts.append(self._open_file(file))
            except BagError as error:
                self.losses.append(str(error))
        if not parts:
            raise BagError('; '.join(self.losses))
        return parts

    def _open_file(self, path: Path) -> BagPart:
        if path.suffix == '.zstd':
            path = self._decompressed(path)
        if path.suffix == '.bag':
            kind: type = Rosbag1Part
        elif path.suffix in STORAGES:
            kind = Rosbag2Part
        else:
            raise BagError(f'{path} cannot be read as a bag: it must be a rosbag2 folder, a .mcap '
                           f'or .db3 file, or a ROS 1 .bag')
        try:
            part = kind(path)
            if path.suffix != '.mcap' or part.indexed:
                return part
            part.close()
        except BagError as error:
            if path.suffix != '.mcap' or path.stat().st_size == 0:
                raise BagError(f'{path} cannot be read as a bag: {error}') from error
        scan = McapScan(path)
        if not scan.topics:
            raise BagError(f'{path} cannot be read as a bag: it holds no whole message')
        return scan

    def _decompressed(self, path: Path) -> Path:
        """Decompress a file of a bag, as far as it goes, into a temporary folder."""
        import zstandard
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix='bag_')
        target = Path(self._temporary.name) / path.stem
        with path.open('rb') as source, target.open('wb') as sink:
            try:
                shutil.copyfileobj(zstandard.ZstdDecompressor().stream_reader(source), sink)
            except zstandard.ZstdError as error:
                self.losses.append(f'{path.name} is damaged ({error}): its end is lost')
        return target

    def require(self, name: str, kinds: Collection[str] = (IMAGE, COMPRESSED)) -> BagTopic:
        """Return a topic of images, by its name with or without the first slash; BagError."""
        name = '/' + name.lstrip('/')
        topic = self.topics.get(name)
        if topic is not None and topic.kind in kinds:
            return topic
        found = ', '.join(f'{each.name} ({each.kind}, {each.count} messages)'
                          for each in self.images())
        why = f'it is of type {topic.kind}' if topic else f'{self.path} has no such topic'
        raise BagError(f'there are no images on {name}: {why}. Images are on: {found or "none"}')

    def images(self) -> list[BagTopic]:
        """Return the topics of images, raw or compressed."""
        return [each for _, each in sorted(self.topics.items())
                if each.kind in (IMAGE, COMPRESSED)]

    def messages(
        self, topics: Collection[str], position: Position = BEGINNING,
    ) -> Iterator[tuple[Position, Message]]:
        """Yield the messages of topics in the order of their times, from a position on.

        Each with the position after it. Where files have no index, in the order that they have.
        """
        start = position.time if self.seekable and (position.count or position.time) else None
        to_skip = position.of_time if self.seekable else position.count
        if self.seekable:
            position = replace(position, count=position.count - position.of_time, of_time=0)
        else:
            position = Position()
        for part in self._parts:
            for message in part.messages(topics, self.losses, start):
                position = position.after(message[1])
                if to_skip:
                    to_skip -= 1
                    continue
                yield position, message

    def __enter__(self) -> 'BagReader':
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            part.close()
        if self._temporary is not None:
            self._temporary.cleanup()


def _storage(path: Path) -> bool:
    name = path.name.removesuffix('.zstd')
    return path.is_file() and name.endswith(STORAGES) and not name.startswith('.')


def _in_order(path: Path) -> list:
    """Order x_2 before x_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]
