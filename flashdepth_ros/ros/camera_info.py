"""CameraInfo <-> intrinsics."""
from dataclasses import dataclass
import math
import sys

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ..images.intrinsics import Intrinsics
from ..images.rectify import Distortion
from .message import MessageError

WIDEST, NARROWEST = 170.0, 1.0  # degrees that a pinhole camera's field of view may have
SAME_SHAPE = 0.01    # of a side: codecs round sizes to whole blocks
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
REMEDY = 'calibrate the camera, or set camera.hfov'


class UncalibratedError(MessageError):
    """A camera_info says of itself that the camera is not calibrated: no mistake, and no use."""


@dataclass(frozen=True)
class Calibration:
    """What a CameraInfo says of images of one size; equal where it says the same.

    raw: the lens' camera, of the image as it comes (K). rectified: the pinhole camera of the
    rectified image (P). rotation: R, row by row. baseline: x and y in metres of a stereo pair's
    first camera to this one, in the rectified camera's axes. notes: what had to be guessed.
    """

    raw: Intrinsics
    rectified: Intrinsics
    distortion: Distortion
    rotation: tuple[float, ...] = IDENTITY
    baseline: tuple[float, float] = (0.0, 0.0)
    notes: tuple[str, ...] = ()


def read_calibration(
    info: CameraInfo, width: int, height: int, frame_id: str = '',
) -> Calibration:
    """Return what a CameraInfo says of a width x height image of this frame; MessageError.

    K belongs to the whole unbinned sensor; region of interest and binning are applied as the
    message documents them, unless the image's size shows that the driver has not. A difference in
    size that remains is taken for resampling. What can belong to no such image is refused.
    """
    if min(width, height) <= 0:
        raise MessageError(f'camera_info cannot be of an image of {width}x{height} pixels')
    _check_frame(info.header.frame_id, frame_id)
    if len(info.d) > 14:
        raise MessageError(f'camera_info has {len(info.d)} distortion coefficients: at most 14 '
                           f'have a meaning')
    if not np.isfinite([*info.d, *info.k, *info.r, *info.p]).all():
        raise MessageError(f'camera_info holds values that are no numbers (NaN or infinite): '
                           f'{REMEDY}')
    if not info.k[0] and not info.p[0]:
        raise UncalibratedError(
            f'camera_info says that the camera is not calibrated (K is zero): {REMEDY}')
    notes = []
    full, region = _region(info, width, height, notes)
    raw, rectified = _cameras(info, *full, notes)
    try:
        distortion = Distortion(info.distortion_model, tuple(info.d))
    except ValueError as error:
        raise MessageError(f'camera_info cannot be used: {error}') from error
    return Calibration(
        _cropped(raw, *region).resized(width, height),
        _cropped(rectified, *region).resized(width, height),
        distortion, _rotation(info), (
            -info.p[3] / rectified.fx, -info.p[7] / rectified.fy), tuple(notes))


def _check_frame(of_info: str, of_image: str) -> None:
    of_info, of_image = of_info.lstrip('/'), of_image.lstrip('/')
    if of_info and of_image and of_info != of_image:
        raise MessageError(
            f"camera_info is of the frame '{of_info}', the images of '{of_image}': it belongs to "
            f'another camera. Remap camera_info to the topic beside the images, or set frame_id '
            f'in the driver')


Region = tuple[int, int, int, int, int, int]  # x, y, width, height of the sensor, and binning x, y


