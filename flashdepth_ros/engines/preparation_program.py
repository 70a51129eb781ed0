"""The other process of preparation.py: opens an engine, which leaves it in the cache, and ends."""
import json
import logging
import sys

from ..models import CheckpointError, model_spec
from .backends import BACKENDS
from .engine import EngineError, Request, SlowerError


def main(text: str) -> int:
    """Do the job that prepare_apart wrote as JSON; return the process's exit status."""
    job = json.loads(text)
    logging.basicConfig(stream=sys.stdout, format='%(levelname)s %(message)s')
    logging.getLogger('flashdepth_ros').setLevel(logging.INFO)
    request = job['request']
    try:
        BACKENDS[job['backend']](
            Request(**{**request, 'spec': model_spec(request['spec'])})).close()
    except SlowerError:
        pass  # which the cache knows now
    except (CheckpointError, EngineError) as error:
        logging.error('%s', ' '.join(str(error).split()))
        return 1
    return 0
