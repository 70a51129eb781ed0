"""Frames played to a node in blocks, the search for its peak rate, and what is known of each frame.

No ROS here: the processes speak it.
"""
from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import TypeVar

from .processes import BenchmarkError, Node, Peer

Started = TypeVar('Started', Peer, Node)
STAGES = ('decode', 'preprocess', 'model', 'postprocess', 'publish')


@dataclass(frozen=True)
class Configuration:
    """A node to be measured: its label, its namespace, and how it is started."""

    label: str
    namespace: str
    parameters: dict[str, object]
    command: str = ''  # another node, in place of this package's


@dataclass
class Samples:
    """What was measured of a configuration, frame by frame in the order of the stamps.

    A frame is one image of one camera. statuses are ~/status messages as dicts; where the node
    publishes none the list is empty.
    """

    sent: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    late_ms: float = 0.0      # by which the camera's worst frame was late
    memory: list[int] = field(default_factory=list)        # bytes after each block
    depth_ms: list[float] = field(default_factory=list)    # stamp to the subscriber's depth/image
    points_ms: list[float] = field(default_factory=list)   # stamp to the subscriber's points
    infos: int = 0
    statuses: list[dict] = field(default_factory=list)

    @property
    def lost(self) -> float:
        """The share of the frames whose depth never reached the subscriber."""
        return 1 - len(self.depth_ms) / self.sent if self.sent else 0.0

    def add(self, other: 'Samples') -> None:
        """Append another block."""
        for name in ('sent', 'seconds', 'cpu_seconds', 'infos'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.late_ms = max(self.late_ms, other.late_ms)
        for name in ('memory', 'depth_ms', 'points_ms', 'statuses'):
            getattr(self, name).extend(getattr(other, name))

    def of_status(self, name: str) -> list[float]:
        """Return one figure of every status."""
        return [status[name] for status in self.statuses]

    def overhead_ms(self) -> list[float]:
        """Return what the node added to the network's own time, of each frame."""
        return [status['total_ms'] - status['model_ms'] for status in self.statuses]


class Bench:
    """A camera, a subscriber, and the nodes between them."""

    def __init__(
        self, configurations: list[Configuration], cameras: list[str], width: int, height: int,
        video: str | None = None,
    ):
        names = ['--namespaces', *(each.namespace for each in configurations),
                 '--cameras', *cameras]
        self._cameras = cameras
        self._processes: list[Peer | Node] = []
        try:
            self._camera = self._started(Peer(
                'camera', 'flashdepth_ros.benchmark.camera', *names,
                '--size', str(width), str(height), *(('--video', video) if video else ())))
            self._listener = self._started(
                Peer('subscriber', 'flashdepth_ros.benchmark.listener', *names))
            self.nodes = {
                each.namespace: self._started(Node(each.namespace, each.command, each.parameters))
                for each in configurations}
        except BaseException:  # also an interrupt
            self.close()
            raise

    def _started(self, process: Started) -> Started:
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End every process."""
        for process in reversed(self._processes):
            process.end()

    def __enter__(self) -> 'Bench':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_until_active(self, namespace: str, timeout: float, warm_up: int) -> None:
        """Wait until the node listens and gives depth, and let it see some frames."""
        end = time.monotonic() + timeout
        while not self._camera.ask(60, namespace=namespace)['ready']:
            self.nodes[namespace].check()
            if time.monotonic() > end:
                raise BenchmarkError(
                    f'node {namespace} did not subscribe to its camera within {timeout:.0f} s: '
                    f'see its messages above')
            time.sleep(0.2)
        time.sleep(0.5)  # the subscriber's side is found a moment later
        while not self.block(namespace, 2.0, 1, quiet=2.0).depth_ms:
            if time.monotonic() > end:
                raise BenchmarkError(f'node {namespace} gave no depth within {timeout:.0f} s')
        # one after the other, however slow it is
        for _ in range(warm_up):
            self.block(namespace, 2.0, 1, quiet=10.0)

    def block(self, namespace: str, rate: float, frames: int, quiet: float = 2.0) -> Samples:
        """Play frames at a rate and return what came of them; quiet seconds end the waiting."""
        node = self.nodes[namespace]
        before = node.cpu_seconds()
        played = self._camera.ask(
            60 + 2 * frames / rate, namespace=namespace, rate=rate, frames=frames)
        stamps = played['stamps']
        came = self._listener.ask(
            60 + 10 * quiet + 0.2 * frames, namespace=namespace, last=stamps[-1], quiet=quiet)
        known = set(stamps)
        samples = Samples(
            frames * len(self._cameras), played['seconds'], node.cpu_seconds() - before,
            played['late_ms'], [node.memory()])
        for key, messages in came.items():
            # of an earlier block, after whose end it came
            messages = [message for message in messages if message[0] in known]
            if key.endswith('status'):
                samples.statuses += [
                    {'stamp': stamp, **status} for stamp, _, status in messages]
            elif key.endswith('camera_info'):
                samples.infos += len(messages)
            else:
                latencies = [(arrival - stamp) / 1e6 for stamp, arrival in messages]
                (samples.points_ms if key.endswith('points') else samples.depth_ms).extend(
                    latencies)
        samples.statuses.sort(key=lambda status: status['stamp'])
        return samples

    def peak_rate(
        self, namespace: str, lost: float, seconds: float, highest: float,
    ) -> tuple[float, list[tuple[float, float]]]:
        """Search for the highest rate in 1/s at which no more than a share of frames is lost.

        Returns it and the (rate, share lost) of each trial of so many seconds; see search_rate.
        """
        trials = []

        def lost_at(rate: float) -> float:
            samples = self.block(namespace, rate, max(10, round(rate * seconds)))
            trials.append((rate, samples.lost))
            return samples.lost

        return search_rate(lost_at, lost, highest), trials


def search_rate(lost_at: Callable[[float], float], lost: float, highest: float) -> float:
    """Return the highest rate, known to 3 percent, at which no more than a share `lost` is lost.

    lost_at: tries a rate and returns the share lost. By bisection, from where what comes through at
    the highest rate tells to look. 0.0 where every rate loses more.
    """
    flooded = lost_at(highest)
    if flooded <= lost:
        return highest
    high = max(0.1, 1.3 * highest * (1 - flooded))
    while high < highest and lost_at(high) <= lost:
        high *= 1.3
    high = min(high, highest)
    low = 0.7 * high
    while lost_at(low) > lost:
        high, low = low, 0.7 * low
        if low < 0.01:
            return 0.0
    while high > 1.03 * low:
        middle = (low * high) ** 0.5
        if lost_at(middle) <= lost:
            low = middle
        else:
            high = middle
    return low


def interleaved(
    bench: Bench, rates: dict[str, float], frames: int, blocks: int,
) -> dict[str, Samples]:
    """Play so many frames to each namespace, in blocks by turns, since machines are noisy."""
    samples = {namespace: Samples() for namespace in rates}
    for i in range(blocks):
        share = frames * (i + 1) // blocks - frames * i // blocks
        # and each is the first as often as the other
        for namespace in sorted(rates, reverse=bool(i % 2)):
            samples[namespace].add(bench.block(namespace, rates[namespace], share))
    return samples
