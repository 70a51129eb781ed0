"""Calibration files of camera_info_manager: YAML as camera_calibration writes it."""
from dataclasses import dataclass
import os
from pathlib import Path
from urllib.parse import unquote

from sensor_msgs.msg import CameraInfo
import yaml

from .camera_info import read_calibration
from .message import MessageError

SHAPES = {'camera_matrix': (3, 3), 'rectification_matrix': (3, 3), 'projection_matrix': (3, 4)}
SAME_SHAPE = 0.01  # of a side: sizes are rounded


class CalibrationFileError(ValueError):
    """A calibration file cannot be used; the message says which, why and what to do."""


def path_of(url: str) -> Path:
    """Return the file of a URL as camera_info_manager takes them; CalibrationFileError.

    file:///path, package://name/path, or a plain path; ${ROS_HOME} is ~/.ros where the environment
    does not say another.
    """
    home = os.environ.get('ROS_HOME') or str(Path('~/.ros').expanduser())
    filled = url.replace('${ROS_HOME}', home)
    if filled.startswith('file://'):
        return Path(unquote(filled.removeprefix('file://')))
    if filled.startswith('package://'):
        from ament_index_python.packages import (
            PackageNotFoundError,
            get_package_share_directory,
        )
        package, _, rest = filled.removeprefix('package://').partition('/')
        try:
            return Path(get_package_share_directory(package), unquote(rest))
        except (PackageNotFoundError, ValueError):
            raise CalibrationFileError(f'{url}: there is no package {package} here: build it, or '
                                       f'source its setup file') from None
    if '://' in filled:
        raise CalibrationFileError(f'{url} is neither file:// nor package://')
    return Path(filled).expanduser()


@dataclass(frozen=True)
class CalibrationFile:
    """What a calibration file says; url: where it lies."""

    url: str
    info: CameraInfo

    @classmethod
    def read(cls, url: str) -> 'CalibrationFile':
        """Read a file by its URL; CalibrationFileError."""
        path = path_of(url)
        try:
            content = yaml.safe_load(path.read_text())
            info = _camera_info(content)
            read_calibration(info, info.width, info.height)
        except OSError as error:
            raise CalibrationFileError(f'{path} cannot be read: {error.strerror}') from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise CalibrationFileError(
                f'{path} is no YAML file: {str(error).splitlines()[0]}') from None
        except (ValueError, TypeError, KeyError, MessageError) as error:
            reason = f'it has no {error}' if isinstance(error, KeyError) else str(error)
            raise CalibrationFileError(
                f'{path} is no calibration as camera_calibration writes it: {reason}') from None
        return cls(url, info)

    def of_size(self, width: int, height: int) -> CameraInfo:
        """Return the camera of images of another size that show the same; CalibrationFileError.

        Pixel centres move as resampling moves them: u -> (u + 0.5) * s - 0.5.
        """
        full = self.info
        if abs(full.width * height - full.height * width) > max(
                full.width, full.height, SAME_SHAPE * full.width * height):
            raise CalibrationFileError(
                f'{self.url} is of images of {full.width}x{full.height} pixels, and these have '
                f'{width}x{height}, another shape: calibrate at this size, or set the camera to '
                f'that one')
        scales = width / full.width, height / full.height
        k, p = list(full.k), list(full.p)
        for matrix, columns in ((k, 3), (p, 4)):
            for row, scale in enumerate(scales):
                for column in range(columns):
                    matrix[row * columns + column] *= scale
                matrix[row * columns + 2] += 0.5 * scale - 0.5
        return CameraInfo(width=width, height=height, distortion_model=full.distortion_model,
                          d=full.d, k=k, r=full.r, p=p)


def _camera_info(content: dict) -> CameraInfo:
    """Make a CameraInfo of a file's content; ValueError, TypeError or KeyError."""
    if not isinstance(content, dict):
        raise ValueError('it holds no fields')
    matrices = {}
    for name, (rows, columns) in SHAPES.items():
        data = [float(value) for value in content[name]['data']]
        if len(data) != rows * columns:
            raise ValueError(f'{name} has {len(data)} numbers, not {rows * columns}')
        matrices[name] = data
    return CameraInfo(
        width=int(content['image_width']), height=int(content['image_height']),
        distortion_model=str(content.get('distortion_model', 'plumb_bob')),
        d=[float(value) for value in content['distortion_coefficients']['data']],
        k=matrices['camera_matrix'], r=matrices['rectification_matrix'],
        p=matrices['projection_matrix'])
