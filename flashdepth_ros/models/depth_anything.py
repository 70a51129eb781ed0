"""Depth Anything V2 (Yang et al. 2024, arXiv 2406.09414): every frame for itself."""
from torch import Tensor

from .dpt import DECODERS, DPTHead
from .network import Network, State
from .vit import BACKBONES, PATCH, VisionTransformer


class DepthAnything(Network):
    """Depth of single frames, without a memory: the base of the video models."""

    def __init__(self, backbone: str):
        super().__init__()
        dim, depth, heads, self.taps = BACKBONES[backbone]
        self.pretrained = VisionTransformer(dim, depth, heads)
        self.depth_head = DPTHead(dim, *DECODERS[backbone])

    def initial_state(self, streams: int, height: int, width: int) -> State:
        """Return an empty state: there is nothing to remember."""
        return {}

    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> inverse depth (N, H, W)."""
        height, width = frames.shape[-2:]
        grid = (height // PATCH, width // PATCH)
        head = self.depth_head
        path = head.decode(head.maps(self.pretrained(frames, self.taps), grid))
        return head.predict(path, height, width), {}

    def clip(
        self, frames: Tensor, state: State, forget: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """All frames of clips at once, see Network.clip."""
        outputs, state = self.compute(frames.flatten(0, 1), state)
        return outputs.unflatten(0, frames.shape[:2]), state
