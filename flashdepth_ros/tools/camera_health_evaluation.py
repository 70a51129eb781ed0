"""evaluate --camera-health: what is told of cameras that see, and of those to which things happen.

docs/camera_health.md has the tables.
"""
import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
import itertools
from time import process_time
from typing import Any

import numpy as np
from tqdm import tqdm

from ..files.sources import open_source
from ..node.parameter_table import PARAMETERS
from ..scoring.markdown import markdown_table
from ..streams.camera_health import (
    BLANK,
    BLIND,
    BRIGHT,
    FROZEN,
    GOOD,
    LEAST_DETAIL,
    PATIENCE,
    CameraHealth,
)

RATE = 10.0
FRAMES = 40        # of a drive, without --max-frames
# which of them a node takes that is too busy for all
STEPS = {1: 'every frame', 2: 'every 2nd', 3: 'every 3rd', 4: 'every 4th', 5: 'every 5th'}
BEFORE, LASTS, AFTER = 5, 15, 3  # frames of an event
# frames in which a thing that covers the lens slides over it
SLIDES = {frames: f'in {frames} frames' for frames in (2, 3, 4, 6)}
SLIDING = ('finger', 'lit finger', 'fog')
# what a camera does before a wall: metres a second ahead, radians a second on the spot
WALLS = {'drives up to a wall, 0.5 m/s': (0.5, False),
         'turns to a wall, 1 rad/s': (1.0, True), '2.7 rad/s': (2.7, True)}
KEPT = 6           # pictures of each scene, for cuts
CUTS = 500         # between scenes
SCENE_CUT = PARAMETERS['stream.scene_cut'].default


