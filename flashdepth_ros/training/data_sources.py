"""What training data is named by: bags, folders of pictures with depth, shards, simulated scenes.

    drive_1/                             a rosbag2 folder, an .mcap or .db3 in one, a ROS 1 .bag
    table/                               rgb/ and depth/ in a folder (rgbd_video, RTAB-Map, TUM)
    scenes/                              shards of make_scenes
    drives/                              a folder of any of these
    sim:0:40                             simulated scenes by their seeds
    sim:0:40,hfov=105,materials=bold     of another domain (also kind, size, frames, rate, effects)

A weight may follow, as in drives/@2. Frames are brought to the network's size once, into files.
"""
from collections.abc import Iterator
from dataclasses import dataclass
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..datasets.pairing import pair_files
from ..files.depth_folder import SIDECAR, read_array
from ..files.image_folder import IMAGES, read_image
from ..models.spec import ModelSpec
from .recordings import (
    ABOUT,
    DataError,
    Recording,
    of_shards,
    open_recording,
    resized,
    store_recording,
)
from .shards import Shards

SIMULATION = {'hfov': 70.0, 'materials': 'usual', 'kind': '', 'size': '320x240', 'frames': 30,
              'rate': 10.0, 'effects': 1}
DEPTHS = ('.png', '.npy', '.npz', '.exr')
BAGS = ('.mcap', '.db3', '.bag')
log = logging.getLogger('train')

DEFAULT_RATE = 10.0  # frames a second of recordings that do not say


@dataclass(frozen=True)
class Reading:
    """How frames are read.

    spec, short_side: the network that they are brought to the size of. cache: folder of the frames
    at that size. image_topic, truth_topic: of bags. png_scale: steps a metre of depth in PNG.
    """

    spec: ModelSpec
    cache: Path
    short_side: int = 0
    image_topic: str = 'image'
    truth_topic: str = 'truth/depth/image'
    png_scale: float = 1000.0


def split_weight(text: str) -> tuple[str, float]:
    """Split SOURCE[@WEIGHT]; DataError for a weight that is not positive."""
    name, found, weight = text.rpartition('@')
    if not found:
        return text, 1.0
    try:
        value = float(weight)
    except ValueError:
        return text, 1.0  # an @ in a path
    if not value > 0:
        raise DataError(f'{text}: the weight of a source is {weight}; it must be positive')
    return name, value


def recordings_of(source: str, reading: Reading) -> list[Recording]:
    """Return the recordings of a source, brought to the network's size once; DataError, ..."""
    if source.startswith('sim:'):
        return _simulated(source.removeprefix('sim:'), reading)
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f'there is no {path}: name a bag, a folder of pictures with depth, or '
                        f'simulated scenes such as sim:0:40')
    found = list(_within(path, reading))
    if not found and path.is_dir():
        found = [each for inside in sorted(path.iterdir()) if inside.is_dir()
                 or inside.suffix in BAGS for each in _within(inside, reading)]
    if not found:
        raise DataError(f'{path} holds nothing to train on: a bag, rgb/ and depth/, shards of '
                        f'make_scenes, or folders of these')
    return found


def _within(path: Path, reading: Reading) -> Iterator[Recording]:
    if path.is_file() or any(path.glob('metadata.yaml')) or any(
            each.suffix in BAGS[:2] for each in path.iterdir()):
        yield _stored(reading, f'{path.name}', {
            'bag': str(path.resolve()), 'changed': _changed(path),
            'topics': [reading.image_topic, reading.truth_topic]}, lambda: _of_bag(path, reading))
    elif (path / 'rgb').is_dir() and (path / 'depth').is_dir():
        yield _stored(reading, path.name, {
            'folder': str(path.resolve()), 'changed': _changed(path / 'depth'),
            'scale': reading.png_scale}, lambda: _of_folder(path, reading))
    elif any(path.glob('shard_*')):
        yield from of_shards(Shards(path))


def _changed(path: Path) -> list[Any]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return [[each.name, each.stat().st_size, each.stat().st_mtime_ns] for each in files]


