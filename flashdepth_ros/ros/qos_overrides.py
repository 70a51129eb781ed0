"""What a user demands of one subscription's quality of service, whatever publishers offer."""
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)

from .parameters import ParameterError
from .qos import matching

MATCH = 'match'  # the value of a policy that follows the publishers

_POLICIES = {
    'reliability': {'reliable': QoSReliabilityPolicy.RELIABLE,
                    'best_effort': QoSReliabilityPolicy.BEST_EFFORT},
    'durability': {'volatile': QoSDurabilityPolicy.VOLATILE,
                   'transient_local': QoSDurabilityPolicy.TRANSIENT_LOCAL},
    'history': {'keep_last': QoSHistoryPolicy.KEEP_LAST, 'keep_all': QoSHistoryPolicy.KEEP_ALL},
}


class Overrides:
    """The parameters qos_overrides.<topic>.subscription.*, as rclpy's own overrides are called.

    rclpy's mechanism declares them with the first profile's values, which then hold for every
    later one: nothing could follow the publishers. ParameterError names a wrong value.
    """

    def __init__(self, node: Node, topic: str, depth: int):
        prefix = f'qos_overrides.{topic}.subscription.'
        descriptor = ParameterDescriptor(
            read_only=True, dynamic_typing=True,
            description=f"Quality of service of the subscription to {topic}; '{MATCH}' is that "
                        f'of each publisher.')

        def value(policy: str, default):
            name = prefix + policy
            if not node.has_parameter(name):
                node.declare_parameter(name, default, descriptor)
            return node.get_parameter(name).value

        self._forced = {}
        for policy, choices in _POLICIES.items():
            default = 'keep_last' if policy == 'history' else MATCH
            chosen = value(policy, default)
            if chosen == MATCH:
                continue
            if chosen not in choices:
                raise ParameterError(
                    f"{prefix}{policy} is '{chosen}'; it must be one of: "
                    f"{', '.join((*choices, MATCH))}")
            self._forced[policy] = choices[chosen]
        self._depth = value('depth', depth)
        if type(self._depth) is not int or not 1 <= self._depth <= 10_000:
            raise ParameterError(
                f'{prefix}depth is {self._depth!r}; it must be a number between 1 and 10000')

    def apply(
        self, reliability: QoSReliabilityPolicy, durability: QoSDurabilityPolicy,
    ) -> tuple[QoSReliabilityPolicy, QoSDurabilityPolicy]:
        """Return the reliability and durability to ask for where publishers offer these."""
        return (self._forced.get('reliability', reliability),
                self._forced.get('durability', durability))

    def profile(
        self, reliability: QoSReliabilityPolicy, durability: QoSDurabilityPolicy,
    ) -> QoSProfile:
        """Return a new profile, with the history that the user wants."""
        return matching(reliability, durability, self._forced.get(
            'history', QoSHistoryPolicy.KEEP_LAST), self._depth)
