"""The processor: how many cores there are to compute on, and what it is called."""
from collections.abc import Iterator
from contextlib import contextmanager
import functools
import os
from pathlib import Path
import platform

import torch


@functools.cache
def physical_cores() -> int:
    """Return the number of physical cores that this process may use.

    Two threads on one core only take turns in matrix products.
    """
    allowed = os.sched_getaffinity(0)
    cores = set()
    for cpu in allowed:
        siblings = Path(f'/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list')
        try:
            cores.add(siblings.read_text())
        except OSError:
            return len(allowed)
    return len(cores)


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let PyTorch compute on so many threads; 0 leaves it its own number."""
    before = torch.get_num_threads()
    if number:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        if number:
            torch.set_num_threads(before)


@functools.cache
def processor() -> str:
    """Return the processor's name with what its arithmetic can do, as engines depend on both."""
    try:
        text = Path('/proc/cpuinfo').read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(':', 1) for line in text.split('\n\n')[0].splitlines() if ':' in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    name = fields.get('model name', platform.machine())
    flags = fields.get('flags', '').split()
    return ' '.join([name, *(flag for flag in flags if flag.startswith(('avx', 'amx')))])
