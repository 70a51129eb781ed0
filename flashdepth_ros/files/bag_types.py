"""What reading bags of every kind has in common."""
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'

Message = tuple[str, int, bytes]  # topic, when it was recorded in ns, CDR


class BagError(ValueError):
    """A bag cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag.

    kind: its type, such as sensor_msgs/msg/Image. definition, digest: of the type, as bags carry
    them; empty where they are not known. qos: as rosbags has it.
    """

    name: str
    kind: str
    count: int
    definition: str = ''
    digest: str = ''
    qos: list[Any] = field(default_factory=list)


class BagPart(Protocol):
    """A bag, or one file of it.

    topics: by name. begin, end: when the first and last message were recorded, in ns. seekable:
    messages come in the order of their times, and from a given time on at once.
    """

    topics: dict[str, BagTopic]
    begin: int
    end: int
    seekable: bool

    def messages(
        self, topics: Collection[str], losses: list[str], start: int | None = None,
    ) -> Iterator[Message]:
        """Yield the messages of topics from a time on; say in `losses` what cannot be read."""

    def close(self) -> None: ...
