"""Rectification, held to the models' formulas and to image_proc's call of OpenCV."""
import cv2
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import unproject
from flashdepth_ros.images.rectify import Distortion, Rectifier

RAW = Intrinsics(210.0, 214.0, 158.0, 121.5, 320, 240)
PINHOLE = Intrinsics(190.0, 192.0, 161.0, 118.0, 320, 240)
TURN = cv2.Rodrigues(np.array([0.02, -0.05, 0.03]))[0]
LENSES = [
    Distortion('plumb_bob', (-0.28, 0.08, 0.002, -0.001, -0.009)),
    Distortion('plumb_bob', (-0.28, 0.08, 0.002, -0.001)),
    Distortion('rational_polynomial', (0.4, -0.3, 0.001, -0.002, 0.05, 0.7, -0.25, 0.03)),
    Distortion('rational_polynomial', (0.4, -0.3, 0.001, -0.002, 0.05, 0.7, -0.25, 0.03,
                                       0.004, -0.001, 0.003, 0.002)),
    Distortion('equidistant', (-0.02, 0.01, -0.004, 0.001)),
]


def picture(height: int = 240, width: int = 320) -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 5), None, 0, 255,
                         cv2.NORM_MINMAX).astype(np.uint8)


def bent(x: np.ndarray, y: np.ndarray, lens: Distortion) -> tuple[np.ndarray, np.ndarray]:
    """Bend rays (x/z, y/z) as the models are defined."""
    d = [*lens.coefficients, *[0.0] * 12]
    if lens.equidistant:
        r = np.maximum(np.hypot(x, y), 1e-9)
        theta = np.arctan(r)
        far = theta * (1 + sum(k * theta ** (2 * i + 2) for i, k in enumerate(d[:4])))
        return x * far / r, y * far / r
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = d[:12]
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2 ** 2 + k3 * r2 ** 3) / (
        1 + k4 * r2 + k5 * r2 ** 2 + k6 * r2 ** 3)
    return (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2 + s2 * r2 ** 2,
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + s3 * r2 + s4 * r2 ** 2)


