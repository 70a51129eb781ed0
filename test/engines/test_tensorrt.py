"""Every graph is legal for TensorRT and builds, for a GPU that is not here."""
import os

import pytest
from reference import graph_file
import torch

from flashdepth_ros.engines import EngineError, open_engine, tensorrt
from flashdepth_ros.engines.export import read_metadata
from flashdepth_ros.engines.tensorrt import (
    MAGIC,
    TensorRtRtxEngine,
    build_plan,
    import_library,
    read_plan,
    write_plan,
)


@pytest.fixture(scope='module')
def library():
    try:
        return import_library(TensorRtRtxEngine.modules, 'tensorrt-rtx', 'tensorrt_rtx')
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(('model', 'height', 'width', 'precision'), [
    ('flashdepth-s', 140, 182, 'fp16'), ('flashdepth-s', 140, 182, 'fp32'),
    ('vda-s', 84, 112, 'fp32'), ('ovda-c16', 84, 112, 'fp32'),
    pytest.param('dyfn', 56, 70, 'fp16', marks=pytest.mark.skipif(
        os.environ.get('SOAK') != 'full', reason='make soak runs it: it is slow'))])
def test_builds_for_a_named_gpu(
    library, tmp_path, small_dyfn, model, height, width, precision,
):
    path = graph_file(model, height, width, precision)
    plan = build_plan(library, path, compute_capability='SM89')
    assert len(plan) > 1_000_000
    file = tmp_path / 'step.plan'
    write_plan(file, plan, {**read_metadata(path), 'gpu': 'x'})
    facts, read = read_plan(file)
    assert read == plan and (facts['model'], facts['gpu']) == (model, 'x')
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(EngineError, match='cut off'):
        read_plan(file)


@pytest.mark.skipif(os.environ.get('SOAK') != 'full', reason='make soak runs it: it is slow')
def test_the_large_model_parses(library):  # building it takes half a minute
    path = graph_file('flashdepth', 84, 112)
    logger = tensorrt._logger(library)
    network = tensorrt.parse_graph(library, library.Builder(logger), logger, path)
    assert network.num_layers > 500 and network.num_outputs == 2


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
