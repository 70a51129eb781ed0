"""A client and a depth node over real DDS, for tests."""
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from flashdepth_ros.msg import DepthStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from patience import patience
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger
import torch

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.models import build_model, prepare_frame, randomise
from flashdepth_ros.node.depth_node import DepthNode
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.executor import PoolExecutor
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.memory import keep_large_buffers
from flashdepth_ros.ros.message import stamp_to_ns
from flashdepth_ros.ros.transport import use_transport_profile

keep_large_buffers()
use_transport_profile()

SECOND = 1_000_000_000
# nano: its larger siblings' layers in a quarter of the time, here at the size of the tests' frames.
# torch: the other engines are built first, which takes longer than these tests wait. No scene cuts:
# their pictures are noise, of which one is unlike another where a busy node skips some
PLUMBING = {'model.name': 'flashdepth-nano', 'model.weights': 'random', 'input.short_side': 84,
            'engine.backend': 'torch', 'autostart': False, 'output.max_range': 1000.0,
            'stream.scene_cut': 0.0}


class Client:
    """The other side: publishes a camera, collects what the depth node publishes."""

    def __init__(self, domain: int, namespace: str = ''):
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('client', context=self.context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.image = self.node.create_publisher(Image, 'image', 1)
        self.info = self.node.create_publisher(CameraInfo, 'camera_info', 1)
        self.received, self._clients, self._subscriptions = {}, {}, {}
        for kind, topic in ((Image, 'depth/image'), (CameraInfo, 'depth/camera_info'),
                            (PointCloud2, 'points'), (DepthStatus, 'depth_node/status')):
            self.collect(kind, topic)
        self.diagnostics = self.collect(DiagnosticArray, '/diagnostics')

    def collect(self, kind: type, topic: str) -> list:
        """Subscribe to a topic; its messages go into the returned list."""
        messages = self.received.setdefault(topic, [])
        self._subscriptions[topic] = self.node.create_subscription(
            kind, topic, messages.append, 10)
        return messages

    def spin_until(self, condition, seconds: float = 20.0) -> bool:
        """Spin until a condition holds; False when the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            self._executor.spin_once(timeout_sec=0.02)
        return bool(condition())

    def meet(self, *topics: str) -> None:
        """Wait until both sides know of each other's ends of collected topics, and all of ours.

        A count of matched ends tells what this side knows. The node may know of it later, and what
        it sends until then is lost. But it hears of our ends in the order in which they were made:
        where it answers a client that was made last, it knows of all others.
        """
        assert self.spin_until(lambda: all(
            self._subscriptions[topic].get_publisher_count() for topic in topics)), (
            f'not all of {topics} are published')
        client = self.node.create_client(GetState, 'depth_node/get_state')
        assert self.spin_until(client.service_is_ready), 'there is no depth_node'
        futures = []
        for _ in range(40):  # an answer is lost where the node does not know of this client yet
            futures.append(client.call_async(GetState.Request()))
            if self.spin_until(lambda: any(future.done() for future in futures), 0.5):
                break
        else:
            raise AssertionError('depth_node does not answer')
        self.node.destroy_client(client)

    def _service(self, kind: type, service: str):
        """Return the client of a service, once both sides have met."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.node.create_client(kind, service)
            assert self.spin_until(client.service_is_ready), f'{service} is not there'
            self.meet()
            count = self.node.count_services(client.srv_name)  # each would answer
            assert count == 1, (
                f'{count} nodes serve {client.srv_name} in domain {self.context.get_domain_id()}: '
                f'has a run that was killed left one behind?')
        return client

    def call(self, kind: type, service: str, request, seconds: float = 60.0):
        """Call a service and return its response."""
        future = self._service(kind, service).call_async(request)
        assert self.spin_until(future.done, seconds), f'{service} did not answer'
        return future.result()

    def ask(self, transition: str):
        """Ask for a lifecycle transition by name, and return the future of its response."""
        transition_id = getattr(Transition, f'TRANSITION_{transition.upper()}')
        return self._service(ChangeState, 'depth_node/change_state').call_async(
            ChangeState.Request(transition=Transition(id=transition_id)))

    def change_state(self, transition: str) -> bool:
        """Go through a lifecycle transition; True if it succeeded."""
        future = self.ask(transition)
        assert self.spin_until(future.done, 40 * patience()), f'{transition} did not end'
        return future.result().success

    def state(self) -> str:
        return self.call(GetState, 'depth_node/get_state', GetState.Request()).current_state.label

    def reset(self) -> Trigger.Response:
        return self.call(Trigger, 'depth_node/reset', Trigger.Request())

    def send(self, image: Image | np.ndarray, stamp: int = 0, frame_id: str = 'camera',
             info: bool = False) -> None:
        """Publish an image, and before it its camera_info if wanted. stamp in ns."""
        header = Header(frame_id=frame_id)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
        if isinstance(image, np.ndarray):
            image = rgb_to_image(image, header)
        else:
            image.header = header
        if info:
            self.info.publish(intrinsics_to_info(camera(image.width, image.height), header))
        self.image.publish(image)

    def send_all(self, images: list[np.ndarray], stamps: list[float]) -> None:
        """Publish frames (stamps in seconds) at a camera's pace: one by one, 30 ms apart."""
        for image, stamp in zip(images, stamps, strict=True):
            self.send(image, round(stamp * SECOND))
            self.spin_until(lambda: False, 0.03)

    def depth_of(self, image: Image | np.ndarray, stamp: int = 0, **options) -> np.ndarray:
        """Send a frame, wait for its depth and status, and return the depth (H, W) in metres."""
        depths, statuses = self.received['depth/image'], self.received['depth_node/status']
        before, before_status = len(depths), len(statuses)
        self.send(image, stamp, **options)
        assert self.spin_until(lambda: len(depths) > before and len(statuses) > before_status), (
            'no depth came')
        assert stamp_to_ns(depths[-1].header.stamp) == stamp
        return to_array(depths[-1])

    @property
    def status(self) -> DepthStatus:
        """The newest status."""
        return self.received['depth_node/status'][-1]

    def health(self, part: str):
        """Return the newest diagnostic status of 'model', 'input' or 'output', or None."""
        for status in self.diagnostics[-1].status if self.diagnostics else ():
            if status.name.endswith(f': {part}'):
                return status
        return None

    def close(self) -> None:
        self.node.destroy_node()
        self._executor.shutdown()
        self.context.try_shutdown()
        self.context.destroy()  # and with it the shared memory


class Rig(Client):
    """A client with a depth node in this process, on an executor thread of its own."""

    def __init__(self, domain: int, namespace: str = '', **parameters):
        super().__init__(domain, namespace)
        values = {**PLUMBING, **parameters}
        self.depth_node = DepthNode(
            context=self.context, namespace=namespace,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
        self._node_executor = PoolExecutor(num_threads=4, context=self.context)
        self._node_executor.add_node(self.depth_node)
        self._thread = threading.Thread(target=self._node_executor.spin, daemon=True)
        self._thread.start()

    def activate(self) -> 'Rig':
        """Configure, activate, and wait until images would reach the node."""
        assert self.change_state('configure'), self.depth_node.problem
        assert self.change_state('activate'), self.depth_node.problem
        self.connect()
        return self

    def set_parameter(self, name: str, value):
        """Set a parameter of the node; return its SetParametersResult."""
        return self.depth_node.set_parameters([Parameter(name, value=value)])[0]

    def connect(self) -> None:
        """Wait until images would reach the node, and what it publishes us."""
        assert self.spin_until(lambda: (
            self.image.get_subscription_count() and self.info.get_subscription_count()))
        self.meet('depth/image', 'depth/camera_info', 'points', 'depth_node/status')

    def close(self) -> None:
        self._node_executor.shutdown()
        self._thread.join()
        self.depth_node.end(timeout=5)
        self.depth_node._release()
        super().close()


def to_array(message: Image) -> np.ndarray:
    """Image 32FC1 or 16UC1 -> (H, W)."""
    dtype = {'32FC1': np.float32, '16UC1': np.uint16}[message.encoding]
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def camera(width: int, height: int) -> Intrinsics:
    """The camera whose camera_info `Client.send` publishes."""
    return Intrinsics(0.8 * width, 0.8 * width, (width - 1) / 2, (height - 1) / 2, width, height)


def street(count: int, height: int = 84, width: int = 98) -> list[np.ndarray]:
    """Make frames of a textured scene that moves a little from one to the next."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 255, (height // 7 + 2, width // 7 + count + 2, 3), dtype=np.uint8)
    scene = np.kron(coarse, np.ones((7, 7, 1), np.uint8))
    return [np.ascontiguousarray(scene[:height, 3 * i:3 * i + width]) for i in range(count)]


class Reference:
    """The node's network run by hand, with its random weights: what the node must publish."""

    def __init__(self, name: str = PLUMBING['model.name']):
        self.model = build_model(name, blank=True)
        randomise(self.model)
        # as the engine: else a value at the edge of the range may be rounded to its other side
        self.model.to(memory_format=torch.channels_last)
        self.state = None

    def reset(self) -> 'Reference':
        self.state = None
        return self

    def prepare(self, rgb: np.ndarray) -> torch.Tensor:
        """Frame (H, W, 3), whose sides are made of patches, -> (1, 3, H, W)."""
        return prepare_frame(rgb, self.model.spec.frame, min(rgb.shape[:2]))[None]

    def depth(self, rgb: np.ndarray) -> np.ndarray:
        """Depth (H, W) in metres of the next frame, whose size must be made of patches."""
        frame = self.prepare(rgb)
        if self.state is None:
            self.state = self.model.initial_state(1, *frame.shape[-2:])
        output, self.state = self.model.step(frame, self.state)
        with np.errstate(divide='ignore'):
            depth = 100 / output[0].numpy()
        return np.where(depth > 1000, np.inf, depth)
