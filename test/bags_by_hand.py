"""Bags of every kind with the same messages in them, made with rosbags."""
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CompressedImage

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import header_at, serialised

SECOND = 1_000_000_000
WIDTH, HEIGHT = 84, 70
STORE = get_typestore(Stores.LATEST)
KINDS = {'/front/image_raw': 'sensor_msgs/msg/Image',
         '/front/camera_info': 'sensor_msgs/msg/CameraInfo'}


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Draw something that moves with its number, (H, W, 3) uint8."""
    noise = np.random.default_rng(7).integers(0, 256, (height // 7, width, 3), np.uint8)
    big = cv2.resize(noise, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(big[:, 2 * number % width:][:, :width])


def info_at(stamp: int, distortion: tuple[float, ...] = (), frame_id: str = 'front_optical'):
    info = intrinsics_to_info(
        Intrinsics(80.0, 80.0, 41.5, 34.5, WIDTH, HEIGHT), header_at(stamp, frame_id))
    if distortion:
        info.d = distortion
    return info


def messages(stamps: list[float], distortion: tuple[float, ...] = ()) -> list:
    """Return (topic, time in ns, message) of a camera at stamps in seconds."""
    found = []
    for number, seconds in enumerate(stamps):
        stamp = round(seconds * SECOND)
        recorded = round((stamps[0] + number / 10) * SECOND) + 1000
        header = header_at(stamp, 'front_optical')
        found += [('/front/camera_info', recorded, info_at(stamp, distortion)),
                  ('/front/image_raw', recorded + 1, rgb_to_image(picture(number), header))]
    return found


def write(path: Path, content: list, kinds: dict[str, str] = KINDS, *, storage: str = 'MCAP',
          compression: str = 'NONE') -> Path:
    """Write a rosbag2."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage])
    writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
    with writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=STORE)
                       for topic, kind in kinds.items()}
        for topic, time, message in content:
            # not twice: what lies between fields in CDR is anything
            data = message if isinstance(message, bytes) else serialised(message)
            writer.write(connections[topic], time, data)
    return path


def write_ros1(path: Path, content: list, kinds: dict[str, str] = KINDS) -> Path:
    """Write the same as a ROS 1 bag, whose headers have a number; camera_info is latched."""
    old = get_typestore(Stores.ROS1_NOETIC)
    header = old.types['std_msgs/msg/Header']

    def converted(message, kind):
        fields = {}
        for name, _ in old.fielddefs[kind][1]:
            value = getattr(message, name if hasattr(message, name) else name.lower())
            if name == 'header':
                stamp = old.types['builtin_interfaces/msg/Time'](
                    value.stamp.sec, value.stamp.nanosec)
                value = header(7, stamp, value.frame_id)
            elif name == 'roi':
                value = old.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
            elif not isinstance(value, (int, float, str)):
                value = np.array(value, {'data': np.uint8}.get(name, np.float64))
            fields[name] = value
        return old.types[kind](**fields)

    with Writer1(path) as writer:
        connections = {topic: writer.add_connection(
            topic, kind, typestore=old, latching=int('info' in topic))
            for topic, kind in kinds.items()}
        for topic, time, message in content:
            kind = kinds[topic]
            writer.write(connections[topic], time,
                         bytes(old.serialize_ros1(converted(message, kind), kind)))
    return path


def compressed(image: np.ndarray, stamp: int, form: str = 'png') -> CompressedImage:
    """Return a picture (H, W, 3) uint8 as a CompressedImage."""
    message = CompressedImage(header=header_at(stamp, 'front_optical'), format=f'rgb8; {form}')
    message.data.frombytes(
        cv2.imencode(f'.{form}', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
    return message
