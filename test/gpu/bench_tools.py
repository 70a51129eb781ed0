"""What the parts of verify.py have in common: the device, the sizes, time and memory."""
from collections.abc import Callable
from dataclasses import dataclass, field
import functools
import statistics
import time

import numpy as np
import torch
from torch import Tensor

from flashdepth_ros.engines import Engine, open_engine
from flashdepth_ros.engines.cuda_graph import Capture, CudaCapture
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.models import Network, build_model, model_spec, randomise


class LeftOut(Exception):
    """A part cannot run here; the message says why."""


class Wrong(Exception):
    """A part found something wrong; the message says what."""


def require(holds: bool, text: str) -> None:
    """Raise Wrong with a text unless something holds."""
    if not holds:
        raise Wrong(text)


@dataclass
class Bench:
    """The machine that is tried, and how much of all is tried.

    device: of PyTorch. small: few frames of small pictures. models: names, in the order of their
    importance. sizes: (height, width). deadline: on time.perf_counter.
    """

    device: torch.device
    small: bool
    models: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    deadline: float
    notes: list[str] = field(default_factory=list)  # of the part that runs, for the reader

    @property
    def cuda(self) -> bool:
        return self.device.type == 'cuda'

    def left(self) -> float:
        return self.deadline - time.perf_counter()

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def few(self, number: int, small: int) -> int:
        return small if self.small else number

    def with_time(self, needed: float, what: str) -> bool:
        """Say whether there is still time for something of so many seconds; note it if not."""
        if self.left() < needed:
            self.notes.append(f'{what} is left out: {self.left():.0f} s of the time are left')
            return False
        return True

    def seconds(self, work: Callable[[], object], number: int, before: int = 2) -> list[float]:
        """Return how long each of so many runs of some work takes, until the device has done it."""
        times = []
        for i in range(before + number):
            self.wait()
            begin = time.perf_counter()
            work()
            self.wait()
            if i >= before:
                times.append(time.perf_counter() - begin)
        return times

    def network(self, name: str, seed: int = 0) -> Network:
        """Return a network with random weights on the device, in float32."""
        model = seeded(name, seed)
        return model.to(self.device)

    def open(self, name: str, precision: str = 'fp32', size: tuple[int, int] = (0, 0)) -> Engine:
        return open_engine(name, 'random', 'torch', str(self.device), precision,
                           height=size[0], width=size[1])

    def capture(self) -> Capture:
        """Return what captures a step; on a CPU its operations are recorded and done again."""
        if self.cuda:
            return CudaCapture(str(self.device))
        from replay import record
        return record

    def memory(self) -> int:
        """Return the bytes in use: of the device, or of this process on a CPU."""
        if self.cuda:
            return torch.cuda.memory_allocated(self.device)
        with open('/proc/self/statm') as file:
            return 4096 * int(file.read().split()[1])


@functools.lru_cache(maxsize=1)
def seeded(name: str, seed: int) -> Network:
    if seed == 0:
        return load_model(model_spec(name), 'random')
    model = build_model(name)
    randomise(model, seed)
    return model


def picture(height: int, width: int, number: int) -> np.ndarray:
    """Draw waves that move with the number, as RGB (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / min(height, width)
    waves = [np.sin(7 * x + 5 * i * y + 0.2 * number + i) + 0.5 * np.sin(31 * y - 17 * x)
             for i in range(3)]
    return np.clip(128 + 60 * np.stack(waves, axis=-1), 0, 255).astype(np.uint8)


def percentiles(times: list[float]) -> dict[str, float]:
    """Return p50 and p99 in ms, and how many there are a second."""
    return {'p50_ms': 1e3 * statistics.median(times),
            'p99_ms': 1e3 * float(np.percentile(times, 99)),
            'fps': len(times) / sum(times)}


def largest_difference(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest value; infinite where not finite."""
    actual, expected = actual.float().cpu(), expected.float().cpu()
    if actual.shape != expected.shape or not actual.isfinite().all():
        return float('inf')
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-6))
