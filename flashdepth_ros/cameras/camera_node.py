"""A video file, a folder of images, a webcam or a stream as a ROS camera: image and camera_info."""
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ..files.inputs import Wishes, input_of, is_address, is_webcam, masked
from ..files.sources import SourceError, open_source
from ..images.intrinsics import Intrinsics
from ..ros import parameters
from ..ros.camera_info import intrinsics_to_info
from ..ros.camera_info_file import CalibrationFile, CalibrationFileError
from ..ros.image_messages import rgb_to_image
from ..ros.log import log_through
from ..ros.message import header_at
from ..ros.parameters import Parameter, ParameterError
from ..ros.program import run
from ..ros.qos import NEWEST_RELIABLE
from .frame_reader import Arrived, FrameReader
from .playback import SECOND, Playback

ABOUT = """
A video file, a folder of images, a webcam or a stream (http, rtsp) as a ROS camera.

publishes image (rgb8), camera_info and /diagnostics
"""
SILENT = 2.0  # seconds without a frame after which a camera is said to be silent
PARAMETERS = {parameter.name: parameter for parameter in (
    Parameter('source', '0', "A video file, a folder of images, a webcam's number or device "
              '(/dev/video0), or the address of a stream (http://, rtsp://, ...).'),
    Parameter('rate', 0.0, 'Frames per second; 0: as the video has them, or as the camera gives '
              'them. A webcam is asked for it; of a stream no more are published.',
              low=0.0, high=1000.0),
    Parameter('loop', True, 'Begin a recording again at its end; false: exit there.'),
    Parameter('width', 0, 'Width of the images that a webcam is asked for, in pixels; 0: as it is '
              'set.', low=0, high=16384),
    Parameter('height', 0, 'Height of the images that a webcam is asked for, in pixels; 0: as it '
              'is set.', low=0, high=16384),
    Parameter('format', '', "Format that a webcam is asked for, by FFmpeg's name: mjpeg, yuyv422, "
              'h264, nv12, ...; empty: the first that it has.'),
    Parameter('rtsp_transport', 'tcp', 'How an RTSP camera sends: tcp loses nothing, udp is there '
              'for cameras that know no other.', choices=('tcp', 'udp')),
    Parameter('timeout', 5.0, 'Seconds without data after which a stream is given up and connected '
              'again.', low=0.5, high=600.0),
    Parameter('frame_id', 'camera_optical', "The camera's optical frame (z forward)."),
    Parameter('camera_info_url', '', 'Calibration file as camera_calibration writes it: '
              'file:///path.yaml, package://name/path.yaml or a path; empty: hfov is used.'),
    Parameter('hfov', 60.0,
              'Horizontal field of view in degrees, from which camera_info is made without a '
              'calibration file: an assumption unless you know your camera.', low=1.0, high=179.0),
)}


