"""Focal length and shift of point maps are those of the authors' solver, which stops early."""
from pathlib import Path

import numpy as np
import pytest

from flashdepth_ros.images.focal_shift import camera_of, relative_focal, solve, view_coordinates
from flashdepth_ros.images.intrinsics import Intrinsics

DATA = dict(np.load(Path(__file__).parents[1] / 'data' / 'focal-shift.npz'))
SAMPLES = 64


def points_of(case):
    """Return x and y, z, u and v of the samples of a map that the authors solve for."""
    points, mask = DATA[f'case{case}/points'], DATA[f'case{case}/mask']
    height, width = mask.shape
    rows, columns = (np.arange(SAMPLES) * side // SAMPLES for side in mask.shape)
    u, v = view_coordinates(columns, rows, width, height)
    uv = np.stack(np.broadcast_arrays(u, v[:, None]))
    chosen = mask[np.ix_(rows, columns)]
    points = points[np.ix_(rows, columns)][chosen]
    return points[:, :2].T, points[:, 2], uv[:, chosen]


@pytest.mark.parametrize('case', [0, 1, 4, 5])
def test_the_authors_maps(case):
    """Among them a negative shift (1), a mask of one point (5) and of none (4)."""
    points = points_of(case)
    kind = '' if case in (4, 5) else '_converged'  # there is nothing to converge to
    expected = [DATA[f'case{case}/{name}{kind}'] for name in ('focal', 'shift')]
    np.testing.assert_allclose(solve(*points), expected, atol=1e-5)
    focal, shift = solve(*points, float(DATA[f'case{case}/focal_given']))
    assert focal == DATA[f'case{case}/focal_given']
    np.testing.assert_allclose(shift, DATA[f'case{case}/shift_given{kind}'], atol=1e-5)


def test_points_that_are_no_cameras():
    rng = np.random.default_rng(0)
    uv = rng.uniform(-0.5, 0.5, (2, 100))
    z = rng.uniform(1, 2, 100)
    assert solve(-uv * z, z, uv) is None                          # seen from behind
    assert solve(np.full_like(uv, np.nan), z, uv) is None
    assert solve(np.zeros_like(uv), z, uv) is None


def test_a_focal_length_in_pixels():
    camera = camera_of(1.2, 640, 480)
    assert camera == Intrinsics(480, 480, 319.5, 239.5, 640, 480)
    assert relative_focal(camera) == pytest.approx(1.2)
    # the image's corner, half a pixel outside of the last one's centre, is half the diagonal away
    assert np.hypot(*view_coordinates(639.5, 479.5, 640, 480)) == pytest.approx(1)
