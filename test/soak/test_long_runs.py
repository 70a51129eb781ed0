"""Thousands of frames, of bag loops, of transitions and of others that come and go."""
from collections.abc import Callable
import random
import threading

from builtin_interfaces.msg import Time
from growth import Growth
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_process import SMALL
import numpy as np
from numpy.testing import assert_allclose
import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSLivelinessPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from ros_rig import SECOND, Reference, street
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import String


def test_frames(node, soak, measured):
    """The depth of the last frame is that of a network that saw all of them."""
    process = node().activate()
    network, frames = Reference(), street(20, 70, 70)
    latencies, growth = [], Growth(process.memory, soak.frames)
    for i in range(soak.frames):
        frame = frames[i % 20 if i % 40 < 20 else 19 - i % 20]  # there and back, without a jump
        depth = process.depth_of(frame, process.next_stamp())
        expected = network.depth(frame)
        if i % 50 == 49 or i == soak.frames - 1:
            assert_allclose(depth, expected, rtol=1e-3)
        latencies.append(process.status.total_ms)
        growth.sample()
    status = process.status
    assert status.resets == 0 and status.processed >= soak.frames
    process.assert_right()
    tenth = soak.frames // 10
    early, late = (np.median(part) for part in (latencies[:tenth], latencies[-tenth:]))
    measured(f'{soak.frames} frames; {growth.check()}; median latency '
             f'{early:.1f} ms in the first tenth, {late:.1f} ms in the last')


