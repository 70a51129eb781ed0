"""How much longer something may take than it does on a computer that has nothing else to do."""
import os


def patience() -> float:
    """Return a factor for a limit in seconds.

    The endurance tests run alone and are strict. Beside other tests, or on a computer that has more
    to do than it has cores, a message of DDS' discovery that comes too late is repeated after three
    seconds: that is no fault of the node's.
    """
    least = 1.0 if os.environ.get('SOAK') == 'full' else 4.0
    return max(least, os.getloadavg()[0] / (os.cpu_count() or 1))
