"""nav2's own costmap node with the shipped layer, and scenes for it whose depth is known."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
import subprocess
import time

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from geometry_msgs.msg import TransformStamped
from known_depth import picture_of
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import OccupancyGrid
from node_process import end, obey
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_rig import Client, Rig
import yaml

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import header_at
from flashdepth_ros.ros.transport import share_folder

# what a robot adds to the shipped file
ROBOT = {'global_frame': 'odom', 'robot_base_frame': 'base_link', 'rolling_window': True,
         'width': 17, 'height': 17, 'resolution': 0.05, 'update_frequency': 5.0,
         'publish_frequency': 5.0, 'always_send_full_costmap': True}
NAME = 'local_costmap'
HEIGHT = 0.5                 # metres, of the camera above the floor
CAMERA = Intrinsics(466.0, 466.0, 319.5, 239.5, 640, 480)    # 69 degrees
OPTICAL = -0.5, 0.5, -0.5, 0.5    # x, y, z, w: z ahead, x to the right
RATE = 10.0                  # clouds per second


def needs_nav2() -> Path:
    """Return nav2's costmap node; skip a test, or a module that calls this first, without it."""
    try:
        prefix = get_package_prefix('nav2_costmap_2d')
    except PackageNotFoundError:
        pytest.skip('nav2_costmap_2d is not installed', allow_module_level=True)
    pytest.importorskip('tf2_msgs.msg')
    return Path(prefix) / 'lib' / 'nav2_costmap_2d' / 'nav2_costmap_2d'


