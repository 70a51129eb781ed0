"""Depth and colours -> points in the optical frame, laid out as a cloud holds them. No ROS here."""
import numpy as np

from .intrinsics import Intrinsics
from .loops import loop

ANY_HEIGHT = (-np.inf, np.inf)


def unproject(depth: np.ndarray, intrinsics: Intrinsics, stride: int = 1) -> np.ndarray:
    """Depth (H, W) along z -> points (ceil(H/stride), ceil(W/stride), 3) float32, in metres.

    Where the depth is not finite, all three coordinates are NaN. ValueError when the depth is not
    of the camera's size.
    """
    height, width = grid_size(intrinsics, stride)
    points = np.empty((height * width, 3), np.float32)
    fill_points(depth, None, intrinsics, stride, True, ANY_HEIGHT, points)
    return points.reshape(height, width, 3)


def grid_size(intrinsics: Intrinsics, stride: int) -> tuple[int, int]:
    """Return the rows and columns of every stride-th pixel."""
    return -(-intrinsics.height // stride), -(-intrinsics.width // stride)


def fill_points(
    depth: np.ndarray, rgb: np.ndarray | None, intrinsics: Intrinsics, stride: int, organized: bool,
    heights: tuple[float, float], out: np.ndarray, confidence: np.ndarray | None = None,
    margin: float = 0.0,
) -> int:
    """Write the points of every stride-th pixel into `out`, row by row; return how many they are.

    depth: (H, W) float32 along z in metres. rgb: (H, W, 3) uint8, or None for no colours. heights:
    the lowest and the highest point, in metres above the camera's centre, up along the optical
    frame's -y: a camera 1 m above the floor keeps what is 0.1 to 2 m above it with -0.9 and 1. A
    camera that looks down measures across its own image, not along gravity. margin: of the points
    only those that are this many metres and more inside of what the camera sees.
    organized: points without a value, or left out by heights or margin, are NaN; else they are not
    there.
    out: (grid_size's product, 3 to 5) float32: x, y, z, of colours the bits 0x00RRGGBB, and the
    confidence where one is given, (H, W) float32. With another upper byte the colours, which a
    cloud declares as a float, would often be NaN. ValueError when depth, colours or confidence are
    not of the camera's size, or `out` is not of the points'.
    """
    intrinsics.check_size(depth, 'depth')
    if rgb is not None:
        intrinsics.check_size(rgb, 'colours')
    if confidence is not None:
        intrinsics.check_size(confidence, 'confidence')
    all_x, all_y = intrinsics.rays()
    x, y = (np.ascontiguousarray(each[::stride]) for each in (all_x, all_y))
    if out.shape != (x.size * y.size, 3 + (rgb is not None) + (confidence is not None)):
        raise ValueError(f'{x.size * y.size} points do not go into an array of {out.shape}')
    if rgb is None:
        rgb = np.empty((0, 0, 3), np.uint8)
    if confidence is None:
        confidence = np.empty((0, 0), np.float32)
    return _fill(
        np.require(depth, np.float32, 'W')[::stride, ::stride],
        np.require(rgb, np.uint8, 'W')[::stride, ::stride],
        np.require(confidence, np.float32, 'W')[::stride, ::stride], x, y, organized, *heights,
        margin, all_x[0], all_x[-1], all_y[0], all_y[-1], out)


def clearing_grid(intrinsics: Intrinsics, turn: int) -> tuple[slice, slice]:
    """Return the rows and columns whose rays clear a costmap in the turn-th cloud.

    Some 80 rows by 213 columns of an image of 4:3, whatever its size: every 8th row and every 3rd
    column of 640x480. Each turn shifts them by less than a step, by Roberts' sequence R2, which
    soon has been near every pixel: costmaps trace rays from cell to cell, in which a ray can miss
    the cell that a point on it marked, and with a fixed grid would miss it for ever. A costmap may
    take only every n-th cloud: the rows have that of R2's numbers whose multiples are near no whole
    number for n up to 6.
    """
    row_step, column_step = (max(1, round(intrinsics.width / count)) for count in (80, 640 / 3))
    row = int(turn * 0.5698402909980532 % 1 * row_step)
    column = int(turn * 0.7548776662466927 % 1 * column_step)
    return (slice(min(row, intrinsics.height - 1), None, row_step),
            slice(min(column, intrinsics.width - 1), None, column_step))


def fill_ray_ends(
    depth: np.ndarray, intrinsics: Intrinsics, grid: tuple[slice, slice], far: float,
    out: np.ndarray,
) -> int:
    """Write where the rays of pixels end into `out`, row by row; return how many they are.

    depth: (H, W) float32 along z in metres; +Inf, which is nothing within the range, ends at the
    depth `far`; NaN and -Inf have no ray. grid: the rows and columns, as of clearing_grid.
    out: (their number or more, 3) float32. ValueError when a size does not fit.
    """
    intrinsics.check_size(depth, 'depth')
    rows, columns = grid
    x, y = intrinsics.rays()
    x, y = np.ascontiguousarray(x[columns]), np.ascontiguousarray(y[rows])
    if len(out) < x.size * y.size or out.shape[1:] != (3,):
        raise ValueError(f'{x.size * y.size} points do not go into an array of {out.shape}')
    return _fill_ray_ends(np.require(depth, np.float32, 'W')[rows, columns], x, y, far, out)


@loop('uintp(float32[:, :], float32[::1], float32[::1], float32, float32[:, ::1])')
def _fill_ray_ends(depth, x, y, far, out):
    infinity = np.float32(np.inf)
    count = np.uintp(0)
    for i in range(y.size):
        for j in range(x.size):
            z = depth[i, j]
            z = far if z == infinity else z
            # what is not known is overwritten by the next point
            out[count, 0] = z * x[j]
            out[count, 1] = z * y[i]
            out[count, 2] = z
            count += np.uintp((np.float32(0) < z) & (z < infinity))
    return count


@loop('uintp(float32[:, :], uint8[:, :, :], float32[:, :], float32[::1], float32[::1], boolean, '
      'float32, float32, float32, float32, float32, float32, float32, float32[:, ::1])')
def _fill(depth, rgb, confidence, x, y, organized, lowest, highest, margin, left, right, top,
          bottom, out):
    nan, infinity = np.float32(np.nan), np.float32(np.inf)
    coloured, judged, last = rgb.size > 0, confidence.size > 0, out.shape[1] - 1
    z, colours = np.empty(x.size, np.float32), np.empty(x.size, np.float32)
    bits, flat = colours.view(np.uint32), out.reshape(-1)
    count = np.uintp(0)  # unsigned, or each index might be one from the end
    for i in range(y.size):
        line, down, number = depth[i], y[i], np.int32(0)
        upright = min(down - top, bottom - down)
        for j in range(x.size):
            z[j] = line[j]
        for j in range(x.size):
            up = -z[j] * down
            inside = z[j] * min(upright, x[j] - left, right - x[j])
            known = ((abs(z[j]) < infinity) & (lowest <= up) & (up <= highest)
                     & (inside >= margin))
            z[j] = z[j] if known else nan
            number += np.int32(known)
        if coloured:
            pixels = rgb[i]
            for j in range(x.size):
                bits[j] = (np.uint32(pixels[j, 0]) << np.uint32(16)
                           | np.uint32(pixels[j, 1]) << np.uint32(8) | np.uint32(pixels[j, 2]))
        if (organized or number == x.size) and coloured and not judged:  # as mostly: all of a row
            points = flat[4 * count:4 * (count + np.uintp(x.size))]
            for j in range(x.size):
                points[4 * j] = z[j] * x[j]
                points[4 * j + 1] = z[j] * down
                points[4 * j + 2] = z[j]
                points[4 * j + 3] = colours[j]
            count += np.uintp(x.size)
            continue
        for j in range(x.size):
            # what is not known is overwritten by the next point
            out[count, 0] = z[j] * x[j]
            out[count, 1] = z[j] * down
            out[count, 2] = z[j]
            if coloured:
                out[count, 3] = colours[j]
            if judged:
                out[count, last] = confidence[i, j]
            count += np.uintp(organized | (z[j] == z[j]))
    return count
