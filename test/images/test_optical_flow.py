"""The flow that is shared: held to pictures that are shifted by known pixels."""
import cv2
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest

from flashdepth_ros.images.optical_flow import OpticalFlow, sources, warp

RNG = np.random.default_rng(0)
TEXTURE = cv2.normalize(cv2.GaussianBlur(RNG.uniform(size=(400, 500, 3)), (0, 0), 3), None, 0, 255,
                        cv2.NORM_MINMAX).astype(np.uint8)


def view(x: int, y: int, height: int = 210, width: int = 280) -> np.ndarray:
    """Return what is seen at a place of the texture."""
    return np.ascontiguousarray(TEXTURE[y:y + height, x:x + width])


# below some 100 pixels the search has other settings
@pytest.mark.parametrize(('size', 'tolerance'), [
    ((210, 280), 0.15), ((105, 140), 0.1), ((42, 56), 0.1)])
def test_flow_is_where_things_were(size, tolerance):
    flow = OpticalFlow()
    for index in range(3):
        flow.advance(view(8 * index, 4 * index), *size)
    scale = size[0] / 210
    # the camera moved by (8, 4): a thing was farther right and down
    assert flow.flow.shape == (*size, 2)
    assert_allclose(np.median(flow.flow.reshape(-1, 2), 0), (8 * scale, 4 * scale), atol=tolerance)

    places, inside = sources(flow.flow)
    carried = warp(flow.before, places)
    assert 0.9 < inside.mean() < 1
    assert np.abs(carried[inside].astype(int) - flow.now[inside]).mean() < 0.3 * np.abs(
        flow.before[inside].astype(int) - flow.now[inside]).mean()


def test_after_small_pictures_large_ones_are_as_if_they_had_been_first():
    pair = view(0, 0), view(3, 2)
    fresh, used = OpticalFlow(), OpticalFlow()
    for flow in (used, fresh):
        for size in ((42, 56), (210, 280)) if flow is used else ((210, 280),):
            for rgb in pair:
                flow.advance(rgb, *size)
            flow.flow.sum()
    assert_array_equal(used.flow, fresh.flow)


def test_nothing_is_before_the_first_frame_a_new_stream_and_a_new_size():
    flow = OpticalFlow()
    flow.advance(view(0, 0), 84, 112)
    assert flow.is_first and flow.now.shape == (84, 112)
    flow.advance(view(1, 0), 84, 112)
    assert not flow.is_first
    flow.advance(view(2, 0), 98, 126)
    assert flow.is_first
    flow.advance(view(2, 0), 98, 126)
    assert not flow.is_first
    flow.forget()
    flow.advance(view(3, 0), 98, 126)
    assert flow.is_first and flow.frames == 5
    flow.advance(view(3, 0), 98, 126)
    flow.forget(keep_newest=True)
    assert flow.is_first and flow.now.shape == (98, 126)


def test_what_nobody_asks_for_is_not_computed_and_the_rest_once(monkeypatch):
    calls = []

    def counted(name, function):
        def call(*arguments, **named):
            calls.append(name)
            return function(*arguments, **named)
        return call

    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    class Search:
        calc = staticmethod(counted('flow', search.calc))

    monkeypatch.setattr(cv2, 'cvtColor', counted('grey', cv2.cvtColor))
    monkeypatch.setattr(cv2.DISOpticalFlow, 'create', lambda preset: Search())
    flow = OpticalFlow()
    for index in range(3):
        flow.advance(view(index, 0), 210, 280)
    assert not calls
    assert flow.flow is flow.flow
    assert sorted(calls) == ['flow', 'grey', 'grey']
    flow.advance(view(4, 0), 210, 280)
    assert flow.flow is not None
    assert sorted(calls) == ['flow', 'flow', 'grey', 'grey', 'grey']  # the last one's was there


def test_places_outside_of_the_frame_before():
    flow = np.zeros((4, 5, 2), np.float32)
    flow[..., 0] = 1.5  # all came from the right
    places, inside = sources(flow)
    assert_array_equal(inside, [[True, True, True, False, False]] * 4)
    image = np.arange(5, dtype=np.float32)[None].repeat(4, 0)
    assert_allclose(warp(image, places), [[1.5, 2.5, 3.5, 4, 4]] * 4, atol=0.02)
    assert warp(np.stack([image] * 2, -1), places).shape == (4, 5, 2)
