"""What is wrong around one camera's input, as the graph and its messages show it."""
import time

from rclpy.node import Node

from ..ros.camera_view import rectifying_node
from ..ros.graph import type_problem
from ..ros.matching_subscription import BEST_EFFORT, MatchingSubscription
from ..ros.parameters import Settings
from ..ros.transport import driver_remedy, uses_fastdds
from ..streams import symptoms
from .camera import Camera
from .snapshot import CameraSnapshot

LOST_AFTER = 3.0    # seconds until a best-effort driver is thought to lose all its images
SILENT_AFTER = 5.0  # seconds without an image until the input is called silent


class CameraWatch:
    """Has a camera receive, and sees what is wrong with its input, on a timer's thread."""

    def __init__(self, node: Node, camera: Camera):
        self._node, self.camera, self._input = node, camera, camera.input
        self._restart()

    def begin(self) -> None:
        """Have the camera receive."""
        self._restart()
        self.camera.subscribe()

    def _restart(self) -> None:
        self._since = time.perf_counter()
        self._losses = symptoms.Losses()
        self._met: float | None = None  # when a publisher was first seen since then

    def silent(self) -> float:
        """Return the seconds since the last image, or since `begin`."""
        return time.perf_counter() - max(self._input.arrivals.last_time or 0.0, self._since)

    def snapshot(self) -> CameraSnapshot:
        return self.camera.snapshot(self._publishers())

    def _publishers(self) -> int:
        return len(self._input.image.publishers) if self._input.image is not None else 0

    def look(self, settings: Settings) -> None:
        """Follow publishers that come and go, and see what is wrong; twice a second."""
        self.camera.scale.look_around()
        settings = self.camera.settings(settings)
        image, info = self._input.image, self._input.camera_info
        if image is None or info is None:
            return
        image.refresh()
        info.refresh()
        source, arrivals = self._input.source, self._input.arrivals
        self._input.rectified_by = rectifying_node(self._node, source, self._input.info_topic)
        clock = self._node.get_clock().now().nanoseconds
        use_sim_time = self._node.get_parameter('use_sim_time').value
        received, lost = self._losses.look(image.received, image.lost)
        best_effort = any(reliability is BEST_EFFORT for reliability, _ in image.qualities)
        newest, silent = self._input.newest, self.silent() > SILENT_AFTER
        wrong_type = type_problem(self._node, source, self._input.kind)
        remedy = driver_remedy() if uses_fastdds() else None
        lossy = symptoms.loss_problem(source, received, lost, best_effort, remedy)
        if best_effort and self._nothing_comes(image):
            lossy = symptoms.nothing_problem(source, remedy)
        frames = newest is not None and not silent
        for key, text in {
            'type': wrong_type,
            'loss': lossy,
            'silence': self._silence() if silent and not wrong_type and not lossy else None,
            'publishers': symptoms.publishers_problem(source, len(image.publishers)),
            'outcomes': arrivals.outcomes.problem(settings['stream.max_gap']),
            'frame_id': symptoms.frame_id_problem(newest.frame_id) if frames else None,
            'clock': symptoms.clock_problem(use_sim_time, clock),
            'stamp': (symptoms.stamp_problem(newest.stamp, clock, use_sim_time)
                      if frames else None),
            'camera_info': self._view_problem() if frames else None,
        }.items():
            if self._input.problems.set(key, text) and key != 'camera_info':
                self._node.get_logger().warning(text)

    def _nothing_comes(self, image: MatchingSubscription) -> bool:
        """Whether a publisher has been there for a while without an image, and with few before.

        Of large images from a small shared-memory segment the first may arrive.
        """
        if not image.publishers or image.received >= symptoms.FEW:
            self._met = None
            return False
        self._met = self._met or time.perf_counter()
        return min(time.perf_counter() - self._met, self.silent()) > LOST_AFTER

    def _silence(self) -> str:
        publishers = self._publishers()
        remedy = (
            'is the camera driver running, and is this its topic? Remap image to the right one'
            if not publishers else
            'the driver is there and sends nothing that arrives: does ros2 topic hz show images?')
        return (f'no image on {self._input.source} for {self.silent():.0f} s, where {publishers} '
                f'publishers are seen: {remedy}')

    def _view_problem(self) -> str | None:
        view, estimate = self._input.view, self._input.estimate
        if view.problem is None or (estimate is not None and self._input.info is None):
            return None
        consequence = ('' if (estimate or view).intrinsics is not None
                       else ': no points and no depth/camera_info')
        return f'{self._input.info_topic}: {view.problem}{consequence}'
