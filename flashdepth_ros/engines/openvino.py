"""The step run by OpenVINO, on a CPU or an Intel GPU."""
import os
from pathlib import Path

from torch import Tensor

from .cores import physical_cores, processor
from .engine import EngineError, missing
from .graph import GraphEngine


class OpenVinoEngine(GraphEngine):
    """An exported graph in OpenVINO; on a CPU, inputs and outputs are torch's own memory.

    What is computed in bfloat16 is written in the graph (precision.py). OpenVINO's own bfloat16
    mode lowers all layers, and costs three times as much accuracy.
    """

    backend = 'openvino'
    precisions = ('fp32', 'bf16', 'fp16')
    packages = ('openvino', 'onnx')

    def _settle(self) -> None:
        try:
            import openvino
        except ImportError as error:
            raise missing('openvino', 'engine.backend openvino', error) from error
        self._library = openvino
        core = openvino.Core()
        wanted = 'cpu' if self.request.device == 'auto' else self.request.device
        self._target = wanted.replace(':', '.').upper()
        if self._target.partition('.')[0] not in core.available_devices:
            names = ', '.join(['auto', *(name.lower() for name in core.available_devices)])
            raise EngineError(f"engine.device is '{wanted}'; OpenVINO {openvino.__version__} sees "
                              f'only {names} on this machine')
        offered = core.get_property(self._target, 'OPTIMIZATION_CAPABILITIES')
        if self.precision != 'fp32' and self.precision.upper() not in offered:
            raise EngineError(
                f"engine.precision is '{self.precision}', which this {self._target} does not have "
                f'(OpenVINO names {", ".join(offered)}): set it to fp32 or auto')
        self.device = 'cpu'  # of the tensors; an Intel GPU shares or copies them
        self._core = core

    def _identity(self) -> dict[str, str]:
        device = processor() if self._target == 'CPU' else self._core.get_property(
            self._target, 'FULL_DEVICE_NAME')
        return {'openvino': self._library.__version__, 'device': f'{self._target} {device}'}

    def _types(self) -> str:
        """Return the hint that leaves a graph the types that are written in it."""
        # f32: else a CPU with bfloat16 would lower float32; but it would also raise float16
        return 'dynamic' if self.precision == 'fp16' else 'f32'

    def _load(self, file: Path) -> None:
        options: dict[str, str | int] = {
            'INFERENCE_PRECISION_HINT': self._types(), 'PERFORMANCE_HINT': 'LATENCY'}
        if self._target == 'CPU':
            options['INFERENCE_NUM_THREADS'] = self.request.threads or physical_cores()
            options |= _kept_form(file)
        try:
            self._inference = self._core.compile_model(
                file, self._target, options).create_infer_request()
        except Exception as error:
            raise EngineError(f'OpenVINO {self._library.__version__} cannot load {file} on '
                              f'{self._target}: {error}') from error

    def _run(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        for name, tensor in {**inputs, **outputs}.items():
            self._inference.set_tensor(
                name, self._library.Tensor(tensor.numpy(), shared_memory=True))
        try:
            self._inference.infer()
        except RuntimeError as error:
            raise EngineError(
                f'{self.spec.name} failed in OpenVINO on {self._target} ({error})') from error

    def memory(self) -> int:
        return 0

    def _unload(self) -> None:
        self._inference = None


def _kept_form(file: Path) -> dict[str, str]:
    """Return the options by which the compiled graph is kept beside a file and its weights.

    Without those weights, so in a few megabytes, and found again by the file's path, size and time
    of change, the library's version and the options. What cannot be read is compiled anew.
    """
    weights = file.with_name(f'{file.name}.data')
    if not weights.exists() or not os.access(file.parent, os.W_OK):
        return {}
    return {'CACHE_DIR': str(file.parent), 'CACHE_MODE': 'OPTIMIZE_SIZE',
            'WEIGHTS_PATH': str(weights)}
