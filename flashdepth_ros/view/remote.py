"""The depth node from outside: its parameters and their descriptors, its services."""
from collections.abc import Callable
import math
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import qos_profile_parameter_events
from std_srvs.srv import Trigger

from ..ros.parameters import WHILE_ACTIVE

PATIENCE = 5.0  # seconds for an answer, until it is asked for again
Descriptors = dict[str, tuple[ParameterDescriptor, Any]]  # name -> what it is, and its value


class RemoteNode:
    """A depth node's parameters and services. Every answer comes through the executor.

    learned: called with the parameters that may change while the node is active, at first and
    after the node has started again. changed: with a parameter's name and its new value, whoever
    set it. told: with the outcome of what was asked for: whether it went well, and words.
    """

    def __init__(
        self, node: Node, name: str, learned: Callable[[Descriptors, list[str]], None],
        changed: Callable[[str, Any], None], told: Callable[[bool, str], None],
    ):
        """name: of the depth node, relative or full."""
        self._node, self.name = node, name
        self._full = node.resolve_service_name(f'{name}/get_state').removesuffix('/get_state')
        self._learned, self._changed, self._told = learned, changed, told
        self._parameters = AsyncParameterClient(node, name)
        self._clients: dict[str, Any] = {}
        self._known = False
        self._asked = -math.inf  # when, by the steady clock: for what there is, or for a change
        self._setting = ''  # the parameter whose change is on its way
        self._waiting: dict[str, Any] = {}  # newest wish of each parameter, while one is
        self._events = node.create_subscription(
            ParameterEvent, '/parameter_events', self._on_event, qos_profile_parameter_events)

    @property
    def full_name(self) -> str:
        """The full name, without the first slash."""
        return self._full.lstrip('/')

    def look_around(self) -> None:
        """Learn the parameters once the node is there; about once a second."""
        if not self._parameters.services_are_ready():
            self._known, self._setting, self._asked = False, '', -math.inf
            self._waiting.clear()
            return
        # the node's answer is lost where it does not know of this client yet
        unanswered = time.monotonic() - self._asked > PATIENCE
        if not self._known and unanswered:
            self._asked = time.monotonic()
            self._parameters.list_parameters(callback=self._on_names)
        elif self._setting and unanswered:
            self._setting = ''
            self._set_next()

    def _on_names(self, future: Any) -> None:
        names = list(future.result().result.names)
        self._parameters.describe_parameters(
            names, callback=lambda answer: self._on_descriptors(answer.result().descriptors))

    def _on_descriptors(self, descriptors: list[ParameterDescriptor]) -> None:
        may = [each for each in descriptors if not each.read_only
               and WHILE_ACTIVE in each.description]
        names = ['cameras', *(each.name for each in may)]
        self._parameters.get_parameters(
            names, callback=lambda answer: self._on_values(may, answer.result().values))

    def _on_values(self, may: list[ParameterDescriptor], values: list) -> None:
        if len(values) != 1 + len(may):
            return
        self._known = True
        cameras, *rest = map(parameter_value_to_python, values)
        self._learned({each.name: (each, value) for each, value in zip(may, rest, strict=True)},
                      list(cameras or ['']))

    def _on_event(self, event: ParameterEvent) -> None:
        if event.node != self._full:
            return
        if event.new_parameters:  # it has started, or has another camera
            self._known, self._asked = False, -math.inf
        for each in event.changed_parameters:
            self._changed(each.name, parameter_value_to_python(each.value))

    def set(self, name: str, value: Any) -> None:
        """Ask the node to change a parameter; while it answers, only the newest wish is kept."""
        self._waiting[name] = value
        self._set_next()

    def _set_next(self) -> None:
        if self._setting or not self._waiting:
            return
        self._asked = time.monotonic()
        self._setting = name = next(iter(self._waiting))
        value = self._waiting.pop(name)
        self._parameters.set_parameters(
            [Parameter(name, value=value)], callback=lambda answer: self._on_set(name, answer))

    def _on_set(self, name: str, answer: Any) -> None:
        self._setting = ''
        result = answer.result().results[0]
        if not result.successful:
            self._told(False, result.reason)
            if name not in self._waiting:  # the page shows what holds
                self._parameters.get_parameters([name], callback=lambda values: self._changed(
                    name, parameter_value_to_python(values.result().values[0])))
        self._set_next()

    def reset(self, camera: str) -> None:
        """Ask the node to forget a camera's temporal state."""
        own = f'{camera}/' if camera else ''
        self._call(Trigger, f'{own}reset', Trigger.Request(), 'reset',
                   lambda answer: (answer.success, answer.message))

    def change_state(self, transition: str) -> None:
        """Ask for a transition of the lifecycle: configure, activate, deactivate."""
        number = getattr(Transition, f'TRANSITION_{transition.upper()}')
        self._call(
            ChangeState, 'change_state',
            ChangeState.Request(transition=Transition(id=number)), transition,
            lambda answer: (answer.success, f'{transition} ' + (
                'done' if answer.success else 'failed: Health says why')))

    def _call(
        self, kind: type, service: str, request: Any, what: str,
        read: Callable[[Any], tuple[bool, str]],
    ) -> None:
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._node.create_client(
                kind, f'{self.name}/{service}')
        if not client.wait_for_service(0.5):
            self._told(False, f'{what}: /{self.full_name} is not there')
            return
        client.call_async(request).add_done_callback(
            lambda future: self._told(*read(future.result())))

    def close(self) -> None:
        """Talk to the node no more."""
        self._node.destroy_subscription(self._events)
        for client in (*self._clients.values(), *(
                each for each in vars(self._parameters).values() if isinstance(each, Client))):
            self._node.destroy_client(client)
