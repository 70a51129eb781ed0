"""What a network calls is written down as ONNX operators that compute the same."""
import pytest
import torch
import torch.nn.functional as F

from flashdepth_ros.engines import EngineError

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from flashdepth_ros.engines.onnx_layers import OPERATORS  # noqa: E402
from flashdepth_ros.engines.tracing import trace  # noqa: E402


def seeded(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


W, B, KERNEL = seeded(6, 4), seeded(6), seeded(5, 3, 3, 3)

# of x (2, 3, 4), y (4,), image (1, 3, 6, 8), n (3,) int32
CALLS = {
    'arithmetic': lambda x, y, image, n: (x + y - 2 * x * y) / (1.5 + y * y),
    'reversed': lambda x, y, image, n: 1 - x,
    'unary': lambda x, y, image, n: x.exp().neg() + x.erf() + x.sigmoid() + x.tanh(),
    'squares': lambda x, y, image, n: torch.rsqrt(x.square() + 1) + (x * x).sqrt(),
    'activations': lambda x, y, image, n: F.relu(x) + F.silu(x) + F.gelu(x) + F.softplus(x),
    'clamp': lambda x, y, image, n: x.clamp(min=-0.5, max=0.5) + x.clamp(max=0.1),
    'whole numbers': lambda x, y, image, n: (n - 1 - torch.arange(3, device=n.device)) % 7 + 1,
    'signs of %': lambda x, y, image, n: (n - 100) % 7,
    'comparisons': lambda x, y, image, n: (
        ((x < 0.5) & (x >= -1) | (x > 1)).float() + (x <= y).float() + (~(x == y)).float()),
    'mixed types': lambda x, y, image, n: x[0, 0, :3] * (n > 1) + n,
    'where': lambda x, y, image, n: torch.where(x > 0, x, 0.) + torch.where(n[:, None] > 1, y, x),
    'masked_fill': lambda x, y, image, n: x.masked_fill(x > 0, -torch.inf).softmax(-1),
    'types': lambda x, y, image, n: x.half().float() + x.to(torch.bfloat16).to(y.dtype),
    'like': lambda x, y, image, n: torch.ones_like(x) + x.new_zeros(3, 1) + torch.zeros_like(x),
    'shapes': lambda x, y, image, n: (
        x.flatten(1).unflatten(1, (2, -1)).reshape(4, 6).unsqueeze(1).squeeze(1)),
    'axes': lambda x, y, image, n: x.transpose(-1, 1).permute(2, 0, 1) @ x[0].T,
    'expand': lambda x, y, image, n: y.expand(2, 3, -1) + x[:, :1].expand(-1, 3, -1),
    'cat': lambda x, y, image, n: torch.cat([x, x[:, :1], y.expand(2, 1, 4)], dim=1),
    'stack': lambda x, y, image, n: torch.stack([x, -x], dim=-2),
    'split': lambda x, y, image, n: x.split([1, 3], dim=-1)[1] * x.chunk(2)[1][..., 1:],
    'unbind': lambda x, y, image, n: x.unbind(1)[2] - x[:1].unbind(0)[0][:2],
    'parts': lambda x, y, image, n: (
        x[..., -1, None, ::2] * x[1, :, ::2] + x[:, 0].sum(0)[None, 1:3]),
    'pad': lambda x, y, image, n: F.pad(x, (0, 1, 2, 0)).sum(1),
    'replicate': lambda x, y, image, n: F.pad(image, (1, 2, 3, 4), mode='replicate'),
    'sums': lambda x, y, image, n: x.sum(-1, keepdim=True) + x.mean((0, 2), keepdim=True),
    'std': lambda x, y, image, n: image.std((2, 3), correction=1, keepdim=True),
    'cumsum': lambda x, y, image, n: x.cumsum(1),
    'linear': lambda x, y, image, n: F.linear(x, W, B) + F.linear(x, W),
    'embedding': lambda x, y, image, n: F.embedding(n, W),
    'conv': lambda x, y, image, n: F.conv2d(image, KERNEL, B[:5], stride=2, padding=1),
    'conv1d': lambda x, y, image, n: F.conv1d(x, seeded(3, 1, 2), groups=3, padding=1),
    'norms': lambda x, y, image, n: F.layer_norm(x, (4,), y * 0 + 2, y),
    'group_norm': lambda x, y, image, n: F.group_norm(
        F.conv2d(image, KERNEL)[:, :4], 2, B[:4], B[2:], 1e-6),
    'attention': lambda x, y, image, n: F.scaled_dot_product_attention(x, 2 * x, x - y),
    'resize': lambda x, y, image, n: (
        F.interpolate(image, (9, 5), mode='bilinear', align_corners=True)
        + F.interpolate(image, (9, 5), mode='bilinear', align_corners=False)),
    'pixel_shuffle': lambda x, y, image, n: F.pixel_shuffle(image.transpose(0, 1).reshape(
        1, 4, 6, 6), 2),
}
INPUTS = {'x': seeded(2, 3, 4), 'y': seeded(4), 'image': seeded(1, 3, 6, 8),
          'n': torch.tensor([0, 2, 5], dtype=torch.int32)}


def traced(call, inputs=INPUTS):
    return trace(torch.nn.Module(), lambda given: {'out': call(**given)}, inputs)[0]


@pytest.mark.parametrize('name', CALLS)
def test_the_same_as_pytorch(name, tmp_path):
    path = tmp_path / 'a.onnx'
    traced(CALLS[name]).save(path, {'a': 'b'}, beside=False)
    with torch.inference_mode():
        expected = CALLS[name](**INPUTS)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    found, = session.run(None, {key: value.numpy() for key, value in INPUTS.items()})
    assert found.shape == expected.shape
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-5, rtol=1e-5)


