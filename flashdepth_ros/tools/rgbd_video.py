"""Metric depth of a video with its pictures: process_video --metres."""
import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Any

import numpy as np
from torch import Tensor

from ..files.frame_source import Frame
from ..files.rgbd_folder import SUFFIXES, RgbdWriter
from ..images.intrinsics import Intrinsics
from ..metres.units import ScaleError, to_metres
from ..models import ModelSpec, Unit

NEAREST, FARTHEST = 1e-3, 1e4  # m; what is farther has no value
ASSUMED_HFOV = 60.0            # degrees, where nobody says it


@dataclass(frozen=True)
class Metres:
    """How metric depth is made of a model's output, and the camera that it belongs to.

    factor, shift: as scale.factor and scale.shift of the node. Without a shift nominal metres are
    multiplied; with one, metres are 1 / (factor * inverse depth + shift). camera: fx, fy, cx, cy
    in pixels, or None: then hfov is the horizontal field of view in degrees.
    """

    file_format: str = 'png16'
    factor: float | None = None
    shift: float | None = None
    camera: tuple[float, float, float, float] | None = None
    hfov: float | None = None

    def check(self, spec: ModelSpec) -> None:
        """Raise ScaleError where the model's output cannot become metres."""
        if not spec.unit.is_metric and self.factor is None:
            what, more = (('relative inverse depth', ', and mostly --shift')
                          if spec.unit.has_shift else ('depth up to an unknown scale', ''))
            raise ScaleError(
                f'{spec.name} gives {what}: --metres needs --scale FACTOR{more}, so that '
                f'1 / (factor * inverse depth + shift) is metres; or take flashdepth-s or a metric '
                f'model')

    def intrinsics(self, width: int, height: int, pixel_aspect: float) -> Intrinsics:
        """Return the camera of pictures of a size; say so where it is assumed."""
        if self.camera is not None:
            fx, fy, cx, cy = self.camera
            return Intrinsics(fx, fy, cx, cy, width, height)
        if self.hfov is None:
            print(f'process_video: the camera is assumed to see {ASSUMED_HFOV:g} degrees across: '
                  f'give --intrinsics or --hfov', file=sys.stderr)
        return Intrinsics.from_field_of_view(
            self.hfov or ASSUMED_HFOV, width, height, pixel_aspect)


def add_metres_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --metres and what belongs to it."""
    group = parser.add_argument_group(
        'metric depth', 'pictures and depth in metres, as RTAB-Map and Open3D read them')
    group.add_argument('--metres', nargs='?', const='png16', choices=list(SUFFIXES),
                       help='write rgb/ and depth/ with 16-bit millimetres (png16, default) or '
                            'float metres (exr), and the camera')
    group.add_argument('--scale', type=float, metavar='FACTOR',
                       help="as scale.factor of the node (default: 1, the model's own metres)")
    group.add_argument('--shift', type=float, help='as scale.shift of the node')
    camera = group.add_mutually_exclusive_group()
    camera.add_argument('--intrinsics', type=float, nargs=4, metavar=('FX', 'FY', 'CX', 'CY'),
                        help='of the pictures, in pixels')
    camera.add_argument('--hfov', type=float, metavar='DEGREES',
                        help=f'horizontal field of view (default: {ASSUMED_HFOV:g}, a guess)')


def metres_of(options: dict[str, Any]) -> Metres | None:
    """Take what add_metres_arguments added out of parsed options; ValueError."""
    file_format, factor, shift, camera, hfov = (
        options.pop(name) for name in ('metres', 'scale', 'shift', 'intrinsics', 'hfov'))
    if file_format is None:
        if any(each is not None for each in (factor, shift, camera, hfov)):
            raise ValueError('--scale, --shift, --intrinsics and --hfov belong to --metres')
        return None
    if factor is not None and factor <= 0:
        raise ValueError(f'--scale is {factor:g}; it must be positive')
    if hfov is not None and not 0 < hfov < 180:
        raise ValueError(f'--hfov is {hfov:g}; it must lie between 0 and 180 degrees')
    return Metres(file_format, factor, shift, camera and tuple(camera), hfov)


def write_rgbd(
    pairs: Iterable[tuple[Tensor, Frame]], folder: Path, unit: Unit, size: tuple[int, int],
    fps: float, about: dict, overwrite: bool, metres: Metres,
) -> RgbdWriter:
    """Write pictures (h, w, 3) and depth made of outputs (h', w'); size: (h, w)."""
    fixed = metres.shift is not None or not unit.is_metric
    factor, shift = metres.factor or 1.0, metres.shift or 0.0
    intrinsics = metres.intrinsics(size[1], size[0], about['pixel_aspect'])
    writer = RgbdWriter(folder, intrinsics, metres.file_format, fps, {
        **about, 'scale_mode': 'fixed' if fixed else 'nominal', 'scale_factor': factor,
        'scale_shift': shift, 'intrinsics_assumed': metres.camera is metres.hfov is None,
    }, overwrite)
    complete = False
    try:
        for output, frame in pairs:
            depth = to_metres(
                output.numpy(), unit, 'fixed' if fixed else 'nominal', factor, shift, NEAREST,
                FARTHEST, np.empty(size, np.float32))
            writer.write(frame.rgb, depth, frame.time, frame.name)
        complete = True
    finally:
        writer.close(complete)
    return writer
