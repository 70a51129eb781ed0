"""When a recording's frames are due, on a clock in ns."""
from flashdepth_ros.cameras.playback import SECOND, Playback


def test_frames_are_due_at_their_own_times():
    playback = Playback(0.0)
    start = 100 * SECOND
    assert playback.due(0.0, start) == start
    assert playback.due(0.5, start + SECOND // 10) == start + SECOND // 2
    assert playback.due(3.5, start + SECOND // 2) == start + 7 * SECOND // 2  # after a pause


def test_a_rate_takes_the_place_of_the_times():
    playback = Playback(10.0)
    assert [playback.due(time, SECOND) for time in (0.0, 3.0, 3.1)] == [
        SECOND, SECOND + SECOND // 10, SECOND + SECOND // 5]


def test_playing_goes_on_from_where_it_has_fallen_behind_and_where_the_clock_was_set_back():
    playback = Playback(0.0)
    assert playback.due(0.0, 100 * SECOND) == 100 * SECOND
    late = 101 * SECOND
    assert playback.due(0.1, late) == late  # 0.9 s late
    assert playback.due(0.2, late) == late + SECOND // 10
    assert playback.due(0.3, 5 * SECOND) == 5 * SECOND
