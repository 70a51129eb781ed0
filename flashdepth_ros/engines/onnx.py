"""The step run by ONNX Runtime, on a CPU or through CUDA."""
from pathlib import Path

import torch
from torch import Tensor

from ..models.network import advance
from .cores import physical_cores
from .engine import EngineError, State, missing
from .export import FRAMES, NEW, OUTPUT, read_metadata
from .graph import GraphEngine

_NUMPY = {'float32': 'float32', 'int32': 'int32', 'int64': 'int64', 'float16': 'float16'}


class OnnxEngine(GraphEngine):
    """An exported graph in ONNX Runtime; inputs and outputs are torch's own memory."""

    backend = 'onnx'
    precisions = ('fp32', 'fp16')
    packages = ('onnxruntime', 'onnx', 'onnxscript')

    def _prepare(self) -> None:
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
        kind, _, index = wanted.partition(':')
        if kind not in ('cpu', 'cuda') or (index and not index.isdigit()):
            raise EngineError(f"engine.device is '{wanted}'; the onnx backend has auto, cpu, cuda "
                              f'and cuda:N')
        if kind == 'cuda':
            if 'CUDAExecutionProvider' not in providers:
                raise EngineError(
                    f"engine.device is '{wanted}', but ONNX Runtime {onnxruntime.__version__} has "
                    f'only {", ".join(providers)}: python3 -m pip install onnxruntime-gpu in place '
                    f'of onnxruntime, or set engine.device to cpu')
            if not torch.cuda.is_available():
                raise EngineError(
                    f"engine.device is '{wanted}', but PyTorch {torch.__version__} sees no CUDA "
                    f'device: install its CUDA build and the driver, or set engine.device to cpu')
        elif self.precision != 'fp32':
            raise EngineError(
                f"engine.precision is '{self.precision}'; ONNX Runtime has fp32 only on a CPU: "
                f'set it to fp32 or auto')
        self._index = int(index or 0)
        self.device = 'cpu' if kind == 'cpu' else f'cuda:{self._index}'

    def _identity(self) -> dict[str, str]:
        device = 'cpu' if self.device == 'cpu' else torch.cuda.get_device_name(self._index)
        return {'onnxruntime': self._library.__version__, 'device': device}

    def _facts(self, file: Path) -> dict[str, str]:
        return read_metadata(file)

    def _load(self, file: Path) -> None:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self.request.threads or physical_cores()
        options.log_severity_level = 3
        # a thread that spins takes a core from the robot's other programs
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        provider = ('CPUExecutionProvider' if self.device == 'cpu' else
                    ('CUDAExecutionProvider', {'device_id': self._index}))
        try:
            self._session = self._library.InferenceSession(
                str(file), options, providers=[provider])
        except Exception as error:  # the library's own errors have no common base
            raise EngineError(
                f'ONNX Runtime {self._library.__version__} cannot load {file}: {error}') from error
        if self.device != 'cpu' and 'CUDAExecutionProvider' not in self._session.get_providers():
            self._session = None
            raise EngineError(
                f'ONNX Runtime {self._library.__version__} could not use {self.device} (its own '
                f'message is above; CUDA and cuDNN must be those that it was built for): repair '
                f'that, or set engine.device to cpu')

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        self._check(frames)
        binding = self._session.io_binding()
        kind, index = ('cpu', 0) if self.device == 'cpu' else ('cuda', self._index)
        inputs = {FRAMES: frames.to(self.device), **state}
        output, changes = self._outputs()
        inputs = {name: tensor.contiguous() for name, tensor in inputs.items()}
        outputs = {OUTPUT: output, **{NEW + name: tensor for name, tensor in changes.items()}}
        if kind == 'cuda':
            torch.cuda.current_stream(index).synchronize()  # the library has a stream of its own
        for bind, tensors in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, tensor in tensors.items():
                bind(name, kind, index, _NUMPY[str(tensor.dtype).removeprefix('torch.')],
                     tuple(tensor.shape), tensor.data_ptr())
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise EngineError(f'{self.spec.name} failed in ONNX Runtime on {self.device} '
                              f'({error})') from error
        if kind == 'cuda':
            binding.synchronize_outputs()
        return output, advance(state, changes)

    def memory(self) -> int:
        if self.device == 'cpu':
            return 0
        free, total = torch.cuda.mem_get_info(self._index)  # the library's own are not torch's
        return total - free

    def _unload(self) -> None:
        self._session = None
