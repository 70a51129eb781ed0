"""Controls for a node's parameters, made of their descriptors: new ones appear by themselves."""
from collections import defaultdict
from collections.abc import Callable, Mapping
import math
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, ParameterType
import viser

from .remote import Descriptors

STEPS = 200  # of a slider, about
WIDE = 4.0  # a slider over a wide range ends at so many times its value, until it is drawn there
LEAST = 2.5  # for the smallest of them
CHOICES = 'One of: '


class Controls:
    """A folder for each group of parameters, and in it a control for each of them.

    containers: of groups by name; '' of all others. set: called with a parameter's name and the
    value that somebody wants it to have. It is not called for what `show` brings.
    """

    def __init__(
        self, gui: viser.GuiApi, containers: Mapping[str, Any], parameters: Descriptors,
        set: Callable[[str, Any], None],
    ):
        self._gui, self._set = gui, set
        self._handles: dict[str, Any] = {}
        self._limits: dict[str, float] = {}  # of sliders that may still grow
        self._folders = []
        groups = defaultdict(list)
        for name in parameters:
            groups[name.rpartition('.')[0] or 'node'].append(name)
        for group, names in groups.items():
            with containers.get(group, containers['']):
                folder = gui.add_folder(group, expand_by_default=group in containers)
                self._folders.append(folder)
                with folder:
                    for name in names:
                        self._add(name, *parameters[name])

    def _add(self, name: str, descriptor: ParameterDescriptor, value: Any) -> None:
        if value is None:  # of one camera, not set: that of all holds
            return
        handle = self._make(name.rpartition('.')[2], descriptor, value)
        if handle is None:
            return
        self._handles[name] = handle

        @handle.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client_id is None:  # we wrote it
                return
            value = handle.value
            self._grow(name, value)
            self._set(name, value)

    def _make(self, label: str, descriptor: ParameterDescriptor, value: Any) -> Any:
        hint = descriptor.description
        if descriptor.type == ParameterType.PARAMETER_BOOL:
            return self._gui.add_checkbox(label, value, hint=hint)
        if descriptor.type == ParameterType.PARAMETER_STRING:
            _, found, choices = descriptor.additional_constraints.partition(CHOICES)
            if not found:  # free text may be a path, and none comes from a page
                return None
            return self._gui.add_dropdown(
                label, tuple(choices.split(', ')), initial_value=value, hint=hint)
        if descriptor.integer_range:
            limits = descriptor.integer_range[0]
            return self._gui.add_slider(
                label, limits.from_value, limits.to_value, max(1, limits.step), value, hint=hint)
        if descriptor.floating_point_range:
            limits = descriptor.floating_point_range[0]
            low, high = shown_range(limits.from_value, limits.to_value, value)
            handle = self._gui.add_slider(
                label, low, high, step_of(low, high), value, hint=hint)
            self._limits[descriptor.name] = limits.to_value
            return handle
        return None

    def _grow(self, name: str, value: Any) -> None:
        """Let a slider that is drawn to its end, or set beyond it, reach farther."""
        handle, limit = self._handles[name], self._limits.get(name)
        if limit is not None and handle.max < limit and value >= handle.max:
            handle.max = min(limit, 2 * float(value))
            handle.step = step_of(handle.min, handle.max)

    def show(self, name: str, value: Any) -> None:
        """Show the value that a parameter has; one that has no control is no matter."""
        handle = self._handles.get(name)
        if handle is None or value is None or handle.value == value:
            return
        if name in self._limits:
            handle.min = min(handle.min, value)
            self._grow(name, value)
        handle.value = value

    def remove(self) -> None:
        for folder in self._folders:
            folder.remove()


def shown_range(low: float, high: float, value: float) -> tuple[float, float]:
    """Return the part of a parameter's range that a slider shows: the whole, unless it is wide."""
    reach = WIDE * max(abs(value), LEAST)
    if high - low <= 10 * reach:
        return low, high
    return max(low, 0.0 if value >= 0 and low <= 0 else -reach), min(high, reach)


def step_of(low: float, high: float) -> float:
    """Return a round step that divides a range into some STEPS."""
    return 10.0 ** math.floor(math.log10((high - low) / STEPS) + 0.31)