def seen_at(lens: Distortion, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in the raw image each rectified pixel is seen, pixel by pixel."""
    v, u = np.mgrid[:240, :320]
    ray = np.stack([(u - PINHOLE.cx) / PINHOLE.fx, (v - PINHOLE.cy) / PINHOLE.fy,
                    np.ones(u.shape)], -1) @ rotation    # the transpose turns it back
    x, y = bent(ray[..., 0] / ray[..., 2], ray[..., 1] / ray[..., 2], lens)
    return RAW.fx * x + RAW.cx, RAW.fy * y + RAW.cy


@pytest.mark.parametrize('rotation', [np.eye(3), TURN], ids=['straight', 'turned'])
@pytest.mark.parametrize('lens', LENSES, ids=lambda lens: f'{lens.model}-{len(lens.coefficients)}')
def test_pixels_are_those_that_the_formula_sees(lens, rotation):
    rectifier = Rectifier(RAW, lens, rotation, PINHOLE)
    x, y = seen_at(lens, rotation)
    place, fraction = rectifier.maps
    # a 32nd of a pixel is the maps' grain
    assert_allclose(place[..., 0] + (fraction & 31) / 32, x, atol=1 / 63)
    assert_allclose(place[..., 1] + (fraction >> 5) / 32, y, atol=1 / 63)

    image = picture()
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (left >= 0) & (top >= 0) & (left < 319) & (top < 239)
    right, down = (x - left)[..., None], (y - top)[..., None]
    left, top = np.clip(left, 0, 318), np.clip(top, 0, 238)
    expected = ((image[top, left] * (1 - right) + image[top, left + 1] * right) * (1 - down)
                + (image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right) * down)
    rectified = rectifier.apply(image)
    assert rectified.dtype == np.uint8 and rectified.flags.c_contiguous
    assert inside.mean() > 0.8
    assert np.abs(rectified - expected)[inside].max() < 3
    unseen = np.zeros((240, 320), bool) if rectifier.unseen is None else rectifier.unseen
    assert (rectified[unseen].max(initial=0, axis=-1) <= image.max()).all()
    clearly = (x < -1) | (y < -1) | (x > 320) | (y > 240)
    assert unseen[clearly].all() and not rectified[clearly].any() and not unseen[inside].any()


def test_points_of_a_bent_image_lie_where_they_are():
    """The corners of a board 2 m away come out at their places, off by up to a third when raw."""
    lens = LENSES[0]
    x, y = np.meshgrid(np.linspace(-1.1, 1.1, 5), np.linspace(-0.8, 0.8, 5))
    u, v = bent(x / 2, y / 2, lens)
    u, v = RAW.fx * u + RAW.cx, RAW.fy * v + RAW.cy
    raw = np.zeros((240, 320), np.float32)
    for column, row in zip(u.ravel(), v.ravel(), strict=True):
        cv2.circle(raw, (round(column * 16), round(row * 16)), 48, 1, -1, cv2.LINE_AA, 4)
    rectifier = Rectifier(RAW, lens, np.eye(3), PINHOLE)
    points = unproject(np.full((240, 320), 2, np.float32), rectifier.intrinsics)
    *_, centres = cv2.connectedComponentsWithStats(
        (rectifier.apply(raw) > 0.5).astype(np.uint8))
    found = np.array([points[round(row), round(column), :2] for column, row in centres[1:]])
    assert len(found) == 25
    for place in np.stack([x.ravel(), y.ravel()], -1):
        assert np.linalg.norm(found - place, axis=1).min() < 0.01


def test_it_is_what_image_proc_does():
    """image_geometry: initUndistortRectifyMap(K, D, R, P, size, CV_16SC2), then remap, linear."""
    for lens in LENSES:
        function = cv2.fisheye if lens.equidistant else cv2
        maps = function.initUndistortRectifyMap(
            RAW.matrix, np.array(lens.coefficients), TURN, PINHOLE.matrix, (320, 240),
            cv2.CV_16SC2)
        expected = cv2.remap(picture(), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        assert_array_equal(Rectifier(RAW, lens, TURN, PINHOLE).apply(picture()), expected)


def test_nothing_bent_stays_as_it_is():
    rectifier = Rectifier(RAW, Distortion(), np.eye(3), RAW)
    assert rectifier.unseen is None
    assert_array_equal(rectifier.apply(picture()), picture())


@pytest.mark.parametrize(('model', 'coefficients', 'padded'), [
    ('plumb_bob', (), ()), ('plumb_bob', (0.1,), (0.1, 0.0, 0.0, 0.0)),
    ('plumb_bob', (0.1, 0, 0, 0, 0.2, 0), (0.1, 0, 0, 0, 0.2)),
    ('fisheye', (0.1, 0.2), (0.1, 0.2, 0.0, 0.0)),
    ('equidistant', (0.1, 0, 0, 0, 0), (0.1, 0, 0, 0)),
])
def test_coefficients_are_counted(model, coefficients, padded):
    assert Distortion(model, coefficients).padded == padded


@pytest.mark.parametrize(('model', 'count'), [('equidistant', 5), ('plumb_bob', 15)])
def test_too_many_coefficients_are_refused(model, count):
    with pytest.raises(ValueError, match=f'{count} coefficients'):
        Distortion(model, (0.1,) * count)


def test_what_cannot_be_rectified_is_refused():
    lens = Distortion('double_sphere', (0.5, 0.1))
    assert lens.exists and not lens.known
    with pytest.raises(ValueError, match='double_sphere'):
        Rectifier(RAW, lens, np.eye(3), PINHOLE)
    with pytest.raises(ValueError, match='10x5'):
        Rectifier(RAW, LENSES[0], np.eye(3), PINHOLE).apply(np.zeros((5, 10, 3), np.uint8))


def test_an_aligned_depth_is_rectified_without_mixing_values():
    rectifier = Rectifier(RAW, LENSES[0], np.eye(3), Intrinsics(
        120.0, 120.0, 159.5, 119.5, 320, 240))
    depth = np.where(np.arange(320) < 160, np.float32(1), np.float32(5)) * np.ones(
        (240, 1), np.float32)
    for size in ((320, 240), (160, 120)):
        rectified = rectifier.apply_nearest(
            cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST))
        assert rectified.shape == (240, 320)
        seen = np.isfinite(rectified)
        assert set(np.unique(rectified[seen])) == {1.0, 5.0}
        assert np.mean(seen == ~rectifier.unseen) > 0.99 and not seen.all()
