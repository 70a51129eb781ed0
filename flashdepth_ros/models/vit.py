"""DINOv2 vision transformer (Oquab et al. 2023, arXiv 2304.07193), without registers."""
import torch
from torch import Tensor, nn
import torch.nn.functional as F

from .size_tables import SizeTables

PATCH = 14
TRAINED_GRID = 37  # the position table was trained on 37 x 37 patches (518 x 518 pixels)

# name: dim, depth, heads, taps (0-based indices of the blocks whose tokens feed the DPT decoder)
BACKBONES = {
    'nano': (192, 6, 3, (1, 2, 4, 5)),  # this package's own, see docs/nano.md
    'vits': (384, 12, 6, (2, 5, 8, 11)),
    'vitb': (768, 12, 12, (2, 5, 8, 11)),
    'vitl': (1024, 24, 16, (4, 11, 17, 23)),
}


class PatchEmbed(nn.Module):
    """(B, 3, H, W) -> (B, H/14 * W/14, dim), row-major."""

    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        # As one matrix product: PyTorch has no fast CPU convolution for 14 x 14 patches.
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // PATCH, PATCH, w // PATCH, PATCH)
        x = x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)       # (B, N, 3 * 14 * 14)
        return F.linear(x, self.proj.weight.flatten(1), self.proj.bias)


class ScaledProduct(nn.Module):
    """Queries attend: softmax(scale q k^T) v, each (B, heads, N, head_dim)."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, scale=self.scale)


class Attention(nn.Module):
    """Multi-head self-attention, (B, N, dim) -> (B, N, dim)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.product = ScaledProduct((dim // heads) ** -0.5)
        self.proj = nn.Linear(dim, dim)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return queries, keys and values, each (B, N, dim)."""
        return self.qkv(x).chunk(3, dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in self.project(x))
        y = self.product(q, k, v)                                  # (B, heads, N, head_dim)
        return self.proj(y.transpose(1, 2).flatten(2).to(self.proj.weight.dtype))


class Mlp(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, dim: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class LayerScale(nn.Module):
    """A learned gain per channel."""

    def __init__(self, dim: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block, (B, N, dim) -> (B, N, dim)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)
        self.ls2 = LayerScale(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """DINOv2 ViT that returns the tokens of chosen blocks.

    Args:
        always_resample: resample the position table even at 518 x 518, where the grid is the
            trained one (online VDA's exported form does, FlashDepth and Video Depth Anything do
            not).

    """

    def __init__(self, dim: int, depth: int, heads: int, always_resample: bool = False):
        super().__init__()
        self.always_resample = always_resample
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TRAINED_GRID ** 2, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))  # in the checkpoints, never used
        self.patch_embed = PatchEmbed(dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.tables = SizeTables()

    def position_embedding(self, rows: int, columns: int) -> Tensor:
        """Return the position table for a grid of patches, (1, 1 + rows * columns, dim).

        DINOv2 passes interpolate() a scale factor of (n + 0.1) / 37 instead of a size. That shifts
        the sampling points, and every published weight was trained with the shift.
        """
        if (rows, columns) == (TRAINED_GRID, TRAINED_GRID) and not self.always_resample:
            return self.pos_embed
        table = self.pos_embed
        if not isinstance(table, nn.Parameter) or table.is_inference():  # no telling if it changes
            return self._resampled(rows, columns).to(table.dtype)
        return self.tables.get((rows, columns, table._version), table,
                               lambda: self._resampled(rows, columns))

    def _resampled(self, rows: int, columns: int) -> Tensor:
        table = self.pos_embed.float()
        grid = table[:, 1:].reshape(1, TRAINED_GRID, TRAINED_GRID, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(
            grid, scale_factor=((rows + 0.1) / TRAINED_GRID, (columns + 0.1) / TRAINED_GRID),
            mode='bicubic', align_corners=False)
        return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, x: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
        """(B, 3, H, W) -> one (B, H/14 * W/14, dim) for each tap, normalised, class token dropped.

        Blocks after the last tap are not run.
        """
        rows, columns = x.shape[-2] // PATCH, x.shape[-1] // PATCH
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = x + self.position_embedding(rows, columns)
        tapped = []
        for index in range(max(taps) + 1):
            x = self.blocks[index](x)
            if index in taps:
                tapped.append(self.norm(x)[:, 1:])
        return tapped
