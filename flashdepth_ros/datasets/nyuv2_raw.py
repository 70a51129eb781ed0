"""NYU Depth V2's raw frames: what a Kinect's two cameras gave, each with its own stamp.

SCENE/r-STAMP-TICKS.ppm are pictures, SCENE/d-STAMP-TICKS.pgm depth in the Kinect's own steps and in
the depth camera's pixels. Depth is brought into the picture as the dataset's toolbox does it
(project_depth_map.m; its camera_params.m has the numbers): both are undistorted, and depth is
projected into the colour camera, the nearest point staying.
"""
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np

from .formats import read_netpbm
from .pairing import StampedFile, pair_stamped
from .sequence import DatasetError, DatasetSequence, Frame

LARGEST_DIFFERENCE = 0.05  # s, between a picture and its depth: 20 to 30 of each come a second
SIZE = 480, 640            # of both, in which the cameras were measured
# fx, fy, cx, cy, counted from 1 as MATLAB does; k1, k2, p1, p2, k3
COLOUR = (518.8579011745019, 519.4696111212749, 325.58244941119034, 253.73616633400465)
COLOUR_DISTORTION = (0.20796615318809061, -0.58613825163911781, 0.00072231363135888329,
                     0.0010479627195765181, 0.49856986684705107)
DEPTH = (582.62448167737955, 582.69103270988637, 313.04475870804731, 238.44389626620386)
DEPTH_DISTORTION = (-0.099897236553084481, 0.39065324602765344, 0.0019290592870229277,
                    -0.0019422022475975055, -0.51031725053400578)
# point in the colour camera = ROTATION @ point in the depth camera - OFFSET; the toolbox's names
# for the offset's y and z are exchanged, and its rotation and offset both have the other sign
ROTATION = np.array([
    [0.99997798940829263, 0.0050518419386157446, 0.0043011152014118693],
    [-0.0050359919480810989, 0.99998051861143999, -0.0036879781309514218],
    [-0.0043196624923060242, 0.0036662365748484798, 0.99998394948385538]]).T
OFFSET = np.array([0.025031875059141302, -0.00029342312935846411, 0.00066238747008330102])
NUMERATOR, ZERO = 351.3, 1092.5  # metres = NUMERATOR / (ZERO - steps)
NOTHING, LEAST = 2047, 600       # steps: no depth; fewer are no depth either
FARTHEST = 10.0                  # m; what is farther is put there


def scenes_below(root: Path) -> list[Path]:
    """Return the folders at or below a root that hold a Kinect's depth, sorted."""
    return sorted({path.parent for path in root.rglob('d-*.pgm')})


def sequence(folder: Path, allowed: float) -> DatasetSequence:
    """Open a scene, paired by the stamps in the files' names; DatasetError."""
    pictures, truths = _stamped(folder, 'r-*.ppm'), _stamped(folder, 'd-*.pgm')
    if not pictures:
        raise DatasetError(f'{folder} has depth (d-*.pgm) but no pictures (r-*.ppm)')
    pairs, unpaired = pair_stamped(folder.name, pictures, truths, LARGEST_DIFFERENCE, allowed)
    return DatasetSequence(folder.name, [
        Frame(pictures[i].path.stem, position, partial(read_picture, pictures[i].path),
              partial(read_depth_in_picture, truths[j].path), intrinsics(SIZE, COLOUR))
        for position, (i, j) in enumerate(pairs)], unpaired)


def _stamped(folder: Path, pattern: str) -> list[StampedFile]:
    return sorted(_stamps(folder.glob(pattern)), key=lambda each: each.stamp)


def _stamps(paths: Iterator[Path]) -> Iterator[StampedFile]:
    for path in paths:
        try:
            yield StampedFile(float(path.stem.split('-')[1]), path)
        except ValueError:
            raise DatasetError(f'{path} has no stamp in its name: r-SECONDS-TICKS.ppm and '
                               f'd-SECONDS-TICKS.pgm do') from None


def intrinsics(size: tuple[int, int], camera: tuple[float, ...]) -> np.ndarray:
    """Return a camera's (3, 3) matrix for images of a size (height, width), counted from 0."""
    down, right = size[0] / SIZE[0], size[1] / SIZE[1]
    fx, fy, cx, cy = camera
    return np.array([[fx * right, 0, (cx - 0.5) * right - 0.5],
                     [0, fy * down, (cy - 0.5) * down - 0.5], [0, 0, 1]])


@cache
def _maps(
    size: tuple[int, int], camera: tuple[float, ...], distortion: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray]:
    matrix = intrinsics(size, camera)
    return cv2.initUndistortRectifyMap(matrix, np.array(distortion), None, matrix, size[::-1],
                                       cv2.CV_32FC1)


def read_picture(path: Path) -> np.ndarray:
    """Read a picture and undistort it: (h, w, 3) uint8; DatasetError where it is damaged."""
    image = read_netpbm(path)
    return cv2.remap(image, *_maps(image.shape[:2], COLOUR, COLOUR_DISTORTION), cv2.INTER_LINEAR)


def read_depth_in_picture(path: Path) -> np.ndarray:
    """Read depth, (h, w) float64 in metres, 0 where there is none, in the undistorted picture.

    The values are along the depth camera's axis, as the toolbox leaves them (they differ from the
    colour camera's by less than 1 %). DatasetError where the file is damaged.
    """
    stored = read_netpbm(path)
    if stored.ndim != 2 or stored.itemsize != 2:
        raise DatasetError(f"{path} is no PGM of 16 bits, which a Kinect's depth is")
    # the Kinect's driver wrote the low byte first, which is not what PGM says
    steps: np.ndarray = stored.byteswap().astype(np.float32)
    size = steps.shape
    maps = _maps(size, DEPTH, DEPTH_DISTORTION)
    unknown = cv2.remap((steps >= NOTHING).astype(np.float32), *maps, cv2.INTER_LINEAR,
                        borderMode=cv2.BORDER_CONSTANT, borderValue=1.0) > 0
    steps = cv2.remap(steps, *maps, cv2.INTER_LINEAR)
    known = ~unknown & (steps >= LEAST) & (steps < ZERO)
    row, column = np.nonzero(known)
    depth = NUMERATOR / (ZERO - steps[known].astype(np.float64))
    depth = np.minimum(depth, FARTHEST)
    fx, fy, cx, cy = intrinsics(size, DEPTH)[[0, 1, 0, 1], [0, 1, 2, 2]]
    points = np.stack([(column - cx) * depth / fx, (row - cy) * depth / fy, depth])
    points = ROTATION @ points - OFFSET[:, None]
    fx, fy, cx, cy = intrinsics(size, COLOUR)[[0, 1, 0, 1], [0, 1, 2, 2]]
    column = np.round(points[0] * fx / points[2] + cx).astype(int)
    row = np.round(points[1] * fy / points[2] + cy).astype(int)
    seen = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
    farthest_first = np.flatnonzero(seen)[np.argsort(-depth[seen], kind='stable')]
    projected = np.zeros(size)
    projected[row[farthest_first], column[farthest_first]] = depth[farthest_first]
    return projected
