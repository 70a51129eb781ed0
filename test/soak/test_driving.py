"""A simulated robot drives for minutes at its real rate: what is told of its camera, and reset."""
from collections import Counter
import time

from egl import needs_egl
from node_process import end, start

from flashdepth_ros.node.parameter_table import PARAMETERS
from flashdepth_ros.ros.message import stamp_to_ns
from flashdepth_ros.streams.camera_health import BLANK, BLIND, BRIGHT, GOOD

MAX_GAP = PARAMETERS['stream.max_gap'].default
SCENES = 5  # in full, one after the other
# all as a robot has it, and the bundled network
USUAL = {name: PARAMETERS[name].default for name in (
    'model.weights', 'engine.backend', 'input.short_side', 'stream.scene_cut', 'points.stride',
    'points.remove_edges')}


def seconds(status) -> float:
    return 1e-9 * stamp_to_ns(status.header.stamp)


def test_ordinary_driving_resets_nothing_and_no_camera_is_called_blind(
        node, domain, soak, measured, tmp_path):
    needs_egl()
    health, resets, frames, replaced, pauses = Counter(), Counter(), 0, 0, 0
    seeds = range(980001, 980001 + (SCENES if soak.full else 1))
    for seed in seeds:
        process = node(**USUAL, **{'model.name': 'flashdepth-nano'}).activate().without_camera()
        statuses = process.received['depth_node/status']
        with (tmp_path / f'camera_{seed}.log').open('w') as log:
            camera = start('sim_camera_node', domain, '-p', f'seed:={seed}', stdout=log, stderr=log)
        try:
            assert process.spin_until(lambda statuses=statuses: statuses, 60), process.last_words()
            begin = time.monotonic()
            last, before = statuses[-1], statuses[0]
            while (elapsed := time.monotonic() - begin) < soak.driving / len(seeds) or (
                    last.processed < 10 and elapsed < 60):
                process.spin_until(lambda: False, 0.5)
                health.update(status.health for status in statuses)
                for status in statuses:
                    pauses += seconds(status) - seconds(before) > MAX_GAP
                    before = status
                last = statuses[-1] if statuses else last
                process.forget()
            assert process.process.poll() is None, process.last_words()
        finally:
            end(camera)
            process.stop()
        frames += last.processed
        replaced += last.replaced
        resets.update(dict(zip(last.reset_reasons, last.reset_counts, strict=True)))
        assert last.blind == 0 and last.failed == 0 and last.processed >= 10, (seed, health)
    # a machine that is busy may hold the camera up for longer than stream.max_gap
    assert set(resets) <= {'scene cut', 'gap in time'}, resets
    assert resets['gap in time'] <= pauses, resets
    # docs/camera_health.md: also where frames are skipped
    assert resets['scene cut'] <= frames / 500, (resets, frames, replaced)
    assert not set(health) & set(BLIND)
    told = {state: count for state, count in health.items() if state != GOOD}
    assert set(told) <= {BLANK, BRIGHT}  # walls and white rooms, of which depth goes on
    measured(f'{len(seeds)} scenes, {soak.driving} s: {frames} frames processed, {replaced} '
             f'replaced, {sum(resets.values())} resets, told of the camera: {told or "nothing"}')
