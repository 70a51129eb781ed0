"""A cache of their own for the engines of these tests, and small networks for it."""
from dataclasses import replace
from functools import partial

import pytest

from flashdepth_ros.models import MODELS
from flashdepth_ros.models.dpt import DECODERS
from flashdepth_ros.models.online_vda import OnlineVideoDepthAnything
from flashdepth_ros.models.video_depth_anything import VideoDepthAnything
from flashdepth_ros.models.vit import BACKBONES

# The published networks' structure with a third of their blocks, as flashdepth-nano is FlashDepth's
# with half of them: an export takes as long as there are operations. `make soak` runs the networks
# themselves, the node's tests Video Depth Anything.
TINY = {
    'tiny-vda': ('vda-s', partial(VideoDepthAnything, 'tiny')),
    'tiny-ovda': ('ovda-c8', partial(OnlineVideoDepthAnything, 8, 'tiny')),
}


@pytest.fixture(scope='package', autouse=True)
def tiny_models():
    """Add networks of a small backbone to those that there are, while these tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, 'tiny', (128, 4, 2, (0, 1, 2, 3)))
        patch.setitem(DECODERS, 'tiny', (32, (32, 32, 64, 64)))
        for name, (like, build) in TINY.items():
            patch.setitem(MODELS, name, replace(
                MODELS[like], name=name, build=build, repository='', file=f'{name}.pth'))
        yield


@pytest.fixture(scope='package', autouse=True)
def engine_cache(cache_home):
    """Graphs are exported once for all tests, and the user's cache stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(cache_home))
        yield cache_home / 'flashdepth_ros' / 'engines'
