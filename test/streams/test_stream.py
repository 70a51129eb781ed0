"""The rules of one camera through time, and what waits for the worker."""
import threading

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest
import torch

from flashdepth_ros.engines import EngineError, open_engine
from flashdepth_ros.models import FrameTooSmallError
from flashdepth_ros.models.network import newest
from flashdepth_ros.streams.arrivals import Arrivals
from flashdepth_ros.streams.continuity import Continuity, FrameOrigin
from flashdepth_ros.streams.depth_stream import DepthStream, NotFiniteError, step_together

SECOND = 1_000_000_000


def origin(seconds: float, **changes) -> FrameOrigin:
    values = {'frame_id': 'c', 'width': 8, 'height': 6, 'encoding': 'rgb8', **changes}
    return FrameOrigin(stamp=round(seconds * SECOND), **values)


def test_only_the_newest_waits_and_resets_are_not_lost():
    arrivals = Arrivals(Continuity(2.0), threading.Condition())
    for i, seconds in enumerate((2.0, 2.1, 0.5, 0.6)):
        arrivals.put(i, origin(seconds))
    taken = arrivals.take()
    assert (taken.message, taken.reset) == (3, 'stamp went back')
    assert arrivals.take() is None
    arrivals.put(4, origin(0.7))
    arrivals.reset('requested')
    arrivals.reset('requested')  # before the next frame: the same reset
    assert arrivals.take().reset == 'requested'
    arrivals.put(5, origin(0.8))
    arrivals.reject()
    assert arrivals.take().reset is None
    counts = arrivals.counts
    assert (counts.received, counts.replaced, counts.rejected) == (7, 3, 1)
    assert counts.resets == {'stamp went back': 1, 'requested': 1}


@pytest.fixture(scope='module')
def engine():
    return open_engine('flashdepth-s', 'random', 'torch', height=70, width=70)


