"""What a batch is made of: masks, crops, weights, and that it comes from the seed alone."""
import numpy as np
import pytest
import torch

from flashdepth_ros.training.effects import SEQUENCE
from flashdepth_ros.training.mixture import Mixture, Truth, crop_box, split
from flashdepth_ros.training.recordings import DataError, Recording

NONE = SEQUENCE.scaled(0)


def recording(name='made', frames=6, height=40, width=60, value=2.0, rate=10.0):
    """Return frames whose pixels and depth tell where and when they are."""
    rng = np.random.default_rng(frames)
    rgb = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    depth = np.full((frames, height, width), value, np.float16)
    depth += np.arange(frames, dtype=np.float16)[:, None, None] / 8
    return Recording(name, rgb, depth, rate)


def mixture(*recordings, strength=NONE, seed=0, size=(28, 42), **more):
    return Mixture([(1.0, recordings)], size, strength, Truth(), seed, **more)


def test_batches_come_from_the_seed_and_the_number_of_the_clip():
    made = recording(), recording('other', 9)
    whole = mixture(*made, strength=SEQUENCE, crop=0.7).batch(5, 0, 4, 3)
    assert whole.frames.shape == (4, 3, 3, 28, 42) and whole.depth.shape == (4, 3, 28, 42)
    parts = [mixture(*made, strength=SEQUENCE, crop=0.7).batch(5, first, 2, 3) for first in (0, 2)]
    assert torch.equal(whole.frames, torch.cat([part.frames for part in parts]))
    assert torch.equal(whole.depth, torch.cat([part.depth for part in parts]))
    other = mixture(*made, strength=SEQUENCE, crop=0.7, seed=1).batch(5, 0, 4, 3)
    assert not torch.equal(whole.frames, other.frames)


def test_the_same_crop_and_mirror_through_a_clip_for_picture_and_truth():
    made = recording(frames=4)
    place = np.arange(40 * 60, dtype=np.float32).reshape(40, 60) / 40
    depth = np.stack([place + 1] * 4).astype(np.float16)
    rgb = np.repeat((place[..., None] * 4).astype(np.uint8)[None], 4, axis=0).repeat(3, -1)
    made = Recording('made', rgb, depth, 10.0)
    for step in range(6):
        batch = mixture(made, crop=0.5, size=(40, 60)).batch(step, 0, 1, 4)
        depth = batch.depth[0]
        assert all(torch.equal(depth[0], each) for each in depth)
        assert float(depth.max() - depth.min()) < 58  # a part of the frame
        # without effects but the sensor's own noise the picture is the place, too
        grey = batch.frames[0].mean((0, 1))
        rows = torch.stack([grey.mean(1), depth[0].mean(1)])
        if float(depth.max()) * 4 < 256:
            assert float(torch.corrcoef(rows)[0, 1]) > 0.9


def test_a_crop_has_the_targets_shape_and_lies_in_the_frame():
    rng = np.random.default_rng(0)
    for _ in range(100):
        top, left, height, width = crop_box((100, 300), (50, 70), 0.5, rng)
        assert top + height <= 100 and left + width <= 300 and height >= 50
        assert width / height == pytest.approx(1.4, rel=0.02)


def test_more_frames_than_there_are_run_there_and_back():
    depth = mixture(recording(frames=4)).batch(0, 0, 1, 9).depth[0, :, 0, 0]
    steps = (depth[1:] - depth[:-1]).abs() * 8
    assert torch.equal(steps, torch.ones(8))
    still = mixture(recording(frames=1)).batch(0, 0, 1, 5).depth
    assert torch.equal(still[0, 0], still[0, 4])


def test_weights_say_how_often_a_source_is_drawn():
    sources = [(3.0, [recording(value=1.0), recording(value=1.0)]), (1.0, [recording(value=9.0)])]
    depth = Mixture(sources, (28, 42), NONE, Truth(), 0).batch(0, 0, 200, 1).depth[:, 0, 0, 0]
    assert 0.66 < float((depth < 5).float().mean()) < 0.84


def test_truth_out_of_range_missing_or_flying_does_not_count():
    depth = np.full((1, 40, 60), 4.0, np.float32)
    depth[:, :, :25] = 1.0            # something near
    depth[:, :, 25] = 2.0             # its edge, smeared
    depth[:, :5] = 0.0
    depth[:, 35:] = 50.0
    mask = Truth(farthest=20.0).mask(depth)[0]
    assert not mask[:5].any() and not mask[35:].any() and mask[10:30, 30:].all()
    assert not mask[10:30, 25].any() and mask[10:30, :24].all()
    assert Truth(farthest=20.0, flying=True).mask(depth)[0, 10:30, 25].all()


def test_recordings_are_held_out_whole():
    made = [recording(f'drive {i}') for i in range(10)]
    train, out = split(made, 0.2, 0)
    assert len(out) == 2 and len(train) == 8
    assert {each.name for each in train} | {each.name for each in out} == {
        each.name for each in made}
    assert [each.name for each in split(made, 0.2, 0)[1]] == [each.name for each in out]
    with pytest.raises(DataError, match='give a second drive'):
        split(made[:1], 0.2, 0)


def test_frames_from_all_over_are_no_sequences():
    with pytest.raises(DataError, match='do not follow'):
        mixture(recording(rate=0.0)).check(2)
    mixture(recording(rate=0.0)).check(1)


def test_frames_of_the_past_are_forgotten_at_random():
    forget = mixture(recording(), slots=16, forget=0.3).batch(0, 0, 20, 5).forget
    assert forget.shape == (20, 5, 16) and 0.25 < float(forget.float().mean()) < 0.35
    assert mixture(recording(), slots=16).batch(0, 0, 1, 5).forget is None
