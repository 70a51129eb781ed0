"""A simulated camera that drives through indoor scenes: images, camera_info and the true depth."""
from collections.abc import Iterator
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..ros import parameters
from ..ros.camera_info import intrinsics_to_info
from ..ros.image_messages import depth_to_image, rgb_to_image
from ..ros.parameters import Parameter
from ..ros.program import run
from ..ros.qos import NEWEST_RELIABLE

ABOUT = """
A simulated camera that drives through indoor scenes.

publishes image (rgb8), camera_info, truth/depth/image (32FC1, metres), odom, imu, map (the
floor plan) and, where tf2_msgs is installed, TF; and /clock if wanted
"""
PARAMETERS = {parameter.name: parameter for parameter in (
    Parameter('seed', 0, 'The scene: the same seed gives the same scene and path.',
              low=0, high=2 ** 63 - 1),
    Parameter('kind', 'any', 'What is built. any: drawn by the seed.',
              choices=('any', 'room', 'corridor', 'hall')),
    Parameter('scene_time', 0.0,
              'Seconds after which the next seed begins; 0: the same scene for ever, in a loop.',
              low=0.0, high=86400.0),
    Parameter('width', 320, 'Width of the images in pixels.', low=16, high=4096),
    Parameter('height', 240, 'Height of the images in pixels.', low=16, high=4096),
    Parameter('hfov', 70.0, 'Horizontal field of view in degrees.', low=10.0, high=150.0),
    Parameter('rate', 10.0, 'Images per second. A slow computer makes fewer.',
              low=0.1, high=200.0),
    Parameter('effects', True,
              'What real cameras add: noise, swings of exposure, specks, blur, things that pass '
              'before the lens. false: clean pictures.'),
    Parameter('shadows', False, 'One lamp casts shadows, which makes rendering slower.'),
    Parameter('frame_id', 'camera_optical', "The camera's optical frame (z forward)."),
    Parameter('clock', False,
              'Publish /clock and stamp with it: every image is 1 / rate later than the one '
              'before, however long it took. Other nodes then want use_sim_time.'),
    Parameter('odometry', 'wheels',
              'What odom tells of the camera. wheels: its way over the floor and its heading, '
              'neither nod nor bob nor roll. exact: all of its motion. none: nothing is published.',
              choices=('wheels', 'exact', 'none')),
    Parameter('odometry_length', 0.0, 'Error of the lengths that it tells, relative.',
              low=-0.9, high=9.0),
    Parameter('odometry_yaw', 0.0, 'Error of its heading, in degrees for each metre.',
              low=-90.0, high=90.0),
    Parameter('odometry_slip', 0.0, 'Metres a second that its wheels slip ahead on the spot.',
              low=-10.0, high=10.0),
)}
CLOCK_START = 1_000_000_000  # ns; 0 would be no time to nodes with use_sim_time


class SimCameraNode(Node):
    """Publishes image (rgb8), camera_info and truth/depth/image (32FC1, metres), of one stamp.

    Before them odometry and an IMU's measurements of the same stamp, and some since the last.

    Parameters: see PARAMETERS; all are read once, at the start. Raises ParameterError, and
    ImportError where MuJoCo or EGL is missing.
    """

    def __init__(self, **options):
        self._renderer = None
        super().__init__('sim_camera_node', **options)
        self._settings = settings = parameters.fixed(self, PARAMETERS)
        from .. import simulation  # needs more than the other nodes
        from .sim_floor_plan import SimFloorPlan
        from .sim_imu import SimImu
        self._simulation = simulation
        self._renderer = simulation.Renderer(
            settings['width'], settings['height'], settings['hfov'])
        self._seed, self._index = settings['seed'], 0
        self._scene_began: int | None = None  # ns
        self._scene = self._make_scene()
        self._image_message, self._truth_message = Image(), Image()
        self._image = self.create_publisher(Image, 'image', NEWEST_RELIABLE)
        self._info = self.create_publisher(CameraInfo, 'camera_info', NEWEST_RELIABLE)
        self._truth = self.create_publisher(Image, 'truth/depth/image', NEWEST_RELIABLE)
        self._odometry: Any = None
        if settings['odometry'] != 'none':
            from .sim_odometry import SimOdometry
            self._odometry = SimOdometry(self, settings, settings['frame_id'])
        self._imu = SimImu(self, settings['frame_id'])
        self._plan = SimFloorPlan(self)
        self._stamps = None
        if settings['clock']:
            self._stamps = self._simulated_stamps(settings['rate'])
            self._clock_topic = self.create_publisher(ClockMessage, '/clock', NEWEST_RELIABLE)
        # of the steady clock: with use_sim_time, time would wait for this node's own /clock
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / settings['rate'], self._publish, clock=self._steady)

    @staticmethod
    def _simulated_stamps(rate: float) -> Iterator[int]:
        index = 0
        while True:
            yield CLOCK_START + round(index * 1e9 / rate)
            index += 1

    def _make_scene(self):
        kind = self._settings['kind']
        scene = self._simulation.make_scene(
            self._seed, None if kind == 'any' else kind, self._settings['shadows'])
        self.get_logger().info(
            f'seed {self._seed}: a {scene.kind}, one round in {scene.period:.0f} s')
        return scene

    def _publish(self) -> None:
        if self._stamps:
            time = Time(nanoseconds=next(self._stamps), clock_type=ClockType.ROS_TIME)
            self._clock_topic.publish(ClockMessage(clock=time.to_msg()))
        else:
            time = self.get_clock().now()
        now, settings = time.nanoseconds, self._settings
        if self._scene_began is None:
            self._scene_began = now
        if 0 < settings['scene_time'] * 1e9 <= now - self._scene_began:
            self._seed, self._index, self._scene_began = self._seed + 1, 0, now
            self._scene = self._make_scene()
        since = (now - self._scene_began) / 1e9
        if self._odometry is not None:
            self._odometry.publish(self._scene, now, since)
        self._imu.publish(self._scene, now, since)
        self._plan.publish(self._scene, now)
        frame = self._renderer.render(self._scene, since)
        rgb = frame.rgb
        if settings['effects']:
            rgb = self._simulation.disturb(rgb, self._seed, self._index, rate=settings['rate'])
        self._index += 1
        header = Header(stamp=time.to_msg(), frame_id=settings['frame_id'])
        self._info.publish(intrinsics_to_info(self._renderer.intrinsics, header))
        self._truth.publish(depth_to_image(frame.depth, header, out=self._truth_message))
        self._image.publish(rgb_to_image(rgb, header, self._image_message))

    def destroy_node(self) -> None:
        """Free the graphics context too."""
        if self._renderer:
            self._renderer.close()
        super().destroy_node()


def main(args: list[str] | None = None) -> int:
    return run(
        'sim_camera_node', SimCameraNode, (ImportError, parameters.ParameterError), args,
        about=ABOUT, table=PARAMETERS)
