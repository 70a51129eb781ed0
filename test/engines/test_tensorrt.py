"""Every graph is legal for TensorRT and builds, for a GPU that is not here."""
import json
import os

import pytest
from reference import graph_file
import torch

from flashdepth_ros.engines import BACKENDS, EngineError, open_engine
from flashdepth_ros.engines.export import read_metadata
from flashdepth_ros.engines.plan_build import build_plan, config_of, logger_of, parse_graph
from flashdepth_ros.engines.plan_file import MAGIC, read_plan, write_plan
from flashdepth_ros.engines.plan_layers import read_layers
from flashdepth_ros.engines.tensorrt import (
    KNOWN_GOOD,
    Kernels,
    TensorRtEngine,
    TensorRtRtxEngine,
    check_gpu,
    check_version,
    import_library,
    kernels_beside,
    set_addresses,
)
from flashdepth_ros.engines.trust import compare

IN_SOAK = pytest.mark.skipif(
    os.environ.get('SOAK') != 'full', reason='make soak runs it: it is slow')


@pytest.fixture(scope='module')
def library():
    try:
        return import_library(TensorRtRtxEngine.modules, 'tensorrt-rtx', 'tensorrt_rtx')
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(('model', 'height', 'width', 'precision'), [
    ('flashdepth-nano', 140, 182, 'fp16'), ('flashdepth-nano', 140, 182, 'fp32'),
    ('tiny-vda', 84, 112, 'fp32'), ('tiny-ovda', 84, 112, 'fp32'),
    *(pytest.param(*case, marks=IN_SOAK) for case in (
        ('flashdepth-s', 140, 182, 'fp16'), ('flashdepth-s', 140, 182, 'fp32'),
        ('vda-s', 84, 112, 'fp32'), ('ovda-c16', 84, 112, 'fp32'), ('dyfn', 56, 70, 'fp16')))])
def test_builds_for_a_named_gpu(
    library, tmp_path, small_dyfn, model, height, width, precision,
):
    path = graph_file(model, height, width, precision)
    plan = build_plan(library, path, compute_capability='SM89', workspace=256 << 20)
    assert len(plan) > 500_000
    file = tmp_path / 'step.plan'
    write_plan(file, plan, {**read_metadata(path), 'gpu': 'x'})
    facts, read = read_plan(file)
    assert read == plan and (facts['model'], facts['gpu']) == (model, 'x')
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(EngineError, match='cut off'):
        read_plan(file)


@IN_SOAK
def test_the_large_model_parses(library):  # building it takes half a minute
    path = graph_file('flashdepth', 84, 112)
    logger = logger_of(library)
    network = parse_graph(library, library.Builder(logger), logger, path)
    assert network.num_layers > 500 and network.num_outputs == 2


def test_a_plan_that_takes_more_than_its_share_of_the_memory_is_refused(library, caplog):
    """A Jetson's memory is the builder's too. It needs 24 MB here."""
    path = graph_file('flashdepth-nano', 140, 182, 'fp16')
    with pytest.raises(EngineError, match=r'cannot build.*OutOfMemory.*smaller input\.short_side'):
        build_plan(library, path, compute_capability='SM89', workspace=1 << 20)
    # the library has one logger, the first, and would warn of another
    assert not [each for each in caplog.records if 'logger' in each.message]
    assert logger_of(library) is logger_of(library)


def test_how_plans_are_built(library):
    config = config_of(library, library.Builder(logger_of(library)), 256 << 20)
    flag = library.BuilderFlag
    assert not config.get_flag(flag.TF32) and config.get_flag(flag.STRICT_NANS)
    assert config.get_flag(flag.REQUIRE_USER_ALLOCATION)  # what a CUDA graph needs
    assert config.get_memory_pool_limit(library.MemoryPoolType.WORKSPACE) == 256 << 20


