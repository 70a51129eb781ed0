"""Options that several commands share, and what their values are parsed with."""
import argparse

import torch

from ..models import MODELS

LARGEST_SEED = 2 ** 63 - 1  # that sim_camera_node's parameter can hold


def positive(text: str) -> int:
    """Parse a number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'it is {number}; it must be 1 or more')
    return number


def _width_and_height(text: str, example: str) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in text.lower().split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not WIDTHxHEIGHT, such as {example}") from None
    return width, height


def image_size(text: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT of a camera's images into (width, height)."""
    width, height = _width_and_height(text, '320x240')
    if not (14 <= width <= 4096 and 14 <= height <= 4096):
        raise argparse.ArgumentTypeError(f"'{text}' has a side that is not from 14 to 4096")
    return width, height


def network_size(text: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT of a network's frame into (height, width)."""
    width, height = _width_and_height(text, '518x518')
    if min(width, height) < 14 or width % 14 or height % 14:
        raise argparse.ArgumentTypeError(
            f"'{text}' has a side that is no multiple of 14, such as 518x518")
    return height, width


def seed(text: str) -> int:
    """Parse the seed of a simulated scene."""
    number = int(text)
    if not 0 <= number <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(
            f'a seed is {number}; it must lie between 0 and {LARGEST_SEED}')
    return number


def seeds(text: str) -> list[int]:
    """Parse '7', '0:5' (0 to 4, as a slice) or '1,4,9'."""
    if ':' in text:
        first, last = text.split(':')
        found = list(range(seed(first or '0'), seed(last)))
    else:
        found = [seed(part) for part in text.split(',')]
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' holds no seed")
    return found


def default_short_side(device: str, height: int, width: int) -> int:
    """Return the network's short side where nobody said it: 252 on a CPU, 0 (the model's) on a GPU.

    Never more than the camera's.
    """
    on_gpu = not device.startswith('cpu') and torch.cuda.is_available()
    return 0 if on_gpu else min(252, height, width)


def add_model_arguments(parser: argparse.ArgumentParser, default: str | None = 'auto') -> None:
    """Add the options that choose and feed a model. default: auto, or None for no model."""
    usual = ' (default: auto)' if default else ''
    parser.add_argument('--model', default=default, choices=['auto', *MODELS], metavar='MODEL',
                        help=f'auto (flashdepth-s or, where its weights cannot be had, the small '
                             f'network that comes with this package) or one of: '
                             f'{", ".join(MODELS)}{usual}')
    add_weights_argument(parser)
    parser.add_argument('--backend', default='auto', help='engine (default: auto)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--short-side', type=int, default=0, metavar='PIXELS',
                        help="the network's short side (default: the model's own rule)")
    parser.add_argument('--max-frames', type=positive, metavar='N', help='stop after N frames')
    parser.add_argument('--window', action='store_true',
                        help='offline windows instead of streaming (vda models)')


class _Smoothing(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        alpha, delta = values
        if not (0 < alpha <= 1 and delta > 0):
            parser.error(f'{option_string} takes an alpha from above 0 to 1 and a positive delta, '
                         f'not {alpha:g} and {delta:g}')
        setattr(namespace, self.dest, (alpha, delta))


def add_filter_argument(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --filter ALPHA DELTA, of the temporal filter."""
    parser.add_argument('--filter', dest='smoothing', nargs=2, type=float, action=_Smoothing,
                        metavar=('ALPHA', 'DELTA'), help=text)


def add_weights_argument(parser: argparse.ArgumentParser) -> None:
    """Add --weights."""
    parser.add_argument('--weights', default='auto',
                        help='auto (the official file), random, or a .pth or .safetensors file')


def add_simulation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of simulated sequences."""
    parser.add_argument('--kind', choices=('room', 'corridor', 'hall'),
                        help='of the simulated scenes (default: drawn by the seed)')
    parser.add_argument('--materials', choices=('usual', 'bold'), default='usual',
                        help='of their surfaces; bold ones are patterns of bright and dark '
                             '(default: usual)')
    parser.add_argument('--hfov', type=float, default=70.0, metavar='DEGREES',
                        help="the simulated camera's horizontal field of view (default: 70)")
    parser.add_argument('--size', type=image_size, default=(320, 240), metavar='WIDTHxHEIGHT',
                        help='of the simulated images (default: 320x240)')
    parser.add_argument('--no-effects', dest='effects', action='store_false',
                        help='simulated images without noise, swings of exposure and the like')
