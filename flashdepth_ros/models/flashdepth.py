"""FlashDepth (Chou et al. 2025, arXiv 2504.07093): S, L and the hybrid Full model."""
import functools
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
import torch.nn.functional as F

from .dpt import DECODERS, DPTHead, upsample
from .mamba2 import Mamba2
from .network import Network, State
from .size_tables import SizeTables
from .vit import BACKBONES, PATCH, VisionTransformer

POOL = 10           # the temporal layers work on a grid ten times coarser than the path they refine
TEACHER_HEIGHT = 490


@functools.lru_cache(maxsize=64)
def pooling_matrix(length: int, bins: int) -> np.ndarray:
    """Return adaptive average pooling along one axis as a matrix (bins, length).

    Bin i covers floor(i * length / bins) to ceil((i + 1) * length / bins). Two matrix products are
    the same as adaptive_avg_pool2d and, unlike it, every engine can run them.
    """
    matrix = np.zeros((bins, length), dtype=np.float32)
    for i in range(bins):
        start, stop = i * length // bins, -(-(i + 1) * length // bins)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


def pooling(length: int, bins: int) -> Tensor:
    """Return `pooling_matrix` as a tensor."""
    return torch.from_numpy(pooling_matrix(length, bins))


class MambaBlock(nn.Module):
    """Mamba-2 and an MLP, each pre-normed and residual: (N, L, C) -> (N, L, C)."""

    def __init__(self, dim: int, expand: int, headdim: int, d_state: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.mamba = Mamba2(dim, expand, headdim, d_state)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, state: Tensor, frames: int = 1) -> tuple[Tensor, Tensor]:
        y, state = self.mamba(self.norm1(x), state, frames)
        x = x + y
        return x + self.mlp(self.norm2(x)), state


def _layers(blocks: nn.ModuleList) -> nn.ModuleList:
    """Return the layers of the one path that is refined."""
    return cast(nn.ModuleList, blocks[0])


class TemporalRefiner(nn.Module):
    """Refine a decoder path with what Mamba remembers of earlier frames (section 3.2)."""

    def __init__(self, dim: int, expand: int, headdim: int, layers: int, d_state: int):
        super().__init__()
        # the outer list has one entry for each refined path; all published models refine one
        self.blocks = nn.ModuleList([
            nn.ModuleList(MambaBlock(dim, expand, headdim, d_state) for _ in range(layers))])
        self.final_layer = nn.Sequential(nn.GELU(), nn.Linear(dim, dim))
        self.tables = SizeTables()

    def initial_state(self, streams: int) -> Tensor:
        """Return zeros (streams, layers, heads, headdim, d_state)."""
        layers = _layers(self.blocks)
        mamba = cast(MambaBlock, layers[0]).mamba
        return torch.zeros(
            (streams, len(layers), mamba.heads, mamba.headdim, mamba.d_state),
            dtype=torch.float32, device=next(self.parameters()).device)

    def forward(self, path: Tensor, state: Tensor, frames: int = 1) -> tuple[Tensor, Tensor]:
        """Path (N * frames, C, h, w) and state of N streams -> the refined path, the new state."""
        height, width = path.shape[-2:]
        rows, columns = height // POOL, width // POOL
        pool_rows, pool_columns = (
            self.tables.get(lengths, path, functools.partial(pooling, *lengths))
            for lengths in ((height, rows), (width, columns)))
        x = pool_rows @ path @ pool_columns.T                            # (N, C, rows, columns)
        x = x.flatten(2).transpose(1, 2)                                 # (N, L, C)
        states = []
        for block, block_state in zip(_layers(self.blocks), state.unbind(1), strict=True):
            x, block_state = block(x, block_state, frames)
            states.append(block_state)
        x = upsample(x.transpose(1, 2).unflatten(2, (rows, columns)), (height, width))
        x = self.final_layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # after upsampling
        return path + x, torch.stack(states, dim=1)


