"""Mamba-2 layer (Dao & Gu 2024, arXiv 2405.21060) whose SSM state is passed in and out.

Between frames only the SSM state lives on; the causal convolution starts from zeros at every frame,
as in FlashDepth.
"""
from collections.abc import Callable
import functools

import torch
from torch import Tensor, nn
import torch.nn.functional as F

CHUNK = 256
SINGLE_BLOCK = 512  # longer frames go in chunks: the arithmetic of one block grows as L^2


@functools.cache
def _fused_scan() -> Callable[..., tuple[Tensor, Tensor]] | None:
    """Return mamba-ssm's Triton kernel, or None where mamba_ssm (which needs CUDA) is missing."""
    try:
        from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
    except Exception:  # its import fails in many ways without CUDA, not only with ImportError
        return None
    return mamba_chunk_scan_combined


def _without_past(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the recurrence over blocks of L tokens as if nothing had been before: an L x L attention.

    Arguments as of `scan_block`. Returns y (N, heads, L, P), the state that is left (N, heads, P,
    S), and the logarithm of what is left, after each token, of a state before the first one
    (N, heads, L).
    """
    decay = torch.cumsum(dt * a, dim=1).transpose(1, 2)           # (N, heads, L)
    length = x.shape[1]
    future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
    # masked before exp: above the diagonal the difference is positive and exp may overflow
    between = (decay[..., :, None] - decay[..., None, :]).masked_fill(future, -torch.inf).exp()
    scores = (c @ b.transpose(1, 2))[:, None] * between           # (N, heads, L, L)
    xdt = (x * dt[..., None]).transpose(1, 2)                     # (N, heads, L, P)
    to_end = (decay[..., -1:] - decay).exp()[..., None]           # (N, heads, L, 1)
    return scores @ xdt, (xdt * to_end).transpose(2, 3) @ b[:, None], decay


def _of_past(decay: Tensor, c: Tensor, state: Tensor) -> Tensor:
    """Return what a state before blocks of tokens adds to their y (N, heads, L, P).

    decay: of `_without_past`. c: (N, L, S). state: (N, heads, P, S).
    """
    return decay.exp()[..., None] * (c[:, None] @ state.transpose(2, 3))


def scan_block(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, state: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run the state-space recurrence over one block of L tokens at once.

    For each head S_t = exp(dt_t a) S_{t-1} + dt_t x_t (x) b_t and y_t = S_t c_t
    ("Transformers are SSMs", section 6).

    x: (N, L, heads, P) inputs. dt: (N, L, heads) step sizes, positive. a: (heads,), negative.
    b, c: (N, L, S), shared by all heads. state: (N, heads, P, S), before the first token.
    Returns y (N, L, heads, P) and the state after the last token.
    """
    y, left, decay = _without_past(x, dt, a, b, c)
    state_after = decay[..., -1, None, None].exp() * state + left
    return (y + _of_past(decay, c, state)).transpose(1, 2), state_after


def scan_chunks(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, state: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence of `scan_block` in chunks, all of them at once; arguments and result too.

    Each chunk runs as if nothing had been before it. What the chunks before it have left, and the
    given state, decay up to its beginning, and are added.
    """
    n, length = x.shape[:2]
    number = -(-length // CHUNK)
    size = -(-length // number)
    missing = number * size - length
    if missing:  # tokens with a step of 0 change nothing
        x, dt, b, c = (F.pad(part, (0, 0) * (part.dim() - 2) + (0, missing))
                       for part in (x, dt, b, c))
    x, dt, b, c = (part.unflatten(1, (number, size)).flatten(0, 1) for part in (x, dt, b, c))
    y, left, decay = _without_past(x, dt, a, b, c)
    of_chunks = decay[..., -1].unflatten(0, (n, number)).transpose(1, 2)  # (N, heads, K)
    # what was there before source i decays over the chunks i to k: it is there after chunk k
    over = torch.ones(number, number + 1, dtype=torch.bool, device=x.device).tril()
    between = of_chunks[..., None].masked_fill(~over, 0).cumsum(2)       # (N, heads, K, K + 1)
    there = torch.ones_like(over).tril(1)
    sources = torch.cat([state[:, None], left.unflatten(0, (n, number))], dim=1).transpose(1, 2)
    states = between.masked_fill(~there, -torch.inf).exp() @ sources.flatten(3)
    states = states.unflatten(3, state.shape[2:]).transpose(1, 2)        # (N, K, heads, P, S)
    before = torch.cat([state[:, None], states[:, :-1]], dim=1).flatten(0, 1)
    y = (y + _of_past(decay, c, before)).transpose(1, 2)
    return y.unflatten(0, (n, number)).flatten(1, 2)[:, :length], states[:, -1]


def scan(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, state: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence of `scan_block` over any number of tokens; same arguments and result.

    mamba-ssm's kernel on CUDA where it is installed, else one block, or chunks where L is long.
    """
    if x.is_cuda and (kernel := _fused_scan()) is not None:
        return kernel(
            x, dt, a, b[:, :, None], c[:, :, None], chunk_size=CHUNK, initial_states=state,
            return_final_states=True)
    form = scan_block if x.shape[1] <= SINGLE_BLOCK else scan_chunks
    return form(x, dt, a, b, c, state)


class GatedRMSNorm(nn.Module):
    """RMSNorm of y * silu(z) over the whole inner dimension."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        y = y * F.silu(z)
        return y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class Mamba2(nn.Module):
    """One Mamba-2 layer with a single group of B and C: (N, L, d_model) -> (N, L, d_model)."""

    def __init__(self, d_model: int, expand: int, headdim: int, d_state: int = 256):
        super().__init__()
        self.d_inner, self.headdim, self.d_state = expand * d_model, headdim, d_state
        self.heads = self.d_inner // headdim
        d_conv = self.d_inner + 2 * d_state
        self.in_proj = nn.Linear(d_model, self.d_inner + d_conv + self.heads, bias=False)
        self.conv1d = nn.Conv1d(d_conv, d_conv, 4, groups=d_conv, padding=3)
        self.dt_bias = nn.Parameter(torch.zeros(self.heads))
        self.A_log = nn.Parameter(torch.zeros(self.heads))
        self.D = nn.Parameter(torch.ones(self.heads))
        self.norm = GatedRMSNorm(self.d_inner)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(self, u: Tensor, state: Tensor, frames: int = 1) -> tuple[Tensor, Tensor]:
        """Run over u (N * frames, L, d_model) from `state` (N, heads, headdim, d_state), float32.

        The frames of a stream follow each other in u. All go at once: the recurrence over one frame
        after the other is that over all their tokens, and nothing else is carried.
        """
        length = u.shape[1]
        z, xbc, dt = self.in_proj(u).split(
            [self.d_inner, self.d_inner + 2 * self.d_state, self.heads], dim=-1)
        xbc = self.conv1d(xbc.transpose(1, 2))[..., :length].transpose(1, 2)  # causal, starts at 0
        x, b, c = F.silu(xbc).split([self.d_inner, self.d_state, self.d_state], dim=-1)
        x = x.unflatten(-1, (self.heads, self.headdim))                       # (N, L, heads, P)
        # The recurrence stays in float32: half precision loses the cumulated decay.
        x32 = x.float()
        dt = F.softplus(dt.float() + self.dt_bias.float())
        tokens = x32, dt, b.float(), c.float()
        if frames > 1:
            tokens = tuple(each.unflatten(0, (-1, frames)).flatten(1, 2) for each in tokens)
        y, state = scan(*tokens[:2], -self.A_log.float().exp(), *tokens[2:], state)
        if frames > 1:
            y = y.unflatten(1, (frames, -1)).flatten(0, 1)
        y = y + self.D.float()[:, None] * x32
        return self.out_proj(self.norm(y.to(u.dtype).flatten(2), z)), state
