"""Plain loops over pixels, which Numba compiles. No ROS here.

A loop over rows and columns goes through memory once, where operations on whole images wait for it
one after the other. It holds no lock of the interpreter. Inner loops have selects in place of
branches, and one task each, so that the compiler can take many pixels at a time.
"""
from collections.abc import Callable, Iterator
import contextlib
import functools
import sys

_LOOPS: list['Loop'] = []


class LoopError(RuntimeError):
    """The loops over pixels cannot be compiled; the message says what is missing."""


class Loop:
    """A function of arrays and numbers that runs compiled for one signature, in Numba's words.

    The compiled code is kept beside this file, or in the user's cache where that cannot be written,
    or in the folder that NUMBA_CACHE_DIR names.
    """

    def __init__(self, signature: str, function: Callable):
        self.function = function
        self._signature = signature
        self._compiled: Callable | None = None

    def compile(self) -> Callable:
        """Compile, unless it is; LoopError without Numba. Takes about a second the first time."""
        if self._compiled is not None:
            return self._compiled
        with _without_scipy():
            try:
                from numba import njit
            except ImportError as error:
                raise LoopError(
                    f'Numba, which compiles the loops over pixels, cannot be loaded ({error}): '
                    f'install it with python3 -m pip install numba, or sudo apt install '
                    f'python3-numba') from error
            # numpy: a division by 0 gives infinity
            build = functools.partial(njit, self._signature, nogil=True, error_model='numpy')
            try:
                self._compiled = build(cache=True)(self.function)
            except Exception:  # nowhere to keep it, a full disk, or what was kept is damaged
                self._compiled = build()(self.function)
        return self._compiled

    def __call__(self, *arguments):
        return self.compile()(*arguments)


@contextlib.contextmanager
def _without_scipy() -> Iterator[None]:
    """Keep Numba from loading SciPy, where it is installed: no loop multiplies matrices with it.

    It costs 15 MB, and a third of the time that loading compiled loops takes.
    """
    name = 'scipy.linalg'
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


def loop(signature: str) -> Callable[[Callable], Loop]:
    """Make a Loop of a function."""
    def decorate(function: Callable) -> Loop:
        _LOOPS.append(Loop(signature, function))
        return _LOOPS[-1]
    return decorate


def compile_loops() -> None:
    """Compile every loop now, which a first frame would wait for; LoopError without Numba."""
    for each in _LOOPS:
        each.compile()
