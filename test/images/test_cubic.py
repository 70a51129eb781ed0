"""Shrinking as OpenCV does it."""
import cv2
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest

from flashdepth_ros.images.cubic import shrink_cubic


@pytest.mark.parametrize(('size', 'target'), [
    ((720, 1280), (84, 149)), ((480, 640), (140, 182)), ((101, 75), (14, 15)), ((40, 30), (40, 30)),
    ((7, 9), (20, 30)), ((1, 3), (1, 1))])
def test_it_is_what_opencv_computes(size, target):
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = cv2.resize(
        rgb.astype(np.float32), target[::-1], interpolation=cv2.INTER_CUBIC).transpose(2, 0, 1)
    planes = shrink_cubic(rgb, *target, clip=False)
    assert planes.dtype == np.float32 and planes.flags.c_contiguous
    assert_allclose(planes, expected, atol=2e-4)    # of 255
    assert_array_equal(shrink_cubic(rgb, *target, clip=True), planes.clip(0, 255))


def test_an_image_that_is_part_of_another_and_cannot_be_written():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    part = rgb[3:60, 7:70, ::-1]
    part.flags.writeable = False
    assert_array_equal(shrink_cubic(part, 14, 14, True), shrink_cubic(part.copy(), 14, 14, True))
