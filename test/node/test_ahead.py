"""Where another processor steps the network, the next frame is launched before one is published.

That processor is a thread here. What comes out is what comes out one frame after the other.
"""
from concurrent.futures import ThreadPoolExecutor
import threading
import time

import numpy as np
from patience import patience
import pytest
from ros_rig import SECOND, street
from sensor_msgs.msg import Image
from std_msgs.msg import Header
import torch

from flashdepth_ros.engines import BACKENDS, EngineError
from flashdepth_ros.engines.launched import Launched, on_its_way
from flashdepth_ros.engines.pytorch import TorchEngine
from flashdepth_ros.node.camera_outputs import CameraOutputs
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import stamp_to_ns

FRAMES = [*street(9), np.zeros((84, 98, 3), np.uint8), *street(12)[10:]]
FOLLOWED = {'filter.temporal': True}  # by the flow from one frame to the next
RESET, NOT_FINITE, TOO_LARGE, BLACK = 3, 5, 7, 9  # what happens to which of them


class InOrder(TorchEngine):
    """PyTorch; one step gives no finite state, another cannot be begun."""

    launches: list[int]  # numbers of the frames, of all engines of a node

    def launch(self, frames, state):
        number = self._begin()
        return on_its_way(*self._computed(number, frames, state))

    def _begin(self):
        number = len(self.launches) + (len(self.launches) >= BLACK)  # that one is not stepped
        self.launches.append(number)
        if number == TOO_LARGE:
            raise EngineError('it does not fit into the memory')
        return number

    def _computed(self, number, frames, state):
        output, after = self.step(frames, state)
        if number == NOT_FINITE:
            with torch.inference_mode():
                after['ssm'].fill_(torch.inf)
        return output, after


class Beside(InOrder):
    """The same on a processor of its own, where a step ends when it may."""

    may_end: threading.Semaphore

    def __init__(self, request):
        super().__init__(request)
        self.asynchronous = True
        self._processor = ThreadPoolExecutor(1, 'processor')

    def launch(self, frames, state):
        number, after = self._begin(), {}

        def compute():
            assert self.may_end.acquire(timeout=20 * patience())
            output, changed = self._computed(number, frames, state)
            after.update(changed)
            return on_its_way(output, changed)

        step = self._processor.submit(compute)
        return Launched(after, lambda: step.result().wait())


@pytest.fixture
def published(monkeypatch):
    """How many frames had been launched when each was published, by its stamp."""
    counts, publish = {}, CameraOutputs.publish

    def noted(self, *arguments):
        counts[stamp_to_ns(arguments[5].stamp)] = len(BACKENDS['torch'].launches)
        return publish(self, *arguments)

    monkeypatch.setattr(CameraOutputs, 'publish', noted)
    return counts


def stamp(number: int) -> int:
    return (number + 1) * SECOND // 10


def outcome(node) -> tuple[dict, dict, dict]:
    """Return depths and what is told of them, by stamp, and how often each reset was."""
    statuses, depths = node.received['depth_node/status'], node.received['depth/image']
    assert node.spin_until(lambda: len(statuses) == len(depths) == len(FRAMES) - 2)
    stamps = [stamp_to_ns(each.header.stamp) for each in statuses]
    assert stamps == [stamp_to_ns(each.header.stamp) for each in depths] == sorted(stamps)
    return ({stamp_to_ns(each.header.stamp): bytes(each.data) for each in depths},
            {stamp_to_ns(each.header.stamp): (
                each.reset, each.health, each.processed, each.blind, each.scale_factor)
             for each in statuses},
            dict(zip(statuses[-1].reset_reasons, statuses[-1].reset_counts, strict=True)))


