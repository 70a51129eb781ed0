"""A step stays on its device: nothing is asked of the host, and nothing comes from there."""
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from flashdepth_ros.engines.precision import lower
from flashdepth_ros.models import build_model
from flashdepth_ros.models.size_tables import MOST_TABLES, SizeTables, tables_of


class Crossings(TorchDispatchMode):
    """Notes every operation that has to do with two devices, or with a number of the host."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [x for x in torch.utils._pytree.tree_leaves((args, kwargs, result))
                   if isinstance(x, Tensor)]
        if len({x.device.type for x in tensors}) > 1 or 'local_scalar' in str(function):
            self.found.append(str(function))
        return result


# the device that computes nothing is a device of its own
@pytest.mark.parametrize(('name', 'precision'), [
    ('flashdepth-s', 'fp32'), ('flashdepth', 'fp16'), ('flashdepth-nano', 'bf16'),
    ('vda-s', 'fp16'), ('ovda-c16', 'fp32'), ('depth-anything-v2-s', 'bf16'), ('dyfn', 'fp16')])
@torch.inference_mode()
def test_a_step_needs_nothing_from_the_host(name, precision):
    with torch.device('meta'):
        model = build_model(name)
        lower(model, precision)
        frames = torch.zeros(2, 3, 140, 182)
    state = model.initial_state(2, 140, 182)
    _, state = model.step(frames, state)  # which makes the tables of this size
    with Crossings() as crossings:
        model.step(frames, state)
    assert crossings.found == []


def test_what_crosses_is_seen():
    with Crossings() as crossings:
        torch.ones(3).to('meta')
        torch.ones(()).item()
    assert len(crossings.found) == 2


def test_a_table_is_made_once_and_only_the_newest_are_kept():
    tables, like, made = SizeTables(), torch.zeros(1), []

    def make(size):
        made.append(size)
        return torch.full((size,), 2.0)

    for size in range(1, MOST_TABLES + 2):
        tables.get(size, like, lambda size=size: make(size))
    assert len(tables.now()) == MOST_TABLES
    tables.get(2, like, lambda: make(2))
    assert made == list(range(1, MOST_TABLES + 2))
    tables.get(1, like, lambda: make(1))
    assert made[-1] == 1
    assert tables.get(2, like.half(), lambda: make(2)).dtype == torch.float16  # another type


def test_tables_follow_the_weights():
    model = build_model('flashdepth-s')
    before = model.pretrained.position_embedding(5, 6)
    assert model.pretrained.position_embedding(5, 6) is before
    assert any(table is before for table in tables_of(model))
    with torch.no_grad():
        model.pretrained.pos_embed += 1
    torch.testing.assert_close(model.pretrained.position_embedding(5, 6), before + 1)


def test_a_table_that_was_made_while_measuring_is_of_use_in_training():
    tables, path = SizeTables(), torch.ones(2, 2)
    with torch.inference_mode():
        table = tables.get(0, path, lambda: torch.eye(2))
    weight = torch.ones(2, 2, requires_grad=True)
    (tables.get(0, path, lambda: torch.eye(2)) @ weight).sum().backward()
    assert not table.is_inference() and weight.grad is not None
