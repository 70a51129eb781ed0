"""Writes bags with rosbags: messages as they came, or what a simulated camera publishes."""
from pathlib import Path
from typing import Any

import numpy as np

from ..images.intrinsics import Intrinsics
from ..ros.camera_info import intrinsics_to_info
from ..ros.image_messages import depth_to_image, rgb_to_image
from ..ros.message import header_at, serialised
from .bag_types import BagError


def open_writer(path: Path) -> Any:
    """Open a new rosbag2 folder with MCAP storage; BagError where it exists."""
    try:
        import rosbags.rosbag2
    except ImportError as error:
        raise BagError(f'bags need rosbags ({error}): pip install rosbags') from error
    try:
        writer = rosbags.rosbag2.Writer(
            path, version=9, storage_plugin=rosbags.rosbag2.StoragePlugin.MCAP)
        writer.open()
    except (rosbags.rosbag2.WriterError, OSError) as error:
        raise BagError(f'no bag can be written: {error}') from error
    return writer


class MessageBag:
    """Writes messages as they came over DDS into a new rosbag2 folder with MCAP storage.

    definitions: of messages that are not ROS' own, by type: the text of their .msg files. size:
    bytes of the messages so far. BagError where the folder exists or cannot be written.
    """

    def __init__(self, path: Path, definitions: dict[str, str]):
        self._writer = open_writer(path)
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
        self._store = get_typestore(Stores.LATEST)
        for kind, text in definitions.items():
            self._store.register(get_types_from_msg(text, kind))
        self._connections: dict[str, Any] = {}
        self.size = 0

    def write(self, topic: str, kind: str, time: int, data: bytes) -> None:
        """Write a message; time: of its arrival, in ns. kind: such as sensor_msgs/msg/Image."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store)
        self._writer.write(self._connections[topic], time, data)
        self.size += len(data)

    def close(self) -> None:
        self._writer.close()


class BagWriter:
    """Writes what a simulated camera publishes into a new rosbag2 folder with MCAP storage.

    Topics: /image (rgb8), /camera_info and /truth/depth/image (32FC1, metres). Use it as a
    context; raises BagError where the folder exists.
    """

    def __init__(self, path: Path, frame_id: str = 'camera_optical'):
        self._frame_id = frame_id
        self._writer = open_writer(path)
        from rosbags.typesys import Stores, get_typestore
        store = get_typestore(Stores.LATEST)
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
