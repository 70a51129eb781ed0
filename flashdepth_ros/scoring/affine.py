"""One scale and shift for many pixels: by least squares, or by weighted least absolute error."""
import math

import numpy as np


class LeastSquares:
    """Fits scale * x + shift = y over all values that were added; sums are kept, not values."""

    def __init__(self):
        self._normal, self._target = np.zeros((2, 2)), np.zeros(2)

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        x, y = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
        self._normal += [[x @ x, x.sum()], [x.sum(), x.size]]
        self._target += [x @ y, y.sum()]

    @property
    def count(self) -> int:
        """How many values were added."""
        return int(self._normal[1, 1])

    def solve(self) -> tuple[float, float]:
        """Return (scale, shift); scale 0 where all x are alike."""
        scale, shift = np.linalg.lstsq(self._normal, self._target, rcond=None)[0]
        return float(scale), float(shift)


def least_absolute(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return (scale, shift) that minimise sum(weight * |scale * x + shift - y|) exactly.

    x, y, weight (n,). An optimal line goes through two of the points (MoGe, Wang et al. 2024, arXiv
    2410.19115, section 3.3, tries every point as an anchor). Through an anchor the best line is a
    weighted median of slopes, and it goes through a second point, the next anchor; where no step
    is better the sum, which is convex, is at its smallest. Degenerate points may end a walk
    early, so it is begun at several.
    """
    x, y, weight = (values.astype(np.float64).ravel() for values in (x, y, weight))
    best = (math.inf, 0.0, 0.0)
    for start in np.unique(np.linspace(0, len(x) - 1, 5).astype(int)):
        anchor, before = int(start), math.inf
        while True:
            scale, other = _through(x, y, weight, anchor)
            shift = y[anchor] - scale * x[anchor]
            loss = float(weight @ np.abs(scale * x + shift - y))
            if loss < best[0]:
                best = loss, scale, shift
            if not loss < before * (1 - 1e-12):
                break
            anchor, before = other, loss
    return float(best[1]), float(best[2])


def _through(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, anchor: int,
) -> tuple[float, int]:
    """Return the best slope of a line through one point, and the other point that it meets."""
    dx, dy = x - x[anchor], y - y[anchor]
    others = np.flatnonzero(dx)
    if not others.size:
        return 0.0, anchor
    slopes, mass = dy[others] / dx[others], weight[others] * np.abs(dx[others])
    order = np.argsort(slopes)
    below = np.cumsum(mass[order])
    median = order[np.searchsorted(below, below[-1] / 2)]
    return float(slopes[median]), int(others[median])


def nearest_valid(mask: np.ndarray, cells: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of the valid pixel nearest to each cell's centre, where there is one.

    mask (h, w), in a grid of cells x cells. As DyFN's samples (MoGe's mask_aware_nearest_resize): a
    pixel is looked for within one cell's size; a cell without one is left out.
    """
    height, width = mask.shape
    tall, wide = max(1.0, height / cells), max(1.0, width / cells)
    centre_y = ((np.arange(cells) + 0.5) / cells * height).astype(np.float32)[:, None]
    centre_x = ((np.arange(cells) + 0.5) / cells * width).astype(np.float32)[None]
    top = np.round(centre_y - np.float32(tall / 2)).astype(int)
    left = np.round(centre_x - np.float32(wide / 2)).astype(int)
    nearest = np.full((cells, cells), np.inf, np.float32)
    row, column = np.zeros((cells, cells), int), np.zeros((cells, cells), int)
    for down in range(math.ceil(tall)):
        for right in range(math.ceil(wide)):
            y, x = np.broadcast_arrays(top + down, left + right)
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            valid = inside & mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
            distance = np.hypot(x + np.float32(0.5) - centre_x, y + np.float32(0.5) - centre_y)
            closer = valid & (distance < nearest)
            nearest[closer], row[closer], column[closer] = distance[closer], y[closer], x[closer]
    found = np.isfinite(nearest)
    return row[found], column[found]
