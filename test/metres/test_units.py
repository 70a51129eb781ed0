"""From a model's output to metres, with REP 117's values."""
import numpy as np
from numpy.testing import assert_allclose
import pytest

from flashdepth_ros.images.preview import COLORMAPS, colour_depth, slice_mask, write_status
from flashdepth_ros.metres.units import ScaleError, check_mode, inverse_depth, to_metres
from flashdepth_ros.models import Unit


def metres(output, unit=Unit.HUNDRED_PER_METRE, mode='nominal', factor=1.0, shift=0.0,
           low=0.1, high=100.0):
    return to_metres(np.array([output], np.float32), unit, mode, factor, shift, low, high)[0]


def test_nominal_is_factor_times_100_by_the_output():
    assert_allclose(metres([50.0, 20.0, 2.0]), [2.0, 5.0, 50.0])
    assert_allclose(metres([50.0, 20.0], factor=1.5), [3.0, 7.5])
    assert_allclose(metres([2.0, 5.0], Unit.METRES, factor=0.5), [1.0, 2.5])


def test_fixed_is_affine_in_inverse_depth():
    # d = output / 100: 1 / (2 * 0.2 + 0.1) = 2
    for output, unit in ((20.0, Unit.HUNDRED_PER_METRE), (0.2, Unit.RELATIVE), (5.0, Unit.METRES)):
        assert_allclose(metres([output], unit, 'fixed', 2.0, 0.1), [2.0], rtol=1e-6)


def test_range_and_no_value():
    nan, inf = np.nan, np.inf
    # 200 m is too far, 0.05 m too near, inverse depth 0 is sky
    assert_allclose(metres([0.5, 2000.0, 0.0, nan, 1.0]), [inf, -inf, inf, nan, 100.0])
    # below zero after the shift is behind infinity, not behind the camera
    assert_allclose(metres([1.0, 2.0], mode='fixed', shift=-0.02), [inf, inf])
    assert_allclose(metres([-1.0, -0.0]), [inf, inf])
    # an inverse depth without end is right before the camera
    assert_allclose(metres([inf, -inf]), [-inf, inf])
    assert_allclose(metres([inf, 0.0, nan, 300.0], Unit.METRES), [inf, -inf, nan, inf])


def test_metres_of_another_size_are_resampled_before_they_are_metres():
    # halfway between 10 and 30 is 20, and 100 / 20 is 5 m, not the 6.7 m halfway between 10 and 3.3
    out = np.empty((2, 3), np.float32)
    assert to_metres(np.array([[10, 30], [10, 30]], np.float32), Unit.HUNDRED_PER_METRE, 'nominal',
                     1.0, 0.0, 0.1, 100.0, out) is out
    assert_allclose(out, [[10, 5, 100 / 30]] * 2, rtol=1e-6)


def test_a_fit_of_the_inverse_depth_gives_the_metres_of_the_output():
    # the same scene, 4 m and 10 m, in every unit
    for output, unit in (([25.0, 10.0], Unit.HUNDRED_PER_METRE), ([0.25, 0.1], Unit.RELATIVE),
                         ([4.0, 10.0], Unit.METRES)):
        d = inverse_depth(np.array(output, np.float32), unit)
        assert d.dtype == np.float32
        assert_allclose(d, [0.25, 0.1], rtol=1e-6)
        for mode in ('fixed', 'reference', 'ground'):
            assert_allclose(metres(output, unit, mode, 2.0, 0.05), 1 / (2 * d + 0.05), rtol=1e-6)


def test_relative_depth_has_no_nominal_metres():
    with pytest.raises(ScaleError, match='fixed'):
        check_mode('nominal', Unit.RELATIVE, 'vda-s')
    with pytest.raises(ScaleError, match='reference'):
        check_mode('nominal', Unit.RELATIVE, 'vda-s')
    with pytest.raises(ScaleError, match='shift'):
        check_mode('ground', Unit.RELATIVE, 'vda-s')
    check_mode('ground', Unit.HUNDRED_PER_METRE, 'flashdepth-s')
    check_mode('reference', Unit.RELATIVE, 'vda-s')
    check_mode('fixed', Unit.RELATIVE, 'vda-s')
    check_mode('nominal', Unit.METRES, 'vda-metric-s')


def test_depth_up_to_scale():
    inf = np.inf
    assert_allclose(metres([2.0, 4.0, inf, 0.0], Unit.UP_TO_SCALE, 'fixed', 0.5),
                    [4.0, 8.0, inf, -inf])
    # what is no depth stays far, whatever the shift makes of an inverse depth of 0
    for shift in (-0.05, 0.05):
        found = metres([2.0, inf], Unit.UP_TO_SCALE, 'reference', 0.5, shift)
        assert_allclose(found, [1 / (0.25 + shift), inf])
    assert_allclose(inverse_depth(np.array([2, inf, 0], np.float32), Unit.UP_TO_SCALE),
                    [0.5, 0, inf])
    with pytest.raises(ScaleError, match=r'depth up to an unknown scale.*reference'):
        check_mode('nominal', Unit.UP_TO_SCALE, 'dyfn')
    for mode in ('fixed', 'reference', 'ground'):
        check_mode(mode, Unit.UP_TO_SCALE, 'dyfn')


def test_preview_colours_are_fixed_to_the_range():
    depth = np.array([[0.5, 20.0, np.inf, -np.inf, np.nan, 0.2, 3.0]], np.float32)
    for colormap in COLORMAPS:
        near, far, beyond, before, nothing, nearer, middle = colour_depth(
            depth, 0.5, 20.0, colormap)[0].tolist()
        assert near == before == nearer and far == beyond and nothing == [0, 0, 0]
        assert len({tuple(near), tuple(far), tuple(middle)}) == 3
    # the same depth has the same colour whatever else is in the picture
    assert (colour_depth(depth[:, 6:], 0.5, 20.0, 'turbo')[0, 0]
            == colour_depth(depth, 0.5, 20.0, 'turbo')[0, 6]).all()


@pytest.mark.parametrize('width', [320, 640, 1280, 1920])
def test_the_status_changes_a_band_and_nothing_else(width):
    picture = np.full((width * 9 // 16, width, 3), 200, np.uint8)
    parts = ['RANDOM WEIGHTS', 'depth-anything-v2-s tensorrt_rtx', '1186 ms', '29.9 Hz',
             'age 1210 ms', 'reference without a scale yet', '12 resets']
    write_status(picture, parts)
    changed = (picture != 200).any(axis=(1, 2))
    band = picture[changed]
    assert changed[-len(band):].all() and 0 < len(band) < len(picture) / 3
    # letters: bright on dark, right up to neither side, others for other words
    bright = (band > 150).all(axis=2)
    assert 0.02 < bright.mean() < 0.3 and not bright[:, [0, -1]].any()
    assert ((band == 50).all(axis=2)).mean() > 0.5
    other = np.full_like(picture, 200)
    write_status(other, [parts[0], 'vda-s onnx', *parts[2:]])
    assert (other != picture).any()


def test_a_picture_too_small_for_text_stays_as_it_is():
    picture = np.full((56, 98, 3), 200, np.uint8)
    write_status(picture, ['flashdepth-s torch', '18 ms'])
    assert (picture == 200).all()


def test_a_slice_holds_its_ends_and_no_infinities():
    depth = np.array([[0.99, 1.0, 1.5, 2.0, 2.01, np.nan, np.inf, -np.inf]], np.float32)
    mask = slice_mask(depth, 1.0, 2.0)
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0, 255, 255, 255, 0, 0, 0, 0]]
    assert slice_mask(depth, 1.0, np.inf)[0, 5] == 0
