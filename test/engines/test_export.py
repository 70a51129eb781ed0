"""The exported graph: what is in it, and what it says of itself."""
import pytest
from reference import assert_same, graph_file, reference
import torch

from flashdepth_ros.engines import EngineError, open_engine
from flashdepth_ros.engines.export import GraphKey, load_model, read_metadata, write_graph
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import MODELS, mamba2, model_spec
from flashdepth_ros.tools import export_engine

onnx = pytest.importorskip('onnx')


FORBIDDEN = {'Einsum', 'Loop', 'Scan', 'If', 'GatherND', 'GridSample', 'SplitToSequence',
             'SequenceAt'}


@pytest.mark.parametrize(('model', 'height', 'width', 'states'), [
    ('flashdepth-nano', 140, 182, 1), ('tiny-vda', 84, 112, 17), ('tiny-ovda', 84, 112, 9)])
def test_stock_operators_and_fixed_shapes(model, height, width, states):
    graph = onnx.load(graph_file(model, height, width), load_external_data=False)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [('', 18)]
    assert not graph.functions
    operators = {node.op_type for node in graph.graph.node}
    assert not operators & FORBIDDEN, operators
    for node in graph.graph.node:
        if node.op_type == 'Resize':
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            assert attributes['mode'] == b'linear'  # the cubic one is folded
            assert attributes['coordinate_transformation_mode'] == b'align_corners'
    names = [port.name for port in graph.graph.input]
    assert names[0] == 'frames' and len(names) == 1 + states
    assert [port.name for port in graph.graph.output] == [
        'output', *('new_' + name for name in names[1:])]
    for port in (*graph.graph.input, *graph.graph.output):
        assert all(side.dim_value > 0 for side in port.type.tensor_type.shape.dim)


def test_a_point_map_in_stock_operators(small_dyfn):
    graph = onnx.load(graph_file(small_dyfn, 56, 70), load_external_data=False).graph
    operators = {node.op_type for node in graph.node}
    assert not operators & FORBIDDEN, operators
    assert [[side.dim_value for side in port.type.tensor_type.shape.dim] for port in (
        *graph.input, *graph.output)] == [
        [1, 3, 56, 70], [1, 256, 4, 5], [1, 4, 56, 70], [1, 256, 4, 5]]


def test_a_long_recurrence_goes_in_chunks(tmp_path, monkeypatch):
    """As FlashDepth-L's at 518x518: in stock operators, and what one block gives."""
    onnxruntime = pytest.importorskip('onnxruntime')
    model = load_model(model_spec('flashdepth-nano'), 'random')
    frames, state = natural_frames(1, 1, 140, 182)[0], model.initial_state(1, 140, 182)
    state['ssm'].normal_(generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        output, after = model.step(frames, state)
    monkeypatch.setattr(mamba2, 'SINGLE_BLOCK', 8)  # of 20 tokens
    monkeypatch.setattr(mamba2, 'CHUNK', 8)
    path = tmp_path / 'step.onnx'
    write_graph(lambda: model, GraphKey('flashdepth-nano', 'random', 140, 182), path)
    graph = onnx.load(path).graph
    assert not {node.op_type for node in graph.node} & FORBIDDEN
    found = onnxruntime.InferenceSession(path).run(
        None, {'frames': frames.numpy(), 'ssm': state['ssm'].numpy()})
    for actual, wanted in zip(found, (output, after['ssm']), strict=True):
        assert_same(torch.from_numpy(actual), wanted, 1e-4)


def test_metadata():
    facts = read_metadata(graph_file('flashdepth-nano', 140, 182))
    assert {name: facts[name] for name in ('model', 'height', 'width', 'streams', 'unit',
                                           'precision', 'weights_sha256')} == {
        'model': 'flashdepth-nano', 'height': '140', 'width': '182', 'streams': '1',
        'unit': '100/m', 'precision': 'fp32', 'weights_sha256': 'random'}
    assert facts['state'] == '[["ssm", [1, 2, 4, 32, 64], "float32", [1, 2, 4, 32, 64]]]'


def test_half_precision_is_written_in_the_graph():
    graph = onnx.load(
        graph_file('flashdepth-nano', 140, 182, 'bf16'), load_external_data=False)
    half = onnx.TensorProto.BFLOAT16
    lowered = {sides: [x.name for x in graph.graph.initializer
                       if x.data_type == half and len(x.dims) == sides] for sides in (2, 4)}
    # of six blocks: queries, keys, values, what follows them, the MLP
    assert len(lowered[2]) == 36
    assert len(lowered[4]) == 2 and all('refinenet1.resConfUnit1' in name for name in lowered[4])
    for port in (*graph.graph.input, *graph.graph.output):
        assert port.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_export_engine_makes_what_engine_path_takes(tmp_path, capsys):
    pytest.importorskip('onnxruntime')
    path = tmp_path / 'two.onnx'
    assert export_engine.main(['flashdepth-nano', str(path), '--size', '84x70', '--weights',
                               'random', '--streams', '2']) == 0
    assert 'streams 2' in capsys.readouterr().out
    engine = open_engine('flashdepth-nano', 'random', 'onnx', height=98, width=98, streams=2,
                         path=str(path))
    assert (engine.height, engine.width, engine.streams) == (70, 84, 2)
    frames, expected, _ = reference('flashdepth-nano', 70, 84, 3, 2)
    state = engine.initial_state()
    for frame, wanted in zip(frames, expected, strict=True):
        output, state = engine.step(frame, state)
        assert_same(output, wanted, 1e-3)
    with pytest.raises(EngineError, match=r'84x70.*98x98'):
        engine.resized(98, 98)
    for options, words in (
            ({'streams': 1}, '2 streams.*--streams 1'),
            ({'model': 'vda-s'}, 'model flashdepth-nano')):
        model = options.pop('model', 'flashdepth-nano')
        with pytest.raises(EngineError, match=words):
            open_engine(model, 'random', 'onnx', height=70, width=84, path=str(path),
                        **{'streams': 2, **options})


@pytest.mark.parametrize('arguments', [
    ['flashdepth-s', 'x.onnx', '--size', '84x71'], ['flashdepth-s', 'x.trt', '--size', '84x70'],
    ['flashdepth-s', 'x.onnx', '--size', '56x56'], ['nonet', 'x.onnx', '--size', '84x70']])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        export_engine.main(arguments)
    assert exit_.value.code == 2


def test_no_weights_no_file(tmp_path, capsys):
    path = tmp_path / 'a.onnx'
    assert export_engine.main(['flashdepth-s', str(path), '--size', '84x70', '--weights',
                               str(tmp_path / 'none.pth')]) == 1
    assert 'none.pth' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_all_models_have_a_key():
    keys = {tuple(GraphKey.of(spec, 'random', 70, 70, 1).entries().items())
            for spec in MODELS.values()}
    assert len(keys) == len(MODELS)
