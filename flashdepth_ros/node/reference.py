"""A metric sensor that a camera's depth is fitted to: its topics, and what of it fits a frame.

sensor_msgs_py and tf2_ros are imported only where a reference needs them.
"""
import math

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from ..images.intrinsics import Intrinsics
from ..images.points import unproject
from ..images.rectify import Rectifier
from ..metres.affine_fit import Fit, fit_affine, fit_factor
from ..metres.pairing import Pairing
from ..metres.samples import Samples, samples_from_depth_image, samples_from_points
from ..metres.tracker import Scale
from ..models import Unit
from ..ros.camera_info import read_calibration
from ..ros.image_messages import image_to_depth
from ..ros.message import MessageError, stamp_to_ns
from ..ros.parameters import Settings
from ..ros.topics import Listener, Topics
from .camera_input import Picture
from .required import require
from .transforms import Transforms

DEPTH = 5    # a message is handed on at once, and several may come while the network works
REGISTERED = 40_000    # pixels of a depth image that are brought into another camera, about
MISSED = 1_000_000_000    # ns without a pair until that is told

FitResult = tuple[int, Fit | None, str]  # the stamp in ns of its frame, a fit, or why there is none


class ReferenceSource:
    """A depth image, or a cloud that TF brings into the camera's optical frame.

    Subscribes to reference/depth/image or reference/points, below the camera's namespace. A depth
    image of the images' frame is taken to be aligned with them, pixel by pixel; one of another
    frame is registered through reference/depth/camera_info and TF, or refused.

    unit: of the model. One that gives depth up to scale gets a factor alone: its shift is 0.
    """

    def __init__(self, topics: Topics, prefix: str, settings: Settings, unit: Unit):
        self._topics, self._unit = topics, unit
        self._max_delay = settings['scale.max_delay']
        self._pairing = Pairing(round(1e9 * self._max_delay))
        self._last = 0    # stamp of the last frame that had a reference
        self._info: CameraInfo | None = None
        self._transforms: Transforms | None = None
        self._points = settings['scale.reference'] == 'points'
        if self._points:
            self._point_cloud2 = require(
                'sensor_msgs_py.point_cloud2', 'sensor-msgs-py', 'scale.reference points')
            self._transforms = Transforms(topics, 'scale.reference points')
        self.topic = topics.name(
            prefix + ('reference/points' if self._points else 'reference/depth/image'))
        self.info_topic = topics.name(f'{prefix}reference/depth/camera_info')
        kinds = ([(PointCloud2, self.topic, self._on_reference)] if self._points else
                 [(CameraInfo, self.info_topic, self._on_info),
                  (Image, self.topic, self._on_reference)])
        self._listeners = [Listener(topics, *each, DEPTH) for each in kinds]

    def subscribe(self) -> None:
        """Begin to receive."""
        if self._transforms is not None:
            self._transforms.subscribe()
        for listener in self._listeners:
            listener.subscribe()

    def unsubscribe(self) -> None:
        """Stop receiving, and drop what has come."""
        for listener in self._listeners:
            listener.unsubscribe()
        if self._transforms is not None:
            self._transforms.unsubscribe()
        self._pairing.clear()
        self._info, self._last = None, 0

    def look_around(self) -> None:
        """Follow publishers that come and go; twice a second."""
        for listener in self._listeners:
            listener.refresh()

    def forget(self) -> None:
        """Drop the frames that wait for their reference: they are of another stream."""
        self._pairing.forget_frames()

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message

    def _on_reference(self, message: Image | PointCloud2) -> None:
        if message.header.stamp.sec >= 0:  # for others rclpy has no Time, and raises
            self._pairing.add_reference(
                stamp_to_ns(message.header.stamp), message, len(message.data))

    def fit(
        self, d: np.ndarray, picture: Picture, header: Header, scale: Scale | None = None,
    ) -> FitResult:
        """Fit the inverse depth (h, w) of a frame, or of an earlier one, to its reference.

        The network may be done with a frame before its reference has come. Nothing waits for that:
        the frame is kept, and fitted when a later one comes.
        """
        stamp = stamp_to_ns(header.stamp)
        if header.stamp.sec < 0:
            return stamp, None, "the image's stamp is negative"
        intrinsics = picture.view.intrinsics and picture.view.intrinsics.resized(*d.shape[::-1])
        # the network's memory is used again
        self._pairing.add_frame(stamp, (d.copy(), intrinsics, header, picture.view.rectifier))
        pair = self._pairing.take()
        if pair is None:
            waits = self._pairing.waits() or abs(stamp - self._last) <= MISSED
            return stamp, None, '' if waits else (
                f'nothing on {self.topic} within {self._max_delay} s of the image')
        self._last, frame, reference = pair
        try:
            samples = self._samples(*frame, reference)
        except (MessageError, ValueError, LookupError) as error:
            return self._last, None, str(error)
        if self._unit is Unit.UP_TO_SCALE:
            return self._last, *fit_factor(*samples, 0.0)
        return self._last, *fit_affine(*samples)

    def _samples(
        self, d: np.ndarray, intrinsics: Intrinsics | None, header: Header,
        rectifier: Rectifier | None, reference: Image | PointCloud2,
    ) -> Samples:
        if self._points:
            points = self._read_points(reference)
        else:
            depth = image_to_depth(reference)
            if _same_frame(reference.header, header):
                if rectifier is not None:    # it is aligned with the camera's own image
                    depth = rectifier.apply_nearest(depth)
                return samples_from_depth_image(d, depth)
            points = self._unproject(depth, reference.header, header)
        if intrinsics is None:
            raise LookupError(f'no camera_info of the images has come, which a reference of '
                              f'another frame needs ({self.topic})')
        return samples_from_points(d, intrinsics, self._into(header, reference.header, points))

    def _unproject(self, depth: np.ndarray, own: Header, wanted: Header) -> np.ndarray:
        """Depth (H, W) in metres -> points (N, 3) in its own camera's frame."""
        if self._info is None:
            raise LookupError(
                f"{self.topic} is of the frame '{own.frame_id}', the images of "
                f"'{wanted.frame_id}': take the depth that the driver aligns with the colour, or "
                f'publish its camera_info on {self.info_topic}')
        height, width = depth.shape
        camera = read_calibration(self._info, width, height, own.frame_id).rectified
        points = unproject(depth, camera, math.ceil(math.sqrt(depth.size / REGISTERED)))
        return points[np.isfinite(points[..., 2])]

    def _read_points(self, cloud: PointCloud2) -> np.ndarray:
        try:
            return self._point_cloud2.read_points_numpy(
                cloud, field_names=['x', 'y', 'z'], skip_nans=True)
        except Exception as error:  # of any kind, by what is wrong: it does not look before
            raise MessageError(
                f'a cloud on {self.topic} cannot be read; x, y and z must be of one type, and '
                f'point_step, size and data go together: {error!r}') from error

    def _into(self, wanted: Header, own: Header, points: np.ndarray) -> np.ndarray:
        """Bring points (N, 3) of a reference's frame into the images'."""
        if self._transforms is None:
            self._transforms = Transforms(
                self._topics, f'a reference of another frame ({self.topic})')
            self._transforms.subscribe()
        pose = self._transforms.pose(wanted.frame_id, own.frame_id, stamp_to_ns(own.stamp))
        if pose is None:
            raise LookupError(f'no transform from {own.frame_id} to {wanted.frame_id}, which '
                              f'{self.topic} needs: {self._transforms.problem}')
        turned = pose.astype(np.float32)
        with np.errstate(invalid='ignore', over='ignore'):  # a point may be anywhere
            return points @ turned[:3, :3].T + turned[:3, 3]


def _same_frame(one: Header, other: Header) -> bool:
    """Whether two messages are of one frame, or one of them does not say."""
    names = {one.frame_id.lstrip('/'), other.frame_id.lstrip('/')}
    return len(names) == 1 or '' in names
