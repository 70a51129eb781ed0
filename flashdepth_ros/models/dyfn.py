"""DyFN (CVPR 2026, arXiv 2605.25308): MoGe-1's point maps, with a memory of their scale and shift.

MoGe-1 (Wang et al. 2025, arXiv 2410.19115) sees every frame for itself. DyFN leaves its weights as
they are and puts a small recurrent normalisation between its encoder and its decoder.
"""
from typing import cast

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from .network import Network, State
from .vit import BACKBONES, PATCH, VisionTransformer

FEATURES, HIDDEN = 512, 256
STAGES = ((FEATURES, 256), (256, 128), (128, 64))  # channels before and after each upsampling
LAST = 32                                          # channels before the last layer
TAPS = 4                                           # of the encoder's last blocks


def view_plane(height: int, width: int, aspect: float, device: torch.device) -> Tensor:
    """Return where the pixels of a map lie in the view, (2, height, width): u right, v down.

    aspect: width / height of the network's frame, whose half diagonal is 1.
    """
    diagonal = (1 + aspect ** 2) ** 0.5
    u = (2 * torch.arange(width, device=device) + 1 - width) * (aspect / diagonal / width)
    v = (2 * torch.arange(height, device=device) + 1 - height) * (1 / diagonal / height)
    return torch.stack([u.expand(height, width), v[:, None].expand(height, width)])


def with_view_plane(x: Tensor, aspect: float) -> Tensor:
    """(N, C, h, w) -> (N, C + 2, h, w)."""
    height, width = x.shape[-2:]
    plane = view_plane(height, width, aspect, x.device)
    return torch.cat([x, plane.expand(len(x), -1, -1, -1)], dim=1)


def replicating_conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution that repeats the edges: all of the decoder's do."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode='replicate')


class ResidualBlock(nn.Module):
    """(N, c, h, w) -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(1, channels), nn.ReLU(), replicating_conv(channels, 2 * channels),
            nn.GroupNorm(2 * channels // 32, 2 * channels), nn.ReLU(),
            replicating_conv(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ConvGRUCell(nn.Module):
    """x (N, 512, p, q), h (N, 256, p, q) -> the new h, within -1 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_gates = nn.Conv2d(FEATURES + HIDDEN, 2 * HIDDEN, 3, padding=1)
        self.conv_candidate = nn.Conv2d(FEATURES + HIDDEN, HIDDEN, 3, padding=1)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        reset, update = self.conv_gates(torch.cat([x, h], dim=1)).sigmoid().chunk(2, dim=1)
        candidate = self.conv_candidate(torch.cat([x, reset * h], dim=1)).tanh()
        return (1 - update) * h + update * candidate