def test_attention_has_the_form_that_is_fused(library):
    """As TensorRT's manual has it: products around a softmax, in float16, and heads of 8 channels.

    The queries are scaled before: in the weights, so nothing is between product and softmax.
    """
    logger = logger_of(library)
    builder = library.Builder(logger)
    network = parse_graph(
        library, builder, logger, graph_file('flashdepth-nano', 140, 182, 'fp16'))
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    product, shuffle = library.LayerType.MATRIX_MULTIPLY, library.LayerType.SHUFFLE
    made = {layer.get_output(0).name: layer for layer in layers}
    read = {layer.get_input(i).name: layer for layer in layers for i in range(layer.num_inputs)
            if layer.get_input(i) is not None}
    found = [layer for layer in layers if layer.type == library.LayerType.SOFTMAX]
    assert len(found) == 6  # one for each block of the transformer
    for softmax in found:
        scores, after = softmax.get_input(0), read[softmax.get_output(0).name]
        assert (made[scores.name].type, scores.dtype) == (product, library.float16)
        while after.type == shuffle:  # to the shape that it has
            assert tuple(after.get_output(0).shape) == tuple(scores.shape)
            after = read[after.get_output(0).name]
        assert (after.type, after.get_output(0).dtype) == (product, library.float16)
        channels = made[scores.name].get_input(0).shape[-1]
        assert 16 <= channels <= 256 and channels % 8 == 0


class Context:
    """A context as TensorRT documents it: it takes an address that is a multiple of 256."""

    def __init__(self):
        self.addresses = {}

    def set_tensor_address(self, name, address):
        if address % 256:
            return False
        self.addresses[name] = address
        return True


