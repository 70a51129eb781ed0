"""Confidence and the temporal filter, on a textured wall that the camera passes along."""
import cv2
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest

from flashdepth_ros.images.confidence import (
    AT_FIRST,
    FEW,
    FRAME_BY_FRAME,
    SAMPLES,
    STREAMING,
    Confidence,
)
from flashdepth_ros.images.optical_flow import OpticalFlow, warp
from flashdepth_ros.images.temporal_filter import TemporalFilter

RNG = np.random.default_rng(1)
SIZE = HEIGHT, WIDTH = 112, 140
STEP = 3  # pixels that the picture moves by in a frame
FRAMES = 14
WALL = cv2.normalize(cv2.GaussianBlur(
    RNG.uniform(size=(HEIGHT, WIDTH + STEP * FRAMES, 3)), (0, 0), 2), None, 0, 255,
    cv2.NORM_MINMAX).astype(np.uint8)
# slanted, so that at one and the same pixel depth changes
LOGS = np.linspace(-1, 1, WALL.shape[1], dtype=np.float32)[None].repeat(HEIGHT, 0)
NOISE = RNG.normal(size=(FRAMES, *SIZE)).astype(np.float32)
NOISY = slice(70, None)  # columns of the picture


def seen(wall: np.ndarray, index: int) -> np.ndarray:
    return np.ascontiguousarray(wall[:, STEP * index:STEP * index + WIDTH])


def frames(noise: float):
    """Yield the flow and the logarithms of each frame; those on the right flicker."""
    flow = OpticalFlow()
    for index in range(FRAMES):
        flow.advance(seen(WALL, index), *SIZE)
        logs = seen(LOGS, index)
        logs[:, NOISY] += noise * NOISE[index][:, NOISY]
        yield flow, logs


def test_what_flickers_along_the_flow_is_trusted_less():
    confidence = Confidence()
    values = [confidence.update(logs, flow) for flow, logs in frames(0.3)]
    for value in values:
        assert value.shape == SIZE and value.dtype == np.float32
        assert value.min() >= 0 and value.max() <= 1
    for value in values[:FEW]:  # one mean of so few changes says nothing
        assert_allclose(value, 1 - 2 * AT_FIRST, atol=1e-6)
    # what was not on the right in any frame
    steady, flickering = values[-1][:, 10:28], values[-1][:, 90:120]
    assert steady.min() > flickering.max() + 0.1
    confidence = Confidence()
    still = [confidence.update(logs, flow) for flow, logs in frames(0.0)][-1]
    assert still[:, 5:-5].min() > 0.75
    assert steady.mean() == pytest.approx(still[:, 10:28].mean(), abs=0.03)


