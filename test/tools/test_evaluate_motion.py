"""The drives that evaluate_motion measures on, and its table."""
import numpy as np
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.tools.evaluate_motion import SPOT, TRIALS, OfDrive, row, table
from flashdepth_ros.tools.motion_drives import (
    THING,
    Drive,
    behind_a_body,
    behind_a_mover,
    half_size,
    recorded,
    standing,
)
from flashdepth_ros.tools.motion_trial import Result


def drive(frames: int = 3) -> Drive:
    return Drive(
        np.full((frames, 48, 64), 7, np.uint8), np.full((frames, 24, 32), 0.5, np.float32),
        np.repeat(np.eye(4)[None], frames, 0), 0.1, Intrinsics.from_field_of_view(70, 64, 48),
        np.zeros((frames, 24, 32), np.float32))


def result(error: list[float], claimed: float) -> Result:
    n = len(error)
    return Result(np.array(error), np.full(n, claimed), np.ones(n, bool), np.ones(n),
                  np.arange(n) / 2, [''] * n, 1.0)


@pytest.mark.parametrize('spoil, share', [(behind_a_body, 0.12), (behind_a_mover, 0.22)])
def test_a_thing_before_the_camera_covers_as_much_of_pictures_and_truth(spoil, share):
    spoilt = spoil(drive())
    assert (spoilt.grey[0] != 7).mean() == pytest.approx(share, abs=0.02)
    assert (spoilt.inverse == THING).mean() == pytest.approx(share, abs=0.02)
    assert (drive().grey == 7).all()


def test_a_drive_is_recorded_once(tmp_path):
    made = []
    for _ in range(2):
        found = recorded(tmp_path / 'drive.npz', lambda: made.append(1) or drive())
    assert made == [1] and found.camera == drive().camera and found.pitch == 0.1
    np.testing.assert_array_equal(found.grey, drive().grey)


def test_who_stands_sees_the_same_again_and_half_the_size_has_its_camera():
    still = standing(drive(20))
    assert (still.poses == still.poses[0]).all() and (still.grey[0] != still.grey[1]).any()
    small = half_size(drive())
    assert small.grey.shape == (3, 24, 32) and small.camera.fx == drive().camera.fx / 2


def test_errors_count_from_a_metre_on_and_wrong_scales_always():
    cells = row('one', [result([np.nan, 0.2, 0.01, -0.03], 0.02),
                        result([np.nan] * 4, 0.1)], 1.0).split(' | ')
    assert cells[1:5] == ['1 of 2', '0.50', '1', '1']
    assert cells[5:9] == ['2.0%', '2.8%', '0.0%', '-1.0%'] and cells[9] == '0.50, 1.00'
    assert row('none', [result([np.nan] * 4, 0.1)], 1.0).startswith('| none | 0 of 1 |  | 0 | 0 |')


def test_the_table_has_every_trial():
    one = result([0.01] * 40, 0.02)
    one.beside = np.full(40, 0.03)
    lines = table([OfDrive({trial.name: one for trial in TRIALS},
                           {trial.name: 2 for trial in SPOT}, 20.0, 10.0)] * 2)
    text = '\n'.join(lines)
    assert all(f'| {trial.name} | 2 of 2 |' in text for trial in TRIALS)
    assert all(f'{trial.name}: 4 fits in 2 drives' in text for trial in SPOT)
    assert 'median: 3.0%' in text and '20 and 10 ms' in text
    assert '2 drives at 0.3 m/s or more' in text
