"""Which camera an image is taken to be of, and whether it must be rectified for it."""
from dataclasses import dataclass, replace

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ..images.intrinsics import Intrinsics
from ..images.rectify import MODELS, Rectifier
from .camera_info import Calibration, UncalibratedError, intrinsics_to_info, read_calibration
from .message import MessageError

RECTIFY = ('auto', 'always', 'never', 'done')  # of input.rectify

NEARLY_SQUARE = 0.05  # networks' frames are made of patches, which squeezes pixels by as much


@dataclass(frozen=True)
class CameraView:
    """The camera of the images that the network sees.

    intrinsics: of the image as it comes or, with a rectifier, of what that makes of it; None where
    nothing tells. words: which was used and why, for people. problem: what is to be mended, or
    None. calibration: what depth/camera_info repeats of an image that stays bent.
    """

    intrinsics: Intrinsics | None = None
    rectifier: Rectifier | None = None
    words: str = ''
    problem: str | None = None
    calibration: Calibration | None = None
    baseline: tuple[float, float] = (0.0, 0.0)

    @property
    def pixel_aspect(self) -> float:
        """The width of a pixel over its height; 1 where it is not known, or nearly that."""
        if self.intrinsics is None:
            return 1.0
        aspect = self.intrinsics.fy / self.intrinsics.fx
        return aspect if abs(aspect - 1) > NEARLY_SQUARE else 1.0

    def info(self, header: Header, width: int, height: int) -> CameraInfo:
        """Return the CameraInfo of an image of this view, resampled to width x height.

        Of a pinhole camera, or, where the image stays bent, with K, D, R and P as they came.
        """
        if self.intrinsics is None:
            raise ValueError('there is no camera to tell of')
        info = intrinsics_to_info(
            self.intrinsics.resized(width, height), header, baseline=self.baseline)
        if self.calibration is not None:
            p = self.calibration.rectified.resized(width, height)
            info.distortion_model = self.calibration.distortion.model
            info.d = self.calibration.distortion.coefficients
            info.r = self.calibration.rotation
            info.p = intrinsics_to_info(p, header, baseline=self.baseline).p
        return info


class CameraViews:
    """Chooses the view of one camera's images, and keeps it while nothing it depends on changes."""

    def __init__(self):
        self._read: tuple = ()  # the camera_info and the images that were compared last
        self._calibration: Calibration | None = None
        self._refused: MessageError | None = None
        self._key: tuple = ()
        self._view = CameraView()

    def of(
        self, info: CameraInfo | None, width: int, height: int, frame_id: str, *,
        rectify: str, hfov: float, rectified_by: str | None = None,
    ) -> CameraView:
        """Return the view of a width x height image of a frame, with its camera_info if any.

        rectify: as input.rectify. hfov: as camera.hfov, 0 for none.
        rectified_by: the node that is seen to have rectified the images (see rectifying_node).
        """
        self._compare(info, width, height, frame_id)
        refused = self._refused and str(self._refused)
        key = self._calibration, refused, width, height, rectify, hfov, rectified_by
        if key != self._key:
            self._key, self._view = key, self._choose(width, height, rectify, hfov, rectified_by)
        return self._view

    def _compare(
        self, info: CameraInfo | None, width: int, height: int, frame_id: str,
    ) -> None:
        image = width, height, frame_id
        content = None if info is None else _content(info)  # drivers repeat it with every image
        if self._read == (content, image):
            return
        if info is None or not self._read or image != self._read[1]:
            self._calibration = None  # else the last good one stays when a bad one comes
        self._read, self._refused = (content, image), None
        try:
            if info is not None:
                self._calibration = read_calibration(info, *image)
        except MessageError as error:
            self._refused = error

    def _choose(
        self, width: int, height: int, rectify: str, hfov: float, rectified_by: str | None,
    ) -> CameraView:
        refused = self._refused
        if self._calibration is not None:
            view = _of_calibration(self._calibration, rectify, rectified_by)
            return view if refused is None else replace(
                view, words=f'{view.words}; it is the last good one', problem=str(refused))
        if hfov <= 0:
            return CameraView(words='no usable camera_info', problem=(
                str(refused) if refused else 'no camera_info has come (or set camera.hfov)'))
        # that it is not calibrated, or not there, is what camera.hfov is for
        calibrated = not isinstance(refused, UncalibratedError)
        why = 'has not come' if refused is None else (
            'is refused' if calibrated else 'is not calibrated')
        return CameraView(
            Intrinsics.from_field_of_view(hfov, width, height),
            words=f'camera_info {why}, so a field of view of {hfov:g} degrees is assumed '
                  f'(camera.hfov)',
            problem=str(refused) if refused and calibrated else None)


