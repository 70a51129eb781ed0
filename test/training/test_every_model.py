"""A step of every model of the registry lowers its loss on one clip.

All others are of the same classes as the small ones here. With them it takes gigabytes and minutes
of processor time, so they are part of the endurance tests alone (SOAK=full).
"""
import os

import numpy as np
import pytest
import torch

from flashdepth_ros.models import MODELS, randomise
from flashdepth_ros.models.dyfn import DyFN
from flashdepth_ros.models.spec import Unit
from flashdepth_ros.training.losses import LOSSES, mean_over_clips, total_loss
from flashdepth_ros.training.network import learner_of
from flashdepth_ros.training.outputs import inverse_depth
from flashdepth_ros.training.parts import parameters_by_part

SMALL = ('flashdepth-s', 'flashdepth-nano', 'vda-metric-s', 'ovda-c8', 'dyfn-small')
NAMES = {Unit.HUNDRED_PER_METRE: 'l1', Unit.METRES: 'log', Unit.RELATIVE: 'vda',
         Unit.UP_TO_SCALE: 'vda'}
soak = pytest.mark.skipif(os.environ.get('SOAK') != 'full',
                          reason='gigabytes and minutes: a part of the endurance tests')


def network_of(name):
    if name == 'dyfn-small':
        network = DyFN('vits')
        randomise(network)
        return network, MODELS['dyfn']
    learner = learner_of(name, None)
    return learner.network, learner.spec


@pytest.mark.parametrize('name', [*SMALL, *(pytest.param(name, marks=soak) for name in MODELS
                                            if name not in SMALL)])
def test_a_step_lowers_the_loss_on_one_clip(name):
    network, spec = network_of(name)
    height, width = max(42, spec.frame.min_side), 84
    frames = torch.randn(1, 2, 3, height, width, generator=torch.Generator().manual_seed(0))
    y, x = np.mgrid[:height, :width]
    depth = torch.from_numpy((1 + y / 30 + (x > 40) + np.zeros((1, 2, 1, 1))).astype(np.float32))
    mask = torch.ones_like(depth, dtype=torch.bool)
    loss = LOSSES[NAMES[spec.unit]]
    parameters = [p for part in parameters_by_part(network, ('all',)).values()
                  for p in part.values()]

    def value():
        output, _ = network.clip(frames, network.initial_state(1, height, width))
        prediction = inverse_depth(output, spec, depth, mask)
        return total_loss(mean_over_clips(loss, prediction, depth, mask), loss.weights)

    before = value()
    gradients = torch.autograd.grad(before, parameters)  # an error if one had no part in it
    assert all(each.isfinite().all() for each in gradients)
    norm = torch.stack([each.norm() for each in gradients]).norm()
    assert norm > 0
    with torch.no_grad():
        # a step small enough that the loss is a plane: the length is 1e-4 of the weights'
        length = 1e-4 * torch.stack([each.norm() for each in parameters]).norm()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= length / norm * gradient
        assert value() < before
