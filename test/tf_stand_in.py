"""STAND-IN for tf2_ros, which has no PyPI wheel: of its documented interface what the node uses.

Transforms come by `set_transform` and `set_transform_static`, as TransformListener hands them on,
and not over DDS. Times between two transforms are interpolated, others and unknown frames refused
with the words of tf2's C++ library.
"""
from bisect import bisect_left
from types import SimpleNamespace

from geometry_msgs.msg import TransformStamped
import numpy as np
from rclpy.time import Time

from flashdepth_ros.images.poses import pose_of
from flashdepth_ros.metres.motion_pose import rotation_of, vector_of
from flashdepth_ros.ros.message import header_at, stamp_to_ns

BUFFERS: list['Buffer'] = []    # that were made, for tests


class LookupException(Exception):
    pass


class ExtrapolationException(Exception):
    pass


class Buffer:
    """tf2_ros.Buffer: lookup_transform and clear."""

    def __init__(self):
        self._moving, self._static = {}, {}    # by child: its parent and its poses by stamp
        BUFFERS.append(self)

    def set_transform(self, message: TransformStamped, authority: str) -> None:
        poses = self._moving.setdefault(message.child_frame_id, (message.header.frame_id, []))[1]
        stamp = stamp_to_ns(message.header.stamp)
        if poses and stamp < poses[-1][0] - 10_000_000_000:
            return    # TF_OLD_DATA
        poses.append((stamp, _pose_of(message)))
        poses.sort(key=lambda each: each[0])

    def set_transform_static(self, message: TransformStamped, authority: str) -> None:
        self._static[message.child_frame_id] = message.header.frame_id, _pose_of(message)

    def clear(self) -> None:
        for _, poses in self._moving.values():
            poses.clear()

    def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
        (one, there), (other, here) = (
            self._in_root(frame, time.nanoseconds) for frame in (source, target))
        if one != other:
            raise LookupException(f'"{target}" passed to lookupTransform argument target_frame '
                                  f'does not exist. ')
        return message_of(target, source, time.nanoseconds, np.linalg.inv(here) @ there)

    def _in_root(self, frame: str, stamp: int) -> tuple[str, np.ndarray]:
        pose = np.eye(4)
        while frame in self._static or frame in self._moving:
            if frame in self._static:
                frame, step = self._static[frame]
            else:
                frame, poses = self._moving[frame]
                step = _at(poses, stamp)
            pose = step @ pose
        return frame, pose


class TransformListener:
    """tf2_ros.TransformListener: it subscribes to nothing here."""

    def __init__(self, buffer: Buffer, node):
        self.buffer = buffer

    def unregister(self) -> None:
        pass


def _at(poses: list, stamp: int) -> np.ndarray:
    stamps = [each[0] for each in poses]
    if stamp == 0 and poses:
        return poses[-1][1]
    index = bisect_left(stamps, stamp)
    if index == len(stamps) or (index == 0 and stamps[0] != stamp):
        raise ExtrapolationException('Lookup would require extrapolation into the future.')
    if stamps[index] == stamp:
        return poses[index][1]
    (first, before), (second, after) = poses[index - 1:index + 1]
    share = (stamp - first) / (second - first)
    pose = before + share * (after - before)
    pose[:3, :3] = before[:3, :3] @ rotation_of(
        share * vector_of(before[:3, :3].T @ after[:3, :3]))
    return pose


def _pose_of(message: TransformStamped) -> np.ndarray:
    t, q = message.transform.translation, message.transform.rotation
    return pose_of((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))


def message_of(parent: str, child: str, stamp: int, pose: np.ndarray) -> TransformStamped:
    """A pose (4, 4) as TF has it."""
    message = TransformStamped(header=header_at(stamp, parent), child_frame_id=child)
    x, y, z = vector_of(pose[:3, :3])
    angle = float(np.linalg.norm((x, y, z)))
    part = 0.5 if angle < 1e-9 else np.sin(angle / 2) / angle
    rotation, place = message.transform.rotation, message.transform.translation
    rotation.x, rotation.y, rotation.z = map(float, (part * x, part * y, part * z))
    rotation.w = float(np.cos(angle / 2))
    place.x, place.y, place.z = map(float, pose[:3, 3])
    return message


MODULE = SimpleNamespace(Buffer=Buffer, TransformListener=TransformListener)
