"""CameraInfo <-> intrinsics."""
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ..images.intrinsics import Intrinsics
from .message import MessageError


def info_to_intrinsics(info: CameraInfo, width: int, height: int) -> Intrinsics:
    """Return the camera of a width x height image from its CameraInfo; MessageError.

    The projection matrix P is used where it is filled, as image_geometry does, else K. Region of
    interest and binning are applied, and a remaining difference in size is taken for resampling.
    """
    fx, fy, cx, cy = (
        (info.p[0], info.p[5], info.p[2], info.p[6]) if info.p[0] else
        (info.k[0], info.k[4], info.k[2], info.k[5]))
    binning_x, binning_y = max(info.binning_x, 1), max(info.binning_y, 1)
    roi = info.roi
    try:
        camera = Intrinsics(
            fx / binning_x, fy / binning_y,
            (cx - roi.x_offset) / binning_x, (cy - roi.y_offset) / binning_y,
            (roi.width or info.width) // binning_x, (roi.height or info.height) // binning_y)
    except ValueError as error:
        raise MessageError(f'camera_info cannot be used: {error}') from error
    return camera.resized(width, height)


def intrinsics_to_info(
    intrinsics: Intrinsics, header: Header, template: CameraInfo | None = None,
) -> CameraInfo:
    """Return the CameraInfo of an image of the intrinsics' size.

    template: where distortion, rectification and a stereo baseline are taken from. Without
    distortion the model is plumb_bob with zeros: image_geometry takes an empty one for unknown.
    """
    info = CameraInfo(header=header, width=intrinsics.width, height=intrinsics.height,
                      distortion_model='plumb_bob', d=[0.0] * 5)
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    baseline_x = baseline_y = 0.0
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    if template is not None:
        if len(template.d):
            info.distortion_model, info.d = template.distortion_model or 'plumb_bob', template.d
        if any(template.r):
            info.r = template.r
        if template.p[0]:  # -f * baseline, in pixels * metres, scales as f does
            baseline_x = template.p[3] * fx / template.p[0]
            baseline_y = template.p[7] * fy / (template.p[5] or 1.0)
            # K and P differ where the camera is distorted; K moves as P does
            sx, sy = fx / template.p[0], fy / template.p[5]
            k, p = template.k, template.p
            info.k = [k[0] * sx, k[1] * sx, _moved(k[2], p[2], cx, sx),
                      0.0, k[4] * sy, _moved(k[5], p[6], cy, sy),
                      0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, baseline_x, 0.0, fy, cy, baseline_y, 0.0, 0.0, 1.0, 0.0]
    return info


def _moved(centre: float, reference: float, moved_reference: float, scale: float) -> float:
    """Move a coordinate as the reference moved, under a scale."""
    return moved_reference + (centre - reference) * scale
