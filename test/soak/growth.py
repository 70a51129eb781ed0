"""How much the memory of a process grows in a long run."""
from collections.abc import Callable

import numpy as np

MEGABYTE = 1e6


class Growth:
    """Memory from the first tenth of a run, when all buffers are made, to its end.

    memory: returns the process's resident bytes. count: how many samples there will be.
    """

    def __init__(self, memory: Callable[[], int], count: int):
        self._memory, self._samples = memory, []
        self._begin = count // 10

    def sample(self) -> None:
        self._samples.append(self._memory() / MEGABYTE)

    def check(self) -> str:
        """Demand that it grew by less than a hundredth; return what was measured.

        It is not nothing: glibc's heaps become fragmented, ever more slowly.
        """
        samples = self._samples
        if len(samples) < 100:  # the buffers are still being made then
            return 'too few to measure memory'
        few = max(len(samples) // 10, 1)
        start, end = (np.median(part) for part in (
            samples[self._begin:self._begin + few], samples[-few:]))
        assert end - start < 0.01 * start, f'{start:.1f} MB became {end:.1f} MB'
        return (f'memory {samples[self._begin]:.1f} MB after {self._begin} and '
                f'{samples[-1]:.1f} MB at the end (medians {end - start:+.2f} MB)')