def test_an_address_that_is_refused_is_an_error():
    """The step would run on that of the step before."""
    floats = torch.zeros(1024)
    aligned = floats[(-floats.data_ptr() % 256) // 4:]
    context = Context()
    set_addresses(context, {'frames': aligned, 'count': aligned[64:]})
    assert context.addresses == {'frames': aligned.data_ptr(), 'count': aligned.data_ptr() + 256}
    with pytest.raises(RuntimeError, match=r'address 0x\w+ of count is refused'):
        set_addresses(context, {'frames': aligned, 'count': aligned[1:]})


def test_what_an_inspector_tells_of_attention():
    detailed = [
        {'Name': 'Conv_4', 'LayerType': 'Convolution', 'TacticName': 'sm80_xmma'},
        {'Name': '_gemm_mha_v2_myl0_12', 'LayerType': 'kgen', 'TacticName': '_gemm_mha_v2'},
        {'Name': '__myl_MaxSubExpSum', 'LayerType': 'kgen'}]
    for layers in (detailed, [layer['Name'] for layer in detailed]):
        found = read_layers(json.dumps({'Layers': layers, 'Bindings': []}))
        assert (found.number, found.fused) == (3, ('_gemm_mha_v2_myl0_12',))


def test_plans_that_are_none(tmp_path):
    file = tmp_path / 'a.plan'
    for content, words in ((b'ftrt', 'no engine'), (MAGIC + b'{}\n', 'damaged'),
                           (MAGIC + b'nonsense\nabc', 'damaged')):
        file.write_bytes(content)
        with pytest.raises(EngineError, match=words):
            read_plan(file)


def test_unsupported_graphs_are_named(library, tmp_path):
    file = tmp_path / 'bad.onnx'
    file.write_bytes(b'no graph')
    with pytest.raises(EngineError, match='cannot read'):
        build_plan(library, file, compute_capability='SM89')


def test_without_a_gpu_it_says_so(library):
    if torch.cuda.is_available():
        pytest.skip('there is a CUDA device')
    with pytest.raises(EngineError, match=r'NVIDIA GPU.*set engine\.backend to openvino'):
        open_engine('flashdepth-s', 'random', 'tensorrt_rtx', height=70, width=70)


def test_the_version_that_gives_wrong_depth_is_refused_before_it_builds():
    for version in ('10.3.0', '10.3.0.30'):
        with pytest.raises(EngineError, match=rf'{version}.*10\.16\.1.*precision to fp32'):
            check_version(version, 'fp16')
        check_version(version, 'fp32')
    for version in ('10.16.1', '10.30.0', '10.4.0', '11.0'):
        check_version(version, 'fp16')


def test_a_departure_names_the_version_that_is_right():
    """Of TensorRT, which is where a version is at fault."""
    engine = open_engine('flashdepth-nano', 'random', 'torch', 'cpu', height=42, width=56)
    reference = open_engine('flashdepth-nano', 'random', 'torch', 'cpu', height=42, width=56)
    reference._model.depth_head.scratch.output_conv2[2].weight.data *= 2
    for known, words in (('', r'update the library, or'),
                         (TensorRtEngine.known_good, rf'library \({KNOWN_GOOD} is reported to be')):
        engine.known_good = known
        with pytest.raises(EngineError, match=words):
            compare(engine, reference)


def test_gpus_that_the_library_has_no_kernels_for(library):
    for capability in ((7, 5), (8, 6), (8, 9), (12, 0)):
        check_gpu(library, capability, 'a GPU')
    for capability in ((8, 7), (9, 0)):  # Orin, H100
        with pytest.raises(EngineError, match=r'X is SM\d\d: set engine\.backend to tensorrt'):
            check_gpu(library, capability, 'X')


def test_plans_are_built_in_another_process(monkeypatch):
    """Also where the backend was chosen by name, and for the second camera's size."""
    asked = {}
    for name in list(BACKENDS):
        opened = type(name, (BACKENDS[name],), {
            '__init__': lambda self, request, name=name: asked.update({name: request.apart})})
        monkeypatch.setitem(BACKENDS, name, opened)
        open_engine('flashdepth-nano', 'random', name, 'cpu', 'fp32')
    assert asked == {'torch': False, 'onnx': False, 'openvino': False, 'tensorrt': True,
                     'tensorrt_rtx': True}


class Compiled:
    """Kernels as the library's cache holds them: bytes."""

    def __init__(self, content=b'', takes=True):
        self.content, self.takes = content, takes

    def deserialize(self, blob):
        if self.takes:
            self.content = blob
        return self.takes

    def serialize(self):
        return self.content


def test_compiled_kernels_are_kept(library, tmp_path):
    plan = tmp_path / 'step.plan'
    file = kernels_beside(plan)
    first = Kernels(Compiled(), file)
    first.cache.content = b'compiled'
    first.keep()
    assert file.read_bytes() == b'compiled' and list(tmp_path.iterdir()) == [file]
    again = Kernels(Compiled(), file)
    assert again.cache.content == b'compiled'
    changed = file.stat().st_mtime_ns
    again.keep()  # nothing new
    assert file.stat().st_mtime_ns == changed
    other = Kernels(Compiled(takes=False), file)  # of another version
    other.cache.content = b'new'
    other.keep()
    assert file.read_bytes() == b'new'
    Kernels(Compiled(b'x'), tmp_path / 'no' / 'file').keep()
    # the names that the library has for it
    assert {'serialize', 'deserialize'} <= set(dir(library.IRuntimeCache))
    assert {'create_runtime_cache', 'set_runtime_cache'} <= set(dir(library.IRuntimeConfig))
    assert 'create_runtime_config' in dir(library.ICudaEngine)
    assert 'set_execution_context_allocation_strategy' in dir(library.IRuntimeConfig)
    assert 'USER_MANAGED' in library.ExecutionContextAllocationStrategy.__members__
    assert {'device_memory_size_v2', 'create_engine_inspector'} <= set(dir(library.ICudaEngine))
    assert {'set_tensor_address', 'set_device_memory', 'execute_async_v3',
            'is_stream_capturable'} <= set(
        dir(library.IExecutionContext))
