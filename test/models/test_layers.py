"""Forms of one computation agree: scans, pooling, position tables."""
import pytest
import torch
import torch.nn.functional as F

from flashdepth_ros.models import mamba2
from flashdepth_ros.models.flashdepth import pooling_matrix
from flashdepth_ros.models.vit import TRAINED_GRID, VisionTransformer


def recurrence(x, dt, a, b, c, state):
    """S_t = exp(dt_t a) S_{t-1} + dt_t x_t (x) b_t and y_t = S_t c_t, token by token."""
    outputs = []
    for t in range(x.shape[1]):
        decay = (dt[:, t] * a).exp()[..., None, None]
        state = decay * state + (dt[:, t, :, None] * x[:, t])[..., None] * b[:, t, None, None]
        outputs.append((state * c[:, t, None, None]).sum(-1))
    return torch.stack(outputs, dim=1), state


@pytest.mark.parametrize('length', [1, 49, 300, 700])
def test_scan_forms_agree(length):
    generator = torch.Generator().manual_seed(length)
    n, heads, p, s = 2, 3, 4, 8

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    arguments = (
        randn(n, length, heads, p), 0.1 * torch.rand(n, length, heads, generator=generator),
        -torch.linspace(0.5, 16, heads), randn(n, length, s), randn(n, length, s),
        randn(n, heads, p, s))
    expected = recurrence(*arguments)
    for form in (mamba2.scan_block, mamba2.scan_chunks, mamba2.scan):
        for actual, wanted in zip(form(*arguments), expected, strict=True):
            torch.testing.assert_close(actual, wanted, atol=2e-5, rtol=1e-4)


def test_long_scans_go_in_chunks(monkeypatch):
    """All at once: the number of operations must not grow with the length."""
    shapes, blocks = [], mamba2._without_past
    monkeypatch.setattr(mamba2, '_without_past', lambda *arguments: shapes.append(
        arguments[0].shape) or blocks(*arguments))
    for length in (512, 513, 700):
        x = torch.zeros(2, length, 1, 1)
        mamba2.scan(x, x[..., 0], torch.zeros(1), x[..., 0], x[..., 0], torch.zeros(2, 1, 1, 1))
    assert shapes == [(2, 512, 1, 1), (6, 171, 1, 1), (6, 234, 1, 1)]


@pytest.mark.parametrize(('height', 'width'), [(10, 10), (26, 104), (34, 46), (74, 132), (19, 11)])
def test_pooling_is_adaptive_average_pooling(height, width):
    x = torch.randn(2, 5, height, width)
    rows, columns = height // 10, width // 10
    actual = (torch.from_numpy(pooling_matrix(height, rows)) @ x
              @ torch.from_numpy(pooling_matrix(width, columns)).T)
    torch.testing.assert_close(
        actual, F.adaptive_avg_pool2d(x, (rows, columns)), atol=1e-6, rtol=1e-5)


def test_position_table_of_the_trained_size():
    table = torch.randn(1, 1 + TRAINED_GRID ** 2, 8)
    plain, resampling = VisionTransformer(8, 0, 1), VisionTransformer(8, 0, 1, True)
    for vit in (plain, resampling):
        vit.pos_embed.data.copy_(table)
    assert torch.equal(plain.position_embedding(TRAINED_GRID, TRAINED_GRID), table)
    resampled = resampling.position_embedding(TRAINED_GRID, TRAINED_GRID)
    assert torch.equal(resampled[:, 0], table[:, 0])
    assert 1e-3 < (resampled - table).abs().mean() < 0.2
    assert plain.position_embedding(36, 37).shape == (1, 1 + 36 * 37, 8)


def test_position_table_samples_with_the_offset():
    """Sampled at (i + 0.5) * 37 / (n + 0.1) - 0.5; torch's cubic is off by 0.05 on a ramp."""
    vit = VisionTransformer(1, 0, 1)
    ramp = torch.arange(TRAINED_GRID, dtype=torch.float32)[:, None].expand(-1, TRAINED_GRID)
    vit.pos_embed.data[0, 1:, 0] = ramp.flatten()
    n = 20
    rows = vit.position_embedding(n, n)[0, 1:, 0].detach().reshape(n, n)[2:-2, 0]
    expected = (torch.arange(n) + 0.5)[2:-2] * TRAINED_GRID / (n + 0.1) - 0.5
    torch.testing.assert_close(rows, expected, atol=0.055, rtol=0)
    by_size = (torch.arange(n) + 0.5)[2:-2] * TRAINED_GRID / n - 0.5
    assert (rows - by_size).mean() < -0.07
