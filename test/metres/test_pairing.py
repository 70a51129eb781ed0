"""Which frame a reference is fitted to, whatever comes first."""
import numpy as np
import pytest

from flashdepth_ros.metres.pairing import KEPT_BYTES, KEPT_REFERENCES, Pairing

MS = 1_000_000
DELAY = 100 * MS


def pairs(*events: tuple[str, int]) -> list[tuple[int, int]]:
    """Add frames and references (ms) one by one; return the pairs as they are handed over."""
    pairing, taken = Pairing(DELAY), []
    for kind, stamp in events:
        if kind == 'frame':
            pairing.add_frame(stamp * MS, stamp)
            if (pair := pairing.take()) is not None:
                taken.append(pair[1:])
        else:
            pairing.add_reference(stamp * MS, stamp)
    return taken


def test_equal_stamps_pair_at_once():
    assert pairs(('reference', 0), ('frame', 0), ('reference', 33), ('frame', 33)) == [
        (0, 0), (33, 33)]


def test_a_frame_that_is_faster_than_its_own_depth_is_not_fitted_to_the_depth_before():
    events = [('reference', 0), ('frame', 33)]
    for stamp in range(33, 300, 33):    # each depth comes when the next frame is through
        events += [('reference', stamp), ('frame', stamp + 33)]
    taken = pairs(*events)
    assert taken == [(stamp, stamp) for stamp in range(33, 300, 33)]


def test_a_depth_that_comes_three_frames_late():
    events = []
    for i in range(12):
        events.append(('frame', 33 * i))
        if i >= 3:
            events.append(('reference', 33 * (i - 3)))
    assert pairs(*events) == [(33 * i, 33 * i) for i in range(8)]


@pytest.mark.parametrize('offset', [-30, -5, 5, 30])
def test_a_slow_lidar_beside_a_fast_camera(offset):
    """Its nearest frame, whichever side comes first; stamps are never the same."""
    frames = [('frame', 33 * i) for i in range(40)]
    references = [('reference', 100 * i + offset) for i in range(1, 12)]
    taken = pairs(*sorted(frames + references, key=lambda event: event[1]))
    assert len(taken) >= 9
    for frame, reference in taken:
        assert abs(frame - reference) <= 17


def test_a_fast_lidar_beside_a_slow_camera():
    events = sorted([('frame', 500 * i + 7) for i in range(6)]
                    + [('reference', 50 * i) for i in range(60)], key=lambda event: event[1])
    assert pairs(*events) == [(500 * i + 7, 500 * i) for i in range(5)]    # settled by the next


def test_a_reference_that_has_ended_is_used_once_and_only_nearby():
    events = [('reference', 0), *(('frame', 10 + 33 * i) for i in range(10))]
    assert pairs(*events) == [(10, 0)]
    assert pairs(('reference', 0), *(('frame', 200 + 33 * i) for i in range(10))) == []


def test_a_clock_that_begins_anew():
    events = [('reference', 9000), ('frame', 9000), ('frame', 0), ('reference', 0),
              ('reference', 33), ('frame', 33)]
    assert pairs(*events)[-1] == (33, 33)
    # one late message is no new beginning
    assert pairs(('reference', 100), ('reference', 67), ('frame', 100)) == [(100, 100)]


def test_what_is_kept_is_bounded():
    pairing = Pairing(DELAY)
    for i in range(1000):
        pairing.add_frame(i * MS, i)
        pairing.add_reference(-i * 5000 * MS, i)
    assert len(pairing._frames) <= 16 and len(pairing._references) == 1
    for i in range(200):
        pairing.add_reference(i * MS, i, KEPT_BYTES // 10)
    assert len(pairing._references) == 10
    for i in range(200, 400):
        pairing.add_reference(i * MS, i)
    assert len(pairing._references) == KEPT_REFERENCES


def test_waiting_is_told_from_having_nothing():
    pairing = Pairing(DELAY)
    pairing.add_frame(1000 * MS, 'frame')
    assert not pairing.waits()
    pairing.add_reference(960 * MS, 'reference')
    assert pairing.take() is None and pairing.waits()
    pairing.forget_frames()
    assert not pairing.waits()


def test_any_order_of_coming_gives_each_once_and_the_nearest():
    rng = np.random.default_rng(0)
    for _ in range(50):
        frames = np.cumsum(rng.integers(20, 60, 40)) * MS
        references = np.cumsum(rng.integers(20, 200, 20)) * MS
        events = sorted([(t + rng.integers(0, 80) * MS, 'frame', t) for t in frames.tolist()]
                        + [(t + rng.integers(0, 150) * MS, 'ref', t) for t in references.tolist()])
        pairing, taken = Pairing(DELAY), []
        shown = 0
        for _, kind, stamp in events:
            if kind == 'ref':
                pairing.add_reference(stamp, stamp)
            elif stamp > shown:    # frames come in order
                shown = stamp
                pairing.add_frame(stamp, stamp)
                if (pair := pairing.take()) is not None:
                    taken.append(pair[1:])
        assert taken and all(abs(frame - reference) <= DELAY for frame, reference in taken)
        for column in zip(*taken, strict=True):
            assert list(column) == sorted(set(column))