def _content(info: CameraInfo) -> tuple:
    """Return what a CameraInfo says, but for its stamp, to be compared quickly."""
    roi = info.roi
    return (info.header.frame_id, info.width, info.height, info.distortion_model,
            info.d.tobytes(), info.k.tobytes(), info.r.tobytes(), info.p.tobytes(),
            info.binning_x, info.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height)


def _of_calibration(
    calibration: Calibration, rectify: str, rectified_by: str | None,
) -> CameraView:
    distortion, notes = calibration.distortion, ''.join(
        f'; {note}' for note in calibration.notes)
    straight = CameraView(calibration.rectified, words=f'camera_info is used{notes}',
                          baseline=calibration.baseline)
    bent = CameraView(calibration.raw, calibration=calibration, baseline=calibration.baseline)
    if rectify == 'done':
        return replace(straight, words=f'P of camera_info is used, for images that come rectified '
                                       f'(input.rectify is done){notes}')
    if rectify == 'never':
        if not distortion.exists:
            return replace(bent, calibration=None, words=f'K of camera_info is used{notes}')
        return replace(bent, words=f'K of camera_info is used for images that stay distorted, so '
                                   f'points are bent (input.rectify is never){notes}')
    if rectify == 'auto':
        if not distortion.exists:
            return straight
        if rectified_by:
            return replace(straight, words=f'P of camera_info is used: {rectified_by} rectifies '
                                           f'the images{notes}')
    if distortion.exists and not distortion.known:
        return replace(bent, words=f'K of camera_info is used{notes}', problem=(
            f"camera_info has the distortion model '{distortion.model}', so the images cannot be "
            f'rectified and points are bent: known are {", ".join(MODELS)}. Calibrate with one of '
            f'them, or feed rectified images and set input.rectify to done'))
    rotation = np.reshape(calibration.rotation, (3, 3))
    if not distortion.exists and calibration.raw == calibration.rectified and np.array_equal(
            rotation, np.eye(3)):
        return straight
    return replace(
        straight, rectifier=Rectifier(
            calibration.raw, distortion, rotation, calibration.rectified),
        words=f'images are rectified here, as camera_info has distortion '
              f'({distortion.model or "plumb_bob"}){notes}')


def rectifying_node(node: Node, image_topic: str, info_topic: str) -> str | None:
    """Return the name of the node that rectifies the images before they come, or None.

    image_proc publishes no camera_info beside image_rect: it listens to the camera's, which keeps
    its distortion. So who publishes images and only listens to camera_info has rectified them, and
    a driver, which publishes both, has not, whatever the topic is called. A bag's player publishes
    both, also of images that were rectified before they were recorded.
    """
    def names(endpoints) -> set[str]:
        return {f'{each.node_namespace.rstrip("/")}/{each.node_name}' for each in endpoints}

    images = names(node.get_publishers_info_by_topic(image_topic))
    if not images or images & names(node.get_publishers_info_by_topic(info_topic)):
        return None
    if images <= names(node.get_subscriptions_info_by_topic(info_topic)):
        return ', '.join(sorted(images))
    return None
