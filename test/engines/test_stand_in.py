"""An engine that stands in for another acts as the one that runs, in all that it says of itself."""
import pytest
import torch

from flashdepth_ros.engines.engine import Engine, EngineError, Request
from flashdepth_ros.engines.fallback import FallbackEngine
from flashdepth_ros.engines.graph import in_one_piece
from flashdepth_ros.engines.preparing import PreparingEngine
from flashdepth_ros.engines.pytorch import TorchEngine
from flashdepth_ros.models import model_spec


class FramesOnDevice(TorchEngine):
    """PyTorch that has frames prepared by PyTorch, as on a GPU."""

    def __init__(self, request: Request):
        super().__init__(request)
        self.frame_device = self.device


def test_what_the_running_engine_says_comes_through():
    request = Request(model_spec('flashdepth-nano'), 'random', 'cpu', 'bf16', 42, 56)
    engine = FallbackEngine(FramesOnDevice, request)
    assert engine.frame_device == 'cpu' and engine.fell_back is None
    for name in Engine.__annotations__:
        assert getattr(engine, name) == getattr(engine._engine, name), name
    assert engine.resized(56, 70).frame_device == 'cpu'


def refuse(request: Request) -> Engine:
    raise EngineError('not here')


@pytest.mark.parametrize('device', ['cpu', 'gpu'])
@pytest.mark.parametrize('stand_in', [FallbackEngine, PreparingEngine])
def test_pytorch_stays_on_the_cpu_where_that_was_asked_for(monkeypatch, stand_in, device):
    """Also beside a CUDA GPU: the other engine has the state on the CPU."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    request = Request(model_spec('flashdepth-nano'), 'random', device, 'fp32', 0, 0)
    engine = stand_in(refuse, request)
    assert (engine.backend, engine.device, engine.frame_device) == ('torch', 'cpu', None)
    engine.close()


def test_float32_is_not_shortened_within_a_step():
    model = TorchEngine(Request(model_spec('flashdepth-nano'), 'random', 'cpu', 'fp32', 42, 42))
    switches, seen = (torch.backends.cuda.matmul, torch.backends.cudnn), []
    before = [switch.allow_tf32 for switch in switches]
    model._model.pretrained.register_forward_hook(
        lambda *_: seen.extend(switch.allow_tf32 for switch in switches))
    model.warm_up()
    assert seen == [False, False]
    assert [switch.allow_tf32 for switch in switches] == before and any(before)


@pytest.mark.parametrize('alignment', [1, 64])
def test_inputs_lie_in_one_piece_at_an_aligned_address(alignment):
    counts = torch.arange(3, dtype=torch.int32)
    pictures = torch.randn(1, 4, 6, 3).permute(0, 3, 1, 2)
    for tensor in (counts[1:2], pictures, pictures[:, :, 1:]):
        piece = in_one_piece(tensor, alignment)
        assert torch.equal(piece, tensor)
        assert piece.is_contiguous() and piece.data_ptr() % alignment == 0
    assert in_one_piece(counts, alignment) is counts  # not copied without need
