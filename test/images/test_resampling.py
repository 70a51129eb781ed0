"""Resizing with aligned corners, against PyTorch's."""
import numpy as np
from numpy.testing import assert_allclose
import pytest
import torch
import torch.nn.functional as F

from flashdepth_ros.images.resampling import DepthFormula, resize_aligned, resize_to_depth


@pytest.mark.parametrize(('size', 'target'), [
    ((84, 154), (720, 1280)), ((728, 1288), (720, 1280)), ((70, 98), (70, 200)),
    ((70, 98), (300, 98)), ((1, 5), (4, 9)), ((5, 1), (9, 4)), ((3, 4), (1, 1)), ((2, 2), (7, 5))])
def test_it_is_what_pytorch_computes(size, target):
    image = np.random.default_rng(0).random(size, dtype=np.float32)
    expected = F.interpolate(
        torch.from_numpy(image).double()[None, None], target, mode='bilinear', align_corners=True)
    resized = resize_aligned(image, *target)
    assert resized.dtype == np.float32 and resized.flags.c_contiguous
    assert_allclose(resized, expected[0, 0], rtol=1e-5, atol=1e-6)
    assert resize_aligned(image, *size) is image


def test_values_that_are_none_stay_near_where_they_were():
    image = np.ones((4, 4), np.float32)
    image[0, 0] = np.nan
    resized = resize_aligned(image, 13, 13)
    assert np.isnan(resized[:4, :4]).any() and (resized[4:, 4:] == 1).all()


def plainly(image: np.ndarray, formula: DepthFormula, height: int, width: int) -> np.ndarray:
    """Resize and apply the formula as one would write it in NumPy, in double precision."""
    for count in (height, width):  # transposes it twice
        place = np.linspace(0, len(image) - 1, count)
        first = np.floor(place).astype(int)
        second = np.minimum(first + 1, len(image) - 1)
        share = (place - first)[:, None]
        image = (image[first] * (1 - share) + image[second] * share).T
    with np.errstate(divide='ignore', invalid='ignore'):
        divisor = formula.factor * (1 / image if formula.reciprocal else image) + formula.shift
        depth = formula.numerator / np.where(divisor < 0, 0, divisor)
    depth[depth > formula.max_range] = np.inf
    depth[depth < formula.min_range] = -np.inf
    return depth


@pytest.mark.parametrize(('size', 'target'), [
    ((84, 154), (720, 1280)), ((728, 1288), (720, 1280)), ((70, 98), (70, 200)),
    ((70, 98), (300, 98)), ((70, 98), (70, 98)), ((1, 5), (4, 9)), ((5, 1), (9, 4)),
    ((3, 4), (1, 1))])
@pytest.mark.parametrize('formula', [
    DepthFormula(100, 1, 0, False, 2.0, 30.0), DepthFormula(1, 0.02, -0.1, False, 0.0, 50.0),
    DepthFormula(2, 1, 0, True, 3.0, 30.0), DepthFormula(1, 0.7, 0.03, True, 0.2, 1000.0)])
def test_depth_is_what_plain_numpy_gives(size, target, formula):
    image = np.random.default_rng(0).uniform(0.1, 30, size).astype(np.float32)
    depth = np.full(target, np.nan, np.float32)
    resize_to_depth(image, formula, depth)
    expected = plainly(image.astype(float), formula, *target)
    # what lies just at an end of the range may fall on either side
    every = plainly(image.astype(float), formula._replace(min_range=0, max_range=1e9), *target)
    for end in (formula.min_range, formula.max_range):
        expected[np.isclose(every, end, rtol=1e-4)] = depth[np.isclose(every, end, rtol=1e-4)]
    assert_allclose(depth, expected, rtol=1e-5)


def test_what_an_image_cannot_be():
    formula = DepthFormula(1, 1, 0, False, 0, 1)
    image = np.ones((3, 4), np.float32)
    image.flags.writeable = False    # is no hindrance
    depth = np.empty((3, 4), np.float32)
    resize_to_depth(image, formula, depth)
    resize_to_depth(image.T, formula, depth)
    assert (depth == 1).all()
    # what is written would be lost in a copy
    for out in (np.empty((3, 4)), np.empty((8, 8), np.float32)[::2]):
        with pytest.raises(TypeError):
            resize_to_depth(image, formula, out)


def test_at_its_own_size_each_value_stands_for_itself():
    image = np.array([[1, np.nan, 2], [np.inf, 4, -np.inf], [0, 5, -1]], np.float32)
    depth = np.empty((3, 3), np.float32)
    resize_to_depth(image, DepthFormula(1, 1, 0, False, 0.1, 10), depth)
    assert_allclose(depth, [[1, np.nan, 0.5], [-np.inf, 0.25, np.inf], [np.inf, 0.2, np.inf]])
