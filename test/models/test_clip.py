"""A clip at once is the same as stepping through it: outputs, state and gradients."""
from functools import partial

from goldens import seeded_model
import pytest
import torch

from flashdepth_ros.models import randomise
from flashdepth_ros.models.dyfn import DyFN

HEIGHT, WIDTH, FRAMES = 42, 56, 4
SMALL = {
    'dyfn': partial(DyFN, 'vits'),
}
NAMES = ['flashdepth-nano', 'vda-s', 'ovda-c8', 'depth-anything-v2-s', 'dyfn']


def model_of(name):
    if name not in SMALL:
        return seeded_model(name)
    model = SMALL[name]().eval().requires_grad_(False)
    randomise(model)
    return model


def clips(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, FRAMES, 3, HEIGHT, WIDTH, generator=generator)


def stepped(model, frames, state):
    outputs = []
    for frame in frames.unbind(1):
        output, state = model.step(frame, state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


@pytest.mark.parametrize('name', NAMES)
@torch.no_grad()
def test_a_clip_at_once_is_stepping(name):
    """In two parts, so that the second begins with a state."""
    model, frames = model_of(name), clips()
    initial = partial(model.initial_state, 2, HEIGHT, WIDTH)
    expected, last = stepped(model, frames, initial())
    first, state = model.clip(frames[:, :2], initial())
    second, state = model.clip(frames[:, 2:], state)
    outputs = torch.cat([first, second], dim=1)
    assert (outputs - expected).abs().max() < 1e-4 * expected.abs().max()
    assert state.keys() == last.keys()
    for key, value in state.items():
        torch.testing.assert_close(value, last[key], rtol=1e-3, atol=1e-4, msg=key)


def test_gradients_go_back_through_the_state_as_when_stepping():
    model, frames = seeded_model('flashdepth-nano'), clips()
    parts = model.mamba, model.depth_head, model.pretrained.norm
    parameters = [p for part in parts for p in part.requires_grad_().parameters()]
    gradients = []
    try:
        for run in (model.clip, partial(stepped, model)):
            outputs, _ = run(frames, model.initial_state(2, HEIGHT, WIDTH))
            loss = (outputs[:, -1] * torch.linspace(0, 1, WIDTH)).sum()  # the last frame alone
            gradients.append(torch.autograd.grad(loss, parameters, allow_unused=True))
    finally:
        model.requires_grad_(False)
    assert sum(each is not None for each in gradients[0]) > 40
    for at_once, one_by_one in zip(*gradients, strict=True):
        if at_once is not None:
            scale = one_by_one.abs().max()
            assert (at_once - one_by_one).abs().max() <= 1e-4 * scale + 1e-7


@pytest.mark.parametrize('name', ['vda-s', 'ovda-c8'])
def test_gradients_reach_remembered_frames_unless_they_are_forgotten(name):
    model, frames = seeded_model(name), clips()[:1].requires_grad_()

    def reach(forget):
        outputs, _ = model.clip(frames, model.initial_state(1, HEIGHT, WIDTH), forget)
        gradient, = torch.autograd.grad(outputs[:, -1].sum(), frames)
        return gradient[0].abs().amax((1, 2, 3)) > 0

    assert reach(None).all()
    every = torch.ones(1, FRAMES, model.slots, dtype=torch.bool)
    every[:, :-1] = False  # the last frame forgets all but the one before it
    with torch.no_grad():
        whole, _ = model.clip(frames, model.initial_state(1, HEIGHT, WIDTH))
        less, _ = model.clip(frames, model.initial_state(1, HEIGHT, WIDTH), every)
    assert torch.equal(whole[:, :-1], less[:, :-1])
    assert not torch.allclose(whole[:, -1], less[:, -1]) and less.isfinite().all()
