"""DPT decoder (Ranftl et al. 2021, arXiv 2103.13413) as Depth Anything V2 shapes it.

The stages are separate methods, so that a temporal model can place its own layers between them:
maps -> decode (level 4, 3, 2, 1) -> predict.
"""
from collections.abc import Callable, Sequence

from torch import Tensor, nn
import torch.nn.functional as F

# backbone: features, channels of the four reassembled maps
DECODERS = {
    'nano': (32, (24, 48, 96, 192)),
    'vits': (64, (48, 96, 192, 384)),
    'vitb': (128, (96, 192, 384, 768)),
    'vitl': (256, (256, 512, 1024, 1024)),
}

LEVELS = (4, 3, 2, 1)  # in the order of decoding, coarsest first
Refine = Callable[[int, Tensor], Tensor]


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, C, h, w) to (B, C, *size), bilinear, corners aligned as in all these models."""
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=True)


class ResidualConvUnit(nn.Module):
    """Pre-activation residual unit, shape kept."""

    def __init__(self, features: int):
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.conv1(F.relu(x)))) + x


class FeatureFusionBlock(nn.Module):
    """Add a skip connection, refine, upsample to `size`.

    The 1x1 convolution follows the upsampling in the authors' code. The two commute (one mixes
    channels, the other places, with weights that sum to 1), and before it costs a quarter.
    """

    def __init__(self, features: int):
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualConvUnit(features)  # unused in refinenet4, which has no skip
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, x: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        return upsample(self.out_conv(self.resConfUnit2(x)), size)


class Scratch(nn.Module):
    """The decoder's trained-from-scratch layers, under the name that checkpoints give them."""

    def __init__(self, features: int, channels: Sequence[int]):
        super().__init__()
        for level, c in enumerate(channels, start=1):
            self.add_module(f'layer{level}_rn', nn.Conv2d(c, features, 3, padding=1, bias=False))
            self.add_module(f'refinenet{level}', FeatureFusionBlock(features))
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU(),
            nn.Identity())


class DPTHead(nn.Module):
    """Tokens of four ViT blocks -> one map at the frame's size.

    With p the patch grid, the levels' grids are 4p, 2p, p and ceil(p / 2) for levels 1 to 4.
    """

    def __init__(self, dim: int, features: int, channels: Sequence[int]):
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(dim, c, 1) for c in channels)
        self.resize_layers = nn.ModuleList([
            nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
            nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
            nn.Identity(),
            nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
        ])
        self.scratch = Scratch(features, channels)

    def reassemble(self, level: int, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Turn the tokens of one tap into the map of `level` 1..4: (B, N, dim) -> (B, C, h, w)."""
        x = tokens.transpose(1, 2).unflatten(2, grid)
        return self.resize_layers[level - 1](self.projects[level - 1](x))

    def reduce(self, level: int, x: Tensor) -> Tensor:
        """Bring the map of `level` to the decoder's width: (B, C, h, w) -> (B, features, h, w)."""
        return self.scratch.get_submodule(f'layer{level}_rn')(x)

    def maps(self, tokens: Sequence[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        """Turn the tokens of the four taps into the maps of levels 1 to 4 that `decode` takes."""
        return [self.reduce(level, self.reassemble(level, x, grid))
                for level, x in enumerate(tokens, start=1)]

    def fuse(self, level: int, path: Tensor | None, x: Tensor, size: Sequence[int]) -> Tensor:
        """Return the path of `level`: the coarser `path` (None at level 4) fused with map `x`.

        size: the grid of the next finer level, which the result has; at level 1 the double of x's.
        """
        block = self.scratch.get_submodule(f'refinenet{level}')
        return block(x, None, size) if path is None else block(path, x, size)

    def decode(
        self, maps: Sequence[Tensor], refine: Refine | None = None, path: Tensor | None = None,
        levels: Sequence[int] = LEVELS,
    ) -> Tensor:
        """Fuse maps of levels 1 to 4 from the coarsest to the finest, and return the last path.

        refine: (level, path) -> the path that the next level gets. path, levels: to do a part of
        the levels, from the path before them on; the path is (B, features, h, w) of the grid of
        the next finer level, at level 1 of twice its own.
        """
        for level in levels:
            rows, columns = maps[max(level - 2, 0)].shape[-2:]
            size = (rows, columns) if level > 1 else (2 * rows, 2 * columns)
            path = self.fuse(level, path, maps[level - 1], size)
            if refine is not None:
                path = refine(level, path)
        assert path is not None  # there is a level
        return path

    def predict(self, path: Tensor, height: int, width: int) -> Tensor:
        """Finest path (B, features, 8h, 8w) -> (B, height, width), not negative."""
        x = upsample(self.scratch.output_conv1(path), (height, width))
        return self.scratch.output_conv2(x).squeeze(1)
