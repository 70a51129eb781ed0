"""Depth as colours for people, over a fixed range so that colours do not flicker. No ROS here."""
import cv2
import numpy as np

COLORMAPS = {
    'turbo': cv2.COLORMAP_TURBO, 'inferno': cv2.COLORMAP_INFERNO, 'viridis': cv2.COLORMAP_VIRIDIS,
    'magma': cv2.COLORMAP_MAGMA, 'bone': cv2.COLORMAP_BONE,
}


def colour_depth(depth: np.ndarray, near: float, far: float, colormap: str) -> np.ndarray:
    """Depth (H, W) in metres -> BGR (H, W, 3) uint8: near is the map's end, far its beginning.

    Inverse depth is what is spread over the colours, since that is what the eye and the model
    resolve. No value (NaN) is black; nearer and farther than the range take its end colours.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        # -Inf (nearer than the output's range) must not become the farthest colour
        inverse = 1 / np.where(depth == -np.inf, np.float32(near), depth)
    low, high = 1 / far, 1 / max(near, 1e-3)
    level = np.clip((inverse - low) * np.float32(255 / (high - low)), 0, 255)
    coloured = cv2.applyColorMap(np.nan_to_num(level).astype(np.uint8), COLORMAPS[colormap])
    coloured[np.isnan(depth)] = 0
    return coloured


def slice_mask(depth: np.ndarray, near: float, far: float) -> np.ndarray:
    """Depth (H, W) in metres -> mask (H, W) uint8: 255 from near to far, inclusive, 0 elsewhere.

    What has no value, or lies outside of the output's range, is in no slice.
    """
    return cv2.inRange(depth, float(near), float(far))
