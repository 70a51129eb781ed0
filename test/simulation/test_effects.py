"""Effects are pure functions of the picture, a seed and the frame's index."""
from dataclasses import replace
from itertools import pairwise

from egl import needs_egl
import numpy as np
import pytest

needs_egl()

from flashdepth_ros.simulation.effects import NONE, Effects, disturb  # noqa: E402

GREY = np.full((60, 80, 3), 128, np.uint8)


def test_same_arguments_give_the_same_picture_and_leave_the_given_one_alone():
    given = GREY.copy()
    np.testing.assert_array_equal(disturb(given, 3, 5), disturb(given, 3, 5))
    np.testing.assert_array_equal(given, GREY)
    assert (disturb(given, 3, 5) != disturb(given, 3, 6)).any()
    assert (disturb(given, 3, 5) != disturb(given, 4, 5)).any()


def test_no_effects_change_nothing():
    np.testing.assert_array_equal(disturb(GREY, 0, 0, NONE), GREY)


@pytest.mark.parametrize('name', ['noise', 'exposure', 'specks', 'occluders'])
def test_each_effect_makes_a_still_picture_flicker(name):
    frames = [disturb(GREY, 1, i, replace(NONE, **{name: 0.8})).astype(int) for i in range(60)]
    assert max(np.abs(a - b).mean() for a, b in pairwise(frames)) > 0.3


def test_exposure_changes_the_whole_picture_alike_and_specks_only_a_little_of_it():
    exposed = disturb(GREY, 2, 0, replace(NONE, exposure=1.0))
    assert (exposed == exposed[0, 0]).all()
    specks = disturb(GREY, 2, 0, replace(NONE, specks=1.0))
    assert 0 < (specks != GREY).any(-1).mean() < 0.1


def test_stronger_noise_is_stronger():
    weak, strong = (disturb(GREY, 0, 0, Effects(n, 0, 0, 0, 0, 0)).std() for n in (0.2, 1.0))
    assert 0 < weak < strong
