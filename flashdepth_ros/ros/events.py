"""What rclpy tells of a subscription's connections, by the names of whichever distribution runs."""
from collections.abc import Callable
import inspect

try:
    from rclpy.event_handler import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )
except ImportError:  # Humble
    from rclpy.qos_event import (  # type: ignore[import-not-found,no-redef]
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )

__all__ = ['PublisherEventCallbacks', 'SubscriptionEventCallbacks', 'UnsupportedEventTypeError',
           'subscription_events']

_KNOWN = inspect.signature(SubscriptionEventCallbacks.__init__).parameters


def subscription_events(**callbacks: Callable) -> SubscriptionEventCallbacks:
    """Return those of the callbacks that this rclpy has: `matched` is there from Jazzy on."""
    return SubscriptionEventCallbacks(
        **{name: callback for name, callback in callbacks.items() if name in _KNOWN})
