"""From a model's output to metres. No ROS here."""
import numpy as np

from ..images.resampling import DepthFormula, resize_aligned, resize_to_depth
from ..models import Unit

MODES = ('nominal', 'fixed', 'reference', 'ground', 'motion')


class ScaleError(ValueError):
    """The scale settings cannot give metres for this model; the message names the choices."""


def check_mode(mode: str, unit: Unit, model: str) -> None:
    """Refuse a mode that would call meaningless numbers metres; ScaleError."""
    if mode == 'nominal' and not unit.is_metric:
        what = 'relative inverse depth' if unit.has_shift else 'depth up to an unknown scale'
        raise ScaleError(
            f'{model} gives {what}, which has no nominal metres: set scale.mode to '
            f'reference (a depth image or a cloud tells the scale), to motion (odometry tells it), '
            f'to fixed with a calibrated scale.factor and scale.shift, or use a metric model')
    if mode == 'ground' and unit.has_shift:
        raise ScaleError(
            f'{model} gives relative inverse depth, whose shift the floor cannot tell: set '
            f'scale.mode to reference, motion or fixed, or use flashdepth-s or a metric model')


def inverse_depth(output: np.ndarray, unit: Unit) -> np.ndarray:
    """Return the model's inverse depth d as the fits take it: 1/m, or relative, float32.

    Metres are then 1 / (factor * d + shift). Where a depth is 0, d is +Inf.
    """
    if unit is Unit.HUNDRED_PER_METRE:
        return output * np.float32(0.01)
    if unit.is_depth:
        with np.errstate(divide='ignore'):
            return 1 / output
    return output


def to_metres(
    output: np.ndarray, unit: Unit, mode: str, factor: float, shift: float,
    min_range: float, max_range: float, out: np.ndarray | None = None,
) -> np.ndarray:
    """Turn a model's output (h, w) into depth in metres along z, float32, into `out` where given.

    `out` (H, W) may have another size: the output is resampled first, as the models' authors do.
    With the inverse depth d in 1/m (output / 100, the output, or 1 / output, by its unit):
    'nominal' is factor / d; 'fixed', and 'reference', 'ground' and 'motion' with the factor
    and shift that were fitted, are 1 / (factor * d + shift).
    Values as REP 117 has them: +Inf beyond max_range (and where the inverse depth is not positive,
    or the model sees no depth, such as sky), -Inf nearer than min_range, NaN where the output is
    not a number.
    """
    if out is None:
        out = np.empty(output.shape, np.float32)
    scale = 100 if unit is Unit.HUNDRED_PER_METRE else 1
    numerator, factor, shift = (
        (factor * scale, 1.0, 0.0) if mode == 'nominal' else (1.0, factor / scale, shift))
    resize_to_depth(output, DepthFormula(
        numerator, factor, shift, unit.is_depth, min_range, max_range), out)
    if unit is Unit.UP_TO_SCALE and shift > 0:  # else they are far already
        out[resize_aligned(output, *out.shape) == np.inf] = np.inf
    return out
