"""What a camera's frames show to be wrong around them, each in words with what to do. No ROS."""
from collections import Counter, deque
from dataclasses import dataclass, field
import threading
import time

SECOND = 1_000_000_000

FEW = 4  # frames from which something is concluded
PAST, FUTURE = 60.0, 1.0  # seconds that a stamp may be away from the clock
EPOCH = 10 ** 8  # seconds; clocks of which only one is beyond count from different times


def _two_cameras(what: str) -> str:
    return (f'{what}, as of two cameras on one topic: give each its own topic, and both names to '
            f'the parameter cameras')


_CAUSES = {
    'new image size': _two_cameras('their sizes differ'),
    'new encoding': _two_cameras('their encodings differ'),
    'new frame_id': _two_cameras('their frame_ids differ'),
    'stamp went back': 'their stamps go back by more than stream.max_backward: is there a second '
                       'publisher with another clock, or a driver that fills in wrong stamps?',
    'late': 'their stamps are older than those of frames before them: is there a second publisher '
            'on the topic, or a driver that fills in wrong stamps? They are left out',
    'repeated': 'their stamps are those of the frames before them: the driver must give each frame '
                'a stamp of its own, or none (zero). They are left out',
    'clock jumped back': 'the clock goes back again and again: is there a second publisher of '
                         '/clock?',
}


@dataclass
class Outcomes:
    """Whether most of the newest frames broke the stream: then depth has no past to lean on."""

    _newest: deque = field(default_factory=lambda: deque(maxlen=10))
    _times: deque = field(default_factory=lambda: deque(maxlen=10))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str | None) -> None:
        """Take note of a frame: why it was left out or started anew, or None."""
        with self._lock:
            self._newest.append(outcome)
            self._times.append(time.perf_counter())

    def forget(self) -> None:
        with self._lock:
            self._newest.clear()
            self._times.clear()

    def problem(self, max_gap: float) -> str | None:
        """Say why most frames break the stream, and what to do. max_gap: stream.max_gap."""
        with self._lock:
            newest, times = list(self._newest), list(self._times)
        reasons = Counter(filter(None, newest))
        # half of them: two cameras by turns, of which one is always late
        if len(newest) < FEW or 2 * reasons.total() < len(newest):
            return None
        reason = reasons.most_common(1)[0][0]
        if reason == 'gap in time':
            period = (times[-1] - times[0]) / (len(times) - 1)
            cause = (f'they come every {period:.1f} s, and stream.max_gap is {max_gap:g} s: set it '
                     f'to more than the time between frames')
        elif reason in _CAUSES:
            cause = _CAUSES[reason]
        else:
            return None  # as was asked for
        return f'{reasons.total()} of the newest {len(newest)} frames break the stream: {cause}'


@dataclass
class Losses:
    """How many messages arrive and how many get lost, over the last seconds.

    It is over where none was lost for a while (seconds) in which so many came whole.
    """

    window: float = 5.0
    over: float = 1.0
    whole: int = 10
    _history: deque = field(default_factory=deque)  # (time, received, lost) in all, at each look

    def look(self, received: int, lost: int) -> tuple[int, int]:
        """Take in the counts so far; return how many came and were lost within the window."""
        now = time.perf_counter()
        self._history.append((now, received, lost))
        while len(self._history) > 2 and self._history[1][0] <= now - self.window:
            self._history.popleft()
        for when, before, lost_before in self._history:
            if when <= now - self.over and lost == lost_before and received - before >= self.whole:
                self._history = deque([(when, before, lost_before)])
                break
        _, before, lost_before = self._history[0]
        return received - before, lost - lost_before


def loss_problem(
    topic: str, received: int, lost: int, best_effort: bool, remedy: str | None,
) -> str | None:
    """Say that a driver's frames get lost, where more than a tenth of several do.

    remedy: the line for the shell that starts the driver, or None where Fast DDS is not in use.
    """
    if lost < FEW or lost <= (received + lost) / 10:
        return None
    text = f'{lost} of {received + lost} images on {topic} were lost on their way: '
    if not best_effort:
        return text + 'the network or this computer is too busy for them; lower rate or size'
    if remedy is None:
        return text + 'its driver publishes best effort; set it to reliable'
    return text + (
        f"its driver publishes best effort, and so large an image does not fit into the driver's "
        f'shared memory. Start the driver after "{remedy}", or set it to publish reliable')


def nothing_problem(topic: str, remedy: str | None) -> str | None:
    """Say why nothing may come from a best-effort driver; remedy: as in loss_problem."""
    if remedy is None:
        return None
    return (f'nothing comes from the driver on {topic}. It publishes best effort, and images '
            f"that do not fit into the driver's shared memory are lost there. If it sends any, "
            f'start it after "{remedy}", or set it to publish reliable')


def publishers_problem(topic: str, count: int) -> str | None:
    """Say that more than one publishes on a camera's topic."""
    if count < 2:
        return None
    return (f'{count} publishers on {topic}: their images are taken for one stream. Stop all but '
            f'one, or give each its own topic')


def frame_id_problem(frame_id: str) -> str | None:
    """Say that images name no frame, which TF needs."""
    if frame_id:
        return None
    return ("the images' header.frame_id is empty, so no cloud can be placed: set the driver's "
            'frame_id to the optical frame of the camera')


def clock_problem(use_sim_time: bool, now: int) -> str | None:
    """Say that simulated time stands still at zero. now: of the node's clock, in ns."""
    if not use_sim_time or now:
        return None
    return ('use_sim_time is set, and nothing has come on /clock: play the bag with --clock, start '
            'the simulator, or set use_sim_time to false')


def stamp_problem(stamp: int, now: int, use_sim_time: bool) -> str | None:
    """Say that images have no stamps, or that stamps and clock (both ns) do not go together."""
    if not stamp:
        return ('the images have no stamps (zero): pauses are measured by their arrival, and no '
                'transform can be looked up for them. Set the driver to stamp them')
    if use_sim_time and not now:
        return None  # see clock_problem
    age = (now - stamp) / SECOND
    if -FUTURE <= age <= PAST:
        return None
    where = f'{age:.0f} s old' if age > 0 else f'{-age:.3g} s in the future'
    text = f"the images' stamps are {where} by the node's clock: "
    stamped_by_wall, clock_is_wall = (value / SECOND > EPOCH for value in (stamp, now))
    if stamped_by_wall and not clock_is_wall:
        return text + ("they are of the system's clock, and the node's is simulated: set "
                       'use_sim_time to false here, or to true at the driver')
    if clock_is_wall and not stamped_by_wall:
        return text + ('they count from a start, as those of a simulator do, or of a driver since '
                       'it was switched on: set use_sim_time to true here, or the driver to stamp '
                       'with the ROS clock')
    if use_sim_time:
        return text + '/clock and the images are not of one source, such as one bag'
    if age > 0:
        return text + ('for a bag, play it with --clock and set use_sim_time to true; between '
                       'computers, synchronise their clocks (chrony)')
    return text + "synchronise the clocks of the driver's computer and this one (chrony)"
