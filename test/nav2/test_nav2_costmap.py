"""The shipped layer in nav2's own costmap: it marks, clears, and says when it is blind."""
from costmap import FLOOR, Camera, Costmap, Standing, block, needs_nav2, person, render
from drive import drive, robot_with
from known_depth import node_that_knows
import numpy as np
import pytest

needs_nav2()


@pytest.fixture
def layer(domain, tmp_path):
    """nav2's costmap of a robot that stands, and its camera."""
    node = node_that_knows(domain)
    standing, costmap, camera = Standing(node), Costmap(node, tmp_path), Camera(node)
    try:
        costmap.activate()
        camera.meet()
        yield costmap, camera
    finally:
        costmap.close()
        node.close()
        del standing


def test_a_person_is_marked_at_once_and_cleared_when_gone(layer):
    costmap, camera = layer
    with_person, without = render([person(2.0)]), render(FLOOR)
    seen = camera.show(costmap, lambda t: with_person if t < 2 else without, 4)
    counts = seen.counts((1.7, -0.5), (2.6, 0.5))
    times, went = np.array(seen.times), seen.sent[20]
    # at an idle computer within 0.5 s and 1 s; a busy one is given longer
    assert (counts[(times > went - 0.5) & (times < went)] >= 8).all()
    assert counts.max() >= 8 and counts[-1] == 0
    assert (counts[times > went + 1.5] == 0).all()


def test_a_floor_that_seems_to_rise_and_low_things_are_told_apart(layer):
    costmap, camera = layer
    floor = 0.95 * render(FLOOR, pitch=2.0)
    seen = camera.show(costmap, lambda t: floor, 1.5, noise=0.01)
    assert not any(len(cells) for cells in seen.cells)
    box = render([block(1.5, 0.4, 0.15)])
    seen = camera.show(costmap, lambda t: box, 1.5)
    assert seen.counts((1.3, -0.4), (2.0, 0.4))[-1] >= 5


def test_without_clouds_the_layer_says_that_it_is_blind(layer):
    costmap, camera = layer
    # clouds without points keep it current
    camera.show(costmap, lambda t: np.full((480, 640), np.nan, np.float32), 1.5)
    before = costmap.log.read_text().count('has not been updated for')
    assert camera.node.spin_until(
        lambda: costmap.log.read_text().count('has not been updated for') > before, 20)


@pytest.mark.parametrize(('network', 'mode'), [('known', 'fixed'), ('nano', 'motion')])
def test_a_box_on_the_way_is_marked_and_cleared_as_the_robot_drives(
        network, mode, domain, tmp_path):
    with robot_with(network, mode, domain, 62002, 'hall', 60) as robot:
        found = drive(robot, tmp_path)
    # at an idle computer within 0.5 s and 1 s
    assert found.to_mark[0] <= 0.9 and found.to_clear[0] <= 1.5 and found.left == 0
    if network == 'known':
        assert (found.near > 0.8 * found.true).all() and found.false == 0


def test_a_node_without_a_scale_leaves_the_layer_out_of_date(domain, tmp_path):
    """A robot that stands gets no metres of its own way: blind must not count as free."""
    with robot_with('nano', 'motion', domain, 62002, 'hall', 20) as robot:
        found = drive(robot, tmp_path, moving=False)
    received = robot.node.received
    assert len(received['depth/image']) > 10 and not received['points']
    assert not found.marked.any()
    log = (tmp_path / 'costmap.log').read_text()
    for topic in 'points', 'points/clearing':
        assert f'The /{topic} observation buffer has not been updated for' in log
