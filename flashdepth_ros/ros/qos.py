"""The qualities of service of this package's topics."""
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_profile_sensor_data,
)

NEWEST_SENSOR_DATA = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1,
    reliability=qos_profile_sensor_data.reliability)
NEWEST_RELIABLE = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
