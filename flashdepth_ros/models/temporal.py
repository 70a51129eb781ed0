"""Attention over time at each place of a map, shared by Video Depth Anything and online VDA.

What is remembered of a frame is the normalised tokens h that keys and values are made of. Keys and
values take a position p in the window, which changes as the window slides, but they are linear:
q . (h + p) W_k = (q W_k^T) . h + q . (p W_k), and likewise for the values. So the projection is
applied to the one query and to the one result instead of to every remembered frame, exactly, and a
frame is stored once (keys and values would be two tensors of the same size).
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
from typing import cast

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from .dpt import DPTHead

HEADS = 8
ATTENTIONS = 2     # attention layers in each of the four temporal modules
WINDOW_PLACES = 1024  # tokens of a whole window are processed this many places at a time


@dataclass(frozen=True)
class Window:
    """Which frames the current one attends, per stream: T keys, of which the current is the last.

    The keys before it are what is remembered, in the order in which it lies there: the stream's
    first frame where a model keeps that, then the slots of the ring. positions: (N, T) indices into
    the position table, one for each key. query: (N,) the current frame's own as the query. bias:
    (N, 1, 1, T), 0 where a key is attended, else -inf. absent: (N, 1, 1, slots), True for slots
    that stand for frames before the stream's first one, which is read in their place.
    """

    positions: Tensor
    query: Tensor
    bias: Tensor
    absent: Tensor | None = None


def ages(count: Tensor, slots: int) -> Tensor:
    """Return how many frames ago each slot of a ring was written, (N, 1) -> (N, slots), 1 to slots.

    count: of the frames seen, or less by a multiple of `slots`. A slot not yet written is older
    than the count.
    """
    return (count - 1 - torch.arange(slots, device=count.device)) % slots + 1


class PositionTable(nn.Module):
    """Sinusoidal positions (1, length, dim)."""

    pe: Tensor

    def __init__(self, dim: int, length: int):
        super().__init__()
        angle = torch.arange(length)[:, None] * torch.exp(
            torch.arange(0, dim, 2) * (-math.log(10000) / dim))
        self.register_buffer('pe', torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[None])


class TemporalAttention(nn.Module):
    """Multi-head attention over time, each place of the map for itself."""

    def __init__(self, dim: int, positions: int):
        super().__init__()
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.pos_encoder = PositionTable(dim, positions)

    def forward(self, h: Tensor) -> Tensor:
        """All frames attend all: h (T, L, C), T frames of L places -> (T, L, C)."""
        h = (h + self.pos_encoder.pe[0, :h.shape[0], None]).transpose(0, 1)  # (L, T, C)
        q, k, v = (
            project(h).unflatten(-1, (HEADS, -1)).transpose(1, 2)            # (L, heads, T, d)
            for project in (self.to_q, self.to_k, self.to_v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.to_out[0](y).transpose(0, 1)

    def step(
        self, h: Tensor, past: Tensor, window: Window, first: Tensor | None = None,
    ) -> Tensor:
        """The current frame attends the window: h (N, L, C) -> (N, L, C).

        past: (N, L, slots, C); first: (N, L, C) of the stream's first frame, or None.
        """
        table = self.pos_encoder.pe[0]                                       # (positions, C)
        # embedding, because indexing exports as GatherND, which takes no int32 everywhere
        keys = F.embedding(window.positions, table)                          # (N, T, C)
        key_positions = self.to_k(keys).unflatten(-1, (HEADS, -1)).permute(0, 2, 3, 1)
        value_positions = self.to_v(keys).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        w_k = self.to_k.weight.unflatten(0, (HEADS, -1))                     # (heads, d, C)
        w_v = self.to_v.weight.unflatten(0, (HEADS, -1)).transpose(1, 2)     # (heads, C, d)

        q = self.to_q(h + F.embedding(window.query, table)[:, None])
        q = q.unflatten(-1, (HEADS, -1)).transpose(1, 2)                     # (N, heads, L, d)
        q = q * q.shape[-1] ** -0.5
        folded = (q @ w_k).transpose(1, 2)                                   # (N, L, heads, C)
        past = past.to(h.dtype)
        current = h[:, :, None]                                              # (N, L, 1, C)
        scores = folded @ past.transpose(2, 3)                               # (N, L, heads, slots)
        if first is not None:
            first = first[:, :, None].to(h.dtype)                            # (N, L, 1, C)
            on_first = folded @ first.transpose(2, 3)                        # (N, L, heads, 1)
            if window.absent is not None:
                scores = torch.where(window.absent, on_first, scores)
            scores = torch.cat([on_first, scores], dim=-1)
        scores = torch.cat([scores, folded @ current.transpose(2, 3)], dim=-1)
        scores = scores + (q @ key_positions).transpose(1, 2)                # (N, L, heads, T)
        weights = (scores + window.bias.to(scores.dtype)).softmax(-1)

        on_past = weights[..., -1 - past.shape[2]:-1]
        y = weights[..., -1:] * current                                      # (N, L, heads, C)
        if first is not None:
            on_first = weights[..., :1]
            if window.absent is not None:
                absent = on_past * window.absent
                on_first = on_first + absent.sum(-1, keepdim=True)
                on_past = on_past - absent
            y = y + on_first * first
        y = y + on_past @ past
        y = y.transpose(1, 2) @ w_v + weights.transpose(1, 2) @ value_positions
        return self.to_out[0](y.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    """Linear layer gated by a GELU, (..., C) -> (..., 4C)."""

    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Linear(dim, 8 * dim)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * self.act(gate)


class FeedForward(nn.Module):
    """(..., C) -> (..., C); the middle entry is where training had dropout."""

    def __init__(self, dim: int):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(dim), nn.Identity(), nn.Linear(4 * dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


# (index of the attention layer, the layer, normalised tokens) -> what it adds to the tokens
Attend = Callable[[int, TemporalAttention, Tensor], Tensor]


class TemporalBlock(nn.Module):
    """Two attention layers and a feed-forward one, each pre-normed and residual."""

    def __init__(self, dim: int, positions: int):
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            TemporalAttention(dim, positions) for _ in range(ATTENTIONS))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(ATTENTIONS))
        self.ff = FeedForward(dim)
        self.ff_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        for index, attention in enumerate(self.attention_blocks):
            x = x + attend(index, cast(TemporalAttention, attention), self.norms[index](x))
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    """Group norm, projection, temporal block, projection and residual; shape kept."""

    def __init__(self, dim: int, positions: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, dim, eps=1e-6)
        self.proj_in = nn.Linear(dim, dim)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(dim, positions)])
        self.proj_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, attend: Attend, places: int | None = None) -> Tensor:
        """Map (B, C, h, w) -> the same, `places` of its places at a time (None: all)."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)                     # (B, h * w, C)
        tokens = torch.cat([
            self.proj_out(self.transformer_blocks[0](self.proj_in(part), attend))
            for part in tokens.split(places or tokens.shape[1], dim=1)], dim=1)
        return x + tokens.transpose(1, 2).unflatten(2, x.shape[-2:])


