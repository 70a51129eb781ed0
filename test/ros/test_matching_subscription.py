"""What a subscription gets from drivers in processes of their own, which know nothing of us."""
from collections.abc import Iterator
import contextlib
import time

from driver_process import Driver
import pytest
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from flashdepth_ros.ros.graph import compressed_topic, type_problem
from flashdepth_ros.ros.matching_subscription import MatchingSubscription
from flashdepth_ros.ros.parameters import ParameterError
from flashdepth_ros.ros.transport import driver_remedy
from flashdepth_ros.streams.symptoms import Losses, loss_problem

RELIABLE = QoSReliabilityPolicy.RELIABLE, QoSDurabilityPolicy.VOLATILE
LATCHED = QoSReliabilityPolicy.RELIABLE, QoSDurabilityPolicy.TRANSIENT_LOCAL
BEST_EFFORT = QoSReliabilityPolicy.BEST_EFFORT, QoSDurabilityPolicy.VOLATILE


class Receiver:
    """A node that spins in this process, and what it received."""

    def __init__(self, domain: int, **parameters):
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('receiver', context=self.context, parameter_overrides=[
            Parameter(name, value=value) for name, value in parameters.items()])
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.stamps: list[int] = []
        self._group = ReentrantCallbackGroup()

    def subscribe(self, kind: type = Image, topic: str = 'image') -> MatchingSubscription:
        return MatchingSubscription(self.node, kind, topic, lambda message: self.stamps.append(
            message.header.stamp.sec), self._group)

    def spin_until(self, condition, seconds: float = 10.0) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def finds(self, subscription: MatchingSubscription, *qualities, publishers: int = 1) -> bool:
        """Wait, as a node does that looks once in a while, until the publishers are matched."""
        def found() -> bool:
            subscription.refresh()
            return (subscription.qualities == set(qualities)
                    and len(subscription.publishers) == publishers)
        if not self.spin_until(found):
            return False
        self.spin_until(lambda: False, 0.5)  # matched is later than seen
        return True

    def close(self) -> None:
        self.node.destroy_node()
        self._executor.shutdown()
        self.context.try_shutdown()
        self.context.destroy()


@pytest.fixture
def receiver(domain) -> Iterator:
    with contextlib.ExitStack() as stack:
        def make(**parameters) -> Receiver:
            node = Receiver(domain, **parameters)
            stack.callback(node.close)
            return node
        yield make


def send(driver: Driver, receiver: Receiver, first: int, count: int, rate: float = 10.0,
         size: tuple[int, int] = (64, 48), topic: str = 'image') -> set[int]:
    """Have a driver publish while we receive; return the stamps that it sent."""
    driver.ask(do='publish', topic=topic, first=first, count=count, rate=rate, width=size[0],
               height=size[1])
    sent = set(range(first, first + count))
    receiver.spin_until(lambda: sent <= set(receiver.stamps), count / rate + 1.5)
    driver.answer()
    return sent


@pytest.mark.parametrize('first', ['driver', 'node'])
@pytest.mark.parametrize('size', [(640, 480), (1280, 720), (1920, 1080)])
def test_an_ordinary_reliable_driver_loses_nothing(driver, receiver, size, first):
    camera = driver()
    if first == 'driver':
        camera.do('open')
    node = receiver()
    subscription = node.subscribe()
    if first == 'node':
        assert subscription.qualities == {BEST_EFFORT}  # whatever comes can serve that
        camera.do('open')
    assert node.finds(subscription, RELIABLE)
    sent = send(camera, node, 1, 20, rate=10, size=size)
    assert len(sent & set(node.stamps)) >= 0.95 * len(sent)
    assert len(node.stamps) == len(set(node.stamps))


def test_publishers_that_come_change_and_go(driver, receiver):
    camera, node = driver(), receiver()
    subscription = node.subscribe()
    camera.do('open', reliability='best_effort')
    assert node.finds(subscription, BEST_EFFORT)
    sent = send(camera, node, 1, 5)
    other = driver()
    other.do('open')
    assert node.finds(subscription, BEST_EFFORT, RELIABLE, publishers=2)
    # both kinds: the reliable ones come to both readers
    sent |= send(camera, node, 11, 5) | send(other, node, 21, 5)
    camera.do('shut')
    assert node.finds(subscription, RELIABLE)
    sent |= send(other, node, 31, 5)
    other.do('shut')
    assert node.finds(subscription, RELIABLE, publishers=0)
    camera.do('open', reliability='best_effort')
    assert node.finds(subscription, BEST_EFFORT)
    sent |= send(camera, node, 41, 5)
    assert sorted(node.stamps) == sorted(sent)  # and none twice
    subscription.destroy()
    assert node.spin_until(lambda: not camera.do('subscribers')['subscribers'])
    assert not node.node.get_subscriptions_info_by_topic('/image')


