"""The qualities of service of this package's topics.

Each endpoint needs a profile object of its own: rclpy writes a user's qos_overrides into the one it
is given, so that a shared one would carry them to other topics.
"""
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)

# Frames that a subscription keeps. One is too few: a large image comes in pieces, and one that is
# still being put together, or waits for its missing piece, would be dropped for the next one.
DEPTH = 10


def newest_reliable() -> QoSProfile:
    """Return what this package's outputs offer: reliable, the newest message only."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.RELIABLE)


def matching(
    reliability: QoSReliabilityPolicy,
    durability: QoSDurabilityPolicy = QoSDurabilityPolicy.VOLATILE,
    history: QoSHistoryPolicy = QoSHistoryPolicy.KEEP_LAST, depth: int = DEPTH,
) -> QoSProfile:
    """Return the profile of a subscription to publishers of this reliability and durability."""
    return QoSProfile(
        history=history, depth=depth, reliability=reliability, durability=durability)


# shared, so only for endpoints without qos_overrides
NEWEST_SENSOR_DATA = matching(QoSReliabilityPolicy.BEST_EFFORT, depth=1)
NEWEST_RELIABLE = newest_reliable()