class CrossAttention(nn.Module):
    """Queries from x (N, L, dim), keys and values from a context (N, M, dim); two heads."""

    def __init__(self, dim: int, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        kv = self.kv(context).unflatten(-1, (2, self.heads, -1))         # (N, M, 2, heads, d)
        k, v = kv.permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class FusionBlock(nn.Module):
    """Cross-attention to the teacher's tokens and an MLP, each pre-normed and residual."""

    def __init__(self, dim: int, context_dim: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.context_norm = nn.LayerNorm(dim)
        self.attention = CrossAttention(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.context_proj = nn.Linear(context_dim, dim)  # only the first block's is used

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x), self.context_norm(context))
        return x + self.mlp(self.norm2(x))


class HybridFusion(nn.Module):
    """Bring the teacher's coarse path into the student's (section 3.3)."""

    def __init__(self, dim: int, context_dim: int, layers: int = 4):
        super().__init__()
        self.blocks = nn.ModuleList([
            nn.ModuleList(FusionBlock(dim, context_dim) for _ in range(layers))])

    def forward(self, path: Tensor, context: Tensor) -> Tensor:
        """Path (N, dim, h, w) and context (N, context_dim, h', w') -> (N, dim, h, w)."""
        x = path.flatten(2).transpose(1, 2)
        layers = _layers(self.blocks)
        first = cast(FusionBlock, layers[0])
        context = first.context_proj(context.flatten(2).transpose(1, 2))
        for block in layers:
            x = block(x, context)
        return x.transpose(1, 2).unflatten(2, path.shape[-2:])


class Teacher(nn.Module):
    """The Full model's ViT-L and decoder, of which inference needs only the coarsest path."""

    def __init__(self):
        super().__init__()
        dim, depth, heads, self.taps = BACKBONES['vitl']
        self.pretrained = VisionTransformer(dim, depth, heads)
        self.depth_head = DPTHead(dim, *DECODERS['vitl'])

    @staticmethod
    def frame_size(height: int, width: int) -> tuple[int, int]:
        """Return the size at which the teacher sees a frame.

        The reference shrinks by the frame's height, also in portrait: 2044 rows x 1148 columns
        become 490 x 266.
        """
        if height <= TEACHER_HEIGHT:
            return height, width
        return TEACHER_HEIGHT, int(TEACHER_HEIGHT / height * width) // PATCH * PATCH

    def forward(self, frames: Tensor) -> Tensor:
        """Normalised frames (N, 3, H, W) -> path 4 (N, 256, h, w), h at most 35 patches."""
        height, width = self.frame_size(*frames.shape[-2:])
        if frames.shape[-2:] != (height, width):
            frames = upsample(frames, (height, width))
        grid = (height // PATCH, width // PATCH)
        tokens, = self.pretrained(frames, self.taps[-1:])
        head = self.depth_head
        return head.fuse(4, None, head.reduce(4, head.reassemble(4, tokens, grid)), grid)


class FlashDepth(Network):
    """Streaming depth whose memory is the SSM state of Mamba-2 layers (the published ones: four).

    Args:
        backbone: of BACKBONES. refined_level: the decoder path (4 coarsest to 1 finest) that the
            temporal layers refine; it is not in the checkpoint, so it comes from the registry only.
        expand, headdim, layers, d_state: of the Mamba-2 layers. hybrid: with the Full model's
            teacher and fusion.

    """

    def __init__(
        self, backbone: str, refined_level: int, expand: int, headdim: int, layers: int = 4,
        d_state: int = 256, hybrid: bool = False,
    ):
        super().__init__()
        dim, depth, heads, self.taps = BACKBONES[backbone]
        features, channels = DECODERS[backbone]
        self.refined_level = refined_level
        self.pretrained = VisionTransformer(dim, depth, heads)
        self.depth_head = DPTHead(dim, features, channels)
        self.mamba = TemporalRefiner(features, expand, headdim, layers, d_state)
        if hybrid:
            self.teacher_model = Teacher()
            self.hybrid_fusion = HybridFusion(features, DECODERS['vitl'][0])
        self.hybrid = hybrid

    def initial_state(self, streams: int, height: int, width: int) -> State:
        """Return the state of streams that have seen no frame: zeros, whatever the frame's size."""
        return {'ssm': self.mamba.initial_state(streams)}

    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> inverse depth (N, H, W).

        The inverse depth approximates 100 / Z with Z in metres.
        """
        return self._compute(frames, state, 1)

    def clip(
        self, frames: Tensor, state: State, forget: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """All frames of clips at once, see Network.clip."""
        outputs, state = self._compute(frames.flatten(0, 1), state, frames.shape[1])
        return outputs.unflatten(0, frames.shape[:2]), state

    def _compute(self, frames: Tensor, state: State, steps: int) -> tuple[Tensor, State]:
        """Frames (N * steps, 3, H, W), `steps` of each stream after each other, and N states."""
        height, width = frames.shape[-2:]
        grid = (height // PATCH, width // PATCH)
        head = self.depth_head
        ssm = state['ssm']

        def refine(level: int, path: Tensor) -> Tensor:
            nonlocal ssm
            if level == 4 and self.hybrid:
                path = self.hybrid_fusion(path, self.teacher_model(frames))
            if level == self.refined_level:
                path, ssm = self.mamba(path, ssm, steps)
            return path

        path = head.decode(head.maps(self.pretrained(frames, self.taps), grid), refine)
        return head.predict(path, height, width), {'ssm': ssm}
