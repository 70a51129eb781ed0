"""The network in training and the one that is exported compute the same."""
import torch
import torch.nn.functional as F

from flashdepth_ros.models import build_model, load_weights, model_spec
from flashdepth_ros.models.vit import TRAINED_GRID
from flashdepth_ros.training import network as training
from flashdepth_ros.training.network import (
    MODEL,
    OUTPUT_UNIT,
    POSITION_GRID,
    expand_positions,
    exported,
    training_network,
)
from flashdepth_ros.weights.choice import resolve_weights


def perturbed():
    """Return a network in training whose every weight matters."""
    model = training_network(0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        model.depth_head.scratch.output_conv2[2].bias.fill_(0)  # outputs on both sides of 0
    return model


def test_the_exported_network_computes_the_same():
    model, plain = perturbed(), build_model(MODEL)
    plain.load_state_dict(exported(model.state_dict()))
    frames = torch.randn(3, 2, 3, 70, 84, generator=torch.Generator().manual_seed(2))
    states = [net.initial_state(2, 70, 84) for net in (model, plain)]
    below = 0
    with torch.no_grad():
        for frame in frames:
            raw, states[0] = model.step(frame, states[0])
            output, states[1] = plain.step(frame, states[1])
            below += int((raw < 0).sum())
            torch.testing.assert_close(
                output, F.relu(OUTPUT_UNIT * raw), atol=2e-3, rtol=1e-4)
    assert 0 < below < frames[:, :, 0].numel()  # the ReLU that training leaves out would cut


def test_fine_tuning_begins_with_what_the_weights_compute():
    weights = resolve_weights(model_spec(MODEL), 'auto')
    model, plain = training_network(weights=weights), build_model(MODEL)
    load_weights(plain, weights)
    frame = torch.randn(1, 3, 70, 84, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        raw, state = model.step(frame, model.initial_state(1, 70, 84))
        output, expected = plain.step(frame, plain.initial_state(1, 70, 84))
    torch.testing.assert_close(F.relu(OUTPUT_UNIT * raw), output, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(state, expected)
    for key, value in exported(model.state_dict()).items():
        torch.testing.assert_close(value, plain.state_dict()[key].float(), rtol=1e-6, atol=0)


def test_the_checkpoint_loads_through_the_registry(tmp_path):
    state = exported(perturbed().state_dict())
    torch.save({'model': state, 'training': {'step': 1}}, tmp_path / 'last.pth')
    model = build_model(MODEL)
    load_weights(model, tmp_path / 'last.pth')
    assert torch.equal(model.pretrained.pos_embed, state['pretrained.pos_embed'])


def test_the_position_grid_spans_the_table():
    """Corners are corners, a ramp stays a ramp, and the class token stays."""
    rows, columns = POSITION_GRID
    grid = torch.zeros(1, 1 + rows * columns, 2)
    grid[0, 0] = torch.tensor([5., 7.])
    grid[0, 1:, 0] = torch.linspace(0, 1, rows)[:, None].expand(rows, columns).flatten()
    grid[0, 1:, 1] = torch.linspace(0, 1, columns)[None].expand(rows, columns).flatten()
    table = expand_positions(grid)
    assert table.shape == (1, 1 + TRAINED_GRID ** 2, 2)
    assert torch.equal(table[0, 0], grid[0, 0])
    places = table[0, 1:].unflatten(0, (TRAINED_GRID, TRAINED_GRID))
    line = torch.linspace(0, 1, TRAINED_GRID)
    # cubic interpolation bends a ramp near the border, where it has no neighbours
    torch.testing.assert_close(places[..., 0], line[:, None].expand_as(places[..., 0]),
                               atol=0.02, rtol=0)
    torch.testing.assert_close(places[..., 1], line[None].expand_as(places[..., 1]),
                               atol=0.02, rtol=0)
    assert torch.equal(places[0, 0], grid[0, 1]) and torch.equal(places[-1, -1], grid[0, -1])


def test_the_whole_position_table_is_trained():
    """Sampled at 5 x 6 places, the table gets a gradient at each place of the grid."""
    model = training_network(0)
    model.pretrained.position_embedding(5, 6).square().sum().backward()
    gradient = model.pretrained.parametrizations.pos_embed.original.grad
    assert (gradient[0, 1:].abs().sum(dim=1) > 0).all()


def test_training_starts_near_a_usual_depth():
    model = training_network(0)
    frames = torch.randn(2, 3, 98, 126, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        raw, _ = model.step(frames, model.initial_state(2, 98, 126))
    assert 0.3 < raw.mean() < 2 and raw.std() < 1
    assert training.OUTPUT_UNIT == OUTPUT_UNIT == 40  # 100/m: 2.5 m
