"""The network that comes with the package sees depth where it was trained: in simulated rooms."""
import json

from egl import needs_egl

needs_egl()

from flashdepth_ros.tools import evaluate  # noqa: E402


def scores(path, *options: str) -> dict[str, float]:
    """Evaluate it as a user does, on four scenes of which it has seen none."""
    result = path / 'scores.json'
    assert evaluate.main([
        '--model', 'flashdepth-nano', '--backend', 'torch', '--seeds', '2000000000:2000000004',
        '--max-frames', '6', '--align', 'median', '--json', str(result), *options]) == 0
    return json.loads(result.read_text())


def test_depth_and_memory_of_the_bundled_network(tmp_path):
    carried, reset = scores(tmp_path), scores(tmp_path, '--stateless')
    assert carried['delta1'] > 0.7, carried
    assert carried['tae_percent'] < 0.95 * reset['tae_percent'], (carried, reset)
