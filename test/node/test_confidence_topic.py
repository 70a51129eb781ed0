"""depth/confidence, what is left out by it, and the temporal filter, over DDS."""
import numpy as np
from numpy.testing import assert_array_equal
import pytest
from rclpy.parameter import Parameter
from ros_rig import SECOND, street, to_array
from ros_rig import camera as camera_of
from sensor_msgs.msg import Image, PointCloud2

from flashdepth_ros.images import confidence as confidence_module
from flashdepth_ros.images.confidence import AT_FIRST
from flashdepth_ros.images.optical_flow import OpticalFlow
from flashdepth_ros.images.points import clearing_grid
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import header_at, stamp_to_ns
from flashdepth_ros.streams.depth_stream import DepthStream
from flashdepth_ros.streams.log_depth import LogDepth

NEW = np.float32(1 - 2 * AT_FIRST)  # of the first frames of a stream


def set_parameters(node, **values) -> None:
    results = node.depth_node.set_parameters_atomically(
        [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()])
    assert results.successful, results.reason


class Camera:
    """Sends one picture again and again, a tenth of a second apart.

    Depth of random weights changes enough, and with other pictures nothing would be trusted.
    """

    def __init__(self, node):
        self.node, self.picture, self.index = node, street(1)[0], 0

    def next(self) -> np.ndarray:
        self.index += 1
        return self.node.depth_of(self.picture, self.stamp, info=True)

    @property
    def stamp(self) -> int:
        return SECOND + self.index * SECOND // 10


def newest(node, messages: list, stamp: int):
    """Wait for the message of a stamp."""
    assert node.spin_until(lambda: messages and stamp_to_ns(messages[-1].header.stamp) == stamp)
    return messages[-1]


def points_of(message: PointCloud2) -> np.ndarray:
    return np.frombuffer(message.data, np.float32).reshape(message.width, -1)


def test_nothing_is_computed_for_nobody(rig, monkeypatch):
    computed = []
    for kind, name in ((OpticalFlow, 'flow'), (OpticalFlow, 'now')):
        getter = getattr(kind, name).fget
        monkeypatch.setattr(kind, name, property(
            lambda self, getter=getter, name=name: (computed.append(name), getter(self))[1]))
    logs_of = LogDepth.of
    monkeypatch.setattr(LogDepth, 'of', lambda self, output: (
        computed.append('logs'), logs_of(self, output))[1])
    node = rig().activate()  # somebody wants depth, points and status
    camera = Camera(node)
    for _ in range(4):
        camera.next()
    assert not computed
    confidences = node.collect(Image, 'depth/confidence')
    node.meet('depth/confidence')
    for _ in range(3):
        camera.next()
        newest(node, confidences, camera.stamp)
    assert {'flow', 'logs', 'now'} == set(computed)
    # not of the first frame that was wanted
    assert computed.count('flow') == 2 and computed.count('logs') == 3


def test_confidence_goes_with_the_depth_and_begins_anew_with_its_stream(rig):
    node = rig(**{'input.short_side': 70}).activate()
    confidences = node.collect(Image, 'depth/confidence')
    node.meet('depth/confidence')
    camera = Camera(node)

    def next_confidence() -> np.ndarray:
        depth = camera.next()
        message = newest(node, confidences, camera.stamp)
        assert message.header == node.received['depth/image'][-1].header
        assert message.encoding == '32FC1' and (message.height, message.width) == depth.shape
        values = to_array(message)
        assert values.min() >= 0 and values.max() <= 1
        return values

    for index in range(5):
        values = next_confidence()
        assert (np.ptp(values) < 1e-6) == (index < confidence_module.FEW)
        if index < confidence_module.FEW:
            assert values[0, 0] == pytest.approx(NEW, abs=1e-6)
    node.reset()
    assert np.ptp(next_confidence()) < 1e-6
    for _ in range(confidence_module.FEW - 1):
        assert np.ptp(next_confidence()) < 1e-6
    assert np.ptp(next_confidence()) > 0
    camera.picture = street(1, 98, 84)[0]  # another size of the camera is another stream
    values = next_confidence()
    assert values.shape == (98, 84) and np.ptp(values) < 1e-6
    set_parameters(node, output__size='model')  # depth's shape, which is compared above
    assert next_confidence().shape == (84, 70)


def test_without_depth_there_is_no_confidence(rig):
    node = rig(**{'scale.mode': 'reference'}).activate()
    confidences = node.collect(Image, 'depth/confidence')
    node.meet('depth/confidence')
    camera = Camera(node)
    assert np.isnan(camera.next()).all()  # there is no scale yet
    assert not to_array(newest(node, confidences, camera.stamp)).any()


