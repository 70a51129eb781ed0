"""PyTorch's functions in ONNX's operators: layers, in the forms that libraries recognise.

See onnx_elementwise.py.
"""
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .onnx_elementwise import OPERATORS, writes
from .onnx_graph import Writer
from .onnx_shapes import transpose

__all__ = ['OPERATORS']


@writes('softmax')
def _softmax(t: Writer, result: Tensor, x: Tensor, dim: int) -> str:
    return t.graph.node('Softmax', t.name(x), axis=dim)


@writes('matmul')
def _matmul(t: Writer, result: Tensor, x: Tensor, y: Tensor) -> str:
    return t.graph.node('MatMul', t.name(x), t.name(y))


@writes('linear')
def _linear(
    t: Writer, result: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None,
) -> str:
    # a matrix that is transposed here can be mapped from its file as it is
    matrix = t.graph.node('Transpose', t.name(weight), perm=[1, 0])
    product = t.graph.node('MatMul', t.name(x), matrix)
    return product if bias is None else t.graph.node('Add', product, t.name(bias))


@writes('embedding')
def _embedding(
    t: Writer, result: Tensor, indices: Tensor, table: Tensor, *, padding_idx: int | None,
    max_norm: None, norm_type: float, scale_grad_by_freq: bool, sparse: bool,
) -> str:
    return t.graph.node('Gather', t.name(table), t.name(indices), axis=0)


@writes('conv1d', 'conv2d')
def _conv(
    t: Writer, result: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> str:
    sides = weight.dim() - 2
    strides, pads, dilations = ([value] * sides if isinstance(value, int) else list(value)
                                for value in (stride, padding, dilation))
    inputs = [x, weight] if bias is None else [x, weight, bias]
    return t.graph.node('Conv', *map(t.name, inputs), strides=strides, pads=[*pads, *pads],
                        dilations=dilations, group=groups)


@writes('layer_norm')
def _layer_norm(
    t: Writer, result: Tensor, x: Tensor, shape: Sequence[int], weight: Tensor, bias: Tensor,
    eps: float = 1e-5,
) -> str:
    return t.graph.node('LayerNormalization', *map(t.name, (x, weight, bias)), axis=-len(shape),
                        epsilon=eps)


@writes('group_norm')
def _group_norm(
    t: Writer, result: Tensor, x: Tensor, groups: int, weight: Tensor, bias: Tensor,
    eps: float = 1e-5,
) -> str:
    ones = torch.ones(groups, dtype=x.dtype)
    grouped = t.graph.node('Reshape', t.name(x), t.graph.numbers([x.shape[0], groups, -1]))
    normal = t.graph.node('InstanceNormalization', grouped, t.graph.constant(ones),
                          t.graph.constant(torch.zeros_like(ones)), epsilon=eps)
    normal = t.graph.node('Reshape', normal, t.graph.numbers(x.shape))
    gain, shift = (t.graph.constant(each.reshape(-1, *[1] * (x.dim() - 2)))
                   for each in (weight, bias))
    return t.graph.node('Add', t.graph.node('Mul', normal, gain), shift)


@writes('scaled_dot_product_attention')
def _attention(
    t: Writer, result: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float | None = None,
) -> str:
    scale = scale or q.shape[-1] ** -0.5
    queries = t.graph.node('Mul', t.name(q), t.name(scale, q.dtype))
    scores = t.graph.node('MatMul', queries, transpose(t, k, k, -1, -2))
    return t.graph.node('MatMul', t.graph.node('Softmax', scores, axis=-1), t.name(v))


@writes('interpolate')
def _interpolate(
    t: Writer, result: Tensor, x: Tensor, size: Sequence[int], *, mode: str,
    align_corners: bool, scale_factor: None, recompute_scale_factor: None, antialias: bool,
) -> str:
    assert mode == 'bilinear' and not antialias
    return t.graph.node(
        'Resize', t.name(x), '', '', t.graph.numbers(result.shape), mode='linear',
        coordinate_transformation_mode='align_corners' if align_corners else 'half_pixel')


@writes('pixel_shuffle')
def _pixel_shuffle(t: Writer, result: Tensor, x: Tensor, factor: int) -> str:
    return t.graph.node('DepthToSpace', t.name(x), blocksize=factor, mode='CRD')
