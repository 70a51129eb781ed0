"""What is reckoned of a step counts what the step does."""
import pytest

from flashdepth_ros.engines.folding import fold_gains
from flashdepth_ros.models import build_model
from flashdepth_ros.tools.arithmetic import step_flops
from flashdepth_ros.tools.estimate_gpu import ARITHMETIC, GPUS, MEMORY, SHORTEST, main, reckon


@pytest.mark.parametrize('name', ['flashdepth-nano', 'ovda-c8'])
def test_operations_are_counted(name):
    import torch
    step = reckon(name, 84, 112, 'fp32')
    assert step.operations.flops(torch.float32) == step_flops(name, 84, 112)
    model = build_model(name)
    fold_gains(model)
    assert step.weights == 4 * sum(x.numel() for x in model.parameters())
    assert 0 < step.operations.peak < 2 ** 24  # without the state, which is much larger
    half = reckon(name, 84, 112, 'fp16')
    assert half.weights < step.weights and half.state == step.state
    assert half.operations.flops(torch.float16) > 10 * half.operations.flops(torch.float32) > 0


def test_time_is_the_longest_of_three():
    step = reckon('flashdepth-nano', 42, 56, 'fp32')
    gpu, number = GPUS[0], len(step.operations.noted)
    assert step.operations.seconds(gpu) == pytest.approx(SHORTEST * number, rel=0.05)  # so small
    import torch
    step.operations.noted[:] = [(torch.float16, 10 ** 12, 10 ** 3), (torch.float16, 10, 10 ** 9)]
    assert step.operations.seconds(gpu) == pytest.approx(
        1 / (312 * ARITHMETIC) + 1e9 / (2039e9 * MEMORY))


def test_the_table(capsys):
    assert main(['--models', 'flashdepth-nano', '--sizes', '112x84']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].startswith('| flashdepth-nano | 112x84 | 1, 0 | ')
    assert len({line.count('|') for line in lines}) == 1