def test_points_are_left_out_by_their_confidence(rig):
    node = rig(**{'points.stride': 1, 'points.color': False, 'points.confidence': True}).activate()
    confidences = node.collect(Image, 'depth/confidence')
    clearing = node.collect(PointCloud2, 'points/clearing')
    node.meet('depth/confidence', 'points/clearing')
    camera, clouds = Camera(node), node.received['points']
    for _ in range(6):
        depth = camera.next()
        cloud = newest(node, clouds, camera.stamp)
    trust = to_array(newest(node, confidences, camera.stamp))
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'confidence']
    points = points_of(cloud)
    assert_array_equal(points[:, 2], depth[np.isfinite(depth)])
    assert_array_equal(points[:, 3], trust[np.isfinite(depth)])

    limit = float(np.median(trust[np.isfinite(depth)]))
    set_parameters(node, points__min_confidence=limit, points__color=True)
    depth = camera.next()
    trust = to_array(newest(node, confidences, camera.stamp))
    cloud = newest(node, clouds, camera.stamp)
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb', 'confidence']
    kept = np.isfinite(depth) & (trust >= np.float32(limit))
    assert 0 < kept.sum() < np.isfinite(depth).sum()
    assert_array_equal(points_of(cloud)[:, 2], depth[kept])
    # their rays clear all the same: of as many points as depth has there
    cloud = newest(node, clearing, camera.stamp)
    rays = depth[clearing_grid(camera_of(98, 84), len(clearing))]
    assert cloud.width == (rays > 0).sum() > 0    # not of NaN
    # also of voxels, and where nobody listens to depth/confidence
    node.node.destroy_subscription(node._subscriptions.pop('depth/confidence'))
    set_parameters(node, points__voxel=10.0)
    camera.next()
    voxels = points_of(newest(node, clouds, camera.stamp))
    assert 0 < len(voxels) < np.isfinite(depth).sum() and (voxels[:, 4] >= np.float32(limit)).all()


def test_the_temporal_filter_steadies_all_outputs_and_forgets(rig, reference):
    node = rig(**{'filter.temporal': True, 'filter.alpha': 0.2, 'filter.delta': 10.0}).activate()
    disparities = node.collect(Image, 'disparity/image')
    node.meet('disparity/image')
    picture, = street(1)
    frame = reference.prepare(picture)
    state, raw = reference.model.initial_state(1, *frame.shape[-2:]), []
    for _ in range(2):
        output, state = reference.model.step(frame, state)
        raw.append(output[0].numpy())

    def disparity(stamp: int) -> np.ndarray:
        depth = node.depth_of(picture, stamp)
        values = to_array(newest(node, disparities, stamp))
        seen = np.isfinite(depth)
        np.testing.assert_allclose(values[seen], 100 / depth[seen], rtol=1e-5)
        return values

    def compare(values: np.ndarray, expected: np.ndarray) -> None:
        np.testing.assert_allclose(values, expected, rtol=2e-3, atol=1e-3)

    compare(disparity(SECOND), raw[0])
    # nothing moves: a fifth of the way, of the logarithm
    known = (raw[0] > 0.1) & (raw[1] > 0.1)
    assert np.abs(raw[1][known] / raw[0][known] - 1).max() > 0.02  # else it would show nothing
    compare(disparity(SECOND + 1)[known], (raw[0] ** 0.8 * raw[1] ** 0.2)[known])
    node.reset()
    compare(disparity(SECOND + 2), raw[0])
    set_parameters(node, filter__temporal=False)
    compare(disparity(SECOND + 3), raw[1])


def test_cameras_have_confidence_of_their_own(rig):
    node = rig(cameras=['front', 'rear'])
    assert node.change_state('configure') and node.change_state('activate')
    names = 'front', 'rear'
    images = {name: node.node.create_publisher(Image, f'{name}/image', 1) for name in names}
    depths = {name: node.collect(Image, f'{name}/depth/image') for name in names}
    confidences = node.collect(Image, 'front/depth/confidence')
    node.meet('front/depth/confidence', *(f'{name}/depth/image' for name in names))
    assert node.spin_until(lambda: all(
        image.get_subscription_count() for image in images.values()))
    flickering = {'front': [street(1)[0]] * 6,
                  'rear': [street(8)[index] for index in (0, 7, 0, 7, 0, 7)]}
    for index in range(6):
        stamp = (index + 1) * SECOND // 10
        for name in names:
            images[name].publish(rgb_to_image(flickering[name][index], header_at(stamp, name)))
        for name in names:
            newest(node, depths[name], stamp)
    message = newest(node, confidences, stamp)
    assert message.header == depths['front'][-1].header and len(confidences) == 6
    stream = DepthStream(node.depth_node._cameras[0].stream.engine, short_side=84)
    for picture in flickering['front']:
        alone = stream.confidence(stream.step(stream.prepare(picture)))
    np.testing.assert_allclose(to_array(message), alone, atol=0.01)