class Stabiliser(nn.Module):
    """Gives each channel a mean and a deviation that are carried from frame to frame.

    These two carry the scale and the shift of the depth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_gru_cell = ConvGRUCell()
        self.gamma_head = nn.Conv2d(HIDDEN, FEATURES, 1)
        self.beta_head = nn.Conv2d(HIDDEN, FEATURES, 1)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """X (N, 512, p, q), h (N, 256, p, q) -> normalised x, new h."""
        h = self.conv_gru_cell(x, h)
        grid = (2, 3)
        gamma = F.softplus(self.gamma_head(h)).mean(grid, keepdim=True)
        beta = self.beta_head(h).mean(grid, keepdim=True)
        deviation = x.std(grid, correction=1, keepdim=True) + 1e-5
        return gamma * (x - x.mean(grid, keepdim=True)) / deviation + beta, h


class PointHead(nn.Module):
    """Tokens of the encoder's last four blocks -> a point map and a mask, at the frame's size."""

    def __init__(self, dim: int, recurrent: bool):
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(dim, FEATURES, 1) for _ in range(TAPS))
        self.upsample_blocks = nn.ModuleList(
            nn.Sequential(
                nn.Sequential(nn.ConvTranspose2d(inputs + 2, outputs, 2, stride=2),
                              replicating_conv(outputs, outputs)),
                ResidualBlock(outputs), ResidualBlock(outputs))
            for inputs, outputs in STAGES)
        self.output_block = nn.ModuleList(
            nn.Sequential(replicating_conv(STAGES[-1][1] + 2, LAST), nn.ReLU(),
                          nn.Conv2d(LAST, planes, 1))
            for planes in (3, 1))
        if recurrent:
            self.stabilizer = Stabiliser()

    def output_layers(self) -> list[tuple[nn.Conv2d, nn.Conv2d]]:
        """Return the first and the last convolution of the points' and of the mask's output."""
        blocks = (cast(nn.Sequential, block) for block in self.output_block)
        return [(cast(nn.Conv2d, block[0]), cast(nn.Conv2d, block[2])) for block in blocks]

    def project(self, taps: list[Tensor], grid: tuple[int, int]) -> Tensor:
        """Sum the projected tokens of the taps, 4 of (N, p * q, dim) -> (N, 512, p, q)."""
        x = self.projects[0](taps[0].transpose(1, 2).unflatten(2, grid))
        for project, tap in zip(self.projects[1:], taps[1:], strict=True):
            x = x + project(tap.transpose(1, 2).unflatten(2, grid))
        return x

    def decode(self, x: Tensor, height: int, width: int) -> Tensor:
        """(N, 512, p, q) -> x', y', z' and mask' (N, 4, height, width)."""
        aspect = width / height
        for stage in self.upsample_blocks:
            x = stage(with_view_plane(x, aspect))
        x = F.interpolate(x, (height, width), mode='bilinear', align_corners=False)
        x = with_view_plane(x, aspect)
        return torch.cat([block(x) for block in self.output_block], dim=1)


class DyFN(Network):
    """Point maps up to one scale: the planes of spec.POINT_MAP.

    recurrent: False is MoGe-1, which remembers nothing.
    """

    def __init__(self, backbone: str = 'vitl', recurrent: bool = True):
        super().__init__()
        dim, depth, heads, _ = BACKBONES[backbone]
        self.taps = tuple(range(depth - TAPS, depth))
        self.recurrent = recurrent
        # constants of the authors' file; frames come normalised
        self.register_buffer('image_mean', torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer('image_std', torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.backbone = VisionTransformer(dim, depth, heads)
        self.head = PointHead(dim, recurrent)
        if not recurrent:
            self.spare_keys = ('head.stabilizer.',)  # DyFN's file holds MoGe-1's weights too

    def initial_state(self, streams: int, height: int, width: int) -> State:
        """Return {'hidden': (streams, 256, p, q)}, or nothing where nothing is remembered."""
        if not self.recurrent:
            return {}
        return {'hidden': torch.zeros(
            streams, HIDDEN, height // PATCH, width // PATCH,
            device=self.backbone.cls_token.device)}

    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> planes (N, 4, H, W)."""
        height, width = frames.shape[-2:]
        x = self.head.project(
            self.backbone(frames, self.taps), (height // PATCH, width // PATCH))
        changes = {}
        if self.recurrent:
            x, changes['hidden'] = self.head.stabilizer(x, state['hidden'])
        return self.head.decode(x, height, width), changes

    @torch.no_grad()
    def adjust_random(self) -> None:
        """Let x' and y' follow the view plane: no camera could be recovered from mere noise."""
        first, last = self.head.output_layers()[0]
        first.weight[:4] = 0
        cast(Tensor, first.bias)[:4] = 0
        u, v = STAGES[-1][1], STAGES[-1][1] + 1            # the inputs that are coordinates
        first.weight[0, u, 1, 1], first.weight[1, u, 1, 1] = 1, -1  # their positive and their
        first.weight[2, v, 1, 1], first.weight[3, v, 1, 1] = 1, -1  # negative part
        last.weight[:2] *= 0.2
        last.weight[:, :4] = 0
        last.weight[0, 0], last.weight[0, 1] = 0.6, -0.6
        last.weight[1, 2], last.weight[1, 3] = 0.6, -0.6
