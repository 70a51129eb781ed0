"""Without a network and without weights the node still sees: with the model that comes along."""
from egl import needs_egl
import numpy as np
import pytest
from ros_rig import SECOND

from flashdepth_ros.scoring import metrics

needs_egl()

from flashdepth_ros.simulation import Renderer  # noqa: E402
from flashdepth_ros.simulation.sequences import drive_through  # noqa: E402


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Leave this machine without weights and without a server that has them."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.delenv('FLASHDEPTH_WEIGHTS', raising=False)
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:9')
    hub = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setattr(hub, 'HF_HUB_CACHE', str(tmp_path / 'hub'))


def test_auto_gives_the_depth_of_a_simulated_room(rig, offline):
    node = rig(**{
        'model.name': 'auto', 'model.weights': 'auto', 'input.short_side': 0}).activate()
    with Renderer(320, 240) as renderer:
        for i, frame in enumerate(drive_through(renderer, 2_000_000_000, 6)):
            depth = node.depth_of(np.ascontiguousarray(frame.rgb), (i + 1) * SECOND // 10)
    status = node.status
    assert (status.model, status.untrained, status.resets) == ('flashdepth-nano', False, 0)
    mask = metrics.truth_mask(frame.depth)
    factor = float(np.median((frame.depth / depth)[mask]))
    assert 0.5 < factor < 2, factor  # the metres are nominal
    assert metrics.delta(factor * depth, frame.depth, mask) > 0.7
    assert node.spin_until(lambda: node.health('model') is not None
                           and 'simulated indoor scenes' in node.health('model').message)
    assert node.health('model').level == b'\1'
