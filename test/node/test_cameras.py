"""Several cameras, one model."""
from flashdepth_ros.msg import DepthStatus
import numpy as np
from numpy.testing import assert_allclose
import pytest
from ros_rig import SECOND, Reference, street, to_array
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import stamp_to_ns
from flashdepth_ros.tools import export_engine


class Side:
    """One camera of the rig, as a client sees it."""

    def __init__(self, node, name: str):
        self.node, self.name = node, name
        self.image = node.node.create_publisher(Image, f'{name}/image', 1)
        self.info = node.node.create_publisher(CameraInfo, f'{name}/camera_info', 1)
        self.depths = node.collect(Image, f'{name}/depth/image')
        self.clouds = node.collect(PointCloud2, f'{name}/points')
        self.statuses = node.collect(DepthStatus, f'depth_node/{name}/status')

    def connect(self) -> None:
        assert self.node.spin_until(self.image.get_subscription_count)
        self.node.meet(f'{self.name}/depth/image', f'depth_node/{self.name}/status')

    def send(self, rgb: np.ndarray, stamp: int) -> None:
        header = Header(frame_id=f'{self.name}_optical')
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
        self.image.publish(rgb_to_image(rgb, header))

    def has(self, stamp: int) -> bool:
        return bool(self.depths and self.statuses) and all(
            stamp_to_ns(messages[-1].header.stamp) == stamp
            for messages in (self.depths, self.statuses))

    def depth(self) -> np.ndarray:
        return to_array(self.depths[-1])


@pytest.fixture
def sides(rig):
    node = rig(cameras=['front', 'rear'])
    both = Side(node, 'front'), Side(node, 'rear')
    assert node.change_state('configure') and node.change_state('activate')
    for side in both:
        side.connect()
    return node, *both


def test_two_cameras_are_as_two_nodes(sides):
    node, front, rear = sides
    front_alone, rear_alone = Reference(), Reference()
    front_frames, rear_frames = street(4), street(4, 112, 84)
    for i in range(4):  # of different sizes; the rear one comes every second time
        stamp = (i + 1) * SECOND // 10
        front.send(front_frames[i], stamp)
        if i % 2:
            rear.send(rear_frames[i], stamp)
            assert node.spin_until(lambda: rear.has(stamp))  # noqa: B023
            assert_allclose(rear.depth(), rear_alone.depth(rear_frames[i]), rtol=1e-4)
            assert rear.depths[-1].header.frame_id == 'rear_optical'
        assert node.spin_until(lambda: front.has(stamp))  # noqa: B023
        assert_allclose(front.depth(), front_alone.depth(front_frames[i]), rtol=1e-4)
        assert front.depths[-1].header.frame_id == 'front_optical'
    assert (front.statuses[-1].camera, rear.statuses[-1].camera) == ('front', 'rear')
    assert front.statuses[-1].processed == 4 and rear.statuses[-1].processed == 2


def test_frames_of_one_size_go_through_the_network_together(sides):
    node, front, rear = sides
    alone = Reference(), Reference()
    frames = street(6), street(6)[::-1]
    batches = []
    engine = node.depth_node._model.engine
    step = type(engine).step

    def counted(self, frames, state):
        batches.append(len(frames))
        return step(self, frames, state)

    type(engine).step = counted
    try:
        for i in range(6):
            stamp = (i + 1) * SECOND // 10
            front.send(frames[0][i], stamp)
            rear.send(frames[1][i], stamp)
            for side, reference, own in zip((front, rear), alone, frames, strict=True):
                assert node.spin_until(lambda: side.has(stamp))  # noqa: B023
                assert_allclose(side.depth(), reference.depth(own[i]), rtol=1e-4)
    finally:
        type(engine).step = step
    assert sum(batches) == 12 and 2 in batches