def test_what_does_not_depend_on_the_inputs_is_a_constant(tmp_path):
    """And what has no part in the outputs is not there."""
    path = tmp_path / 'a.onnx'

    def call(x, **_):
        x.exp()
        return x + torch.arange(4, device=x.device).float().exp().cumsum(0)

    traced(call).save(path, {}, beside=False)
    graph = onnx.load(path).graph
    assert [node.op_type for node in graph.node] == ['Add', 'Identity']
    constant, = graph.initializer
    expected = torch.arange(4).float().exp().cumsum(0)
    assert onnx.numpy_helper.to_array(constant).tolist() == expected.tolist()


def test_weights_lie_beside_the_graph(tmp_path):
    path = tmp_path / 'a.onnx'
    model = torch.nn.Linear(40, 30)
    inputs = {'x': seeded(2, 40)}
    trace(model, lambda given: {'out': model(given['x'])}, inputs)[0].save(path, {}, beside=True)
    assert path.stat().st_size < 1000 < 40 * 30 * 4 <= (tmp_path / 'a.onnx.data').stat().st_size
    names = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert names == {'weight', 'bias'}
    found, = onnxruntime.InferenceSession(path).run(None, {'x': inputs['x'].numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model(inputs['x']).detach())


@pytest.mark.parametrize(('call', 'words'), [
    (lambda x, **_: x.cosh(), 'calls cosh'),
    (lambda x, **_: x.add_(1), 'calls add_'),
    (lambda x, **_: F.relu(x, inplace=True) + x, 'in place'),
    (lambda x, n, **_: x[:, n.long()], 'indexes with Tensor'),
])
def test_what_cannot_be_written_is_refused(call, words):
    with pytest.raises(EngineError, match=words):
        traced(call)


def test_every_function_is_tried():
    """No operator is there that this file does not call, but for other names of the same."""
    called = set()

    class Names(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            name = function.__name__
            called.add(function.__self__.__name__ if name == '__get__' else name)
            return function(*args, **(kwargs or {}))

    with Names():
        for call in CALLS.values():
            call(**INPUTS)
    untried = {writer for name, writer in OPERATORS.items() if name not in called}
    assert not untried - {OPERATORS[name] for name in called & set(OPERATORS)}