class Costmap:
    """nav2_costmap_2d's node in a process of its own, active, with what its camera_layer marks.

    client: the other side. changes: parameters in place of those of ROBOT.
    grids: of the layer, (seconds of time.monotonic, message), as they come.
    """

    def __init__(self, client: Client, folder: Path, **changes):
        executable = needs_nav2()
        shipped = share_folder() / 'config' / 'nav2_voxel_layer.yaml'
        robot = folder / 'robot.yaml'
        robot.write_text(yaml.safe_dump({'/**': {'ros__parameters': {**ROBOT, **changes}}}))
        self._client, self.log = client, folder / 'costmap.log'
        self.grids: list[tuple[float, OccupancyGrid]] = []
        self._subscription = client.node.create_subscription(
            OccupancyGrid, f'/{NAME}/camera_layer',
            lambda grid: self.grids.append((time.monotonic(), grid)),
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        with self.log.open('w') as file:
            self._process = subprocess.Popen(
                [executable, '--ros-args', '-r', f'__node:={NAME}', '-r', f'__ns:=/{NAME}',
                 '--params-file', shipped, '--params-file', robot],
                env={**os.environ, 'ROS_DOMAIN_ID': str(client.context.get_domain_id())},
                stdout=file, stderr=subprocess.STDOUT, preexec_fn=obey)

    def activate(self) -> 'Costmap':
        """Configure and activate, and wait for the first grid. TF must be published by then."""
        client = self._client.node.create_client(
            ChangeState, f'/{NAME}/{NAME}/change_state')
        state = self._client.node.create_client(GetState, f'/{NAME}/{NAME}/get_state')
        assert self._client.spin_until(lambda: (
            client.service_is_ready() and state.service_is_ready()), 60), self.last_words()
        futures = []    # once it answers the younger client, it knows of both
        assert any(futures.append(state.call_async(GetState.Request())) or self._client.spin_until(
            lambda: any(future.done() for future in futures), 0.5) for _ in range(60)), (
                self.last_words())
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            assert self._client.spin_until(future.done, 60) and future.result().success, (
                self.last_words())
        assert self._client.spin_until(lambda: self.grids, 60), self.last_words()
        return self

    def last_words(self) -> str:
        return self.log.read_text()[-3000:]

    def close(self) -> None:
        end(self._process)
        self._client.node.destroy_subscription(self._subscription)


def marked(grid: OccupancyGrid) -> np.ndarray:
    """Return the middles (N, 2) of the cells that are obstacles, in the grid's frame."""
    cells = np.array(grid.data, np.int8).reshape(grid.info.height, grid.info.width)
    rows, columns = np.nonzero(cells == 100)
    low = grid.info.origin.position
    return np.stack([columns, rows], 1) * grid.info.resolution + (
        low.x + grid.info.resolution / 2, low.y + grid.info.resolution / 2)


def transform(parent: str, child: str, place: Sequence[float],
              turned: Sequence[float] = (0.0, 0.0, 0.0, 1.0)) -> TransformStamped:
    """Return a transform of time 0; turned: x, y, z, w."""
    message = TransformStamped(header=header_at(0, parent), child_frame_id=child)
    translation, rotation = message.transform.translation, message.transform.rotation
    translation.x, translation.y, translation.z = map(float, place)
    rotation.x, rotation.y, rotation.z, rotation.w = turned
    return message


class Standing:
    """A robot that stands at the origin, and tells TF where its camera is: HEIGHT, level."""

    def __init__(self, client: Client):
        from tf2_msgs.msg import TFMessage
        self._publisher = client.node.create_publisher(TFMessage, '/tf_static', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._publisher.publish(TFMessage(transforms=[
            transform('odom', 'base_link', (0, 0, 0)),
            transform('base_link', 'camera', (0, 0, HEIGHT), OPTICAL)]))


Block = tuple[float, float, float, float, float]    # from x to x, from y to y, its height
FLOOR: tuple[Block, ...] = ()
WALL_AT_6 = ((6.0, 6.2, -9.0, 9.0, 2.5),)


def block(x: float, width: float, height: float, depth: float = 0.3, y: float = 0.0) -> Block:
    """Return a block whose front is x ahead, metres."""
    return x, x + depth, y - width / 2, y + width / 2, height


def person(x: float, y: float = 0.0) -> Block:
    return block(x, 0.5, 1.7, y=y)


def render(blocks: Sequence[Block], pitch: float = 0.0) -> np.ndarray:
    """Return the depth (480, 640) float32 of blocks on a floor; pitch: degrees down; +Inf: none."""
    u, v = np.meshgrid((np.arange(640) - CAMERA.cx) / CAMERA.fx,
                       (np.arange(480) - CAMERA.cy) / CAMERA.fy)
    c, s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    way = np.stack([c - s * v, -u, -s - c * v], -1)    # x ahead, z up, for each metre of depth
    with np.errstate(divide='ignore', invalid='ignore'):
        depth = np.where(way[..., 2] < 0, -HEIGHT / way[..., 2], np.inf)
        for low_x, high_x, low_y, high_y, height in blocks:
            low = (np.array([low_x, low_y, 0]) - (0, 0, HEIGHT)) / way
            high = (np.array([high_x, high_y, height]) - (0, 0, HEIGHT)) / way
            near = np.nanmax(np.minimum(low, high), -1)
            far = np.nanmin(np.maximum(low, high), -1)
            depth = np.where((near <= far) & (near > 0), np.minimum(depth, near), depth)
    return depth.astype(np.float32)


@dataclass
class Seen:
    """Grids of a trial, by seconds since its first cloud.

    cells: (N, 2), the marked ones. sent: of each cloud, which a busy computer sends late.
    """

    times: list[float] = field(default_factory=list)
    cells: list[np.ndarray] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)

    def counts(self, low: Sequence[float], high: Sequence[float]) -> np.ndarray:
        """Return how many cells are marked in a rectangle (x, y), grid by grid."""
        return np.array([((cells > low) & (cells < high)).all(1).sum() for cells in self.cells])


class Camera:
    """Shows depth that is known to a node whose network reads it from the pictures."""

    def __init__(self, node: Rig):
        self.node = node

    def meet(self) -> None:
        """Wait until the layer's sources hear of both: three of points, one of points/clearing."""
        count = self.node.depth_node.count_subscribers
        assert self.node.spin_until(    # one of points is the other side's
            lambda: count('points') >= 4 and count('points/clearing') >= 1, 60)

    def publish(self, depth: np.ndarray) -> None:
        """Publish a picture of (480, 640) metres, stamped with the present time."""
        header = header_at(self.node.node.get_clock().now().nanoseconds, 'camera')
        self.node.info.publish(intrinsics_to_info(CAMERA, header))
        self.node.image.publish(rgb_to_image(picture_of(depth), header))

    def show(self, costmap: Costmap, scene: Callable[[float], np.ndarray], seconds: float,
             noise: float = 0.0, rate: float = RATE) -> Seen:
        """Publish scene(t), t in seconds, at a rate, and collect the grids that come meanwhile.

        noise: of each pixel's depth, relative.
        """
        seed = np.random.default_rng(0)
        noises = [1 + noise * seed.standard_normal((480, 640), np.float32)
                  for _ in range(5 if noise else 0)]
        costmap.grids.clear()
        begin, sent = time.monotonic(), []
        for index in range(round(seconds * rate)):
            depth = scene(index / rate)
            if noise:
                depth = depth * noises[index % 5]
            self.node.spin_until(
                lambda: time.monotonic() >= begin + index / rate, 10)    # noqa: B023
            self.node.spin_until(lambda: False, 0.02)    # grids, also where it is late
            sent.append(time.monotonic() - begin)
            self.publish(depth)
        self.node.spin_until(lambda: False, 0.3)
        return Seen([at - begin for at, _ in costmap.grids],
                    [marked(grid) for _, grid in costmap.grids], sent)
