"""Reads and writes bags (rosbag2 with SQLite or MCAP, ROS 1) with rosbags, without a ROS graph."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..images.intrinsics import Intrinsics
from ..ros.camera_info import intrinsics_to_info
from ..ros.image_messages import depth_to_image, image_to_depth, image_to_rgb, rgb_to_image
from ..ros.message import MessageError, header_at, serialised, stamp_to_ns

WAITING = 300  # frames of a topic that wait for their partners of the same stamp


class BagError(ValueError):
    """A bag cannot be read or written; the message says why and what to do."""


def _rosbags():
    try:
        import rosbags.highlevel
        import rosbags.rosbag2
        import rosbags.typesys
    except ImportError as error:
        raise BagError(f'bags need rosbags ({error}): pip install rosbags') from error
    return rosbags


def read_together(path: Path, topics: dict[str, str]) -> Iterator[dict[str, np.ndarray]]:
    """Yield a bag's images that have one stamp on all topics, in the bag's order.

    path: a rosbag2 folder, an .mcap or .db3 file in one, or a ROS 1 .bag. topics: a topic for
    each key: 'rgb' becomes (h, w, 3) uint8, every other key depth (h, w) float32 in metres. A
    topic may be given without its first slash. Raises BagError.
    """
    rosbags = _rosbags()
    path = path.expanduser()
    if path.suffix in ('.mcap', '.db3') and (path.parent / 'metadata.yaml').is_file():
        path = path.parent
    store = rosbags.typesys.get_typestore(rosbags.typesys.Stores.LATEST)
    try:
        with rosbags.highlevel.AnyReader([path], default_typestore=store) as reader:
            topics = _resolved(reader, path, topics)
            connections = [each for each in reader.connections if each.topic in topics.values()]
            messages = ((connection.topic, reader.deserialize(data, connection.msgtype))
                        for connection, _, data in reader.messages(connections))
            yield from _paired(messages, topics)
    except (rosbags.highlevel.AnyReaderError, OSError) as error:
        raise BagError(f'{path} cannot be read as a bag: {error}') from error
    except MessageError as error:
        raise BagError(f'{path}: {error}') from error


def _resolved(reader: Any, path: Path, topics: dict[str, str]) -> dict[str, str]:
    """Return the topics as they are named in the bag; BagError where one is not there."""
    kinds = {each.topic: each.msgtype for each in reader.connections}
    resolved = {key: '/' + topic.lstrip('/') for key, topic in topics.items()}
    for topic in resolved.values():
        if kinds.get(topic) != 'sensor_msgs/msg/Image':
            images = [each for each, kind in kinds.items() if kind == 'sensor_msgs/msg/Image']
            raise BagError(
                f"{path} has no images on {topic}; it has them on: {', '.join(images) or 'none'}")
    return resolved


def _paired(
    messages: Iterator[tuple[str, Any]], topics: dict[str, str],
) -> Iterator[dict[str, np.ndarray]]:
    """Decode and yield those messages together that have one stamp on all topics."""
    waiting: dict[int, dict[str, Any]] = {}
    wanted = set(topics.values())
    for topic, message in messages:
        stamp = stamp_to_ns(message.header.stamp)
        waiting.setdefault(stamp, {})[topic] = message
        if waiting[stamp].keys() == wanted:
            whole = waiting.pop(stamp)
            yield {key: image_to_rgb(whole[name]) if key == 'rgb'
                   else image_to_depth(whole[name], far=True) for key, name in topics.items()}
        if len(waiting) > WAITING:
            del waiting[min(waiting)]


class BagWriter:
    """Writes what a simulated camera publishes into a new rosbag2 folder with MCAP storage.

    Topics: /image (rgb8), /camera_info and /truth/depth/image (32FC1, metres). Use it as a
    context; raises BagError where the folder exists.
    """

    def __init__(self, path: Path, frame_id: str = 'camera_optical'):
        rosbags = _rosbags()
        self._frame_id = frame_id
        store = rosbags.typesys.get_typestore(rosbags.typesys.Stores.LATEST)
        try:
            self._writer = rosbags.rosbag2.Writer(
                path, version=9, storage_plugin=rosbags.rosbag2.StoragePlugin.MCAP)
            self._writer.open()
        except (rosbags.rosbag2.WriterError, OSError) as error:
            raise BagError(f'no bag can be written: {error}') from error
        self._connections = {
            topic: self._writer.add_connection(
                topic, f'sensor_msgs/msg/{kind}', typestore=store)
            for topic, kind in (('/image', 'Image'), ('/camera_info', 'CameraInfo'),
                                ('/truth/depth/image', 'Image'))}

    def write(self, stamp: int, rgb: np.ndarray, depth: np.ndarray,
              intrinsics: Intrinsics) -> None:
        """Write a frame: stamp in ns; rgb (h, w, 3) uint8; depth (h, w) float32 in metres."""
        header = header_at(stamp, self._frame_id)
        for topic, message in (('/camera_info', intrinsics_to_info(intrinsics, header)),
                               ('/image', rgb_to_image(rgb, header)),
                               ('/truth/depth/image', depth_to_image(depth, header))):
            self._writer.write(self._connections[topic], stamp, serialised(message))

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
