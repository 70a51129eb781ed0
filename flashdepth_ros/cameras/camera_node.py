"""A video file, a webcam or a folder of images as a ROS camera: image and camera_info."""
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..files.sources import SourceError, open_source
from ..images.intrinsics import Intrinsics
from ..ros import parameters
from ..ros.camera_info import intrinsics_to_info
from ..ros.image_messages import rgb_to_image
from ..ros.parameters import Parameter
from ..ros.program import run
from ..ros.qos import NEWEST_RELIABLE

ABOUT = """
A video file, a webcam or a folder of images as a ROS camera.

publishes image (rgb8) and camera_info
"""
PARAMETERS = {parameter.name: parameter for parameter in (
    Parameter('source', '0', "A video file, a folder of images, or a webcam's number."),
    Parameter('rate', 0.0, "Frames per second; 0 is the source's own rate.", low=0.0, high=1000.0),
    Parameter('loop', True, 'Begin again at the end; false: exit there.'),
    Parameter('frame_id', 'camera_optical', "The camera's optical frame (z forward)."),
    Parameter('hfov', 60.0,
              'Horizontal field of view in degrees, from which camera_info is made: an assumption '
              'unless you know your camera.', low=1.0, high=179.0),
)}


class CameraNode(Node):
    """Publishes image (rgb8) and camera_info, stamped with the time of publishing.

    Parameters: see PARAMETERS; all are read once, at the start. Raises SourceError or
    ParameterError where they cannot be met.
    """

    def __init__(self, **options):
        super().__init__('camera_node', **options)
        problems = parameters.declare(self, PARAMETERS)
        if problems:
            raise parameters.ParameterError('; '.join(problems.values()))
        for problem in parameters.unknown(self, PARAMETERS):
            self.get_logger().warning(problem)
        settings = parameters.read(self, PARAMETERS)
        self._source = open_source(settings['source'])
        self._frames = iter(self._source)
        self._loop, self._frame_id = settings['loop'], settings['frame_id']
        self.finished = False

        height, width = self._source.size
        self._intrinsics = Intrinsics.from_field_of_view(
            settings['hfov'], width, height, self._source.pixel_aspect)
        self._message = Image()
        self._image = self.create_publisher(Image, 'image', NEWEST_RELIABLE)
        self._info = self.create_publisher(CameraInfo, 'camera_info', NEWEST_RELIABLE)
        rate = settings['rate'] or self._source.fps
        self.create_timer(1 / rate, self._publish)
        self.get_logger().info(
            f"{settings['source']}: {width}x{height} at {rate:g} frames per second")

    def _publish(self) -> None:
        try:
            frame = next(self._frames, None)
            if frame is None and self._loop:
                self._source.rewind()
                self._frames = iter(self._source)
                frame = next(self._frames, None)
        except SourceError as error:
            self.get_logger().error(str(error))
            frame = None
        if frame is None:
            self.finished = True
            return
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._frame_id)
        self._info.publish(intrinsics_to_info(self._intrinsics, header))
        self._image.publish(rgb_to_image(frame.rgb, header, self._message))


def main(args: list[str] | None = None) -> int:
    return run(
        'camera_node', CameraNode, (SourceError, parameters.ParameterError), args,
        about=ABOUT, table=PARAMETERS, finished=lambda node: node.finished)
