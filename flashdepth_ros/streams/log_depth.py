"""The logarithm of a network's inverse depth, and the way back, whatever its unit. No ROS here."""
import numpy as np
from torch import Tensor

from ..models import ModelSpec
from .point_maps import MASK

SHIFT = 0.1    # of the stream's median inverse depth, added where that has an unknown shift
SMALLEST = 1e-3  # of that median: smaller ones differ by rounding alone


class LogDepth:
    """Of one stream: the planes of its network's output as logarithms of inverse depth, and back.

    Where inverse depth is known up to a shift alone, its logarithm has none: far things, near 0,
    would change most. A tenth of the first frame's median is added there, about what the metric
    networks see at the far end of the same scenes.
    """

    def __init__(self, spec: ModelSpec):
        self._spec = spec
        self._shift = self._smallest = 0.0
        self._started = False
        self._newest: tuple[Tensor, np.ndarray] | None = None

    def forget(self) -> None:
        """Begin a new stream."""
        self._started, self._newest = False, None

    def of(self, output: Tensor) -> np.ndarray:
        """A frame's output on the CPU -> logarithms (h, w) float32, NaN where it has no depth.

        Neither is to be written to: of the newest output they are made once.
        """
        if self._newest is None or self._newest[0] is not output:
            self._newest = output, self._made_of(output)
        return self._newest[1]

    def _made_of(self, output: Tensor) -> np.ndarray:
        if self._spec.gives_focal:
            log_z, mask = output[2].numpy(), output[3].numpy()
            return np.where((mask > MASK) & np.isfinite(log_z), -log_z, np.float32(np.nan))
        values = output.numpy()
        if self._spec.unit.is_depth:
            known = (values > 0) & np.isfinite(values)
            return -np.log(values, out=np.full(values.shape, np.nan, np.float32), where=known)
        known = np.isfinite(values)
        if not self._started:
            positive = values[known & (values > 0)]
            median = float(np.median(positive)) if positive.size else 0.0
            self._shift = SHIFT * median if self._spec.unit.has_shift else 0.0
            self._smallest = SMALLEST * median or 1e-6
            self._started = median > 0
        logs = values + np.float32(self._shift)
        np.maximum(logs, np.float32(self._smallest), out=logs)
        np.log(logs, out=logs)  # of some pixels alone it takes three times as long
        if not known.all():
            logs[~known] = np.nan
        return logs

    def changed(self, output: Tensor, logs: np.ndarray, new: np.ndarray) -> Tensor:
        """Return an output whose logarithms, `logs` as `of` gave them, are `new` instead.

        Where they are the same, or NaN, the output is the very same.
        """
        differs = np.isfinite(new) & (new != logs)
        if not differs.any():
            return output
        output = output.clone()
        if self._spec.gives_focal:
            plane, values = output[2].numpy(), -new[differs]
        else:
            plane = output.numpy()
            values = (np.exp(-new[differs]) if self._spec.unit.is_depth
                      else np.exp(new[differs]) - np.float32(self._shift))
        plane[differs] = values  # a view of `output`
        return output
