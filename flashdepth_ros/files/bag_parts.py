"""Bags and files of bags that rosbags reads: rosbag2 in its storages, and ROS 1."""
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from .bag_types import BagError, BagTopic, Message
from .mcap_scan import decompressed


def _rosbags() -> Any:
    try:
        import rosbags.convert.converter
        import rosbags.rosbag1
        import rosbags.rosbag2
        import rosbags.typesys
    except ImportError as error:
        raise BagError(f'bags need rosbags ({error}): pip install rosbags') from error
    return rosbags


class Rosbag2Part:
    """A rosbag2 folder with its metadata, or one storage file; BagError."""

    def __init__(self, path: Path):
        rosbags = _rosbags()
        self.path = path
        try:
            self._reader = rosbags.rosbag2.Reader(path)
            self._reader.open()
        except Exception as error:  # of rosbags, sqlite, yaml and the decompressors
            raise BagError(str(error)) from error
        self.topics: dict[str, BagTopic] = {}
        for each in self._reader.connections:
            before = self.topics.get(each.topic)
            if before is not None and before.kind != each.msgtype:
                continue
            count = each.msgcount + (before.count if before else 0)
            self.topics[each.topic] = BagTopic(
                each.topic, each.msgtype, count, each.msgdef.data, each.digest,
                each.ext.offered_qos_profiles)
        self.begin, self.end = self._reader.start_time, self._reader.end_time - 1
        files = [each.metadata for each in self._storages() if each.metadata.message_count]
        # a recorder may write what comes together into two files
        self.seekable = all(one.end_time - 1 <= other.start_time for one, other in pairwise(files))

    def _storages(self) -> list[Any]:
        storage = self._reader.storage
        return getattr(storage, 'storages', [storage])

    @property
    def indexed(self) -> bool:
        """Whether every MCAP file has the index by which its messages come in order."""
        return all(not each.statistics.message_count or each.chunks
                   for each in self._storages() if hasattr(each, 'statistics'))

    def messages(
        self, topics: Collection[str], losses: list[str], start: int | None = None,
    ) -> Iterator[Message]:
        connections = [each for each in self._reader.connections
                       if each.topic in topics and each.msgtype == self.topics[each.topic].kind]
        if not connections:
            return
        time = self.begin
        try:
            for connection, time, data in self._reader.messages(connections, start=start):
                yield connection.topic, time, decompressed(data)
        except GeneratorExit:
            raise
        except Exception as error:  # of rosbags, sqlite and the decompressors
            losses.append(f'{self.path.name} is damaged ({error}): what was recorded after '
                          f'{time / 1e9:.3f} s is lost')

    def close(self) -> None:
        self._reader.close()


class Rosbag1Part:
    """A ROS 1 bag, whose messages are brought into the form of ROS 2; BagError."""

    seekable = True

    def __init__(self, path: Path):
        self._rosbags = rosbags = _rosbags()
        self.path = path
        try:
            self._reader = rosbags.rosbag1.Reader(path)
            self._reader.open()
        except Exception as error:
            raise BagError(str(error)) from error
        self._ros2 = rosbags.typesys.get_typestore(rosbags.typesys.Stores.LATEST)
        self._converters: dict[str, Callable[[bytes], memoryview] | None] = {}
        self.topics: dict[str, BagTopic] = {}
        for each in self._reader.connections:
            before = self.topics.get(each.topic)
            self.topics[each.topic] = BagTopic(
                each.topic, before.kind if before else each.msgtype,
                each.msgcount + (before.count if before else 0),
                qos=list(_latched(rosbags)) if each.ext.latching else [])
        self.begin, self.end = self._reader.start_time, self._reader.end_time - 1

    def _converter(self, connection: Any) -> Callable[[bytes], memoryview] | None:
        """Return what brings a connection's messages into ROS 2's form; None where ROS 2 has none.

        ROS 1's Header has a number (seq) that ROS 2's has not.
        """
        kind = connection.msgtype
        if kind not in self._converters:
            typesys, converter = self._rosbags.typesys, self._rosbags.convert.converter
            self._converters[kind] = None
            if kind in self._ros2.fielddefs:
                try:
                    own = typesys.get_typestore(typesys.Stores.EMPTY)
                    own.register(typesys.get_types_from_msg(connection.msgdef.data, kind))
                    same = converter.is_same_wireformat(own, self._ros2, kind, kind)
                except Exception:  # a definition that cannot be parsed
                    return None
                cache: dict[str, object] = {}
                self._converters[kind] = (
                    (lambda data: self._ros2.ros1_to_cdr(data, kind)) if same else
                    (lambda data: converter.migrate_bytes(
                        own, self._ros2, kind, kind, cache, data, src_is2=False, dst_is2=True)))
        return self._converters[kind]

    def messages(
        self, topics: Collection[str], losses: list[str], start: int | None = None,
    ) -> Iterator[Message]:
        connections, converters = [], {}
        for each in self._reader.connections:
            if each.topic not in topics or each.msgtype != self.topics[each.topic].kind:
                continue
            convert = self._converter(each)
            if convert is None:
                losses.append(f'{each.topic} is left out: ROS 2 has no {each.msgtype}')
            else:
                connections.append(each)
                converters[each.msgtype] = convert
        if not connections:
            return
        time = self.begin
        try:
            for connection, time, data in self._reader.messages(connections, start=start):
                yield connection.topic, time, bytes(converters[connection.msgtype](data))
        except GeneratorExit:
            raise
        except Exception as error:
            losses.append(f'{self.path.name} is damaged ({error}): what was recorded after '
                          f'{time / 1e9:.3f} s is lost')

    def close(self) -> None:
        self._reader.close()


def _latched(rosbags: Any) -> list[Any]:
    """Return the quality of service of a latched topic."""
    from rosbags.convert.converter import LATCH
    return LATCH


def with_definition(topic: BagTopic) -> BagTopic | None:
    """Return a topic with its type's definition and digest; None where they are not known.

    ROS 1 bags and older SQLite ones carry none that ROS 2 could use.
    """
    rosbags = _rosbags()
    stores = rosbags.typesys
    if topic.definition and topic.digest:
        return topic
    store = stores.get_typestore(stores.Stores.LATEST)
    try:
        if topic.definition:
            store = stores.get_typestore(stores.Stores.EMPTY)
            parse = (stores.get_types_from_idl if topic.definition.startswith('=' * 80 + '\nIDL: ')
                     else lambda text: stores.get_types_from_msg(text, topic.kind))
            store.register(parse(topic.definition))
            return replace(topic, digest=store.hash_rihs01(topic.kind))
        definition, _ = store.generate_msgdef(topic.kind, ros_version=2)
        return replace(topic, definition=definition, digest=store.hash_rihs01(topic.kind))
    except Exception:  # a type that is not known, or a definition that cannot be parsed
        # bags need a digest of some form, by which readers tell types apart
        return replace(topic, digest=f'RIHS01_{"0" * 64}') if topic.definition else None
