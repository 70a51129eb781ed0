"""PyTorch's functions in ONNX's operators: types, shapes and parts (see onnx_elementwise.py)."""
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor

from .engine import EngineError
from .onnx_elementwise import writes
from .onnx_graph import Writer

Index = int | slice | EllipsisType | None


@writes('to', 'float', 'half', 'bfloat16', 'int', 'long', 'contiguous', 'clone', 'detach')
def _to(t: Writer, result: Tensor, x: Tensor, *_: Any, **__: Any) -> str | Tensor:
    if not t.is_traced(x):  # only the other tensor, whose type it shall have
        return x.to(result.dtype)
    return t.name(x, result.dtype)


@writes('zeros_like', 'new_zeros')
def _zeros(t: Writer, result: Tensor, *_: Any, **__: Any) -> Tensor:
    return torch.zeros(result.shape, dtype=result.dtype)


@writes('ones_like', 'new_ones')
def _ones(t: Writer, result: Tensor, *_: Any, **__: Any) -> Tensor:
    return torch.ones(result.shape, dtype=result.dtype)


@writes('reshape', 'view', 'flatten', 'unflatten', 'squeeze', 'unsqueeze')
def _reshape(t: Writer, result: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    return _reshaped(t, t.name(x), x.shape, result)


def _reshaped(t: Writer, name: str, shape: Sequence[int], like: Tensor) -> str:
    if tuple(shape) == tuple(like.shape):
        return name
    return t.graph.node('Reshape', name, t.graph.numbers(like.shape))


@writes('expand')
def _expand(t: Writer, result: Tensor, x: Tensor, *_: Any) -> str:
    if x.shape == result.shape:
        return t.name(x)
    return t.graph.node('Expand', t.name(x), t.graph.numbers(result.shape))


@writes('transpose')
def transpose(t: Writer, result: Tensor, x: Tensor, first: int, second: int) -> str:
    order = list(range(x.dim()))
    order[first], order[second] = order[second], order[first]
    return t.graph.node('Transpose', t.name(x), perm=order)


@writes('permute')
def _permute(t: Writer, result: Tensor, x: Tensor, *order: Any) -> str:
    axes = order[0] if isinstance(order[0], (list, tuple)) else order
    return t.graph.node('Transpose', t.name(x), perm=[axis % x.dim() for axis in axes])


@writes('T', 'mT')
def _t(t: Writer, result: Tensor, x: Tensor) -> str:
    return transpose(t, result, x, -1, -2)


@writes('cat')
def _cat(t: Writer, result: Tensor, parts: Sequence[Tensor], dim: int = 0) -> str:
    return t.graph.node('Concat', *(t.name(x, result.dtype) for x in parts),
                        axis=dim % result.dim())


@writes('stack')
def _stack(t: Writer, result: Tensor, parts: Sequence[Tensor], dim: int = 0) -> str:
    dim %= result.dim()
    shape = t.graph.numbers([*result.shape[:dim], 1, *result.shape[dim + 1:]])
    return t.graph.node('Concat', *(t.graph.node('Reshape', t.name(x, result.dtype), shape)
                                    for x in parts), axis=dim)


def _split_at(t: Writer, x: Tensor, lengths: Sequence[int], dim: int) -> list[str]:
    return t.graph.nodes('Split', [t.name(x), t.graph.numbers(lengths)], len(lengths),
                         axis=dim % x.dim())


@writes('split', 'chunk')
def _split(t: Writer, result: Sequence[Tensor], x: Tensor, _: Any, dim: int = 0) -> list[str]:
    return _split_at(t, x, [part.shape[dim] for part in result], dim)


@writes('unbind')
def _unbind(t: Writer, result: Sequence[Tensor], x: Tensor, dim: int = 0) -> list[str]:
    if len(result) == 1:
        return [_reshaped(t, t.name(x), x.shape, result[0])]
    return [t.graph.node('Reshape', name, t.graph.numbers(part.shape)) for name, part in zip(
        _split_at(t, x, [1] * len(result), dim), result, strict=True)]


@writes('__getitem__')
def _getitem(t: Writer, result: Tensor, x: Tensor, index: Index | tuple[Index, ...]) -> str:
    items = index if isinstance(index, tuple) else (index,)
    shape, slices, axis = list(x.shape), [], 0
    for item in items:
        if item is Ellipsis:
            axis += x.dim() - sum(other is not None and other is not Ellipsis for other in items)
            continue
        if item is None:
            continue
        if isinstance(item, slice):
            start, stop, step = item.indices(x.shape[axis])
        elif isinstance(item, int) and not isinstance(item, bool):
            start, step = item % x.shape[axis], 1
            stop = start + 1
        else:
            raise EngineError(f'a network that indexes with {type(item).__name__} cannot be '
                              f'exported: use embedding or where')
        if (start, stop, step) != (0, x.shape[axis], 1):
            slices.append((start, stop, axis, step))
            shape[axis] = len(range(start, stop, step))
        axis += 1
    name = t.name(x)
    if slices:
        name = t.graph.node('Slice', name, *map(t.graph.numbers, zip(*slices, strict=True)))
    return _reshaped(t, name, shape, result)


@writes('pad')
def _pad(
    t: Writer, result: Tensor, x: Tensor, pad: Sequence[int], mode: str = 'constant',
    value: float | None = None,
) -> str:
    if not any(pad):
        return t.name(x)
    without = [0] * (x.dim() - len(pad) // 2)
    # PyTorch begins with the last dimension, and has both ends of each together
    ends = [*without, *pad[-2::-2], *without, *pad[-1::-2]]
    modes = {'constant': 'constant', 'replicate': 'edge', 'reflect': 'reflect'}
    return t.graph.node('Pad', t.name(x), t.graph.numbers(ends),
                        *([t.name(value or 0, x.dtype)] if mode == 'constant' else []),
                        mode=modes[mode])
