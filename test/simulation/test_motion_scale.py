"""The scale from a simulated drive's own motion, with errors of odometry, depth and pictures."""
from dataclasses import replace
import math

from egl import needs_egl
import numpy as np
import pytest

needs_egl()

from flashdepth_ros.metres.motion_tracks import to_grey  # noqa: E402
from flashdepth_ros.scoring.scale_modes import metric_depths  # noqa: E402
from flashdepth_ros.scoring.sequences import FrameStore  # noqa: E402
from flashdepth_ros.simulation import Renderer, disturb, make_scene  # noqa: E402
from flashdepth_ros.tools import motion_trial  # noqa: E402
from flashdepth_ros.tools.motion_drives import (  # noqa: E402
    Drive,
    behind_a_body,
    behind_a_mover,
    standing,
    with_rolling_shutter,
)
from flashdepth_ros.tools.motion_trial import (  # noqa: E402
    Errors,
    Followed,
    follow,
    imagined_depth,
    odometry,
    tracks_of,
)

FRAMES = 40
SEEDS = {62002: 'hall'}    # of a robot that drives half a metre a second


def record(renderer: Renderer, seed: int, kind: str, poses=None) -> Drive:
    scene = make_scene(seed, kind)
    frames = [renderer.render(scene, i / 10, None if poses is None else poses(scene, i / 10))
              for i in range(FRAMES)]
    return Drive(
        np.stack([to_grey(disturb(frame.rgb, seed, i)) for i, frame in enumerate(frames)]),
        np.stack([1 / frame.depth for frame in frames]).astype(np.float32),
        np.stack([frame.pose for frame in frames]), scene.carriage.pitch, renderer.intrinsics)


@pytest.fixture(scope='module')
def renderer():
    with Renderer(320, 240) as renderer:
        yield renderer


@pytest.fixture(scope='module')
def drive(renderer):
    return record(renderer, *next(iter(SEEDS.items())))


@pytest.mark.parametrize('affine', [False, True])
def test_the_scale_comes_within_a_metre_or_two_and_stays_right(drive, affine):
    d, *right = imagined_depth(drive, 1, affine)
    errors = Errors.usual(np.random.default_rng(1))
    result = follow(drive, d, right, odometry(drive, errors), not affine)
    assert np.isnan(result.error[0])
    has = np.isfinite(result.error)
    assert has.any(), result.reasons
    assert result.travelled[has.argmax()] < 2
    assert np.median(np.abs(result.error[has])) < 0.06
    assert np.abs(result.error[has]).max() < 0.15
    assert not affine or result.claimed[has].min() > 0.05    # pooled errors repeat


def test_metres_of_a_whole_drive_come_by_its_pictures_and_its_odometry(drive, tmp_path):
    """What evaluate --costmap --scale-mode motion does."""
    predictions, truth = FrameStore(tmp_path / 'predictions'), FrameStore(tmp_path / 'truth')
    for inverse in drive.inverse:
        predictions.add(inverse / 2)
        truth.add(1 / inverse)
    pictures = [np.repeat(grey[..., None], 3, axis=2) for grey in drive.grey]
    depths = list(metric_depths(
        predictions, truth, 'motion', drive.camera, 0.0, False, pictures=pictures,
        pose=make_scene(62002, 'hall').wheel_pose))
    assert depths[0] is None and depths[-1] is not None
    assert np.median(depths[-1] * drive.inverse[-1]) == pytest.approx(1, abs=0.1)


def test_turning_and_slipping_on_the_spot_give_no_fit(renderer):
    def turn(scene, time: float) -> np.ndarray:
        pose = scene.pose(0.0)
        c, s = (f(0.5 * math.sin(time)) for f in (math.cos, math.sin))
        pose[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ pose[:3, :3]
        return pose
    drive = record(renderer, 61500, 'room', turn)
    d, *right = imagined_depth(drive, 1, False)
    for errors in (Errors(), Errors(slip=0.3)):
        assert not follow(drive, d, right, odometry(drive, errors), True).fits.any()


@pytest.mark.parametrize('spoil', [behind_a_body, behind_a_mover])
def test_things_before_the_camera_never_make_a_wrong_scale(drive, spoil):
    spoilt = spoil(drive)
    d, *right = imagined_depth(spoilt, 1, False)
    error = follow(spoilt, d, right, odometry(spoilt, Errors()), True).error
    assert not (np.abs(error) > 0.15).any()    # or none at all


def test_wheels_that_slip_while_the_robot_stands_give_no_fit(drive):
    still = standing(drive)
    d, *right = imagined_depth(still, 1, False)
    assert not follow(still, d, right, odometry(still, Errors(slip=0.3)), True).fits.any()


def test_wheels_that_spin_while_the_robot_drives_are_noticed_by_the_corners(drive, monkeypatch):
    monkeypatch.setattr(motion_trial, 'SPINNING', (2.2, 3.2))
    tracks = tracks_of(drive, odometry(drive, Errors()))
    d, *right = imagined_depth(drive, 1, False)
    honest, spun = (follow(drive, d, right, odometry(drive, Errors(spin=spin)), True,
                           Followed(tracks)) for spin in (0.0, 0.4))
    assert not any('slip' in reason for reason in honest.reasons)
    assert any('slip' in reason for reason in spun.reasons)


def test_a_robot_that_drives_on_without_a_fit_claims_less_and_less(drive):
    blind = replace(drive, grey=drive.grey.copy())
    blind.grey[30:] = 128
    d, *right = imagined_depth(drive, 1, False)
    result = follow(blind, d, right, odometry(drive, Errors()), True)
    assert result.has[29] and not result.fits[32:].any()
    assert result.claimed[-1] > math.hypot(result.claimed[29], 0.05)


def test_the_true_depths_of_the_corners_are_the_best_that_motion_can_tell(drive):
    """What evaluate_motion holds a network's scale against."""
    told = odometry(drive, Errors())
    tracks, network = tracks_of(drive, told), drive.inverse / 3
    best, found = (follow(drive, network.__getitem__, (3.0, 0.0), told, True, Followed(tracks),
                          truth=truth) for truth in (True, False))
    last = [abs(result.error[result.has][-1]) for result in (best, found)]
    assert last[0] < 0.02 and last[0] < last[1] < 0.1


def test_a_rolling_shutter_shows_the_rows_as_they_are_seen_later(renderer):
    scene = make_scene(62002, 'hall')
    frames = [renderer.render(scene, time) for time in (0.0, 0.1)]
    drive = Drive(np.stack([to_grey(frame.rgb) for frame in frames]),
                  np.stack([1 / frame.depth for frame in frames]).astype(np.float32),
                  np.stack([frame.pose for frame in frames]), 0.0, renderer.intrinsics)
    rolled = with_rolling_shutter(drive, 0.1)    # the last row a whole frame later
    before, after = (np.abs(rolled.grey[0].astype(int) - grey) for grey in drive.grey)
    assert before[:10].mean() < 0.3 * after[:10].mean()
    assert after[-20:].mean() < 0.5 * before[-20:].mean()