def test_bag_loops(node, soak, measured):
    """Clock and stamps jump back together, and each loop gives the same depth."""
    process = node(use_sim_time=True).activate()
    clock = process.node.create_publisher(Clock, '/clock', 1)
    assert process.spin_until(clock.get_subscription_count)
    network = Reference()
    expected = [network.depth(frame) for frame in SMALL]
    late, growth = 0, Growth(process.memory, soak.loops)
    for _ in range(soak.loops):
        for i in range(3):  # as a player does, the clock goes on without frames
            clock.publish(Clock(clock=Time(sec=100, nanosec=i)))
            process.spin_until(lambda: False, 0.03)
        depth = process.depth_of(SMALL[0], 100 * SECOND)
        assert_allclose(depth, expected[0], rtol=1e-4)
        depth = process.depth_of(SMALL[1], 100 * SECOND + SECOND // 30)
        if process.status.reset:  # the clock's message was overtaken by the first image
            late += 1
        else:
            assert_allclose(depth, expected[1], rtol=1e-4)
        clock.publish(Clock(clock=Time(sec=200)))
        process.spin_until(lambda: False, 0.03)
        growth.sample()
    assert late <= soak.loops // 20
    # of the first loop there was nothing to forget yet, or the clock's first jump
    assert soak.loops - 1 <= process.status.resets <= soak.loops + late + 1
    measured(f'{soak.loops} loops; {growth.check()}; '
             f'{process.status.resets} resets')


ENDS = {'configure': ('unconfigured', 'inactive'), 'activate': ('inactive', 'active'),
        'deactivate': ('active', 'inactive'), 'cleanup': ('inactive', 'unconfigured')}


def test_transitions_under_load(node, soak, measured):
    """Random transitions, possible, impossible and at once, while a camera and people go on."""
    process = node().activate()
    process.assert_right()
    rng, state = random.Random(7), 'active'
    ended, taken, refused, at_once = threading.Event(), 0, 0, 0
    frames = street(20, 70, 70)

    def film() -> None:
        while not ended.wait(0.03):
            stamp = process.next_stamp()
            process.send(frames[stamp % 20], stamp, info=True)

    camera = threading.Thread(target=film, daemon=True)
    camera.start()
    growth = Growth(process.memory, soak.transitions // 4)
    try:
        for i in range(soak.transitions):
            if state == 'unconfigured':  # what is left when all is given back
                growth.sample()
            possible = [name for name, (start, _) in ENDS.items() if start == state]
            name = rng.choice(possible if rng.random() < 0.8 else list(ENDS))
            act = rng.random()
            if act < 0.1:
                process.reset()
            elif act < 0.2:
                process.set_parameter('scale.factor', 1.0 + rng.random())
            elif act < 0.3 and state != 'active':
                # the next configure or activate must fail, and do no harm
                assert process.set_parameter('model.weights', '/no/such/file.pth')
                assert not process.change_state(
                    'configure' if state == 'unconfigured' else 'activate')
                assert process.state() == state
                assert process.set_parameter('model.weights', 'random')
            if rng.random() < 0.1:  # several people at once: some win, and nothing breaks
                send_at_once(process, [name, *rng.choices(list(ENDS), k=2)])
                at_once += 3
                state = process.state()
                assert state in ('unconfigured', 'inactive', 'active')
            else:
                start, end = ENDS[name]
                assert process.change_state(name) == (start == state), process.last_words()
                taken, refused = taken + (start == state), refused + (start != state)
                state = end if start == state else state
                assert process.state() == state
            if i % 10 == 9:
                process.forget()
    finally:
        ended.set()
        camera.join()
    for transition in {'unconfigured': ('configure', 'activate'), 'inactive': ('activate',),
                       'active': ()}[state]:
        assert process.change_state(transition)
    assert process.set_parameter('scale.factor', 1.0)
    process.connect().assert_right()
    text = growth.check()
    measured(f'{soak.transitions} transitions: {taken} taken, {refused} refused, {at_once} sent '
             f'three at once; {text}')


def send_at_once(process, names: list[str]) -> None:
    """Ask for transitions without waiting for the answers in between."""
    client = process._clients['depth_node/change_state']
    futures = [client.call_async(ChangeState.Request(transition=Transition(
        id=getattr(Transition, f'TRANSITION_{name.upper()}')))) for name in names]
    assert process.spin_until(lambda: all(future.done() for future in futures), 60)


TOPICS = {'image': Image, 'image/compressed': CompressedImage, 'camera_info': CameraInfo,
          'depth/image': Image, 'points': PointCloud2, 'depth/camera_info': CameraInfo,
          'disparity/image': Image, 'depth/preview': Image}


def any_quality(rng: random.Random) -> QoSProfile:
    return QoSProfile(
        history=rng.choice((QoSHistoryPolicy.KEEP_LAST, QoSHistoryPolicy.KEEP_ALL)),
        depth=rng.choice((1, 10)),
        reliability=rng.choice((QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT)),
        durability=rng.choice((
            QoSDurabilityPolicy.TRANSIENT_LOCAL, QoSDurabilityPolicy.VOLATILE)),
        liveliness=rng.choice((
            QoSLivelinessPolicy.AUTOMATIC, QoSLivelinessPolicy.MANUAL_BY_TOPIC)),
        deadline=rng.choice((Duration(), Duration(seconds=0.01))),
        lifespan=rng.choice((Duration(), Duration(nanoseconds=1))))


def come(domain: int, rng: random.Random) -> Callable[[], None]:
    """Start a participant that publishes or subscribes in some way; return how it leaves."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    other = rclpy.create_node(f'other_{rng.randrange(10 ** 9)}', context=context)
    for topic in rng.sample(list(TOPICS), rng.randrange(1, 5)):
        kind = TOPICS[topic] if rng.random() < 0.8 else String  # or of another type
        if rng.random() < 0.5:
            other.create_subscription(kind, topic, print, any_quality(rng))  # which never takes
        else:
            other.create_publisher(kind, topic, any_quality(rng)).publish(kind())

    def leave() -> None:
        other.destroy_node()
        context.try_shutdown()
        context.destroy()
    return leave


def test_others_come_and_go(node, soak, measured, domain):
    """Of every quality of service, also of other types, and subscribers that never take."""
    process = node().activate()
    process.assert_right()
    rng, present = random.Random(11), []
    frames, growth = street(20, 70, 70), Growth(process.memory, soak.peers)
    try:
        for i in range(soak.peers):
            present.append(come(domain, rng))
            if len(present) > 4:
                present.pop(rng.randrange(len(present)))()
            stamp = process.next_stamp()
            process.send(frames[i % 20], stamp, info=True)
            process.spin_until(lambda: False, 0.1)
            growth.sample()
            if i % 50 == 49:
                process.assert_right()
        process.assert_right()
    finally:
        for leave in present:
            leave()
    process.assert_right()
    measured(f'{soak.peers} participants; {growth.check()}')
