"""A network's step written down as an ONNX graph while it runs on shapes alone.

The graph has what the network calls, layer by layer, in the forms that libraries recognise. What
does not depend on the step's inputs is computed there and then, and is a constant of the graph.
PyTorch's own exporter takes twenty times as long: it decomposes all layers, and puts them together
again.
"""
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .engine import EngineError
from .onnx_graph import OnnxGraph
from .onnx_layers import OPERATORS

Step = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]


def trace(model: nn.Module, step: Step, inputs: Mapping[str, Tensor]) -> tuple[
        OnnxGraph, dict[str, Tensor]]:
    """Write down a step of a model; return the graph and what has the shapes of its outputs.

    inputs: what the step is given, by name, of which only shapes and types count. Their values are
    nowhere to be seen in the step. Raises EngineError for a function that is not known here.
    """
    graph = OnnxGraph()
    shapes = {name: torch.empty_like(value, device='meta') for name, value in inputs.items()}
    tracer = Tracer(graph, {id(value): name for name, value in model.named_parameters()})
    for name, value in shapes.items():
        graph.input(name, value)
        tracer.note(value, name)
    with torch.inference_mode(), tracer:
        outputs = step(shapes)
    for name, value in outputs.items():
        graph.output(name, tracer.name(value), value)
    return graph, dict(outputs)


class Tracer(TorchFunctionMode):
    """Writes every function that is called with a traced tensor into `graph`.

    A traced tensor is on the device 'meta', which has no values; all others are constants.
    """

    def __init__(self, graph: OnnxGraph, parameters: Mapping[int, str]):
        super().__init__()
        self.graph, self._parameters = graph, parameters
        # with the tensors, so that no id comes again
        self._traced: dict[int, tuple[Tensor, str]] = {}
        self._constants: dict[int, tuple[Tensor, str]] = {}

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if not any(map(self.is_traced, _tensors((args, kwargs)))):
            if str(kwargs.get('device', '')) == 'meta':  # where a traced tensor seems to be
                kwargs['device'] = 'cpu'
            return function(*args, **kwargs)
        result = function(*self._without_values(args), **self._without_values(kwargs))
        if not any(True for _ in _tensors(result)):
            return result  # a shape or a type
        name = function.__name__
        if name == '__get__':  # of a property, such as T
            name = function.__self__.__name__
        if name not in OPERATORS:
            raise EngineError(f'a network that calls {name} cannot be exported: there is nothing '
                              f'in its place in onnx_layers.py')
        written = OPERATORS[name](self, result, *args, **kwargs)
        if isinstance(written, Tensor):  # a constant after all
            return written
        if isinstance(written, str):
            self.note(result, written)
        else:
            for part, its_name in zip(result, written, strict=True):
                self.note(part, its_name)
        return result

    def is_traced(self, value: object) -> bool:
        return id(value) in self._traced

    def note(self, value: Tensor, name: str) -> None:
        """Remember under which name a tensor is in the graph."""
        if self.is_traced(value) and self._traced[id(value)][1] != name:
            raise EngineError('a network that changes a tensor in place cannot be exported')
        self._traced[id(value)] = value, name

    def name(self, value: Tensor | float, dtype: torch.dtype | None = None) -> str:
        """Return a value's name in the graph, there as this type."""
        if not isinstance(value, Tensor):
            return self.graph.constant(torch.tensor(value, dtype=dtype))
        if self.is_traced(value):
            name = self._traced[id(value)][1]
            return name if dtype in (None, value.dtype) else self.graph.cast(name, dtype)
        if dtype not in (None, value.dtype):
            return self.graph.constant(value.to(dtype))
        if id(value) not in self._constants:
            name = self.graph.constant(value, self._parameters.get(id(value), ''))
            self._constants[id(value)] = value, name
        return self._constants[id(value)][1]

    def _without_values(self, value: Any) -> Any:
        """Return arguments of which all tensors are on 'meta'."""
        if isinstance(value, Tensor):
            return value.to('meta')
        if isinstance(value, dict):
            return {key: self._without_values(part) for key, part in value.items()}
        if type(value) in (list, tuple):
            return type(value)(map(self._without_values, value))
        return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
