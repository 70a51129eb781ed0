"""Resizing with aligned corners, against PyTorch's."""
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest
import torch
import torch.nn.functional as F

from flashdepth_ros.images.resampling import resize_aligned, resized_bands


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
    for height, width in (target, size):
        by_bands = np.full((height, width), np.nan, np.float32)
        for band, values in resized_bands(image, height, width):
            by_bands[band] = values
        assert_array_equal(by_bands, resize_aligned(image, height, width))


def test_values_that_are_none_stay_near_where_they_were():
    image = np.ones((4, 4), np.float32)
    image[0, 0] = np.nan
    resized = resize_aligned(image, 13, 13)
    assert np.isnan(resized[:4, :4]).any() and (resized[4:, 4:] == 1).all()
