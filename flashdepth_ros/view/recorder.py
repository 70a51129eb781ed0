"""A recording of what the page is made of, as a bag, where the node's own parameters say."""
from pathlib import Path
import shutil
import time

from ..files.bag_types import BagError
from ..files.bag_writer import MessageBag
from ..ros.graph import type_name
from ..ros.transport import share_folder

DEFINITIONS = ('DepthStatus',)  # messages of this package's own
SPARE = 1_000_000_000  # bytes of a disk that are left free


class Recorder:
    """Writes messages into a new bag for each recording, until its size or the disk's end it.

    bag: where the recording that runs is written, None while none does.
    """

    def __init__(self, folder: str, most_bytes: float):
        self._folder = Path(folder).expanduser()
        self._most_bytes = most_bytes
        self._writer: MessageBag | None = None
        self.bag: Path | None = None

    def begin(self) -> Path:
        """Begin a recording and return where it is written; BagError."""
        if self.bag is not None:
            return self.bag
        messages = share_folder() / 'msg'
        bag = self._folder / time.strftime('%Y-%m-%d_%H-%M-%S')
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free < SPARE:
                raise BagError(f'less than {SPARE / 1e9:.0f} GB are free in {self._folder}')
            self._writer = MessageBag(bag, {
                f'flashdepth_ros/msg/{name}': (messages / f'{name}.msg').read_text()
                for name in DEFINITIONS})
        except OSError as error:
            raise BagError(f'no bag can be written into {self._folder}: {error}') from error
        self.bag = bag
        return bag

    def write(self, topic: str, kind: type, data: bytes) -> str:
        """Write a message if a recording runs. Return why it has been ended here, else ''."""
        if self._writer is None:
            return ''
        try:
            self._writer.write(topic, type_name(kind), time.time_ns(), data)
            if self._writer.size >= self._most_bytes:
                return f'it has reached record.max_size: {self.end()}'
            if shutil.disk_usage(self._folder).free < SPARE:
                return f'the disk is nearly full: {self.end()}'
        except OSError as error:
            self.end()
            return f'it cannot be written: {error}'
        return ''

    def end(self) -> str:
        """End the recording; return where it is and its size, '' where none runs."""
        writer, bag = self._writer, self.bag
        self._writer = self.bag = None
        if writer is None:
            return ''
        writer.close()
        return f'{bag} ({writer.size / 1e6:.0f} MB)'
