"""Which precision PyTorch computes in on a GPU: the fastest that this network bears on this one.

Float16 first, which the tensor cores are made for; bfloat16, which cannot overflow; else float32.
Each is compared with float32 on the same device, once for these weights, libraries and this GPU.
"""
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
import logging

import torch

from . import cache, trust
from .engine import Engine, EngineError, Request
from .export import GraphKey

FASTEST = ('fp16', 'bf16')  # after which comes fp32
CAMERA = (252, 336)         # rows and columns of the picture that they are compared on

log = logging.getLogger(__name__)


def trusted_precision(
    request: Request, open_engine: Callable[[Request], Engine], device: str,
) -> str:
    """Return the precision for a request; what was found out is kept in the cache.

    device: what it depends on, such as the GPU's name and driver. Raises EngineError and
    CheckpointError where not even float32 can be had.
    """
    height, width = request.spec.frame.network_size(*CAMERA, min(CAMERA))
    request = replace(request, height=height, width=width, streams=1, path='')
    key = GraphKey.of(request.spec, request.weights, height, width, 1)
    entry = cache.get(
        {**key.entries(), 'precision': 'any', 'kind': 'torch-precision', 'device': device,
         'torch': torch.__version__, 'code': cache.code_digest('models/*.py', 'engines/*.py')},
        lambda _: _compared(request, open_engine))
    return entry.facts['precision']


def _compared(request: Request, open_engine: Callable[[Request], Engine]) -> dict:
    refused: dict[str, str] = {}
    with closing(open_engine(replace(request, precision='fp32'))) as reference:
        for precision in FASTEST:
            with closing(open_engine(replace(request, precision=precision))) as engine:
                try:
                    return {'precision': precision, 'refused': refused,
                            **trust.compare(engine, reference)}
                except EngineError as error:
                    log.warning('%s', error)
                    refused[precision] = str(error)
    return {'precision': 'fp32', 'refused': refused}
