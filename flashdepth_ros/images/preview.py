"""Depth as colours for people, over a fixed range so that colours do not flicker. No ROS here."""
from collections.abc import Sequence

import cv2
import numpy as np

COLORMAPS = {
    'turbo': cv2.COLORMAP_TURBO, 'inferno': cv2.COLORMAP_INFERNO, 'viridis': cv2.COLORMAP_VIRIDIS,
    'magma': cv2.COLORMAP_MAGMA, 'bone': cv2.COLORMAP_BONE,
}

FONT = cv2.FONT_HERSHEY_SIMPLEX
SMALLEST_FONT = 0.4  # capitals of 8 pixels


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


def write_status(picture: np.ndarray, parts: Sequence[str]) -> None:
    """Write text into a picture (H, W, 3), in place: at the bottom, white on a darkened band.

    In as many lines as it takes, up to a third of the picture: what comes last is left away then,
    and a picture too small for a line stays as it is. No part is broken. The font has ASCII alone.
    """
    height, width = picture.shape[:2]
    scale = max(SMALLEST_FONT, width / 1920)
    thickness = max(1, round(1.5 * scale))
    (_, tall), below = cv2.getTextSize('A', FONT, scale, thickness)
    margin = tall // 2
    lines = ['']
    for part in parts:
        longer = f'{lines[-1]}  {part}' if lines[-1] else part
        if cv2.getTextSize(longer, FONT, scale, thickness)[0][0] <= width - 2 * margin:
            lines[-1] = longer
        else:
            lines.append(part)
    step = tall + below + margin
    lines = lines[:max(0, (height // 3 - margin) // step)]
    if not lines or any(
            cv2.getTextSize(line, FONT, scale, thickness)[0][0] > width for line in lines):
        return
    band = len(lines) * step + margin
    picture[-band:] //= 4
    for index, line in enumerate(lines):
        bottom = height - band + (index + 1) * step - below
        cv2.putText(picture, line, (margin, bottom), FONT, scale, (255, 255, 255), thickness,
                    cv2.LINE_AA)


def slice_mask(depth: np.ndarray, near: float, far: float) -> np.ndarray:
    """Depth (H, W) in metres -> mask (H, W) uint8: 255 from near to far, inclusive, 0 elsewhere.

    What has no value, or lies outside of the output's range, is in no slice.
    """
    return cv2.inRange(depth, float(near), float(far))