def camera_health_tables(options: argparse.Namespace) -> str:
    """Return the tables, in Markdown: of ordinary pictures, of events, of cuts."""
    from ..simulation import Renderer
    from ..simulation.effects import NONE, USUAL
    from ..simulation.sequences import drive_through
    from ..simulation.walls import drive_to_wall
    ordinary: dict[str, Counter] = {}
    events: dict[str, list[_Found]] = {}
    walls: dict[str, Counter] = {}
    kept: list[list[np.ndarray]] = []
    with Renderer(options.size[0], options.size[1], options.hfov) as renderer:
        for seed in tqdm(options.seeds, unit='scene', disable=None):
            pictures = [frame.rgb for frame in drive_through(
                renderer, seed, options.max_frames or FRAMES, RATE, options.kind,
                USUAL if options.effects else NONE, options.materials)]
            for step in STEPS:
                ordinary.setdefault(f'drives, {STEPS[step]}', Counter()).update(
                    _ordinary(pictures[::step], seed, step / RATE))
            for times in 2, 3:
                ordinary.setdefault(f'drives, {times} times as fast', Counter()).update(
                    _ordinary(pictures[::times], seed, 1 / RATE))
            for kind, found in _events(pictures, seed):
                events.setdefault(kind, []).append(found)
            for name, (speed, turning) in WALLS.items():
                walls.setdefault(name, Counter()).update(_before_wall(
                    frame.rgb for frame in drive_to_wall(renderer, seed, speed, turning)))
            kept.append(pictures[::max(1, len(pictures) // (KEPT - 1))])
    for video in options.videos:
        with open_source(str(video)) as source:
            pictures = [frame.rgb for frame in itertools.islice(source, options.max_frames)]
            rate = source.fps or RATE
        for step in STEPS:
            ordinary[f'{video.name}, {STEPS[step]}'] = _ordinary(
                pictures[::step], video.name, step / rate)
    return '\n\n'.join((_ordinary_table(ordinary), _wall_table(walls), _event_table(events),
                        _cut_table(kept)))


def _ordinary(pictures: Iterable[np.ndarray], name: object, period: float) -> Counter:
    """Count the frames, what is told in them, and of which sequences (`name`).

    period: seconds from one to the next.
    """
    health, counts = CameraHealth(), Counter[Any]()
    seconds = 0.0
    for index, rgb in enumerate(pictures):
        begin = process_time()
        judgment = health.judge(rgb, index * period, SCENE_CUT)
        seconds += process_time() - begin
        counts['frames'] += 1
        for what in (judgment.state, 'cut' if judgment.cut else GOOD):
            if what != GOOD:
                counts[what] += 1
                counts['where', name] += 1
    counts['microseconds'] += round(1e6 * seconds)
    return counts


def _before_wall(pictures: Iterable[np.ndarray]) -> Counter:
    """Count the frames of a drive to a wall, and what is told; nothing if that shows detail."""
    health = CameraHealth()
    judgments = [health.judge(rgb, index / RATE) for index, rgb in enumerate(pictures)]
    plain = [each.numbers is not None and each.numbers.detail < LEAST_DETAIL for each in judgments]
    if not any(plain):
        return Counter()
    counts = Counter[str](each.state for each in judgments)
    counts.update({'drives': 1, 'frames': len(plain), 'without detail': sum(plain),
                   'drives covered': int(counts['covered'] > 0)})
    return counts


class _Found:
    """What was told of one event: the share of its frames, after how many seconds, until when."""

    def __init__(self, states: Sequence[str], due: int):
        during, after = states[BEFORE:BEFORE + LASTS], states[BEFORE + LASTS:]
        told = [state != GOOD for state in during]
        self.share = float(np.mean(told[due:]))
        self.delay = told.index(True) / RATE if any(told) else np.nan
        self.over = after[0] == GOOD
        self.states = Counter(state for state in during if state != GOOD)


def _events(pictures: list[np.ndarray], seed: int) -> Iterable[tuple[str, _Found]]:
    """Yield what is told of each kind of event, if it happens in the midst of the pictures."""
    from ..simulation.events import BLURS, CUT, KINDS, happen
    tries = [(kind, 1, False) for kind in KINDS if kind != CUT]
    slides = [(kind, frames, rests) for kind in SLIDING for frames in SLIDES
              for rests in (False, True)]
    moving = pictures[:BEFORE + LASTS + AFTER]
    resting = [_at_rest(moving[0], index) for index in range(len(moving))]
    for kind, frames, rests in [*tries, *slides]:
        health, states = CameraHealth(), []
        for index, rgb in enumerate(resting if rests else moving):
            if BEFORE <= index < BEFORE + LASTS:
                event = pictures[BEFORE - 1] if kind == FROZEN else happen(kind, rgb, seed, index)
                rgb = _slid(rgb, event, (index - BEFORE + 1) / frames)
            states.append(health.judge(rgb, index / RATE).state)
        # the frames of the first second are not due where depth goes on
        due = round(PATIENCE * RATE) if kind in (*BLURS, '1/8', FROZEN) else 0
        name = f'{kind} {SLIDES.get(frames, "")}'.strip() + (', at rest' if rests else '')
        yield name, _Found(states, due + frames - 1)


def _at_rest(rgb: np.ndarray, index: int) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 with noise of its own, of a camera that does not move."""
    noise = np.random.default_rng(index).normal(0, 3, rgb.shape)
    return np.clip(rgb + noise, 0, 255).round().astype(np.uint8)


def _slid(rgb: np.ndarray, cover: np.ndarray, share: float) -> np.ndarray:
    """Return a picture (H, W, 3) of which a cover hides a share, from the left, softly."""
    if share >= 1:
        return cover
    across = np.arange(rgb.shape[1]) / rgb.shape[1]
    weight = 1 / (1 + np.exp(40 * (across - share)))[:, None]
    return (rgb * (1 - weight) + cover * weight).astype(np.uint8)


def _ordinary_table(ordinary: dict[str, Counter]) -> str:
    told = (*BLIND, BLANK, BRIGHT, 'dark', 'blurred', FROZEN, 'cut')
    rows = [['pictures of', 'frames', *told, 'in', 'ms a frame']]
    for name, counts in ordinary.items():
        where = sorted(str(key[1]) for key in counts if isinstance(key, tuple))
        rows.append([name, str(counts['frames']), *(str(counts[each]) for each in told),
                     ', '.join(where[:6]) + ('' if len(where) <= 6 else ', …'),
                     f'{counts["microseconds"] / counts["frames"] / 1000:.2f}'])
    return markdown_table(rows)


def _wall_table(walls: dict[str, Counter]) -> str:
    told = (BLANK, BRIGHT, 'over-exposed', 'covered')
    rows = [['a camera that', 'drives', 'frames', 'without detail', *told, 'drives with covered']]
    for name, counts in walls.items():
        rows.append([name, *(str(counts[each]) for each in (
            'drives', 'frames', 'without detail', *told, 'drives covered'))])
    return markdown_table(rows)


def _event_table(events: dict[str, list[_Found]]) -> str:
    rows = [['event', 'times', 'frames told %', 'first after s', 'over at once %', 'told as']]
    for kind, found in events.items():
        states = sum((each.states for each in found), Counter())
        rows.append([
            kind, str(len(found)), f'{100 * np.mean([each.share for each in found]):.1f}',
            f'{np.nanmedian([each.delay for each in found]):.1f}',
            f'{100 * np.mean([each.over for each in found]):.0f}',
            ', '.join(f'{state} {100 * count / states.total():.0f} %'
                      for state, count in states.most_common())])
    return markdown_table(rows)


def _cut_table(kept: Sequence[list[np.ndarray]]) -> str:
    """Cut between the kept pictures of scenes, and within each."""
    rng = np.random.default_rng(0)

    def share(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[str]:
        cuts = [_is_cut(*pair) for pair in pairs]
        return [str(len(cuts)), f'{100 * np.mean(cuts):.1f}' if cuts else '-']

    def others() -> Iterable[tuple[np.ndarray, np.ndarray]]:
        for _ in range(CUTS if len(kept) > 1 else 0):
            one, other = rng.choice(len(kept), 2, replace=False)
            yield tuple(scene[rng.integers(len(scene))] for scene in (kept[one], kept[other]))

    def brighter(gain: float) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return ((rgb, np.clip(rgb * gain, 0, 255).astype(np.uint8))
                for scene in kept for rgb in scene)

    tries: dict[str, Callable] = {
        'a cut to another scene': others,
        'a cut within a scene, from its first picture to its last': lambda: (
            (scene[0], scene[-1]) for scene in kept),
        'light a quarter': lambda: brighter(0.25), 'light half': lambda: brighter(0.5),
        'light twice': lambda: brighter(2.0)}
    return markdown_table([['from one frame to the next', 'times', 'told as a cut %'],
                           *([name, *share(pairs())] for name, pairs in tries.items())])


def _is_cut(before: np.ndarray, now: np.ndarray) -> bool:
    health = CameraHealth()
    health.judge(before, 0.0, SCENE_CUT)
    return health.judge(now, 1 / RATE, SCENE_CUT).cut