class TemporalModule(nn.Module):
    """One of the decoder's temporal layers, under the name that checkpoints give it."""

    def __init__(self, dim: int, positions: int):
        super().__init__()
        self.temporal_transformer = TemporalTransformer(dim, positions)

    def forward(self, frames: Tensor) -> Tensor:
        """Refine a window of frames, (T, C, h, w) -> (T, C, h, w)."""
        return self.temporal_transformer(
            frames, lambda _, attention, h: attention(h), WINDOW_PLACES)

    def step(
        self, x: Tensor, past: Sequence[Tensor], first: Sequence[Tensor | None], window: Window,
    ) -> tuple[Tensor, list[Tensor]]:
        """Refine the current frame of N streams, (N, C, h, w), with what they remember.

        past, first: for each attention layer (N, h * w, slots, C) and (N, h * w, C) or None.
        Returns the map and, for each layer, what to remember of this frame, (N, h * w, C) in the
        past's dtype.
        """
        remembered = []

        def attend(index: int, attention: TemporalAttention, h: Tensor) -> Tensor:
            remembered.append(h.to(past[index].dtype))
            return attention.step(h, past[index], window, first[index])

        return self.temporal_transformer(x, attend), remembered


class TemporalDPTHead(DPTHead):
    """DPT decoder with temporal layers on levels 3 and 4 and on the paths of levels 4 and 3."""

    def __init__(self, dim: int, features: int, channels: Sequence[int], positions: int):
        super().__init__(dim, features, channels)
        self.motion_modules = nn.ModuleList(
            TemporalModule(c, positions) for c in (*channels[2:], features, features))

    def module_shapes(self, rows: int, columns: int) -> list[tuple[int, int]]:
        """Return (places, channels) of each temporal layer for a grid of patches."""
        coarse = -(-rows // 2) * -(-columns // 2)
        places = (rows * columns, coarse, rows * columns, 4 * rows * columns)
        return [(n, self.temporal_module(index).temporal_transformer.norm.num_channels)
                for index, n in enumerate(places)]

    def temporal_module(self, index: int) -> TemporalModule:
        return cast(TemporalModule, self.motion_modules[index])

    def maps(self, tokens: Sequence[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        """Turn the tokens of the four taps into the maps of levels 1 to 4, frame by frame.

        Levels 1 and 2 have the decoder's width; 3 and 4 first meet the temporal layers.
        """
        return [
            self.reduce(level, self.reassemble(level, x, grid)) if level < 3
            else self.reassemble(level, x, grid)
            for level, x in enumerate(tokens, start=1)]

    def decode_over_time(
        self, maps: Sequence[Tensor], temporal: Callable[[int, Tensor], Tensor],
    ) -> Tensor:
        """Return the path of level 3, with the temporal layers before and after both levels.

        temporal: applies the temporal layer of that index to a map.
        """
        reduced = (self.reduce(3, temporal(0, maps[2])), self.reduce(4, temporal(1, maps[3])))
        return self.decode(
            (*maps[:2], *reduced), lambda level, path: temporal(6 - level, path), levels=(4, 3))

    def finish(self, path: Tensor, maps: Sequence[Tensor], height: int, width: int) -> Tensor:
        """Fuse the path of level 3 with the finer maps -> (B, height, width), not negative."""
        return self.predict(self.decode(maps, path=path, levels=(2, 1)), height, width)