def test_one_camera_resets_and_fails_alone(sides):
    node, front, rear = sides
    frames = street(2)
    for side in (front, rear):
        side.send(frames[0], SECOND)
    assert node.spin_until(lambda: front.has(SECOND) and rear.has(SECOND))
    assert node.call(Trigger, 'depth_node/rear/reset', Trigger.Request()).success
    rear.image.publish(Image(height=5, width=5, encoding='nonsense'))
    for side in (front, rear):
        side.send(frames[1], 2 * SECOND)
    assert node.spin_until(lambda: front.has(2 * SECOND) and rear.has(2 * SECOND))
    reference = Reference()
    reference.depth(frames[0])
    assert_allclose(front.depth(), reference.depth(frames[1]), rtol=1e-4)
    assert_allclose(rear.depth(), reference.reset().depth(frames[1]), rtol=1e-4)
    assert front.statuses[-1].resets == 0 and front.statuses[-1].rejected == 0
    assert list(rear.statuses[-1].reset_reasons) == ['requested']
    node.node.destroy_publisher(rear.image)  # the rear camera dies
    front.send(frames[0], 3 * SECOND)
    assert node.spin_until(lambda: front.has(3 * SECOND))
    assert_allclose(front.depth(), _third(frames), rtol=1e-4)
    assert node.spin_until(lambda: node.diagnostics and {
        'depth_node: front: input', 'depth_node: rear: input'} <= {
        status.name for status in node.diagnostics[-1].status})


def _third(frames) -> np.ndarray:
    reference = Reference()
    return [reference.depth(frame) for frame in (frames[0], frames[1], frames[0])][-1]


@pytest.mark.parametrize('names', [['front', 'front'], ['bad name'], ['a', '']])
def test_impossible_names_are_refused(rig, names):
    node = rig(cameras=names)
    assert not node.change_state('configure')
    assert 'cameras' in node.depth_node.problem


def test_a_camera_may_have_parameters_of_its_own(rig):
    node = rig(**{
        'cameras': ['front', 'rear'], 'scale.factor': 2.0, 'rear.scale.factor': 3.0,
        'rear.scale.mode': 'fixed', 'rear.output.max_range': 200.0})
    front, rear = Side(node, 'front'), Side(node, 'rear')
    assert node.change_state('configure') and node.change_state('activate')
    front.connect()
    rear.connect()
    rgb, alone = street(1)[0], Reference().depth(street(1)[0])
    for factor, stamp in ((3.0, SECOND), (4.0, 2 * SECOND)):
        assert node.depth_node._cameras[1].input.arrivals.last_time is None or node.reset().success
        for side in (front, rear):
            side.send(rgb, stamp)
            assert node.spin_until(lambda: side.has(stamp))  # noqa: B023
        assert_allclose(front.depth(), np.where(2 * alone > 1000, np.inf, 2 * alone), rtol=1e-4)
        # 1 / (factor * d) with d in 1/m
        expected = alone / factor
        assert_allclose(rear.depth(), np.where(expected > 200, np.inf, expected), rtol=1e-4)
        assert rear.statuses[-1].scale_mode == 'fixed' and rear.statuses[-1].calibrated
        assert rear.statuses[-1].scale_factor == factor and front.statuses[-1].scale_factor == 2.0
        assert node.set_parameter('rear.scale.factor', 4.0).successful
    refused = node.set_parameter('front.output.min_range', 1000.0)
    assert not refused.successful and refused.reason.startswith('front: output.min_range')
    assert not node.set_parameter('rear.scale.mode', 'nominal').successful  # while active
    assert not node.set_parameter('rear.scale.factor', -1.0).successful


def test_an_engine_file_for_one_stream_serves_two_cameras_by_turns(rig, tmp_path):
    pytest.importorskip('onnxruntime')
    path = tmp_path / 'one.onnx'
    assert export_engine.main(['flashdepth-nano', str(path), '--size', '98x84']) == 0
    node = rig(**{'cameras': ['front', 'rear'], 'engine.backend': 'onnx', 'engine.path': str(path),
                  'model.name': 'flashdepth-nano', 'model.weights': 'auto', 'input.short_side': 84})
    front, rear = Side(node, 'front'), Side(node, 'rear')
    assert node.change_state('configure') and node.change_state('activate'), node.depth_node.problem
    front.connect()
    rear.connect()
    for i, rgb in enumerate(street(3)):
        stamp = (i + 1) * SECOND // 10
        front.send(rgb, stamp)
        rear.send(rgb, stamp)
        assert node.spin_until(lambda: front.has(stamp) and rear.has(stamp))  # noqa: B023
        assert_allclose(front.depth(), rear.depth(), rtol=1e-5)
    assert front.statuses[-1].backend == rear.statuses[-1].backend == 'onnx'
