"""PyTorch's functions in ONNX's operators: what is computed for each number, and sums.

Each function here and in onnx_shapes.py and onnx_layers.py is named as PyTorch's. It takes what
writes the graph, the result (of which only shape and type are known) and PyTorch's arguments, and
returns the name of the result in the graph, or names where there are several, or a tensor that is a
constant.
"""
from collections.abc import Callable, Sequence
import math
from typing import Any

import torch
from torch import Tensor

from .onnx_graph import Writer

OPERATORS: dict[str, Callable] = {}  # those of all three files

Number = int | float


def writes(*names: str) -> Callable[[Any], Any]:
    """Enter a function as what writes PyTorch's functions of these names."""
    def enter(function: Any) -> Any:
        OPERATORS.update(dict.fromkeys(names, function))
        return function
    return enter


def _unary(operator: str, *names: str) -> None:
    OPERATORS.update(dict.fromkeys(names, lambda t, result, x: t.graph.node(operator, t.name(x))))


for _name in ('exp', 'erf', 'sigmoid', 'tanh', 'neg', 'sqrt'):
    _unary(_name.capitalize(), _name)
_unary('Not', '__invert__')


def _binary(operator: str, *names: str, compares: bool = False) -> None:
    def write(t: Writer, result: Tensor, x: Tensor | Number, y: Tensor | Number) -> str:
        dtype = torch.result_type(x, y) if compares else result.dtype
        return t.graph.node(operator, t.name(x, dtype), t.name(y, dtype))
    OPERATORS.update(dict.fromkeys(names, write))


for _operator, *_names in (('Add', 'add'), ('Sub', 'sub'), ('Mul', 'mul'), ('Div', 'div'),
                           ('Mod', 'remainder'), ('And', '__and__'), ('Or', '__or__')):
    _binary(_operator, *_names)
for _operator, *_names in (('Equal', '__eq__', 'eq'), ('Greater', 'gt'), ('GreaterOrEqual', 'ge'),
                           ('Less', 'lt'), ('LessOrEqual', 'le')):
    _binary(_operator, *_names, compares=True)


@writes('__rsub__')
def _rsub(t: Writer, result: Tensor, x: Tensor, other: Tensor | Number) -> str:
    return OPERATORS['sub'](t, result, other, x)


@writes('relu')
def _relu(t: Writer, result: Tensor, x: Tensor, inplace: bool = False) -> str:
    return t.graph.node('Relu', t.name(x))


@writes('silu')
def _silu(t: Writer, result: Tensor, x: Tensor, inplace: bool = False) -> str:
    return t.graph.node('Mul', t.name(x), t.graph.node('Sigmoid', t.name(x)))


@writes('gelu')
def _gelu(t: Writer, result: Tensor, x: Tensor, approximate: str = 'none') -> str:
    assert approximate == 'none'
    one, half, root = (t.name(value, x.dtype) for value in (1., 0.5, math.sqrt(2)))
    # in the one order in which ONNX Runtime recognises it too
    erf = t.graph.node('Erf', t.graph.node('Div', t.name(x), root))
    return t.graph.node(
        'Mul', t.graph.node('Mul', t.name(x), t.graph.node('Add', erf, one)), half)


@writes('softplus')
def _softplus(
    t: Writer, result: Tensor, x: Tensor, beta: float = 1, threshold: float = 20,
) -> str:
    assert beta == 1
    return t.graph.node('Softplus', t.name(x))


@writes('rsqrt')
def _rsqrt(t: Writer, result: Tensor, x: Tensor) -> str:
    return t.graph.node('Reciprocal', t.graph.node('Sqrt', t.name(x)))


@writes('square')
def _square(t: Writer, result: Tensor, x: Tensor) -> str:
    return t.graph.node('Mul', t.name(x), t.name(x))


@writes('clamp')
def _clamp(
    t: Writer, result: Tensor, x: Tensor, min: Number | None = None, max: Number | None = None,
) -> str:
    name = t.name(x)
    for operator, bound in (('Max', min), ('Min', max)):
        if bound is not None:
            name = t.graph.node(operator, name, t.name(bound, x.dtype))
    return name


@writes('where')
def _where(t: Writer, result: Tensor, condition: Tensor, x: Any, y: Any) -> str:
    return t.graph.node('Where', t.name(condition), *(t.name(z, result.dtype) for z in (x, y)))


@writes('masked_fill')
def _masked_fill(t: Writer, result: Tensor, x: Tensor, mask: Tensor, value: Number) -> str:
    return t.graph.node('Where', t.name(mask), t.name(value, x.dtype), t.name(x))


def _reduction(operator: str) -> Callable:
    def write(
        t: Writer, result: Tensor, x: Tensor, dim: int | Sequence[int], keepdim: bool = False,
    ) -> str:
        axes = t.graph.numbers([dim] if isinstance(dim, int) else dim)
        return t.graph.node(operator, t.name(x, result.dtype), axes, keepdims=int(keepdim))
    return write


OPERATORS.update(sum=_reduction('ReduceSum'), mean=_reduction('ReduceMean'))


@writes('std')
def _std(
    t: Writer, result: Tensor, x: Tensor, dim: Sequence[int], correction: int = 1,
    keepdim: bool = False,
) -> str:
    axes = t.graph.numbers(dim)
    off = t.graph.node('Sub', t.name(x), t.graph.node('ReduceMean', t.name(x), axes, keepdims=1))
    total = t.graph.node(
        'ReduceSum', t.graph.node('Mul', off, off), axes, keepdims=int(keepdim))
    number = math.prod(x.shape[axis] for axis in dim) - correction
    return t.graph.node('Sqrt', t.graph.node('Div', total, t.name(float(number), x.dtype)))


@writes('cumsum')
def _cumsum(t: Writer, result: Tensor, x: Tensor, dim: int) -> str:
    return t.graph.node('CumSum', t.name(x, result.dtype), t.graph.constant(torch.tensor(dim)))
