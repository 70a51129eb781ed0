"""What is said to be wrong, and that it is over."""
import pytest

from flashdepth_ros.streams import problems, symptoms
from flashdepth_ros.streams.problems import Problems
from flashdepth_ros.streams.symptoms import Losses, Outcomes

SECOND = symptoms.SECOND
WALL = 1_790_000_000 * SECOND


@pytest.fixture
def clock(monkeypatch):
    """Let the test say what time it is, in seconds: clock[0]."""
    now = [1000.0]
    for module in (problems, symptoms):
        monkeypatch.setattr(module.time, 'perf_counter', lambda: now[0])
    return now


def test_a_bad_frame_is_forgotten_after_good_ones(clock):
    told = Problems()
    assert told.bad_frame('image', 'truncated')
    assert not told.bad_frame('image', 'truncated')  # logged once
    assert told.current() == ['truncated']
    for _ in range(problems.GOOD):
        assert told.current() == ['truncated']
        told.good_frame('image')
    assert told.current() == []


def test_a_bad_frame_is_forgotten_with_time_once_a_good_one_has_come(clock):
    told = Problems()
    told.bad_frame('image', 'truncated')
    clock[0] += 2
    assert told.current() == ['truncated']  # nothing good so far
    told.good_frame('info')
    assert told.current() == ['truncated']
    told.good_frame('image')
    assert told.current() == []
    told.bad_frame('image', 'truncated')
    clock[0] += problems.LONGEST + 1
    assert told.current() == []


def test_several_problems_are_all_told_and_end_each_for_itself(clock):
    told = Problems()
    told.bad_frame('image', 'a')
    told.bad_frame('info', 'b')
    assert told.set('publishers', 'c')
    assert not told.set('publishers', 'c2')
    assert told.current() == ['c2', 'b', 'a']
    assert not told.set('publishers', None)
    for _ in range(problems.GOOD):
        told.good_frame('info')
    assert told.current() == ['a']
    told.clear()
    assert told.current() == []
    assert told.bad_frame('image', 'a')  # in a new life the log tells again


def test_the_log_tells_again_after_a_while(clock):
    told = Problems()
    assert told.bad_frame('image', 'a')
    clock[0] += problems.AGAIN + 1
    assert told.bad_frame('image', 'a')


@pytest.mark.parametrize(('reason', 'words'), [
    ('gap in time', ('every 2.5 s', 'stream.max_gap is 2 s')),
    ('new image size', ('sizes differ', 'two cameras', 'parameter cameras')),
    ('stamp went back', ('stream.max_backward',)), ('repeated', ('driver must', 'left out')),
])
def test_most_frames_break_the_stream(clock, reason, words):
    outcomes = Outcomes()
    for outcome in (None, reason, reason):
        outcomes.note(outcome)
        clock[0] += 2.5
        assert outcomes.problem(2.0) is None
    outcomes.note(reason)
    for word in words:
        assert word in outcomes.problem(2.0)
    for _ in range(7):
        outcomes.note(None)
    assert outcomes.problem(2.0) is None


def test_half_of_the_frames_late_is_two_publishers_and_a_few_are_nothing():
    outcomes = Outcomes()
    for outcome in [None, 'late'] * 3:
        outcomes.note(outcome)
    assert 'second publisher' in outcomes.problem(2.0)
    outcomes.forget()
    for outcome in [None, None, 'late'] * 5 + ['requested']:
        outcomes.note(outcome)
    assert outcomes.problem(2.0) is None


def test_lost_frames(clock):
    losses = Losses()
    assert losses.look(0, 0) == (0, 0)
    for i in range(1, 4):
        clock[0] += 1
        assert losses.look(i, 9 * i) == (i, 9 * i)
    text = symptoms.loss_problem('/image', 3, 27, True, 'export A=b')
    assert '27 of 30' in text and '"export A=b"' in text and 'reliable' in text
    assert symptoms.loss_problem('/image', 95, 5, True, 'export A=b') is None
    assert 'busy' in symptoms.loss_problem('/image', 5, 5, False, None)
    for _ in range(8):
        clock[0] += 1
        found = losses.look(3, 27)
    assert found == (0, 0)


def test_losses_are_over_when_enough_has_come_whole(clock):
    losses = Losses()
    losses.look(0, 0)
    clock[0] += 1
    assert losses.look(1, 9) == (1, 9)
    for received in (6, 10):
        clock[0] += 0.5
        assert losses.look(received, 9) == (received, 9)  # too few so far
    clock[0] += 0.5
    assert losses.look(15, 9)[1] == 0
    clock[0] += 0.5
    assert losses.look(16, 13)[1] == 4


@pytest.mark.parametrize(('stamp', 'now', 'simulated', 'words'), [
    (0, WALL, False, ('zero', 'arrival')),
    (WALL, 100 * SECOND, True, ('use_sim_time to false', 'future')),
    (100 * SECOND, WALL, False, ('use_sim_time to true',)),
    (WALL - 10 ** 6 * SECOND, WALL, False, ('--clock', '1000000 s old')),
    (WALL + 10 * SECOND, WALL, False, ('chrony', '10 s in the future')),
    (WALL, WALL + 200 * SECOND, True, ('/clock',)),
])
def test_stamps_that_do_not_go_with_the_clock(stamp, now, simulated, words):
    for word in words:
        assert word in symptoms.stamp_problem(stamp, now, simulated)


def test_what_is_no_problem_is_not_told():
    assert symptoms.stamp_problem(WALL, WALL + SECOND, False) is None
    assert symptoms.stamp_problem(WALL, 0, True) is None
    assert symptoms.clock_problem(True, 5) is None
    assert symptoms.clock_problem(False, 0) is None
    assert symptoms.publishers_problem('/image', 1) is None
    assert symptoms.frame_id_problem('camera') is None


def test_each_problem_says_what_to_do():
    assert '--clock' in symptoms.clock_problem(True, 0)
    assert '2 publishers on /image' in symptoms.publishers_problem('/image', 2)
    assert "driver's frame_id" in symptoms.frame_id_problem('')
