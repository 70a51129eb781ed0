"""The other process of preparation.py: opens an engine, which leaves it in the cache, and ends."""
import ctypes
import json
import logging
import os
import signal
import sys

from ..models import CheckpointError, model_spec
from .backends import BACKENDS
from .engine import EngineError, Request

_PR_SET_PDEATHSIG = 1  # prctl's, in linux/prctl.h


def main() -> int:
    job = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
    if sys.platform.startswith('linux'):  # killed together with whom it works for
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != job['parent']:  # gone already
        return 1
    logging.basicConfig(stream=sys.stdout, format='%(levelname)s %(message)s')
    logging.getLogger('flashdepth_ros').setLevel(logging.INFO)
    request = job['request']
    try:
        BACKENDS[job['backend']](
            Request(**{**request, 'spec': model_spec(request['spec'])})).close()
    except (CheckpointError, EngineError) as error:
        logging.error('%s', ' '.join(str(error).split()))
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