def _region(
    info: CameraInfo, width: int, height: int, notes: list[str],
) -> tuple[tuple[int, int], Region]:
    """Return the whole sensor's size and the region of it that a width x height image shows."""
    bins = max(info.binning_x, 1), max(info.binning_y, 1)
    full = info.width, info.height
    if full == (0, 0):
        full = width * bins[0], height * bins[1]
        notes.append(f"camera_info gives no size, so the images' own {full[0]}x{full[1]} is taken")
        return full, (0, 0, *full, *bins)
    if 0 in full:
        raise MessageError(f'camera_info says it is of images of {full[0]}x{full[1]} pixels: '
                           f'{REMEDY}')
    roi = info.roi
    part = (roi.x_offset, roi.y_offset, roi.width or full[0] - roi.x_offset,
            roi.height or full[1] - roi.y_offset)
    if min(part[2:]) <= 0:
        part = (0, 0, *full)
    # as documented; then as drivers have it that fill in what they do not do
    regions: list[Region] = [
        (*part, *bins), (0, 0, *full, *bins), (0, 0, *full, 1, 1), (*part, 1, 1)]
    sizes = [(w // bx, h // by) for _, _, w, h, bx, by in regions]
    for region, size in zip(regions, sizes, strict=True):
        if size == (width, height):
            return full, region
    for region, (w, h) in zip(regions, sizes, strict=True):
        if w and h and abs(width * h - height * w) <= max(
                w, h, SAME_SHAPE * max(width * h, height * w)):
            return full, region
    w, h = sizes[0]
    turned = (' and lies on its side (was the image rotated?)'
              if abs(width * w - height * h) <= max(w, h) else ', which has another shape')
    raise MessageError(
        f'camera_info is of images of {w}x{h} pixels, and the image has {width}x{height}'
        f'{turned}: it does not belong to it. Set the driver to the size that was calibrated, or '
        f'calibrate again at this one')


def _cropped(
    camera: Intrinsics, x: int, y: int, width: int, height: int, bin_x: int, bin_y: int,
) -> Intrinsics:
    """Return the camera of a region of the sensor, binned as image_geometry has it."""
    return Intrinsics(
        camera.fx / bin_x, camera.fy / bin_y, (camera.cx - x) / bin_x, (camera.cy - y) / bin_y,
        width // bin_x, height // bin_y)


def _cameras(
    info: CameraInfo, width: int, height: int, notes: list[str],
) -> tuple[Intrinsics, Intrinsics]:
    """Return the cameras of K and P; where only one of the two is a camera it stands for both."""
    k = _camera('K', (info.k[0], info.k[4], info.k[2], info.k[5]), width, height)
    p = _camera('P', (info.p[0], info.p[5], info.p[2], info.p[6]), width, height)
    if isinstance(k, Intrinsics) and isinstance(p, Intrinsics):
        return k, p
    if isinstance(k, Intrinsics):
        if isinstance(p, str) and any(info.p):
            notes.append(f'K is used in place of P: {p}')
        return k, k
    if isinstance(p, Intrinsics) and (not any(info.k) or not any(info.d)):
        if any(info.k):
            notes.append(f'P is used in place of K: {k}')
        return p, p
    raise MessageError(f'camera_info cannot be used: {k if any(info.k) else p}: {REMEDY}')


def _camera(
    name: str, values: tuple[float, float, float, float], width: int, height: int,
) -> Intrinsics | str:
    """Return the camera of a matrix, or say why it cannot be one of a width x height image."""
    fx, fy, cx, cy = values
    if fx <= 0 or fy <= 0 or max(map(abs, values)) > sys.float_info.max ** 0.25:
        return f'{name} has the focal lengths {fx:g} and {fy:g}'
    wide = 2 * math.degrees(math.atan(max(width / fx, height / fy) / 2))
    if not NARROWEST <= wide <= WIDEST:
        millimetres = '; it must be in pixels, not in millimetres' if wide > WIDEST else ''
        return (f'{name} has a focal length of {fx:g} for a width of {width} pixels, which is a '
                f'field of view of {wide:.3g} degrees{millimetres}')
    if not 0.5 <= fx / fy <= 2:
        return f'{name} has the focal lengths {fx:g} and {fy:g}, which differ too much'
    # rectifying may move the centre of P far
    margin = 0 if name == 'K' else 1
    if not (-margin * width < cx < (1 + margin) * width
            and -margin * height < cy < (1 + margin) * height):
        return (f'{name} has its centre at {cx:g}, {cy:g}, outside of the image of '
                f'{width}x{height} pixels')
    return Intrinsics(*values, width, height)


def _rotation(info: CameraInfo) -> tuple[float, ...]:
    """Return R; drivers leave it zero where nothing is turned."""
    if not any(info.r):
        return IDENTITY
    matrix = np.reshape(info.r, (3, 3))
    with np.errstate(over='ignore', invalid='ignore'):
        proper = (np.abs(matrix @ matrix.T - np.eye(3)).max() < 0.01
                  and np.linalg.det(matrix) > 0)
    if not proper:
        raise MessageError(f'camera_info has an R that is no rotation: {REMEDY}')
    return tuple(info.r)


def intrinsics_to_info(
    intrinsics: Intrinsics, header: Header, baseline: tuple[float, float] = (0.0, 0.0),
) -> CameraInfo:
    """Return the CameraInfo of an image of the intrinsics' size, that of a pinhole camera.

    baseline: of a stereo pair's first camera to this one, x and y in metres. The distortion model
    is plumb_bob with zeros: image_geometry takes an empty one for unknown.
    """
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    return CameraInfo(
        header=header, width=intrinsics.width, height=intrinsics.height,
        distortion_model='plumb_bob', d=[0.0] * 5, r=IDENTITY,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, -fx * baseline[0], 0.0, fy, cy, -fy * baseline[1], 0.0, 0.0, 1.0, 0.0])
