"""Which frames continue a stream, which are left out, and which begin a new one."""
import threading

import pytest

from flashdepth_ros.streams.arrivals import Arrivals
from flashdepth_ros.streams.continuity import SECOND, SET_BACK, Continuity, FrameOrigin, Verdict

NEXT = Verdict()
LATE, REPEATED = Verdict(left_out='late'), Verdict(left_out='repeated')


def origin(seconds: float, **changes) -> FrameOrigin:
    values = {'frame_id': 'c', 'width': 8, 'height': 6, 'encoding': 'rgb8', **changes}
    return FrameOrigin(stamp=round(seconds * SECOND), **values)


def verdicts(continuity: Continuity, *frames: tuple[float, float]) -> list[Verdict]:
    """Show frames of (stamp, arrival), in seconds."""
    return [continuity.observe(origin(stamp), arrived) for stamp, arrived in frames]


@pytest.mark.parametrize(('second', 'verdict'), [
    (origin(5.1), NEXT), (origin(7.0), NEXT), (origin(5.0), REPEATED), (origin(4.9), LATE),
    (origin(4.0), LATE), (origin(3.9), Verdict(reset='stamp went back')),
    (origin(7.1), Verdict(reset='gap in time')),
    (origin(5.1, width=9), Verdict(reset='new image size')),
    (origin(5.1, height=9), Verdict(reset='new image size')),
    (origin(5.1, encoding='mono8'), Verdict(reset='new encoding')),
    (origin(5.1, frame_id='d'), Verdict(reset='new frame_id')),
])
def test_the_second_frame(second, verdict):
    continuity = Continuity(max_gap=2.0, max_backward=1.0)
    assert continuity.observe(origin(5.0), 0.0) == NEXT
    assert continuity.observe(second, 0.1) == verdict


def test_no_limit_on_gaps_and_forgetting():
    continuity = Continuity(max_gap=0.0)
    assert verdicts(continuity, (1.0, 0.0), (10_000.0, 0.1)) == [NEXT, NEXT]
    continuity.forget()
    assert verdicts(continuity, (1.0, 0.2)) == [NEXT]


def test_a_late_frame_changes_nothing_for_those_after_it():
    assert verdicts(
        Continuity(2.0), (1.0, 0.0), (1.2, 0.2), (1.1, 0.25), (1.2, 0.26), (1.3, 0.3)
    ) == [NEXT, NEXT, LATE, REPEATED, NEXT]


def test_frames_held_up_and_delivered_in_a_burst_are_late():
    frames = [(1 + i / 10, 0.9 + i / 1000) for i in range(8)]
    assert verdicts(Continuity(2.0), (2.0, 0.8), *frames) == [NEXT] + [LATE] * 8


@pytest.mark.parametrize('step', [0.005, 0.05, 0.3, 0.9])
def test_a_clock_that_is_set_back_costs_a_few_frames_and_no_reset(step):
    before = [(10 + i / 30, i / 30) for i in range(30)]
    after = [(stamp - step + 1, arrived + 1) for stamp, arrived in before]
    found = verdicts(Continuity(2.0), *before, *after)
    assert not any(verdict.reset for verdict in found)
    assert sum(verdict != NEXT for verdict in found) == (
        0 if step < 1 / 30 else min(SET_BACK - 1, round(step * 30) - (step == 0.05)))


def test_two_clocks_by_turns_are_not_a_clock_set_back():
    frames = [(10 + i / 10 - 0.35 * (i % 2), i / 10) for i in range(40)]
    found = verdicts(Continuity(2.0), *frames)
    assert found[1:] == [LATE, NEXT] * 19 + [LATE]


def test_without_stamps_pauses_are_measured_by_arrival():
    assert verdicts(Continuity(2.0), (0, 0.0), (0, 0.1), (0, 2.0), (0, 4.2), (7.0, 4.3)) == [
        NEXT, NEXT, NEXT, Verdict(reset='gap in time'), NEXT]


def test_a_bag_that_loops_is_one_reset_whatever_comes_first():
    jumped, went = Verdict(reset='clock jumped back'), Verdict(reset='stamp went back')
    continuity = Continuity(2.0)
    verdicts(continuity, (100.0, 0.0), (109.9, 9.9))
    # the clock, then an image of before it that was under way, then the first
    continuity.clock_jumped(100 * SECOND, 10.0)
    assert verdicts(continuity, (110.0, 10.01), (100.0, 10.05), (100.1, 10.1)) == [
        NEXT, jumped, NEXT]
    verdicts(continuity, (109.9, 19.9))
    # the image, then the clock
    verdicts(continuity, (109.9, 19.95))
    assert verdicts(continuity, (100.0, 20.0)) == [went]
    continuity.clock_jumped(100 * SECOND, 20.02)
    assert verdicts(continuity, (100.1, 20.1)) == [NEXT]
    # and again the clock: that is another loop
    continuity.clock_jumped(100 * SECOND - 1, 30.0)
    assert verdicts(continuity, (100.0, 30.02)) == [jumped]


def test_a_clock_that_jumps_is_a_reset_also_for_stamps_of_another_clock():
    continuity = Continuity(2.0)
    verdicts(continuity, (1e9, 0.0))
    continuity.clock_jumped(5 * SECOND, 0.1)
    found = verdicts(continuity, (1e9 + 0.9, 0.9), (1e9 + 1, 1.0))
    assert [verdict.reset for verdict in found] == ['clock jumped back', None]


def test_left_out_frames_neither_wait_nor_replace():
    arrivals = Arrivals(Continuity(2.0), threading.Condition())
    for i, seconds in enumerate((1.0, 1.2, 1.2, 1.1)):
        arrivals.put(i, origin(seconds))
    taken = arrivals.take()
    assert (taken.message, taken.reset) == (1, None)
    counts = arrivals.counts
    assert (counts.received, counts.replaced, counts.late, counts.repeated) == (4, 1, 1, 1)
    assert not counts.resets
    arrivals.put(4, origin(1.1))
    assert not arrivals.waits()
    arrivals.clock_jumped(SECOND)
    arrivals.put(5, origin(1.0))
    assert arrivals.take().reset == 'clock jumped back'
    assert counts.resets == {'clock jumped back': 1}
