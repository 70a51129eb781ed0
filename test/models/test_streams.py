"""The state: streams do not touch each other, and a step can be repeated."""
from goldens import run, seeded_model
import pytest
import torch

NAMES = ['flashdepth-s', 'vda-s', 'ovda-c16', 'ovda-c8', 'depth-anything-v2-s']
HEIGHT, WIDTH = 70, 84


def noise(count, height=HEIGHT, width=WIDTH, seed=0):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('name', NAMES)
@torch.inference_mode()
def test_streams_that_start_and_reset_at_different_times(name):
    model = seeded_model(name)
    frames = torch.stack([noise(16, seed=seed) for seed in range(3)])
    resets = {0: [0, 12], 1: [0, 4], 2: [0, 5, 6]}  # stream: steps that it is reset before
    state = model.initial_state(3, HEIGHT, WIDTH)
    alone = [None] * 3
    for step in range(frames.shape[1]):
        for stream, steps in resets.items():
            if step in steps:
                for value in state.values():
                    value[stream] = 0
                alone[stream] = model.initial_state(1, HEIGHT, WIDTH)
        together, state = model.step(frames[:, step], state)
        for stream in range(3):
            single, alone[stream] = model.step(frames[stream, step][None], alone[stream])
            # 1e-5 of the range: CPU convolutions round otherwise for another number of streams
            assert (together[stream] - single[0]).abs().max() <= 1e-5 * single.max()


@pytest.mark.parametrize('name', NAMES)
@torch.inference_mode()
def test_an_old_state_can_be_stepped_again(name):
    model, frames = seeded_model(name), noise(4)
    _, state = run(model, frames[:2])
    first, _ = model.step(frames[2:3], state)
    model.step(frames[3:], state)
    again, _ = model.step(frames[2:3], state)
    torch.testing.assert_close(again, first, atol=0, rtol=0)


@pytest.mark.parametrize('name', NAMES)
def test_the_state_has_a_fixed_shape(name):
    model = seeded_model(name)
    initial = model.initial_state(1, 28 * 3, 28 * 3)
    _, state = run(model, noise(3, 84, 84))
    assert {key: (v.shape, v.dtype) for key, v in state.items()} == {
        key: (v.shape, v.dtype) for key, v in initial.items()}
    assert not any(value.any() for value in initial.values())


@pytest.mark.parametrize('name', NAMES)
def test_the_model_remembers(name):
    """The same frame gives another depth after another past, but for the per-frame model."""
    model = seeded_model(name)
    frames = noise(2)
    after, _ = run(model, frames)
    fresh, _ = run(model, frames[1:])
    assert bool((abs(after[1] - fresh[0]) > 1e-3).any()) != name.startswith('depth-anything')


@pytest.mark.parametrize(('name', 'height', 'width'), [
    ('flashdepth-s', 70, 70), ('flashdepth-s', 238, 322), ('vda-s', 14, 14), ('vda-s', 14, 42),
    ('ovda-c8', 14, 14), ('depth-anything-v2-s', 14, 14),
])
def test_smallest_and_odd_grids(name, height, width):
    outputs, _ = run(seeded_model(name), noise(2, height, width))
    assert outputs.shape == (2, height, width)
    assert abs(outputs).max() < 100 and outputs.min() >= 0 and outputs.max() > 0
