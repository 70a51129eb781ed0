"""Transitions, failed ones among them, and what they hold and free."""
import time

import numpy as np
from patience import patience
from ros_rig import SECOND, street

from flashdepth_ros.ros.memory import resident_memory


def test_every_transition(rig):
    node = rig()
    assert node.state() == 'unconfigured'
    for transition, state in (
            ('configure', 'inactive'), ('cleanup', 'unconfigured'), ('configure', 'inactive'),
            ('activate', 'active'), ('deactivate', 'inactive'), ('activate', 'active')):
        assert node.change_state(transition), transition
        assert node.state() == state
    node.connect()
    node.depth_of(street(1)[0], SECOND)
    assert node.change_state('deactivate') and node.change_state('cleanup')
    assert node.change_state('unconfigured_shutdown')
    assert node.state() == 'finalized'


def test_shutdown_from_inactive_and_active(rig, domain):
    node = rig()
    node.change_state('configure')
    assert node.change_state('inactive_shutdown') and node.state() == 'finalized'


def test_shutdown_while_active(rig):
    node = rig().activate()
    node.send(street(1)[0], SECOND)
    assert node.change_state('active_shutdown') and node.state() == 'finalized'


def test_an_impossible_transition_is_refused_and_harmless(rig):
    node = rig()
    assert not node.change_state('activate')
    assert node.state() == 'unconfigured'
    assert node.change_state('configure')


def test_a_failed_configure_says_why_and_can_be_repeated(rig, tmp_path):
    wrong = tmp_path / 'no_weights.pth'
    wrong.write_bytes(b'these are no weights')
    node = rig(**{'model.weights': str(wrong)})
    assert not node.change_state('configure')
    assert node.state() == 'unconfigured'
    assert node.spin_until(lambda: node.health('model') and node.health('model').level == b'\2')
    assert str(wrong) in node.health('model').message
    assert node.set_parameter('model.weights', 'random').successful
    node.activate()
    node.depth_of(street(1)[0], SECOND)
    assert node.spin_until(lambda: node.health('model').level == b'\1')


def test_wrong_start_parameters_are_told_and_can_be_corrected(rig):
    node = rig(**{'output.min_range': -3.0, 'engine.backend': 'abacus', 'output.max_range': 50})
    assert not node.change_state('configure')
    for part in ('output.min_range is -3.0', 'abacus', 'torch'):
        assert part in node.depth_node.problem
    assert node.set_parameter('output.min_range', 0.5).successful
    assert node.set_parameter('engine.backend', 'torch').successful
    assert node.change_state('configure')
    assert node.depth_node.get_parameter('output.max_range').value == 50.0  # an integer was fine


def test_missing_device_fails_with_the_remedy(rig):
    node = rig(**{'engine.device': 'cuda'})
    assert not node.change_state('configure')
    assert 'engine.device' in node.depth_node.problem


def test_parameters_while_active(rig):
    node = rig().activate()
    before = node.depth_of(street(1)[0], SECOND)
    refused = node.set_parameter('model.name', 'flashdepth')
    assert not refused.successful and 'deactivate' in refused.reason
    refused = node.set_parameter('output.min_range', 5000.0)
    assert not refused.successful
    refused = node.set_parameter('output.max_range', 0.05)  # below min_range
    assert not refused.successful and 'min_range' in refused.reason
    assert node.set_parameter('scale.factor', 0.01).successful
    assert np.median(node.depth_of(street(1)[0], 2 * SECOND)) < 0.1 * np.median(before)


def test_inactive_changes_take_effect_on_activation(rig):
    node = rig().activate()
    assert node.change_state('deactivate')
    assert node.set_parameter('input.short_side', 70).successful
    assert node.change_state('activate')
    node.connect()
    node.depth_of(street(1)[0], SECOND)
    assert (node.status.network_width, node.status.network_height) == (84, 70)


def test_a_failed_activation_stays_inactive_and_can_be_repeated(rig):
    node = rig().activate()
    node.depth_of(street(1)[0], SECOND)
    assert node.change_state('deactivate')
    assert node.set_parameter('model.weights', '/no/such/file.pth').successful
    assert not node.change_state('activate')
    assert node.state() == 'inactive' and '/no/such/file.pth' in node.depth_node.problem
    assert node.set_parameter('model.weights', 'random').successful
    assert node.change_state('activate')
    node.connect()
    node.depth_of(street(1)[0], 2 * SECOND)
    assert node.change_state('deactivate')
    assert node.set_parameter('model.weights', '/no/such/file.pth').successful
    assert not node.change_state('activate')
    assert node.change_state('cleanup') and node.state() == 'unconfigured'


def test_autostart(rig):
    node = rig(autostart=True)
    assert node.spin_until(lambda: node.depth_node._worker is not None)
    node.connect()
    node.depth_of(street(1)[0], SECOND)


def test_services_answer_while_a_large_model_loads_and_cleanup_frees_its_memory(rig):
    node = rig(**{'model.name': 'flashdepth-l'})  # 1.36 GB of weights
    before = resident_memory()
    assert node.state() == 'unconfigured' and not node.reset().success
    configured = node.ask('configure')
    assert node.state() == 'configuring'
    assert not node.reset().success
    assert not configured.done()  # it still loads: the answers above did not wait for it
    assert node.spin_until(configured.done, 60) and configured.result().success
    loaded = resident_memory()
    assert loaded - before > 1.2e9
    assert node.change_state('cleanup')
    freed = loaded - resident_memory()
    assert freed > 0.95 * (loaded - before), (before, loaded, freed)


def test_deactivating_waits_for_one_frame_at_most(rig):
    node = rig(**{'input.short_side': 252}).activate()
    frames = street(8, 252, 252)
    node.depth_of(frames[0], SECOND)
    one_frame = node.status.total_ms / 1e3
    node.send_all(frames, [1 + i / 30 for i in range(8)])
    begin = time.monotonic()
    assert node.change_state('deactivate')
    assert time.monotonic() - begin < (2 * one_frame + 0.5) * patience()
