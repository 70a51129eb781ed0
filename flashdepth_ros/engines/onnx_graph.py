"""An ONNX graph while it grows, and the file that it becomes."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from torch import Tensor

OPSET = 18       # what TensorRT 10 and later, ONNX Runtime and OpenVINO all take
OPSET_BF16 = 22  # the first whose convolutions take bfloat16, as OpenVINO does
TYPES = {
    torch.float32: onnx.TensorProto.FLOAT, torch.float16: onnx.TensorProto.FLOAT16,
    torch.bfloat16: onnx.TensorProto.BFLOAT16, torch.int32: onnx.TensorProto.INT32,
    torch.int64: onnx.TensorProto.INT64, torch.bool: onnx.TensorProto.BOOL}
BESIDE = 1024  # bytes from which on a constant is worth a place in the file of weights
PAGE = 4096    # where each begins there, so that libraries can map it


class OnnxGraph:
    """Nodes and constants by name, in the order in which they were added.

    A constant is kept as the tensor that it is until the file is written.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, Tensor] = {}
        self._small: dict[tuple, str] = {}
        self._ports: tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]] = ([], [])

    def input(self, name: str, like: Tensor) -> None:
        self._ports[0].append(_port(name, like))

    def output(self, name: str, value: str, like: Tensor) -> None:
        """Make a value an output of that name."""
        self._nodes.append(onnx.helper.make_node('Identity', [value], [name]))
        self._ports[1].append(_port(name, like))

    def constant(self, value: Tensor, name: str | None = None) -> str:
        """Add a constant, of which nobody changes a value any more; return its name."""
        key = None
        if not name and value.numel() <= 16:  # shapes and scalars come often
            key = value.dtype, tuple(value.shape), tuple(value.flatten().tolist())
            if key in self._small:
                return self._small[key]
        name = name or f'constant_{len(self._constants)}'
        self._constants[name] = value
        if key is not None:
            self._small[key] = name
        return name

    def numbers(self, values: Sequence[int]) -> str:
        """Add a list of whole numbers, as shapes and axes are."""
        return self.constant(torch.tensor(values, dtype=torch.int64))

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any,
    ) -> list[str]:
        """Add a node; return the names of its outputs."""
        name = f'{operator}_{len(self._nodes)}'
        names = [name if outputs == 1 else f'{name}_{i}' for i in range(outputs)]
        self._nodes.append(onnx.helper.make_node(operator, inputs, names, name, **attributes))
        return names

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; return that one's name."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def cast(self, name: str, dtype: torch.dtype) -> str:
        """Return a value as another type."""
        return self.node('Cast', name, to=TYPES[dtype])

    def _needed(self) -> tuple[list[onnx.NodeProto], set[str]]:
        """Return the nodes that have a part in the outputs, and the names that those read."""
        names = {port.name for port in self._ports[1]}
        nodes = []
        for node in reversed(self._nodes):
            if not names.isdisjoint(node.output):
                nodes.append(node)
                names.update(node.input)
        return nodes[::-1], names

    def save(self, path: Path, facts: Mapping[str, str], beside: bool) -> None:
        """Write the graph, checked; its metadata are `facts`.

        beside: weights lie in `<path>.data`, and in the file itself otherwise.
        """
        nodes, names = self._needed()
        weights = [(name, value) for name, value in self._constants.items() if name in names]
        graph = onnx.helper.make_graph(nodes, path.stem, *self._ports)
        with open(f'{path}.data' if beside else '/dev/null', 'wb') as data:
            for name, value in weights:
                proto = graph.initializer.add(
                    name=name, dims=value.shape, data_type=TYPES[value.dtype])
                content = _bytes(value)
                if not beside or content.nbytes < BESIDE:
                    proto.raw_data = content.tobytes()
                    continue
                data.seek(-data.tell() % PAGE, 1)
                proto.data_location = onnx.TensorProto.EXTERNAL
                for key, entry in (('location', f'{path.name}.data'), ('offset', data.tell()),
                                   ('length', content.nbytes)):
                    proto.external_data.add(key=key, value=str(entry))
                data.write(content.data)
        opset = OPSET_BF16 if any(value.dtype is torch.bfloat16 for _, value in weights) else OPSET
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid('', opset)], ir_version=10,
            producer_name=__name__.partition('.')[0])
        onnx.helper.set_model_props(model, dict(facts))
        path.write_bytes(model.SerializeToString())
        onnx.checker.check_model(path, full_check=True)


class Writer(Protocol):
    """What writes a network's calls into a graph, as onnx_elementwise.py and its like see it."""

    graph: OnnxGraph

    def is_traced(self, value: object) -> bool:
        """Say whether a tensor is known only when the graph runs."""

    def name(self, value: Tensor | float, dtype: torch.dtype | None = None) -> str:
        """Return a value's name in the graph, there as this type."""


def _bytes(value: Tensor) -> np.ndarray:
    return value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()


def _port(name: str, like: Tensor) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, TYPES[like.dtype], like.shape)