def test_one_camera_info_that_is_kept_reaches_a_node_that_comes_later(driver, receiver):
    camera = driver()
    camera.do('open', 'camera_info', kind='CameraInfo', durability='transient_local')
    camera.do('publish', 'camera_info', first=7, count=1, rate=1, width=0, height=0)
    node = receiver()
    subscription = node.subscribe(CameraInfo, 'camera_info')
    assert node.finds(subscription, LATCHED)
    assert node.stamps == [7]
    # an ordinary driver beside it
    other = driver()
    other.do('open', 'camera_info', kind='CameraInfo')
    assert node.finds(subscription, LATCHED, RELIABLE, publishers=2)
    send(camera, node, 8, 3, topic='camera_info')
    send(other, node, 11, 3, topic='camera_info')
    assert node.stamps == [7, 8, 9, 10, 11, 12, 13]


def test_what_the_user_demands_wins(driver, receiver):
    camera = driver()
    camera.do('open')
    node = receiver(**{'qos_overrides./image.subscription.reliability': 'best_effort',
                       'qos_overrides./image.subscription.depth': 3})
    image, other = node.subscribe(), node.subscribe(topic='other')
    assert node.finds(image, BEST_EFFORT)
    info = node.node.get_subscriptions_info_by_topic('/image')
    assert [each.qos_profile.reliability for each in info] == [QoSReliabilityPolicy.BEST_EFFORT]
    sent = send(camera, node, 1, 5)
    assert set(node.stamps) == sent
    camera.do('open', 'other')  # another topic is left alone
    assert node.finds(other, RELIABLE)


def test_wrong_overrides_are_named(receiver):
    node = receiver(**{'qos_overrides./image.subscription.reliability': 'sometimes',
                       'qos_overrides./other.subscription.depth': 0})
    with pytest.raises(ParameterError, match=r"reliability is 'sometimes'.*best_effort"):
        node.subscribe()
    with pytest.raises(ParameterError, match='depth is 0'):
        node.subscribe(topic='other')


@pytest.mark.parametrize(('published', 'kind', 'listened', 'wanted', 'remedy'), [
    ('/cam/x', 'CompressedImage', '/cam/x', Image, 'image/compressed:=/cam/x'),
    ('/cam/x/compressed', 'CompressedImage', '/cam/x/compressed', Image,
     'input.transport to compressed and image:=/cam/x'),
    ('/cam/x/compressed', 'CompressedImage', '/cam/x', Image, 'input.transport to compressed'),
    ('/cam/x', 'Image', '/cam/x', CompressedImage, 'input.transport to raw and image:=/cam/x'),
    ('/cam/x', 'Image', '/cam/x/compressed', CompressedImage, 'input.transport to raw'),
    ('/cam/x/compressed', 'CompressedImage', '/cam/x/compressed/compressed', CompressedImage,
     'image:=/cam/x'),
    ('/cam/x', 'CameraInfo', '/cam/x', Image, 'sensor_msgs/msg/CameraInfo'),
])
def test_a_topic_of_another_type_is_named_with_the_remedy(
        driver, receiver, published, kind, listened, wanted, remedy):
    camera, node = driver(), receiver()
    subscription = node.subscribe(wanted, listened)
    assert type_problem(node.node, listened, wanted) is None
    camera.do('open', published, kind=kind)
    assert node.spin_until(lambda: node.node.count_publishers(published))
    subscription.refresh()
    assert not subscription.publishers
    text = type_problem(node.node, listened, wanted)
    assert text.endswith(remedy) or remedy in text
    right = {'Image': Image, 'CompressedImage': CompressedImage, 'CameraInfo': CameraInfo}[kind]
    assert type_problem(node.node, published, right) is None


@pytest.mark.parametrize(('remapping', 'topic'), [
    ('', '/image/compressed'), ('image:=/cam/x', '/cam/x/compressed'),
    ('image/compressed:=/cam/jpeg', '/cam/jpeg'),
])
def test_the_compressed_topic_follows_the_raw_one_or_its_own_remapping(domain, remapping, topic):
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node('n', context=context, cli_args=[
        '--ros-args', '-r', remapping] if remapping else [])
    assert compressed_topic(node, 'image') == topic
    node.destroy_node()
    context.try_shutdown()


def test_frames_that_a_best_effort_driver_loses_are_noticed_and_the_remedy_helps(driver, receiver):
    node = receiver()
    subscription = node.subscribe()
    losses = Losses()
    losses.look(subscription.received, subscription.lost)
    camera = driver()
    camera.do('open', reliability='best_effort')
    assert node.finds(subscription, BEST_EFFORT)
    sent = send(camera, node, 1, 20, size=(1280, 720))
    received, lost = losses.look(subscription.received, subscription.lost)
    assert received < 0.5 * len(sent) and lost > 0.4 * len(sent)
    assert 'does not fit' in loss_problem('/image', received, lost, True, driver_remedy())
    camera.do('shut')

    before = subscription.received, subscription.lost
    name, value = driver_remedy().removeprefix('export ').split('=')
    better = driver(**{name: value})
    better.do('open', reliability='best_effort')
    assert node.finds(subscription, BEST_EFFORT)
    sent = send(better, node, 101, 20, size=(1280, 720))
    assert subscription.received - before[0] >= 0.95 * len(sent)
    assert subscription.lost - before[1] <= 1
