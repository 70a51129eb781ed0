"""evaluate --costmap: what nav2's costmap makes of a model's depth in simulated drives."""
import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm
import yaml

from ..images.resampling import resize_aligned
from ..metres.motion import Pose
from ..metres.units import check_mode
from ..models import model_spec
from ..ros.transport import share_folder
from ..scoring.costmap import (
    BoxVisit,
    CostmapScores,
    TrueCells,
    clouds_of_all,
    score_costmap,
)
from ..scoring.scale_modes import metric_depths
from ..scoring.sequences import FrameStore
from .evaluation_sources import SIMULATED_FRAMES, StreamingModel

if TYPE_CHECKING:
    from ..simulation import Renderer  # needs MuJoCo

RATE = 10.0                # frames per second
VISIT = (1 / 3, 2 / 3)     # when a box stands before the camera, in parts of the drive


def shipped_configuration() -> tuple[dict, dict]:
    """Return the parameters of the costmap's layer and of the depth node that are shipped."""
    folder = share_folder() / 'config'
    layer = yaml.safe_load((folder / 'nav2_voxel_layer.yaml').read_text())
    node = yaml.safe_load((folder / 'nav2_depth.yaml').read_text())
    return (layer['local_costmap']['local_costmap']['ros__parameters']['camera_layer'],
            node['/**']['ros__parameters'])


def costmap_scores(options: argparse.Namespace, folder: Path) -> dict[str, CostmapScores]:
    """Return the scores of true depth and of the model's, by what a table calls them.

    The model's come in each of options.scale_mode, also without what is less certain than
    each of options.min_confidence and, with --stateless, without memory. ScaleError for a mode
    that the model has not.
    """
    from ..simulation import Renderer
    spec = model_spec(options.model)
    for mode in options.scale_mode:
        check_mode(mode, spec.unit, options.model)
    totals: dict[str, CostmapScores] = {}
    model = StreamingModel(options)
    try:
        with Renderer(options.size[0], options.size[1], options.hfov) as renderer:
            for seed in tqdm(options.seeds, unit='scene', disable=None):
                truth = FrameStore(folder / f'truth{seed}')
                pictures, cells, wheels = _drive(options, renderer, seed, truth)
                _add(totals, 'true depth', _score(_depths(truth), cells))
                for stateless in (False, True) if options.stateless else (False,):
                    model.stateless = stateless
                    store, trusts = (FrameStore(folder / f'{name}{seed}{stateless}')
                                     for name in ('depth', 'confidence'))
                    for stream, output, size in model.outputs(pictures):
                        store.add(model.disparity(stream, output, size))
                        if any(options.min_confidence):
                            trust = stream.confidence(output, not stateless)
                            trusts.add(np.nan_to_num(resize_aligned(trust, *size), nan=0.0))
                    for mode in options.scale_mode:
                        depths = list(metric_depths(
                            store, truth, mode, cells.camera, float(cells.poses[0, 2, 3]),
                            spec.unit.has_shift, RATE, pictures=pictures, pose=wheels))
                        name = f'{options.model}, {mode}' + (', stateless' if stateless else '')
                        _add(totals, name, _score(depths, cells))
                        for least in filter(None, options.min_confidence):
                            _add(totals, f'{name}, confidence {least:g}', _score(
                                depths, cells, partial(_uncertain, trusts, least)))
    finally:
        model.close()
    return totals


def _drive(
    options: argparse.Namespace, renderer: 'Renderer', seed: int, truth: FrameStore,
) -> tuple[list[np.ndarray], TrueCells, Pose]:
    """Return the pictures of a drive past a box, what is true of its floor, and its odometry."""
    from ..simulation import make_scene
    from ..simulation.effects import NONE, USUAL
    from ..simulation.sequences import drive_scene
    frames = options.max_frames or SIMULATED_FRAMES
    first, last = (round(part * frames) for part in VISIT)
    scene = make_scene(seed, options.kind, visit=((first - 0.5) / RATE, (last - 0.5) / RATE),
                       materials=options.materials)
    pictures, poses = [], []
    for frame in drive_scene(renderer, scene, frames, RATE, USUAL if options.effects else NONE):
        truth.add(frame.depth)
        poses.append(frame.pose)
        pictures.append(frame.rgb)
    visit = None if scene.visit is None else BoxVisit(
        scene.visit.place, scene.visit.size, first, last)
    return pictures, TrueCells(_depths(truth), np.array(poses), renderer.intrinsics,
                               *shipped_configuration(), visit), scene.wheel_pose


def _depths(truth: FrameStore) -> Iterator[np.ndarray]:
    return (truth.depth(index) for index in range(len(truth)))


def _uncertain(trusts: FrameStore, least: float, frame: int) -> np.ndarray:
    return trusts.disparity(frame) < least


def _score(
    depths: Iterable[np.ndarray | None], cells: TrueCells,
    uncertain: Callable[[int], np.ndarray | None] = lambda frame: None,
) -> CostmapScores:
    return score_costmap(clouds_of_all(depths, cells, uncertain), cells, RATE)


def _add(totals: dict[str, CostmapScores], name: str, scores: CostmapScores) -> None:
    totals.setdefault(name, CostmapScores())
    totals[name] += scores
