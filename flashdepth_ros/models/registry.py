"""Every model that the package runs, one row each."""
import contextlib
from functools import partial
from typing import Any, cast

from torch.overrides import TorchFunctionMode

from .depth_anything import DepthAnything
from .dyfn import DyFN
from .flashdepth import FlashDepth
from .network import Network
from .online_vda import OnlineVideoDepthAnything
from .preprocess import FrameFormat, bounded_sizes, native_sizes, token_sizes
from .spec import POINT_MAP, ModelSpec, Unit
from .video_depth_anything import VideoDepthAnything
from .vit import PATCH


def _flashdepth(
    name: str, step: int, licence: str, min_side: int, **layers: Any,
) -> ModelSpec:
    return ModelSpec(
        name=name, build=lambda: FlashDepth(**layers), unit=Unit.HUNDRED_PER_METRE,
        frame=FrameFormat(native_sizes, clip=True, min_side=min_side),
        repository='Eyeline-Research/FlashDepth', file=f'{name}/iter_{step}.pth',
        licence=licence, commercial=licence == 'Apache-2.0')


_NON_COMMERCIAL = 'CC-BY-NC-4.0'
_SIZES = {'s': ('vits', 'Small'), 'b': ('vitb', 'Base'), 'l': ('vitl', 'Large')}
_VIDEO_SIZES = partial(bounded_sizes, wide_ratio=1.78)


def _video_depth_anything(size: str, metric: bool) -> ModelSpec:
    backbone, word = _SIZES[size]
    repository = f'Video-Depth-Anything-{word}'
    return ModelSpec(
        name=f'vda-metric-{size}' if metric else f'vda-{size}',
        build=partial(VideoDepthAnything, backbone),
        unit=Unit.METRES if metric else Unit.RELATIVE, frame=FrameFormat(_VIDEO_SIZES),
        repository=f'depth-anything/{"Metric-" if metric else ""}{repository}',
        file=f'{"metric_" if metric else ""}video_depth_anything_{backbone}.pth',
        licence='Apache-2.0' if size == 's' else _NON_COMMERCIAL, commercial=size == 's')


def _online_vda(cache: int) -> ModelSpec:
    return ModelSpec(
        name=f'ovda-c{cache}', build=partial(OnlineVideoDepthAnything, cache),
        unit=Unit.RELATIVE, frame=FrameFormat(_VIDEO_SIZES, resample='torch'),
        repository='FriedFeid/oVDA', file=f'oVDA_c{cache}.pth',
        licence='non-commercial, share-alike', commercial=False)


def _depth_anything(size: str) -> ModelSpec:
    backbone, word = _SIZES[size]
    return ModelSpec(
        name=f'depth-anything-v2-{size}', build=partial(DepthAnything, backbone),
        unit=Unit.RELATIVE, frame=FrameFormat(bounded_sizes),
        repository=f'depth-anything/Depth-Anything-V2-{word}',
        file=f'depth_anything_v2_{backbone}.pth',
        licence='Apache-2.0' if size == 's' else _NON_COMMERCIAL, commercial=size == 's')


def _point_map(name: str, recurrent: bool) -> ModelSpec:
    # one file for both: DyFN leaves MoGe-1's weights as they are
    return ModelSpec(
        name=name, build=partial(DyFN, recurrent=recurrent), unit=Unit.UP_TO_SCALE,
        frame=FrameFormat(token_sizes, resample='antialiased', min_side=2 * PATCH),
        repository='shawlyu/DyFN', file='DyFN.pt', licence='MIT', outputs=POINT_MAP)


# FlashDepth-L and Full descend from Depth Anything V2 Large, whose weights are non-commercial.
_FROM_LARGE = 'Apache-2.0, derived from CC-BY-NC-4.0 weights'

# This package's own, with FlashDepth's parts and keys, small enough to be trained on a CPU
_NANO = ModelSpec(
    name='flashdepth-nano', unit=Unit.HUNDRED_PER_METRE,
    build=partial(FlashDepth, backbone='nano', refined_level=2, expand=4, headdim=32, layers=2,
                  d_state=64),
    frame=FrameFormat(partial(bounded_sizes, standard=140), clip=True, min_side=42),
    repository='', file='flashdepth_nano.safetensors', licence='Apache-2.0',
    domain='simulated indoor scenes', light=182 * 140)

MODELS = {spec.name: spec for spec in (
    _flashdepth('flashdepth-s', 14001, 'Apache-2.0', min_side=70,
                backbone='vits', refined_level=3, expand=4, headdim=32),
    _flashdepth('flashdepth-l', 10001, _FROM_LARGE, min_side=28,
                backbone='vitl', refined_level=1, expand=2, headdim=64),
    _flashdepth('flashdepth', 43002, _FROM_LARGE, min_side=70,
                backbone='vits', refined_level=3, expand=4, headdim=32, hybrid=True),
    _NANO,
    *(_video_depth_anything(size, metric) for metric in (False, True) for size in _SIZES),
    _online_vda(16),
    _online_vda(8),
    *(_depth_anything(size) for size in _SIZES),
    _point_map('dyfn', recurrent=True),
    _point_map('moge-l', recurrent=False),
)}


def model_spec(name: str) -> ModelSpec:
    """Return the row of `name`; ValueError names the models that there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise ValueError(
            f"there is no model '{name}'; model.name is one of: {', '.join(MODELS)}") from None


class _Uninitialised(TorchFunctionMode):
    """Leaves the layers' parameters as their memory is."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if getattr(function, '__module__', '') == 'torch.nn.init':
            return options['tensor'] if 'tensor' in options else arguments[0]
        return function(*arguments, **options)


def build_model(name: str, blank: bool = False) -> Network:
    """Build a model by name, in evaluation mode, with random weights until some are loaded.

    blank: that is at once, and its weights are whatever lies in memory; takes a tenth of the time.
    """
    spec = model_spec(name)
    with _Uninitialised() if blank else contextlib.nullcontext():
        model = cast(Network, spec.build()).eval().requires_grad_(False)
    model.spec = spec
    return model
