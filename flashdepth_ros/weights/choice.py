"""From the parameters model.name and model.weights to a model and its weights' file."""
from pathlib import Path
from typing import Literal

from ..models.registry import model_spec
from ..models.spec import ModelSpec
from .official import WeightsNotFoundError, download_weights, find_weights

PREFERRED, BUNDLED = 'flashdepth-s', 'flashdepth-nano'  # what the model 'auto' is


def resolve_weights(spec: ModelSpec, weights: str) -> Path | Literal['random']:
    """Turn `model.weights` (auto, random or a path, also with ~) into what an engine takes.

    auto finds the official file or, where its licence allows commercial use, fetches it. Raises
    WeightsNotFoundError or CheckpointError.
    """
    if weights == 'random':
        return 'random'
    if weights == 'auto':
        return download_weights(spec) if spec.commercial else find_weights(spec)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsNotFoundError(
            f"model.weights is '{weights}', and there is no such file; it must be auto, random or "
            f'a .pth or .safetensors file')
    return path


def choose_model(
    name: str, weights: str,
) -> tuple[ModelSpec, Path | Literal['random'], str]:
    """Turn `model.name` and `model.weights` into a model, its weights and a warning ('': none).

    The name auto is FlashDepth-S or, where its official weights are not here and cannot be
    fetched, the small network that comes with this package. Raises ValueError for an unknown name,
    and what resolve_weights raises.
    """
    spec = model_spec(PREFERRED if name == 'auto' else name)
    warning = ''
    try:
        chosen = resolve_weights(spec, weights)
    except WeightsNotFoundError as error:
        if name != 'auto' or weights != 'auto':
            raise
        spec = model_spec(BUNDLED)
        chosen = resolve_weights(spec, weights)
        warning = f'{error}. {spec.name} runs in its place. '
    if weights == 'auto':
        warning += spec.domain_warning
    return spec, chosen, warning
