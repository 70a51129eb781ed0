"""How much a model computes, and how much this machine could."""
from collections.abc import Callable
import contextlib
import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ..engines.cores import physical_cores
from ..models import build_model


def step_flops(model: str, height: int, width: int) -> int:
    """Count the floating-point operations of a step, two for each multiplication and addition."""
    with torch.device('meta'), torch.inference_mode():
        network = build_model(model)
        counter = FlopCounterMode(display=False)
        with counter:
            network.step(torch.zeros(1, 3, height, width), network.initial_state(1, height, width))
    return counter.get_total_flops()


def matmul_peak(seconds: float = 0.5) -> dict[str, float]:
    """Measure what large matrix products reach here, in operations a second, by precision.

    The best of what PyTorch, NumPy (OpenBLAS) and OpenVINO, where there is one, reach in float32,
    and of PyTorch in bfloat16.
    """
    size = 1536
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    tensors = {dtype: torch.from_numpy(a).to(dtype) for dtype in (torch.float32, torch.bfloat16)}
    products: dict[str, list[Callable[[], object]]] = {
        'fp32': [lambda: a @ a, lambda: tensors[torch.float32] @ tensors[torch.float32]],
        'bf16': [lambda: tensors[torch.bfloat16] @ tensors[torch.bfloat16]]}
    with contextlib.suppress(ImportError):
        products['fp32'].append(_openvino_product(a))
    peaks = {}
    for precision, functions in products.items():
        best = float('inf')
        for function in functions:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                begin = time.perf_counter()
                function()
                best = min(best, time.perf_counter() - begin)
        peaks[precision] = 2 * size ** 3 / best
    return peaks


def _openvino_product(a: np.ndarray) -> Callable[[], object]:
    """Return a function that multiplies a matrix with itself in OpenVINO; ImportError."""
    import openvino
    from openvino import opset13
    port = opset13.parameter(list(a.shape), a.dtype)
    model = openvino.Model([opset13.matmul(port, opset13.constant(a), False, False)], [port])
    request = openvino.Core().compile_model(model, 'CPU', {
        'INFERENCE_PRECISION_HINT': 'f32', 'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_NUM_THREADS': physical_cores()}).create_infer_request()
    request.set_input_tensor(openvino.Tensor(a))
    return request.infer
