"""The step run by ONNX Runtime, on a CPU or through CUDA."""
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from .cores import physical_cores
from .devices import settle
from .engine import EngineError, missing
from .graph import GraphEngine


def provider_of(device: str, index: int) -> str | tuple[str, dict[str, int]]:
    """Return what ONNX Runtime runs a graph by, with its options. device: 'cpu' or 'cuda:N'."""
    if device == 'cpu':
        return 'CPUExecutionProvider'
    return 'CUDAExecutionProvider', {'device_id': index, 'use_tf32': 0}  # fp32 means 24 bits


class OnnxEngine(GraphEngine):
    """An exported graph in ONNX Runtime; inputs and outputs are torch's own memory."""

    backend = 'onnx'
    precisions = ('fp32', 'fp16')
    packages = ('onnxruntime', 'onnx')

    def _settle(self) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing('onnxruntime', 'engine.backend onnx', error) from error
        self._library = onnxruntime
        providers = onnxruntime.get_available_providers()
        wanted = self.request.device
        if wanted == 'auto':
            usable = 'CUDAExecutionProvider' in providers and torch.cuda.is_available()
            wanted = 'cuda' if usable else 'cpu'
        kind, self._index = settle(wanted, self.backend, ('cpu', 'cuda'))
        if kind == 'cuda' and 'CUDAExecutionProvider' not in providers:
            raise EngineError(
                f"engine.device is '{wanted}', but ONNX Runtime {onnxruntime.__version__} has only "
                f'{", ".join(providers)}: python3 -m pip install onnxruntime-gpu in place of '
                f'onnxruntime, or set engine.device to cpu')
        if kind == 'cpu' and self.precision != 'fp32':
            raise EngineError(
                f"engine.precision is '{self.precision}'; ONNX Runtime has fp32 only on a CPU: "
                f'set it to fp32 or auto')
        self.device = 'cpu' if kind == 'cpu' else f'cuda:{self._index}'
        if kind == 'cuda':
            self.alignment = 256  # of what the library's own allocator gives its kernels

    def _identity(self) -> dict[str, str]:
        device = 'cpu' if self.device == 'cpu' else torch.cuda.get_device_name(self._index)
        return {'onnxruntime': self._library.__version__, 'device': device}

    def _load(self, file: Path) -> None:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self.request.threads or physical_cores()
        options.log_severity_level = 3
        # a thread that spins takes a core from the robot's other programs
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        before = self._free()
        try:
            self._session = self._library.InferenceSession(
                str(file), options, providers=[provider_of(self.device, self._index)])
        except Exception as error:  # the library's own errors have no common base
            raise EngineError(
                f'ONNX Runtime {self._library.__version__} cannot load {file}: {error}') from error
        if self.device != 'cpu' and 'CUDAExecutionProvider' not in self._session.get_providers():
            self._session = None
            raise EngineError(
                f'ONNX Runtime {self._library.__version__} could not use {self.device} (its own '
                f'message is above; CUDA and cuDNN must be those that it was built for): repair '
                f'that, or set engine.device to cpu')
        # what others take meanwhile is counted too: the library does not say what it holds
        self._bytes = max(0, before - self._free())

    def _free(self) -> int:
        """Return the bytes that are free on the device; 0 on a CPU."""
        return 0 if self.device == 'cpu' else torch.cuda.mem_get_info(self._index)[0]

    def _run(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        binding = self._session.io_binding()
        kind = self.device.partition(':')[0]
        if kind == 'cuda':
            torch.cuda.current_stream(self._index).synchronize()  # the library has its own stream
        for bind, tensors in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, tensor in tensors.items():
                bind(name, kind, self._index, str(tensor.dtype).removeprefix('torch.'),
                     tuple(tensor.shape), tensor.data_ptr())
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise EngineError(f'{self.spec.name} failed in ONNX Runtime on {self.device} '
                              f'({error})') from error
        if kind == 'cuda':
            binding.synchronize_outputs()

    def memory(self) -> int:
        if self.device == 'cpu':
            return 0
        # the sessions' own is not torch's
        return torch.cuda.memory_reserved(self._index) + sum(
            cast(OnnxEngine, engine)._bytes for engine in self._family.values())

    def _unload(self) -> None:
        self._session = None