def _stored(reading: Reading, name: str, key: dict[str, Any], frames: Any) -> Recording:
    """Return the recording that the cache has under a key, put there first where it is new.

    frames: returns the keyword arguments of store_recording.
    """
    text = json.dumps({**key, 'sizes': reading.spec.frame.network_size(
        480, 640, reading.short_side)}, sort_keys=True)
    folder = reading.cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not (folder / ABOUT).is_file():
        store_recording(folder, name, **frames())
    return open_recording(folder)


def _at_size(rgb: np.ndarray, depth: np.ndarray, reading: Reading) -> tuple[
        np.ndarray, np.ndarray]:
    return resized(rgb, depth, reading.spec.frame.network_size(*rgb.shape[:2], reading.short_side))


def _of_bag(path: Path, reading: Reading) -> dict[str, Any]:
    from ..files.bag_pairs import PairedImages  # needs ROS' messages, which other sources do not

    def frames() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        pairs = PairedImages(path, {'rgb': reading.image_topic, 'truth': reading.truth_topic})
        for frame in pairs:
            yield _at_size(frame['rgb'], frame['truth'], reading)
        log.info('%s: %s', path.name, '; '.join([pairs.about(), *pairs.losses]))
    return {'frames': frames(), 'rate': DEFAULT_RATE}


def _of_folder(path: Path, reading: Reading) -> dict[str, Any]:
    pairs = pair_files(str(path), (path / 'rgb', IMAGES), (path / 'depth', DEPTHS))
    about = json.loads((path / SIDECAR).read_text()) if (path / SIDECAR).is_file() else {}
    scale = float(about.get('scale', reading.png_scale))

    def frames() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name in pairs.names:
            depth = read_array(pairs.truths[name]).astype(np.float32)
            if pairs.truths[name].suffix == '.png':
                depth = depth / scale
            picture = read_image(pairs.pictures[name])
            if picture is None:
                raise DataError(
                    f'{pairs.pictures[name]} cannot be read as a whole image: remove it')
            yield _at_size(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), depth, reading)
    return {'frames': frames(), 'rate': float(about.get('fps', DEFAULT_RATE))}


def _simulated(text: str, reading: Reading) -> list[Recording]:
    seeds, *options = text.split(',')
    settings: dict[str, Any] = dict(SIMULATION)
    try:
        first, _, last = seeds.partition(':')
        numbers = range(int(first), int(last) if last else int(first) + 1)
        for option in options:
            name, _, value = option.partition('=')
            settings[name] = type(SIMULATION[name])(value)
        width, height = (int(side) for side in settings['size'].split('x'))
    except (KeyError, ValueError) as error:
        raise DataError(
            f'sim:{text} is not SEED or FIRST:END with options of {", ".join(SIMULATION)}, such as '
            f'sim:0:40,hfov=105,size=320x240 ({error})') from error
    if not numbers:
        raise DataError(f'sim:{text} names no seed')

    def frames(seed: int) -> dict[str, Any]:
        from ..simulation import Renderer
        from ..simulation.effects import NONE, USUAL
        from ..simulation.sequences import drive_through
        poses: list[np.ndarray] = []
        renderer = Renderer(width, height, settings['hfov'])
        network = reading.spec.frame.network_size(height, width, reading.short_side)

        def pictures() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            with renderer:
                for frame in drive_through(
                        renderer, seed, settings['frames'], settings['rate'],
                        settings['kind'] or None, USUAL if settings['effects'] else NONE,
                        settings['materials']):
                    poses.append(frame.pose)
                    yield _at_size(frame.rgb, frame.depth, reading)
        return {'frames': pictures(), 'rate': settings['rate'], 'poses': poses, 'seed': seed,
                'intrinsics': renderer.intrinsics.resized(*network[::-1]).matrix}

    return [_stored(reading, f'seed {seed}', {'seed': seed, **settings},
                    lambda seed=seed: frames(seed)) for seed in numbers]
