"""One focal length and one shift for a stream of point maps, and what is no depth is far away."""
import math

import numpy as np
from numpy.testing import assert_allclose
import pytest
import torch

from flashdepth_ros.engines import open_engine
from flashdepth_ros.images.focal_shift import view_coordinates
from flashdepth_ros.streams.depth_stream import DepthStream, step_together
from flashdepth_ros.streams.point_maps import FIRST_FRAMES, PointMaps

HEIGHT, WIDTH = 42, 56
SIZE = HEIGHT, WIDTH


def planes(focal=1.0, shift=0.3, sky=0.0, seed=0, noise=0.0):
    """Make the point map of a wavy scene: true depth is z + shift, sky the upper share of it."""
    rng = np.random.default_rng(seed)
    u, v = view_coordinates(np.arange(WIDTH), np.arange(HEIGHT), WIDTH, HEIGHT)
    u, v = np.broadcast_arrays(u, v[:, None])
    depth = 2 + np.sin(9 * u + seed) * np.cos(7 * v)
    z = depth - shift
    x, y = (each * depth / focal + noise * rng.standard_normal(z.shape) for each in (u, v))
    mask = np.arange(HEIGHT)[:, None] >= sky * HEIGHT
    return torch.from_numpy(np.stack([
        x / z, y / z, np.log(z), np.broadcast_to(mask, z.shape)]).astype(np.float32)), depth


def test_depth_and_focal_length_of_a_frame():
    stream, (frame, depth) = PointMaps(), planes(focal=0.8, shift=0.5, sky=0.4)
    found = stream.read(frame, SIZE, SIZE).numpy()
    assert stream.focal == pytest.approx(0.8, rel=1e-4)
    sky = int(0.4 * HEIGHT) + 1
    assert np.isposinf(found[:sky]).all()
    assert_allclose(found[sky:], depth[sky:], rtol=1e-3)
    # of the camera's size and of another; the samples are always those of the camera's image
    larger = stream.read(frame, (90, 120), (90, 120))
    assert larger.shape == (90, 120)
    assert_allclose(larger.numpy()[50:-2, 2:-2].mean(), found[24:-1, 1:-1].mean(), rtol=0.02)


def test_the_first_good_frames_settle_the_focal_length():
    stream = PointMaps()
    for seed in range(3):  # hardly anything but sky
        stream.read(planes(focal=3.0, shift=-0.5, sky=0.9, seed=seed)[0], SIZE, SIZE)
        assert stream.focal is None
    focals = np.linspace(0.9, 1.1, FIRST_FRAMES)
    for i, focal in enumerate(focals):
        assert not stream.settled
        stream.read(planes(focal=focal, seed=i)[0], SIZE, SIZE)
    assert stream.settled
    assert stream.focal == pytest.approx(math.exp(np.log(focals).mean()), rel=1e-3)
    before = stream.focal
    stream.read(planes(focal=2.0)[0], SIZE, SIZE)
    assert stream.focal == before


def test_one_shift_the_mean_of_all_good_frames():
    stream, shifts = PointMaps(), [0.1, 0.4, 0.2, 0.5]
    for i, shift in enumerate(shifts):
        frame, depth = planes(focal=1.0, shift=shift, seed=i)
        found = stream.read(frame, SIZE, SIZE, 1.0).numpy()
        assert_allclose(found - depth, np.mean(shifts[:i + 1]) - shift, atol=1e-3)
    frame, depth = planes(focal=1.0, shift=-1.0, sky=0.9)  # too little of it to count
    found = stream.read(frame, SIZE, SIZE, 1.0).numpy()
    assert_allclose((found - depth)[-1], np.mean(shifts) + 1.0, atol=1e-3)
    # another camera: the shifts so far were another's
    frame, depth = planes(focal=1.5, shift=-0.2)
    assert_allclose(stream.read(frame, SIZE, SIZE, 1.5).numpy(), depth, atol=1e-3)


def test_nothing_but_sky_and_what_overflows():
    stream = PointMaps()
    found = stream.read(planes(sky=1.0)[0], SIZE, SIZE)
    assert found.isinf().all() and stream.focal is None
    frame = planes()[0]
    frame[2, :20] = 100.0
    found = stream.read(frame, SIZE, SIZE)
    assert not found.isnan().any() and (found >= 0).all()


def test_streams_together_and_apart(small_dyfn):
    engine = open_engine(small_dyfn, 'random', 'torch', height=56, width=70)
    together = [DepthStream(engine, short_side=56) for _ in range(2)]
    alone = [DepthStream(engine, short_side=56) for _ in range(2)]
    rng = np.random.default_rng(0)
    for turn in range(4):
        if turn == 2:
            together[1].reset()
            alone[1].reset()
        pictures = rng.integers(0, 256, (2, 60, 76, 3), dtype=np.uint8)
        outputs = step_together(together, [
            stream.prepare(rgb) for stream, rgb in zip(together, pictures, strict=True)])
        for stream, other, output, rgb in zip(together, alone, outputs, pictures, strict=True):
            depth = stream.read(output, rgb.shape[:2]).numpy()
            expected = other.read(other.step(other.prepare(rgb)), rgb.shape[:2]).numpy()
            assert depth.shape == (60, 76)
            same = np.isfinite(depth) & np.isfinite(expected)  # a mask lies near its threshold
            assert (np.isfinite(depth) == np.isfinite(expected)).mean() > 0.999
            assert_allclose(depth[same], expected[same], rtol=1e-3, atol=1e-3)
    assert together[0].points.focal and together[0].points.focal != together[1].points.focal
