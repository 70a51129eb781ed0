"""Reads an MCAP file that was cut off, is damaged or has no index, as far as it goes."""
from collections.abc import Callable, Collection, Iterator
from io import BytesIO
from pathlib import Path
import struct
from typing import Any, BinaryIO

from .bag_types import BagError, BagTopic, Message

# code, length, begin, end, size, checksum and the length of the compression's name
CHUNK, CHUNK_CODE = struct.Struct('<BQQQQII'), 6
LARGEST = 2 ** 30   # bytes of a record; more is damage
ZSTD = b'\x28\xb5\x2f\xfd'  # the first bytes of what is compressed by message or file


def decompressed(data: bytes) -> bytes:
    """Return a message that rosbag2 may have compressed."""
    if data[:4] != ZSTD:
        return data
    import zstandard
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _decompressor(compression: str) -> Callable[[bytes], bytes]:
    """Return what decompresses as much of a chunk as there is."""
    if compression == 'zstd':
        import zstandard
        return zstandard.ZstdDecompressor().decompressobj().decompress
    if compression == 'lz4':
        import lz4.frame
        return lz4.frame.LZ4FrameDecompressor().decompress
    return bytes


class McapScan:
    """An MCAP file read from its beginning to where it ends, record by record.

    The whole file is looked at once before, for what topics there are: without an index nothing
    else tells. BagError where mcap is not installed or the file is no MCAP.
    """

    seekable = False

    def __init__(self, path: Path):
        try:
            import mcap.stream_reader
        except ImportError as error:
            raise BagError(f'{path} has no index, and reading it needs mcap ({error}): '
                           f'pip install mcap') from error
        self._mcap, self._path = mcap.stream_reader, path
        self.topics: dict[str, BagTopic] = {}
        self.begin, self.end = 0, 0
        self._foreign: dict[str, str] = {}    # topics that are not CDR, and how they are encoded
        counts: dict[str, int] = {}
        for topic, time, _ in self._read(None, []):
            counts[topic] = counts.get(topic, 0) + 1
            self.begin = min(self.begin or time, time)
            self.end = max(self.end, time)
        self.topics = {name: BagTopic(
            name, topic.kind, counts.get(name, 0), topic.definition, qos=topic.qos)
            for name, topic in self.topics.items()}

    def messages(
        self, topics: Collection[str], losses: list[str], start: int | None = None,
    ) -> Iterator[Message]:
        losses += [f'{name} is encoded as {encoding}, not as CDR, and is left out'
                   for name, encoding in self._foreign.items()]
        for topic, time, data in self._read(topics, losses):
            if start is None or time >= start:
                yield topic, time, decompressed(data)

    def _read(self, topics: Collection[str] | None, losses: list[str]) -> Iterator[Message]:
        """Yield the messages of topics (None: all) in the file's order, by time in each chunk."""
        names: dict[int, str] = {}
        schemas: dict[int, tuple[str, str]] = {}
        damaged, last = 0, 0
        with self._path.open('rb') as file:
            size, place, closed, ended = self._path.stat().st_size, 0, False, False
            reader = self._mcap.StreamReader(
                file, emit_chunks=True, record_size_limit=LARGEST)
            records = reader.records
            while True:
                try:
                    record = next(records)
                    inside = [record]
                    if isinstance(record, self._mcap.Chunk):
                        inside = self._in_chunk(record)
                        damaged += inside == []
                except StopIteration:
                    break
                except self._mcap.InvalidMagic as error:
                    if place == 0:
                        raise BagError(f'{self._path} is no MCAP file') from error
                    break
                except Exception:  # the file ends here, or what follows is none of its records
                    inside, ended = self._in_cut_chunk(file, place), True
                if not ended:
                    place = file.tell()
                for each in inside:
                    if isinstance(each, self._mcap.Schema):
                        schemas[each.id] = each.name, each.data.decode(errors='replace')
                    elif isinstance(each, self._mcap.Channel):
                        if self._note(each, schemas):
                            names[each.id] = each.topic
                    elif isinstance(each, self._mcap.Message):
                        name = names.get(each.channel_id)
                        if name is not None and (topics is None or name in topics):
                            last = max(last, each.log_time)
                            yield name, each.log_time, each.data
                if ended:
                    break
                closed = closed or isinstance(record, self._mcap.DataEnd)
        if damaged:
            losses.append(f'{self._path.name}: {damaged} damaged chunks are left out')
        if not closed:
            losses.append(
                f'{self._path.name} was cut off or is damaged: it is read up to byte {place} of '
                f'{size}, {last / 1e9:.3f} s by its clock, and the rest is lost')

    def _in_chunk(self, chunk: Any) -> list:
        """Return a chunk's records, messages last and by their times; none if it is damaged."""
        try:
            records = self._mcap.breakup_chunk(chunk, validate_crc=True)
        except Exception:  # of the decompressors, and of what damaged data look like
            return []
        return sorted(records, key=lambda each: getattr(each, 'log_time', -1))

    def _in_cut_chunk(self, file: BinaryIO, place: int) -> list:
        """Return the whole records of a chunk from a place on, which the file's end cuts."""
        file.seek(place)
        head = file.read(CHUNK.size)
        if len(head) < CHUNK.size or head[0] != CHUNK_CODE:
            return []
        compression = file.read(CHUNK.unpack(head)[-1]).decode(errors='replace')
        file.seek(8, 1)
        records = []
        try:
            data = _decompressor(compression)(file.read())
            for record in self._mcap.StreamReader(BytesIO(data), skip_magic=True).records:
                records.append(record)
        except Exception:  # here it is cut
            pass
        return sorted(records, key=lambda each: getattr(each, 'log_time', -1))

    def _note(self, channel: Any, schemas: dict[int, tuple[str, str]]) -> bool:
        """Take note of a channel; say whether its messages can be read."""
        from rosbags.rosbag2.metadata import parse_qos
        if channel.message_encoding != 'cdr':
            self._foreign[channel.topic] = channel.message_encoding
            return False
        kind, definition = schemas.get(channel.schema_id, ('', ''))
        qos = channel.metadata.get('offered_qos_profiles', '')
        if channel.topic not in self.topics:
            self.topics[channel.topic] = BagTopic(
                channel.topic, kind, 0, definition, qos=parse_qos(qos) if qos else [])
        return True

    def close(self) -> None:
        pass