def frames(count: int, height: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def test_a_stream_carries_its_state_and_streams_do_not_mix(engine):
    first, second = frames(2, 70, 84)
    alone, other = DepthStream(engine), DepthStream(engine)
    wanted = [alone.step(alone.prepare(frame)).numpy() for frame in (first, second)]
    other.step(other.prepare(second))
    mixed = DepthStream(engine)
    mixed.step(mixed.prepare(first))
    other.step(other.prepare(first))
    assert_array_equal(mixed.step(mixed.prepare(second)).numpy(), wanted[1])
    mixed.reset()
    fresh = mixed.step(mixed.prepare(second)).numpy()
    assert np.abs(fresh - wanted[1]).max() > 1e-3


@pytest.mark.parametrize('model', ['flashdepth-nano', 'vda-s', 'depth-anything-v2-s'])
def test_streams_that_step_together_and_apart(model):
    engine = open_engine(model, 'random', 'torch', height=70, width=84)
    streams = [DepthStream(engine, short_side=70) for _ in range(3)]
    alone = [DepthStream(engine, short_side=70) for _ in range(3)]
    pictures = iter(frames(30, 70, 84))
    for turn in ((0, 1), (0, 1), (1, 0), (0, 1, 2), (0, 1, 2), (1,), (2,), (0, 1, 2), (1, 2)):
        if turn == (2,):
            streams[1].reset()
            alone[1].reset()
        shown = [streams[i].prepare(next(pictures)) for i in turn]
        outputs = step_together([streams[i] for i in turn], shown)
        for i, frame, output in zip(turn, shown, outputs, strict=True):
            wanted = alone[i].step(frame).numpy()
            # CPU convolutions round otherwise for another number of streams
            assert_allclose(output.numpy(), wanted, rtol=0, atol=1e-5 * wanted.max())


def test_a_reset_clears_its_own_part_where_it_lies():
    """The other cameras' windows, of hundreds of megabytes, are not copied for it."""
    engine = open_engine('vda-s', 'random', 'torch', height=70, width=84)
    streams = [DepthStream(engine, short_side=70) for _ in range(3)]
    fresh, other = DepthStream(engine, short_side=70), DepthStream(engine, short_side=70)
    pictures = [[stream.prepare(picture) for stream in streams] for picture in frames(4, 70, 84)]
    for shown in pictures[:2]:
        step_together(streams, shown)
        other.step(shown[2])
    ring = streams[0]._state[0]['past_0_0']
    streams[1].reset()
    outputs = step_together(streams, pictures[2])
    assert streams[0]._state[0]['past_0_0'] is ring
    for output, alone in ((outputs[1], fresh), (outputs[2], other)):
        wanted = alone.step(pictures[2][0]).numpy()
        assert_allclose(output.numpy(), wanted, rtol=0, atol=1e-5 * wanted.max())
    # a reset camera that steps without the others starts anew as well, and leaves theirs alone
    streams[1].reset()
    wanted = step_together([streams[1]], pictures[3][:1])[0].numpy()
    assert_allclose(DepthStream(engine, short_side=70).step(pictures[3][0]).numpy(), wanted,
                    rtol=0, atol=1e-5 * wanted.max())
    assert streams[0]._state[0]['past_0_0'][0].any()


def test_short_side_and_resampling(engine):
    stream = DepthStream(engine, short_side=70)
    frame = stream.prepare(frames(1, 240, 320)[0])
    assert frame.shape == (3, 70, 98)  # 93.3 raised to whole patches
    output = stream.step(frame)
    camera = stream.resample(output, 240, 320)
    assert camera.shape == (240, 320)
    assert_allclose(camera[[0, 0, -1, -1], [0, -1, 0, -1]],
                    output.numpy()[[0, 0, -1, -1], [0, -1, 0, -1]], rtol=1e-6)  # aligned corners


def test_the_flow_is_of_the_network_s_frames_and_forgets_with_the_stream(engine):
    stream = DepthStream(engine, short_side=70)
    picture, = frames(1, 120, 160)
    sizes = [stream.prepare(picture).shape[1:] for _ in range(2)]
    assert stream.flow.flow.shape == (*sizes[1], 2)
    assert np.abs(stream.flow.flow).max() < 0.01
    stream.reset()
    stream.prepare(picture)
    assert stream.flow.is_first


def test_a_failing_frame_keeps_the_state(engine):
    first, second = frames(2, 70, 84)
    stream, other = DepthStream(engine), DepthStream(engine)
    for each in (stream, other):
        each.step(each.prepare(first))
    with pytest.raises(FrameTooSmallError, match=r'input\.short_side'):
        stream.prepare(frames(1, 20, 20)[0])
    assert_array_equal(stream.step(stream.prepare(second)).numpy(),
                       other.step(other.prepare(second)).numpy())


# also in slots of a ring that no frame attends yet
@pytest.mark.parametrize(('model', 'tensor', 'place', 'value'), [
    ('flashdepth-nano', 'ssm', 5, torch.nan), ('vda-s', 'past_0_0', 5, -torch.inf),
    ('vda-s', 'past_3_1', -1, torch.nan), ('ovda-c16', 'past_1_0', -1, torch.inf)])
def test_a_state_that_is_not_finite_ends_with_its_frame(model, tensor, place, value):
    engine = open_engine(model, 'random', 'torch', height=70, width=84)
    streams = [DepthStream(engine, short_side=70) for _ in range(2)]
    fresh, other = DepthStream(engine, short_side=70), DepthStream(engine, short_side=70)
    pictures = [[stream.prepare(picture) for stream in streams] for picture in frames(3, 70, 84)]
    step_together(streams, pictures[0])
    other.step(pictures[0][1])
    state, _ = streams[0]._state
    with torch.inference_mode():
        state[tensor][0].view(-1)[place] = value
    none, output = step_together(streams, pictures[1])
    assert none is None  # and the other camera's is as ever
    outputs = step_together(streams, pictures[2])
    for given, wanted in (
            (output, other.step(pictures[1][1])), (outputs[1], other.step(pictures[2][1])),
            (outputs[0], fresh.step(pictures[2][0]))):
        assert_allclose(given.numpy(), wanted.numpy(), rtol=0, atol=1e-5 * float(wanted.max()))
    state, _ = streams[0]._state
    with torch.inference_mode():
        state[tensor][0].view(-1)[place] = value
    with pytest.raises(NotFiniteError, match=r'engine\.precision'):
        streams[0].step(pictures[0][0])


def test_what_a_step_has_written_is_the_newest_slot_of_a_ring():
    engine = open_engine('ovda-c16', 'random', 'torch', height=70, width=84, streams=2)
    state, rng = engine.initial_state(), torch.Generator().manual_seed(2)
    with torch.inference_mode():
        state['count'][1] = 7  # streams need not have begun together
    for _ in range(18):  # the ring has 16 slots
        before = {name: value.clone() for name, value in state.items()}
        _, state = engine.step(torch.randn(2, 3, 70, 84, generator=rng), state)
        new = newest(state)
        assert torch.equal(new['count'], before['count'] + 1)
        for stream in range(2):
            ring = state['past_2_1'][stream]
            slot, = (ring != before['past_2_1'][stream]).any(dim=(0, 2)).nonzero()[:, 0].tolist()
            assert torch.equal(new['past_2_1'][stream], ring[:, slot])
    mamba = open_engine('flashdepth-nano', 'random', 'torch', height=70, width=84).initial_state()
    assert newest(mamba) is mamba


@pytest.mark.parametrize('model', ['vda-s', 'ovda-c16'])
def test_after_a_reset_a_window_has_nothing_of_before(model):
    engine = open_engine(model, 'random', 'torch', height=70, width=84)
    stream, fresh = DepthStream(engine, short_side=70), DepthStream(engine, short_side=70)
    pictures = [stream.prepare(picture) for picture in frames(4, 70, 84)]
    for picture in pictures[:3]:
        stream.step(picture)
    stream.reset()
    assert_array_equal(stream.step(pictures[3]).numpy(), fresh.step(pictures[3]).numpy())
    state = stream.remembered()
    assert state['state.count'].tolist() == [1]
    ring = state['state.past_1_0'][0]
    assert ring.any(dim=-1).any(dim=0).nonzero().flatten().tolist() == [0]  # the one slot
    if model == 'vda-s':  # a step attends the stream's first frame for ever: now this one
        assert torch.equal(state['state.first_1_0'][0], ring[:, 0])


def test_engines_that_cannot_be_opened_say_what_to_do():
    for options, words in (
            ({'backend': 'abacus'}, ('abacus', 'torch')), ({'device': 'cuda'}, ('engine.device',)),
            ({'device': 'toaster'}, ('toaster', 'cpu')), ({'precision': 'fp3'}, ('fp3', 'fp32'))):
        with pytest.raises(EngineError) as error:
            open_engine('flashdepth-s', 'random', height=70, width=70, **options)
        for word in words:
            assert word in str(error.value)