def test_confidence_is_that_of_the_definition():
    """In a picture that stands still, where both changes are at the same pixel."""
    flow, confidence = OpticalFlow(), Confidence()
    along = here = before = 0.0
    for index, noise in enumerate(0.1 * NOISE):
        noise += 0.05 * index  # which all of the frame changes by
        flow.advance(seen(WALL, 0), *SIZE)
        value = confidence.update(noise, flow, FRAME_BY_FRAME)
        if index:
            change = noise - before
            rest = change - np.median(change.ravel()[::1 + change.size // SAMPLES])
            rest = np.minimum(np.abs(rest), 0.5)
            for_all = max(0.1, 1 / index), max(0.2, 1 / index)
            along += for_all[0] * (rest - along)
            here += for_all[1] * (rest - here)
        before = noise
        if index >= FEW:
            mean = np.sqrt((cv2.blur(along, (5, 5)) + 0.01) * (cv2.blur(here, (5, 5)) + 0.01))
            error = FRAME_BY_FRAME.factor * mean ** FRAME_BY_FRAME.exponent
            assert_allclose(value, np.clip(1 - error / 0.5, 0, 1), atol=2e-3)


def test_the_means_are_those_of_the_plain_form():
    """In a picture that moves, with depth that is missing here and there."""
    some = np.zeros(HEIGHT * WIDTH, bool)
    some[::1 + HEIGHT * WIDTH // SAMPLES] = True
    some = some.reshape(SIZE)

    def size(change: np.ndarray) -> np.ndarray:
        rest = np.minimum(np.abs(change - np.nanmedian(change[some])), 0.5)
        return np.where(np.isnan(rest), np.nanmedian(rest[some]), rest)
    confidence = Confidence()
    along = here = np.zeros(SIZE)
    last = np.empty(SIZE)
    for index, (flow, logs) in enumerate(frames(0.3)):
        logs[20:25, index:index + 30] = np.nan
        value = confidence.update(logs, flow)
        if index:
            places, inside = flow.sources
            carried = np.where(inside, warp(last, places), np.nan)
            before = np.where(inside, warp(along.astype(np.float32), places),
                              np.median(along[some]))
            along = before + max(0.1, 1 / index) * (size(logs - carried) - before)
            here = here + max(0.2, 1 / index) * (size(logs - last) - here)
        last = logs.copy()
    mean = np.sqrt((cv2.blur(along, (5, 5)) + 0.01) * (cv2.blur(here, (5, 5)) + 0.01))
    plain = np.clip(1 - STREAMING.factor * mean ** STREAMING.exponent / 0.5, 0, 1)
    known = ~np.isnan(logs)
    assert_allclose(value[known], plain[known], atol=2e-3)


def test_networks_without_a_memory_have_a_calibration_of_their_own():
    change = np.array([[0.02, 0.05, 0.15]], np.float32)
    for each in (STREAMING, FRAME_BY_FRAME):
        assert_allclose(each.error(change ** 2), each.factor * change ** each.exponent, rtol=1e-4)
    assert (STREAMING.error(change ** 2) > FRAME_BY_FRAME.error(change ** 2)).all()


def test_confidence_begins_anew_where_it_must():
    confidence, flow = Confidence(), OpticalFlow()

    def frame(index: int, size=SIZE) -> np.ndarray:
        flow.advance(seen(WALL, 0), *size)
        return confidence.update(cv2.resize(0.2 * NOISE[index], size[::-1]), flow)

    def is_new(value) -> bool:
        return bool((value == value[0, 0]).all())

    assert [is_new(frame(i)) for i in range(5)] == [True] * FEW + [False] * (5 - FEW)
    flow.advance(seen(WALL, 0), *SIZE)  # a frame of which nobody wanted it
    assert is_new(frame(5)) and is_new(frame(6)) and is_new(frame(7)) and not is_new(frame(8))
    assert is_new(frame(9, (84, 112)))
    assert [is_new(frame(i, (84, 112))) for i in (1, 2, 3)] == [True, True, False]
    confidence.forget()
    flow.forget()
    assert is_new(frame(5, (84, 112)))


def test_where_there_is_no_value_there_is_no_confidence_and_nothing_spreads():
    confidence = Confidence()
    whole = [confidence.update(logs, flow) for flow, logs in frames(0.1)][-1]
    confidence = Confidence()
    for index, (flow, logs) in enumerate(frames(0.1)):
        if index == 5:
            logs[40:60, 40:60] = np.nan
        value = confidence.update(logs, flow)
        assert_array_equal(np.isnan(value), np.isnan(logs))
    assert np.isfinite(value).all()
    assert np.abs(value - whole).mean() < 0.05
    confidence = Confidence()
    for flow, logs in frames(0.1):
        assert np.isnan(confidence.update(np.full_like(logs, np.nan), flow)).all()


def test_the_filter_takes_flicker_and_follows_what_moves():
    steady = TemporalFilter()
    errors, raw = [], []
    for index, (flow, logs) in enumerate(frames(0.03)):
        smoothed = steady.apply(logs, flow, 0.25, 0.4)
        errors.append(np.abs(smoothed - seen(LOGS, index)))
        raw.append(np.abs(logs - seen(LOGS, index)))
    assert_array_equal(errors[0], raw[0])
    assert errors[-1][:, 80:130].mean() < 0.55 * raw[-1][:, 80:130].mean()
    # the slant is kept, and what comes in from outside (on the right) taken as it is
    assert errors[-1][:, 5:60].max() < 0.02  # a frame moves it by 0.03
    assert_allclose(errors[-1][:, -2:], raw[-1][:, -2:], atol=1e-6)


def test_the_filter_s_weights():
    """Small changes count by alpha, large ones wholly, as in the definition."""
    flow = OpticalFlow()
    steady = TemporalFilter()
    first = np.zeros(SIZE, np.float32)
    second = np.linspace(0, 1, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, 0)
    flow.advance(seen(WALL, 0), *SIZE)
    assert steady.apply(first, flow, 0.2, 0.4) is first
    flow.advance(seen(WALL, 0), *SIZE)
    share = np.clip(second / 0.4 - 0.5, 0, 1)
    expected = (0.2 + 0.8 * share * share * (3 - 2 * share)) * second
    result = steady.apply(second, flow, 0.2, 0.4)
    assert_allclose(result, expected, atol=1e-5)
    assert_allclose(result[0, :28], 0.2 * second[0, :28], atol=1e-5)
    assert_allclose(result[0, 84:], second[0, 84:], atol=1e-5)


def test_the_filter_forgets_and_leaves_out_what_has_no_value():
    flow, steady = OpticalFlow(), TemporalFilter()

    def frame(value: float) -> np.ndarray:
        flow.advance(seen(WALL, 0), *SIZE)
        logs = np.full(SIZE, value, np.float32)
        logs[:10] = np.nan
        return steady.apply(logs, flow, 0.5, 0.4)

    frame(0.0)
    second = frame(0.1)
    assert_allclose(second[12:], 0.05, atol=1e-6)
    assert np.isnan(second[:10]).all()
    steady.forget()
    flow.forget()
    assert_allclose(frame(0.1)[10:], 0.1)
    flow.advance(seen(WALL, 0), *SIZE)  # without the filter
    assert_allclose(frame(0.0)[10:], 0.0)
    flow.advance(seen(WALL, 0), *SIZE)
    assert_allclose(steady.apply(np.full(SIZE, 0.1, np.float32), flow, 0.5, 0.4)[:10], 0.1)