def test_what_is_published_is_the_same(rig, monkeypatch, published):
    InOrder.launches = []
    monkeypatch.setitem(BACKENDS, 'torch', InOrder)
    node = rig(namespace='/in_order', **FOLLOWED).activate()
    counts = node.depth_node._cameras[0].input.arrivals.counts
    for number, frame in enumerate(FRAMES):
        if number == RESET:
            assert node.reset().success
        node.send(frame, stamp(number))
        assert node.spin_until(lambda number=number: stamp(number) in published or (
            counts.failed == 1 + (number >= TOO_LARGE) and number in (NOT_FINITE, TOO_LARGE)))
    expected = outcome(node)
    assert expected[2] == {'requested': 1, 'output not finite': 1}
    # each is published before the next one is launched
    stepped = [number for number in range(len(FRAMES)) if number != BLACK]
    assert [published[stamp(number)] for number in stepped
            if number not in (NOT_FINITE, TOO_LARGE)] == [
                stepped.index(number) + 1 for number in stepped
                if number not in (NOT_FINITE, TOO_LARGE)]

    published.clear()
    Beside.launches, Beside.may_end = [], threading.Semaphore(0)
    monkeypatch.setitem(BACKENDS, 'torch', Beside)
    node = rig(namespace='/beside', **FOLLOWED).activate()
    arrivals = node.depth_node._cameras[0].input.arrivals
    node.send(FRAMES[0], stamp(0))
    for number in range(len(FRAMES)):
        # the next frame waits when this one's step ends
        assert node.spin_until(lambda number=number: number in Beside.launches or (
            number == BLACK and stamp(number) in published))
        if number + 1 < len(FRAMES):
            received = arrivals.counts.received
            node.send(FRAMES[number + 1], stamp(number + 1))
            assert node.spin_until(lambda received=received: arrivals.counts.received > received)
            if number + 1 == RESET:
                assert node.reset().success
        if number not in (TOO_LARGE, BLACK):
            Beside.may_end.release()
    assert outcome(node) == expected
    ahead = {number: published[stamp(number)] - stepped.index(number) - 1
             for number in stepped if stamp(number) in published}
    assert ahead == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 6: 1, 8: 0, 10: 1, 11: 0}, ahead
    assert arrivals.counts.failed == 2 and arrivals.counts.replaced == 0


def test_a_frame_under_way_is_published_before_the_node_is_inactive(rig, monkeypatch, published):
    Beside.launches, Beside.may_end = [], threading.Semaphore(0)
    monkeypatch.setitem(BACKENDS, 'torch', Beside)
    node = rig().activate()
    node.send(FRAMES[0], stamp(0))
    assert node.spin_until(lambda: Beside.launches)
    node.send(FRAMES[1], stamp(1))
    assert node.spin_until(node.depth_node._cameras[0].input.arrivals.waits)
    Beside.may_end.release()
    assert node.spin_until(lambda: len(Beside.launches) == 2)
    done = node.ask('deactivate')
    time.sleep(0.05)
    assert not done.done()
    Beside.may_end.release()
    assert node.spin_until(done.done) and done.result().success
    assert node.state() == 'inactive' and set(published) == {stamp(0), stamp(1)}
    assert node.spin_until(lambda: len(node.received['depth/image']) == 2)


def test_cameras_that_step_together_go_ahead_together(rig, monkeypatch, published):
    """One alone would leave the others behind, and their common state would be taken apart."""
    Beside.launches, Beside.may_end = [], threading.Semaphore(0)
    monkeypatch.setitem(BACKENDS, 'torch', Beside)
    node = rig(cameras=['front', 'rear'])
    images = [node.node.create_publisher(Image, f'{name}/image', 1) for name in ('front', 'rear')]
    assert node.change_state('configure') and node.change_state('activate')
    assert node.spin_until(lambda: all(image.get_subscription_count() for image in images))
    node.meet()
    arrivals = [camera.input.arrivals for camera in node.depth_node._cameras]

    def send(number: int, *sides: int) -> None:
        for side in sides:
            header = Header(frame_id='camera')
            header.stamp.sec, header.stamp.nanosec = divmod(stamp(number) + side, SECOND)
            before = arrivals[side].counts.received
            images[side].publish(rgb_to_image(FRAMES[number], header))
            assert node.spin_until(lambda: arrivals[side].counts.received > before)  # noqa: B023

    # until both are in one step
    send(0, 0)
    assert node.spin_until(lambda: Beside.launches)
    send(0, 1)
    Beside.may_end.release()
    assert node.spin_until(lambda: len(Beside.launches) == 2)
    send(1, 0, 1)
    Beside.may_end.release()
    assert node.spin_until(lambda: len(published) == 2)
    assert published == {stamp(0): 1, stamp(0) + 1: 3}  # both waited when the second step ended
    send(2, 0)  # of one alone
    Beside.may_end.release()
    assert node.spin_until(lambda: stamp(1) + 1 in published)
    assert published[stamp(1)] == published[stamp(1) + 1] == 3
    Beside.may_end.release()
    assert node.spin_until(lambda: stamp(2) in published)
