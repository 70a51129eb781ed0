"""How PyTorch's threads wait for each other."""
import os


def spin_briefly() -> None:
    """Let OpenMP's threads spin for microseconds only; before PyTorch is loaded, which reads it.

    They wait for each other a thousand times in a step, and by default spin for milliseconds. On a
    robot whose cores have other work too, the thread that is waited for then does not run. Changes
    the environment of this process, so only a program may call it; does nothing where the user has
    set OpenMP's policy.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ.setdefault('GOMP_SPINCOUNT', '10000')
