"""The folded attention over remembered frames equals attention over a list of them."""
import pytest
import torch

from flashdepth_ros.models import Unit, build_model, randomise
from flashdepth_ros.models.network import advance_in_place
from flashdepth_ros.models.temporal import HEADS, TemporalAttention
from flashdepth_ros.models.video_depth_anything import WINDOW
from flashdepth_ros.models.video_window import WindowedDepth, scale_and_shift

PLACES, DIM = 3, 32


def plain(attention, keys, key_positions, query, query_position):
    """Attention of one frame (L, C) over frames (T, L, C), projected after adding positions."""
    table = attention.pos_encoder.pe[0]
    keys = (torch.stack(keys) + table[key_positions][:, None]).transpose(0, 1)  # (L, T, C)
    q = attention.to_q(query + table[query_position]).unflatten(-1, (HEADS, 1, -1))
    k = attention.to_k(keys).unflatten(-1, (HEADS, -1)).transpose(1, 2)         # (L, heads, T, d)
    v = attention.to_v(keys).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
    return attention.to_out[0]((weights @ v).flatten(1))


def streaming_window(n):
    frames = [0, max(0, n - 41), *(max(0, i) for i in range(n - 29, n)), n]
    return ([0], [0], 0) if n == 0 else (frames, range(WINDOW), WINDOW - 1)


def online_window(cache):
    def window(n):
        frames = list(range(max(0, n - (cache - 1)), n))
        return (frames, range(len(frames)), len(frames)) if n else ([0], [0], 1)
    return window


@pytest.mark.parametrize(('name', 'positions', 'window', 'steps'), [
    ('vda-s', WINDOW, streaming_window, 180),
    ('ovda-c16', 16, online_window(16), 70),
    ('ovda-c8', 8, online_window(8), 40),
])
@torch.inference_mode()
def test_window_policy(name, positions, window, steps):
    with torch.device('meta'):
        model = build_model(name)
    attention = TemporalAttention(DIM, positions)
    randomise(attention, 1)
    history = list(torch.randn(steps, PLACES, DIM, generator=torch.Generator().manual_seed(0)))
    # the second stream starts 7 frames late
    starts = (0, 7)
    state = {'count': torch.zeros(2, dtype=torch.int32),
             'past': torch.zeros(2, PLACES, model.slots, DIM), 'first': torch.zeros(2, PLACES, DIM)}

    def attend(state):
        return attention.step(
            h.expand(2, -1, -1), state['past'], model.window(state['count']),
            state['first'] if model.keeps_first else None)

    for n, h in enumerate(history):
        actual = attend(state)
        for stream, start in enumerate(starts):
            if n >= start:
                frames, key_positions, query_position = window(n - start)
                expected = plain(
                    attention, [history[start + i] for i in frames], torch.tensor(key_positions),
                    h, query_position)
                torch.testing.assert_close(actual[stream], expected, atol=1e-5, rtol=1e-5)
        count = state['count']
        following = advance_in_place(state, {
            'count': model.count_after(count), 'past': h[None, :, None].expand(2, -1, -1, -1),
            'first': torch.where((count == 0)[:, None, None], h, state['first'])})
        assert torch.equal(attend(state), actual)  # no slot was written that this state attends
        state = following
        if n < starts[1]:
            for value in state.values():
                value[1] = 0
    assert state['count'].max() < 2 * model.slots <= steps


@torch.inference_mode()
def test_whole_windows_attend_both_ways():
    attention = TemporalAttention(DIM, WINDOW)
    randomise(attention, 1)
    h = torch.randn(WINDOW, PLACES, DIM, generator=torch.Generator().manual_seed(0))
    for n in (0, 5, WINDOW - 1):
        expected = plain(attention, list(h), torch.arange(WINDOW), h[n], n)
        torch.testing.assert_close(attention(h)[n], expected, atol=1e-5, rtol=1e-5)


class Decoder:
    """Stands in for a model: the depth of a frame is its number, and a window's own scale."""

    def __init__(self, unit):
        self.spec = type('Spec', (), {'unit': unit})
        self.windows = []

    def encode(self, frames):
        return [frames]

    def decode_window(self, frames):
        numbers = [levels[0].mean().item() for levels in frames]
        self.windows.append(numbers)
        scale = len(self.windows)
        for levels in frames:
            yield levels[0][0, 0] * scale + (scale - 1)


@pytest.mark.parametrize('length', [0, 1, 21, 22, 23, 32, 33, 44, 45, 200])
def test_windows_over_a_video(length):
    decoder = Decoder(Unit.RELATIVE)
    windowed = WindowedDepth(decoder)
    ramp = torch.linspace(0, 0.5, 14).expand(3, 14, 14)
    frames = [ramp + n for n in range(length)]
    depths, late = [], []
    for n, frame in enumerate(frames):
        final = windowed.push(frame)
        late += [n - i for i in range(len(depths), len(depths) + len(final))]
        depths += final
    depths += windowed.finish()
    assert len(depths) == length
    assert len(decoder.windows) == -(-length // 22)
    assert not late or max(late) == 31
    # every window has another scale and shift; aligned, they all give the frame back
    for depth, frame in zip(depths, frames, strict=True):
        torch.testing.assert_close(depth, frame[0], atol=1e-3, rtol=1e-4)
    if length == 200:
        first, second, third = ([round(n - 0.25) for n in w] for w in decoder.windows[:3])
        assert first == list(range(32))
        assert second == [0, 12, *range(24, 54)]
        assert third == [0, 34, *range(46, 76)]


def test_metric_windows_are_not_aligned():
    decoder = Decoder(Unit.METRES)
    windowed = WindowedDepth(decoder)
    for n in range(40):
        windowed.push(torch.full((3, 14, 14), float(n)))
    depths = windowed.finish()
    assert depths[-1].mean() == 2 * 39 + 1  # the second window's own scale and shift


def test_scale_and_shift():
    x = torch.rand(2, 5, 5)
    scale, shift = scale_and_shift(list(x), list(3 * x - 2))
    assert scale == pytest.approx(3, abs=1e-5) and shift == pytest.approx(-2, abs=1e-5)
    assert scale_and_shift([torch.ones(3, 3)], [torch.rand(3, 3)]) == (1, 0)