class CameraNode(Node):
    """Publishes image (rgb8) and camera_info.

    Frames of a recording are stamped with the times that they have in it, from when it began, those
    of a camera with their arrival. Parameters: see PARAMETERS; all are read once, at the start.
    Raises SourceError, CalibrationFileError or ParameterError where they cannot be met; a stream
    that cannot be had is tried again for ever.
    """

    _reader: FrameReader | None = None  # until all is well

    def __init__(self, **options):
        super().__init__('camera_node', **options)
        settings = self._settings = parameters.fixed(self, PARAMETERS)
        log_through(self)
        name = settings['source']
        self._name = masked(name)
        self._check(is_webcam(name))
        url = settings['camera_info_url']
        self._calibration = CalibrationFile.read(url) if url else None
        self._camera: tuple[tuple, CameraInfo | None] | None = None  # of what size and aspect
        self._camera_problem: str | None = None
        self._playback = Playback(settings['rate'])
        self._next: Arrived | None = None
        self._published = self._told_at = 0
        self._newest: Arrived | None = None
        self._told: str | None = None
        self.finished = False

        self._message = Image()
        self._image = self.create_publisher(Image, 'image', NEWEST_RELIABLE)
        self._info = self.create_publisher(CameraInfo, 'camera_info', NEWEST_RELIABLE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._due = self.create_timer(1.0, self._publish_next)
        self._due.cancel()  # until a frame has a time
        self.create_timer(1.0, self._report)
        wishes = Wishes(settings['width'], settings['height'], settings['rate'],
                        settings['format'], settings['rtsp_transport'], settings['timeout'])

        def open_again():
            return open_source(name, wishes)
        opened = None
        if is_address(name):
            input_of(name)  # or SourceError: no waiting helps against a scheme that is none
        else:
            opened = open_again()
            height, width = opened.size
            if self._calibration is not None:
                self._calibration.of_size(width, height)  # or CalibrationFileError
            self.get_logger().info(f'{self._name}: {width}x{height} at '
                                   f"{settings['rate'] or opened.fps:g} frames per second")
        self._ready = self.create_guard_condition(self._on_ready)
        self._reader = FrameReader(
            open_again, opened, settings['loop'],
            lambda: self.get_clock().now().nanoseconds, self._ready.trigger)

    def _check(self, webcam: bool) -> None:
        """Raise ParameterError for what cannot be had together; warn of what has no effect."""
        settings = self._settings
        if bool(settings['width']) != bool(settings['height']):
            raise ParameterError(f"width is {settings['width']} and height {settings['height']}: "
                                 f'set both, or neither')
        unused = [name for name in ('width', 'height', 'format') if settings[name] and not webcam]
        if unused:
            self.get_logger().warning(
                f"{' and '.join(unused)} can be chosen of a webcam only: without effect")

    def _info_of(self, width: int, height: int, aspect: float) -> CameraInfo | None:
        """Return the camera_info of images of a size, None where the calibration is of others."""
        key = width, height, aspect
        if self._camera is None or self._camera[0] != key:
            info, self._camera_problem = None, None
            if self._calibration is None:
                info = intrinsics_to_info(Intrinsics.from_field_of_view(
                    self._settings['hfov'], width, height, aspect), Header())
            else:
                try:
                    info = self._calibration.of_size(width, height)
                except CalibrationFileError as error:
                    self._camera_problem = str(error)
                    self.get_logger().error(f'no camera_info: {error}')
            if is_address(self._settings['source']):
                self.get_logger().info(f'{self._name}: {width}x{height}')
            self._camera = key, info
        return self._camera[1]

    def _on_ready(self) -> None:
        """See to what the reader has: the next frame, or trouble."""
        self._tell(self._reader.problem)
        if self._next is None:
            self._take()

    def _take(self) -> None:
        """Take the frame that waits, and publish it or set the timer for when it is due."""
        self._next = arrived = self._reader.take()
        if arrived is None:
            if self._reader.finished:
                self.finished = True
            return
        if arrived.live:
            self._next = None
            if self._wanted(arrived):
                self._publish(arrived, arrived.stamp)
            return
        now = self.get_clock().now().nanoseconds
        self._when = self._playback.due(arrived.time, now)
        self._due.timer_period_ns = max(self._when - now, 1000)
        self._due.reset()

    def _wanted(self, arrived: Arrived) -> bool:
        """Say whether a camera's frame is to be published at the rate that is set."""
        rate = self._settings['rate']
        if not rate or self._newest is None:
            return True
        return abs(arrived.stamp - self._newest.stamp) >= 0.9 * SECOND / rate

    def _publish_next(self) -> None:
        self._due.cancel()
        if self._next is not None:
            arrived, self._next = self._next, None
            self._publish(arrived, self._when)
        self._take()

    def _publish(self, arrived: Arrived, stamp: int) -> None:
        rgb = arrived.frame.rgb
        header = header_at(stamp, self._settings['frame_id'])
        info = self._info_of(rgb.shape[1], rgb.shape[0], arrived.pixel_aspect)
        if info is not None:
            info.header = header
            self._info.publish(info)
        self._image.publish(rgb_to_image(rgb, header, self._message))
        self._published += 1
        self._newest = arrived

    def _tell(self, problem: str | None) -> None:
        """Log once that a source is lost, and that it is back."""
        if (problem is None) == (self._told is None):
            return
        self._told = problem
        again = '; it is tried again until it comes' if self._reader.retrying else ''
        if problem is not None:
            self.get_logger().error(f'{problem}{again}')
        else:
            self.get_logger().info(f'{self._name} gives frames again')

    def _report(self) -> None:
        """Publish the diagnostics."""
        counts, problem = self._reader.counts, self._reader.problem
        rate, self._told_at = self._published - self._told_at, self._published
        now = self.get_clock().now().nanoseconds
        newest = self._newest
        silent = (now - newest.stamp) / SECOND if newest is not None and newest.live else 0.0
        level, message = DiagnosticStatus.OK, f'{rate} frames in the last second'
        if problem is not None and rate:
            level, message = DiagnosticStatus.WARN, f'{message}; before that: {problem}'
        elif problem is not None:
            level, message = DiagnosticStatus.ERROR, problem
        elif self._camera_problem is not None:
            level, message = DiagnosticStatus.ERROR, f'no camera_info: {self._camera_problem}'
        elif newest is None:
            level, message = DiagnosticStatus.WARN, f'{self._name}: no frame yet'
        elif silent > SILENT:
            level, message = DiagnosticStatus.WARN, f'no frame for {silent:.0f} s'
        values = {'source': self._name, 'received': counts.received, 'published': self._published,
                  'damaged': counts.damaged, 'connections': counts.connections}
        status = DiagnosticStatus(
            level=level, name=f'{self.get_name()}: source', message=message,
            hardware_id=self._name,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
        self._diagnostics.publish(DiagnosticArray(
            header=Header(stamp=self.get_clock().now().to_msg()), status=[status]))

    def destroy_node(self) -> None:
        if self._reader is not None:
            self._reader.close()
        super().destroy_node()


def main(args: list[str] | None = None) -> int:
    return run(
        'camera_node', CameraNode, (SourceError, CalibrationFileError, ParameterError), args,
        about=ABOUT, table=PARAMETERS, finished=lambda node: node.finished)
