"""The node publishes PyTorch's depth, whichever library runs the network."""
import numpy as np
import pytest
from ros_rig import SECOND, street, to_array
from sensor_msgs.msg import Image
import torch

from flashdepth_ros.engines import BACKENDS
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.models import model_spec, prepare_frame


@pytest.mark.parametrize(('backend', 'name', 'height', 'width', 'announced'), [
    ('onnx', 'flashdepth-nano', 70, 84, True), ('openvino', 'vda-s', 84, 112, True),
    ('onnx', 'flashdepth-nano', 70, 84, False)])  # its size comes with the first frame
def test_depth_is_pytorchs(rig, cache_home, monkeypatch, backend, name, height, width, announced):
    for package in BACKENDS[backend].packages:
        pytest.importorskip(package)
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache_home))
    node = rig(**{
        'model.name': name, 'engine.backend': backend, 'input.short_side': height,
        'input.width': width if announced else 0, 'input.height': height if announced else 0,
        'scale.mode': 'fixed'}).activate()
    outputs = node.collect(Image, 'disparity/image')
    node.meet('disparity/image')
    spec = model_spec(name)
    model = load_model(spec, 'random')
    state = model.initial_state(1, height, width)
    if not announced:  # a backend that is named is waited for, from the first frame on
        first, depths = street(1, height, width)[0], node.received['depth/image']
        for attempt in range(1, 120):
            node.send(first, attempt * SECOND // 1000)
            if node.spin_until(lambda: depths and outputs, 1.0):
                break
        assert attempt > 1 and node.spin_until(lambda: node.received['depth_node/status'])
        assert node.status.failed == 0
        assert node.reset().success
        outputs.clear()
    for i, rgb in enumerate(street(5, height, width)):
        node.depth_of(rgb, (i + 1) * SECOND // 10)
        with torch.inference_mode():
            expected, state = model.step(prepare_frame(rgb, spec.frame, height)[None], state)
        assert node.status.backend == backend
        assert node.spin_until(lambda i=i: len(outputs) > i)
        departure = np.abs(to_array(outputs[-1]) - expected[0].numpy()).max()
        assert departure < 1e-4 * expected.max()
