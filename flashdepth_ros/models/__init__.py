"""The networks: pure PyTorch, no ROS. A model holds nothing between calls; its state is explicit.

model = build_model('flashdepth-s')
load_weights(model, 'iter_14001.pth')
state = model.initial_state(streams=1, height=518, width=518)
inverse_depth, state = model.step(frames, state)
"""
from .checkpoint import CheckpointError, load_checkpoint, load_weights, randomise
from .network import Network
from .preprocess import FrameTooSmallError, prepare_frame
from .registry import MODELS, build_model, model_spec
from .spec import ModelSpec, Unit

__all__ = [
    'MODELS', 'CheckpointError', 'FrameTooSmallError', 'ModelSpec', 'Network', 'Unit',
    'build_model', 'load_checkpoint', 'load_weights', 'model_spec', 'prepare_frame', 'randomise',
]
