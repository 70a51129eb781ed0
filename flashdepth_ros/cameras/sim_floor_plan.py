"""The simulated scene's floor plan: nav_msgs/OccupancyGrid on map."""
from geometry_msgs.msg import Pose
from nav_msgs.msg import MapMetaData, OccupancyGrid
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from ..ros.message import header_at
from ..simulation.floor_plan import floor_plan
from ..simulation.scene import Scene

FRAME = 'map'    # x, y on the floor from a corner of the room, z up


class SimFloorPlan:
    """Publishes the plan of each scene once, for all who come later too, as a map server does."""

    def __init__(self, node: Node):
        self._publisher = node.create_publisher(OccupancyGrid, 'map', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._scene: Scene | None = None

    def publish(self, scene: Scene, stamp: int) -> None:
        """Publish the plan of a scene that is new, once somebody listens; stamp in ns."""
        if scene is self._scene or not self._publisher.get_subscription_count():
            return
        self._scene, plan = scene, floor_plan(scene)
        header = header_at(stamp, FRAME)
        rows, columns = plan.cells.shape
        about = MapMetaData(map_load_time=header.stamp, resolution=plan.side, width=columns,
                            height=rows, origin=Pose())
        about.origin.position.x, about.origin.position.y = map(float, plan.origin)
        message = OccupancyGrid(header=header, info=about)
        message.data.frombytes(plan.cells.tobytes())
        self._publisher.publish(message)
