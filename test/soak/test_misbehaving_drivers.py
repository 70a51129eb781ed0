"""Two drivers that misbehave in all ways at once: depth stays right, and diagnostics true."""
import random
import time

from growth import Growth
from misbehaviour import CAUSES, assert_told, seconds_until_told
from node_process import SMALL
import numpy as np
from numpy.testing import assert_allclose
import pytest
from ros_rig import SECOND, Reference, to_array
from sensor_msgs.msg import Image

from flashdepth_ros.ros.message import stamp_to_ns

SIDES = 'left', 'right'
MODEL = 'flashdepth-s'  # which does not take every size
# left out, so that they leave no trace, and others that end the stream
TRACELESS = ({'keep': 0.5}, {'encoding': 'holographic'}, {'keep': 0.0},
             {'stamp': 'last', 'late': 0.5}, {'stamp': 'last'})
ENDS = ({'width': 98, 'height': 84}, {'frame_id': 'rear'}, {'late': 100.0}, {'encoding': 'bgr8'})


class Cameras:
    """A node of two cameras, the driver of each, and what a fresh network makes of pictures."""

    def __init__(self, process, driver, folder):
        self.process = process
        self.drivers = {side: driver() for side in SIDES}
        for side in SIDES:
            process.collect(Image, f'{side}/depth/image')
        assert process.change_state('configure') and process.change_state('activate'), (
            process.last_words())
        process.without_camera().meet(*(f'{side}/depth/image' for side in SIDES))
        self._path = folder / 'pictures.npy'
        np.save(self._path, np.stack(SMALL))
        network = Reference(MODEL)
        self._expected = [network.depth(picture) for picture in SMALL]
        self._shown = 0

    def show(self, side: str, index: int, frame_id: str, **behaviour) -> int:
        """Have a driver publish a picture; return its stamp in ns."""
        stamp = self.drivers[side].do(
            'show', prefix=f'{side}/', path=str(self._path), index=index, frame_id=frame_id,
            **behaviour)['stamp']
        return stamp[0] * SECOND + stamp[1]

    def depth(self, side: str, stamp: int, seconds: float) -> np.ndarray | None:
        depths = self.process.received[f'{side}/depth/image']

        def found():
            return next((depth for depth in reversed(depths)
                         if stamp_to_ns(depth.header.stamp) == stamp), None)
        self.process.spin_until(lambda: found() is not None, seconds)
        return None if found() is None else to_array(found())

    def assert_right(self, side: str, rng: random.Random) -> None:
        """Demand the depth of a fresh stream, also after what leaves no trace or ends a stream."""
        for _ in range(10):  # until both have met, and until it is not late after what came before
            self._shown += 1
            frame_id = f'stream_{self._shown}'
            first = self.depth(side, self.show(side, 0, frame_id), 1.5)
            if first is not None:
                break
        else:
            raise AssertionError(f'no depth of {side}: {self.process.last_words()}')
        assert_allclose(first, self._expected[0], rtol=1e-4)
        for _ in range(2):
            for _ in range(rng.randrange(1, 4)):
                self.show(side, 0, frame_id, **rng.choice(TRACELESS))
            self._assert_next(side, 1, frame_id)
            last = self.show(side, 0, **{'frame_id': frame_id, **(how := rng.choice(ENDS))})
            self.depth(side, last, 5)
            self._assert_next(side, 0, frame_id, how)
        self.drivers[side].do('hide', prefix=f'{side}/')

    def _assert_next(self, side: str, index: int, frame_id: str, *context) -> None:
        depth = self.depth(side, self.show(side, index, frame_id), 20)
        assert depth is not None, f'no depth of {side} after {context}; {self.process.last_words()}'
        assert_allclose(
            depth, self._expected[index], rtol=1e-4,
            err_msg=f'{side} after {context}; resets {self._resets(side)}')

    def _resets(self, side: str) -> list[tuple]:
        """Stamp, whether the stream was reset, and the counts so far, of a camera's last frames."""
        return [
            (stamp_to_ns(each.header.stamp), each.reset,
             dict(zip(each.reset_reasons, each.reset_counts, strict=True)))
            for each in self.process.received['depth_node/status'] if each.camera == side][-3:]

    def forget(self) -> None:
        self.process.forget()
        self.process.diagnostics.clear()

    def assert_alive(self) -> None:
        assert self.process.process.poll() is None, self.process.last_words()
        log = self.process.log.read_text(errors='replace')
        assert 'Traceback' not in log, log[log.index('Traceback'):][:3000]


@pytest.fixture
def cameras(node, driver, tmp_path):
    # on a machine that is busy with other things, two seconds may pass between two pictures
    return Cameras(node(**{'cameras': f'[{", ".join(SIDES)}]', 'model.name': MODEL,
                           'stream.max_gap': 20.0}), driver, tmp_path)


def test_depth_stays_right_and_diagnostics_true(cameras, soak, measured):
    """First each cause alone, then any at random."""
    for side, driver in cameras.drivers.items():
        driver.do('stream', prefix=f'{side}/')
    seconds_until_told(cameras.process, dict.fromkeys(SIDES, ()), 10)
    names = list(CAUSES)
    pairs = zip(names[::2], names[1::2], strict=True)
    measured('told within, and ended within: ' + ', '.join([
        assert_told(cameras.process, cameras.drivers, dict(zip(SIDES, pair, strict=True)))
        for pair in pairs]))
    for side, driver in cameras.drivers.items():
        driver.do('cease')
        # else memory grows each time that another buffer meets the largest image, which is rare
        driver.do('stream', prefix=f'{side}/', width=1280, height=720)
    cameras.process.spin_until(lambda: False, 10 if soak.full else 1)
    for driver in cameras.drivers.values():
        driver.do('cease')
    cameras.assert_alive()

    rng = random.Random(soak.misbehaving)
    process, count, rounds, told = cameras.process, 0, 0, []
    growth = Growth(process.memory, soak.misbehaving // 2)
    end, sampled = time.monotonic() + soak.misbehaving, time.monotonic()
    while time.monotonic() < end:
        def misbehave(side: str, seconds: float, sides: tuple[str, ...]) -> None:
            cameras.drivers[side].ask(
                do='misbehave', topic='image', seconds=seconds, seed=str(rng.random()),
                prefixes=[f'{each}/' for each in sides])

        for side in SIDES:  # each also on the other's topics
            misbehave(side, 1.5, (side, *SIDES))
        process.spin_until(lambda: False, 1.5)
        count += sum(cameras.drivers[side].answer()['count'] for side in SIDES)
        for side, other in (SIDES, SIDES[::-1]):
            misbehave(other, 1.0, (other,))
            cameras.assert_right(side, rng)
            count += cameras.drivers[other].answer()['count']
        for side in SIDES:
            cameras.drivers[side].do('stream', prefix=f'{side}/')
        seconds_until_told(process, dict.fromkeys(SIDES, ()), 4)
        names = [name for name, cause in CAUSES.items() if soak.full or not cause.late]
        told.append(assert_told(process, cameras.drivers, {
            side: rng.choice(names) for side in SIDES}))
        for side in SIDES:
            cameras.drivers[side].do('cease')
        cameras.assert_alive()
        cameras.forget()
        rounds += 1
        while sampled < time.monotonic():
            growth.sample()
            sampled += 2
    measured(f'{rounds} rounds, {count} messages; {growth.check()}; {"; ".join(told[-3:])}')
