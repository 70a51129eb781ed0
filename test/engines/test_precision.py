"""What is lowered to a half precision, and what stays in float32."""
import pytest
from reference import graph_file
from replay import Recording
import torch

from flashdepth_ros.engines import open_engine
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.engines.onnx import provider_of
from flashdepth_ros.engines.precision import lower
from flashdepth_ros.models import model_spec


@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
@pytest.mark.parametrize('model', ['flashdepth-nano', 'vda-s', 'tiny-ovda'])
def test_what_is_remembered_stays_in_float32(model, precision):
    engine = open_engine(
        model, 'random', 'torch', device='cpu', precision=precision, height=42, width=42)
    state = engine.initial_state()
    output, after = engine.step(torch.zeros(1, 3, 42, 42), state)
    types = {name: value.dtype for name, value in state.items() if name != 'count'}
    assert set(types.values()) == {torch.float32}
    assert {name: after[name].dtype for name in types} == types and output.dtype == torch.float32


def test_other_peoples_hooks_stay():
    model = load_model(model_spec('flashdepth-nano'), 'random')
    last, seen = model.depth_head.scratch.output_conv2[2], []
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    lower(model, 'fp16')
    model.step(torch.zeros(1, 3, 42, 42), model.initial_state(1, 42, 42))
    assert seen == [torch.float16] and last.weight.dtype == torch.float32


def test_float32_is_not_shortened_in_onnx_runtime():
    """On CUDA it would be, by default. What becomes of the option is the library's own reading."""
    library = pytest.importorskip('onnxruntime.capi.onnxruntime_inference_collection')
    names, options = library.check_and_normalize_provider_args(
        [provider_of('cuda:1', 1)], None, ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    assert names == ['CUDAExecutionProvider']
    assert options == [{'device_id': '1', 'use_tf32': '0'}]
    assert provider_of('cpu', 0) == 'CPUExecutionProvider'


@pytest.mark.parametrize(('precision', 'hint'), [('fp32', 'f32'), ('fp16', 'dynamic')])
def test_openvino_keeps_the_types_of_the_graph(precision, hint):
    """Float16 is computed on an Intel GPU; the hint that CPUs need would make float32 of it."""
    openvino = pytest.importorskip('openvino')
    engine = open_engine('flashdepth-nano', 'random', 'openvino', 'cpu', 'fp32')
    engine.precision = precision
    assert engine._types() == hint
    compiled = openvino.Core().compile_model(
        graph_file('flashdepth-nano', 70, 84), 'CPU', {'INFERENCE_PRECISION_HINT': engine._types()})
    assert compiled.get_property('INFERENCE_PRECISION_HINT') == getattr(openvino.Type, hint)


def test_attention_in_float16_is_cast_once():
    """Each cast is a launch on a GPU, 24 of some 450 in a step of flashdepth-s."""
    block = load_model(model_spec('flashdepth-nano'), 'random').pretrained.blocks[0]
    parent = torch.nn.Sequential(block)
    lower(parent, 'fp16')
    with Recording() as recording, torch.no_grad():
        block(torch.randn(1, 12, 192))
    casts = [result.dtype for function, _, _, result in recording.operations
             if function is torch.ops.aten._to_copy.default]
    assert casts == [torch.float16] * 2  # before the queries and before the MLP
