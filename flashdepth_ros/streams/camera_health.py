"""Whether a camera sees, and the same scene as before: covered, frozen, cut and so on. No ROS here.

A network gives confident depth for a lens cap too, so this is told from the pictures alone. The
thresholds and what they find are measured in docs/camera_health.md.
"""
from dataclasses import dataclass

import numpy as np

from ..images.picture_statistics import (
    PictureStatistics,
    equal_share,
    picture_statistics,
    thumbnail,
)
from ..images.scene_change import scene_distance
from ..images.sudden_cover import RecentViews

GOOD, FROZEN, BLANK, BRIGHT = 'good', 'frozen', 'blank', 'bright'
BLIND = ('black', 'over-exposed', 'covered')  # states in which a picture tells no depth
# what a single picture of a blank wall or of a bright room cannot be told from
LOOKS = {BLANK: 'covered', BRIGHT: 'over-exposed'}

# seconds after which a state that spoils depth without ending it is told, and a blind camera is an
# error
PATIENCE = 1.0
GLARE = 0.2      # share of a picture that is white where it became several times brighter at once,
DAZZLED = 5.0    # and seconds after which that is no wrong exposure but the light there is
MOSTLY = 0.9     # share of a bright picture that is white which is told at once
LEAST_DETAIL = 5  # levels a pixel: see PictureStatistics
STAY = 1.25      # a state is left where its numbers are so many times better than its threshold
EQUAL = 0.99     # share of a thumbnail's pixels that stay the same in a frozen picture,
REPEATS = 10     # in so many pairs in a row, over a second
LOST = 2         # blind frames in a row after which the temporal state is of another place
RARELY = 5       # frames from one scene cut to the next at least
# seconds from one image to the next up to which a cut is told: a camera that turns sees another
# part of the same scene thereafter
LONGEST = 0.35

REMEDIES = {
    'black': 'the images are black: take the cap off the lens, or switch on a light',
    BRIGHT: 'the images are white nearly everywhere, and depth less exact: let the driver expose '
            'for less time',
    'over-exposed': 'the images are white nearly everywhere: let the driver expose for less time, '
                    'or turn the camera away from the light',
    'covered': 'something came before the lens: the images show nothing but one even tone. '
               'Clear it',
    BLANK: 'the images show nothing but one even tone, and depth is less exact: a blank wall fills '
           'them or, if there is none, the lens is covered or fogged: clear it',
    'dark': 'the images are dark, and depth less exact: let the driver expose for longer, or '
            'switch on a light',
    'blurred': 'the images are blurred, and depth less exact: clean the lens, or focus it',
    FROZEN: 'the images are all the same: the driver repeats its last one (restart it), or nothing '
            'moves in a simulation without noise',
}


def _state(numbers: PictureStatistics, margins: dict[str, float]) -> str:
    """Return what a single picture shows. margins: larger than 1 for a state that is to stay."""
    def is_below(state: str, number: float, threshold: float) -> bool:
        return number < threshold * margins.get(state, 1.0)

    relative = numbers.detail / (numbers.contrast + 2)
    if is_below('black', numbers.brightness, 20):
        return 'black'
    if numbers.white * margins.get('over-exposed', 1.0) > 0.65:
        return 'over-exposed'
    dark = is_below('dark', numbers.brightness, 40)
    # in the dark every step is small, but not beside the others
    if is_below('covered', numbers.detail, LEAST_DETAIL) and (
            not dark or is_below('covered', relative, 0.3)):
        return 'covered'
    if dark:
        return 'dark'
    if is_below('blurred', numbers.fine, 0.22) or is_below('blurred', relative, 0.45):
        return 'blurred'
    return GOOD


@dataclass(frozen=True)
class Judgment:
    """What a frame says of its camera. since: the time at which that began, in seconds.

    cut: it is of another scene than the frame before.
    """

    state: str = GOOD
    since: float = 0.0
    numbers: PictureStatistics | None = None
    cut: bool = False

    @property
    def blind(self) -> bool:
        """Whether there is no depth to be had."""
        return self.state in BLIND

    def is_error(self, age: float) -> bool:
        """Whether the camera has been blind for too long. age: seconds since it began."""
        return self.blind and age >= PATIENCE

    def words(self, act: bool) -> str | None:
        """Say what is wrong and what to do, or None. act: no depth is made of a blind camera."""
        if self.state == GOOD:
            return None
        return REMEDIES[self.state] + ('. No depth is published until then' if act and self.blind
                                       else '')


class CameraHealth:
    """Judges the frames of one camera, in their order.

    newest: the judgment of the last frame. blind_frames: how many blind ones there were in a row,
    up to the last.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: the next frame has none before it."""
        self.newest = Judgment()
        self.blind_frames = 0
        self.thumbnail: np.ndarray | None = None  # grey, of the last frame
        self._shown, self._began = GOOD, 0.0      # what single pictures show, since when
        self._equal, self._equal_since = 0, 0.0   # pairs of equal pictures, since when
        self._since_cut = RARELY                  # frames
        self._taken = -np.inf                     # when the last image was
        self._views = RecentViews()
        self._blind = '', -np.inf                 # the last blind state, and until when
        self._leapt: float | None = None          # since when it has been several times brighter

    def judge(
        self, rgb: np.ndarray, time: float, scene_cut: float = 0.0, taken: float | None = None,
    ) -> Judgment:
        """Take in an image (H, W, 3) uint8 that came at a time in seconds, which only advances.

        scene_cut: how little (see scene_distance) it resembles the one before at a cut; 0 for no
        cuts. taken: when it was taken, in seconds by the camera's clock; as it came if None.
        """
        taken, taken_before = time if taken is None else taken, self._taken
        self._taken = taken
        grey, before = thumbnail(rgb), self.thumbnail
        numbers = picture_statistics(grey)
        shown = _state(numbers, {LOOKS.get(self._shown, self._shown): STAY})
        shown = self._by_way_in(shown, time, rgb, grey, numbers.white)
        if shown in BLIND:
            self._blind = shown, time
        if shown not in ('black', 'covered'):
            self._views.add(time, grey, rgb)
        self._since_cut += 1
        cut = False
        if (scene_cut and self._since_cut > RARELY and shown == self._shown == GOOD
                and before is not None and before.shape == grey.shape
                and 0 <= taken - taken_before <= LONGEST):
            cut = scene_distance(grey, before) > scene_cut
        if cut:
            self._since_cut = 0
        if shown != self._shown:
            self._shown, self._began = shown, time
        if before is None or equal_share(grey, before) < EQUAL:
            self._equal, self._equal_since = 0, time
        else:
            self._equal += 1
        state, since = shown, self._began
        if shown not in BLIND:
            if self._equal >= REPEATS and time - self._equal_since >= PATIENCE:
                state, since = FROZEN, self._equal_since
            elif time - since < PATIENCE and not (shown == BRIGHT and numbers.white > MOSTLY):
                state = GOOD
        if state in BLIND and self.newest.blind:
            since = self.newest.since  # black first, then covered, is one time of seeing nothing
        self.blind_frames = self.blind_frames + 1 if state in BLIND else 0
        if state == GOOD:
            since = time if before is None or self.newest.state != GOOD else self.newest.since
        self.thumbnail, self.newest = grey, Judgment(state, since, numbers, cut)
        return self.newest

    def _by_way_in(
        self, shown: str, time: float, rgb: np.ndarray, grey: np.ndarray, white: float,
    ) -> str:
        """Return what a picture shows, where the pictures before it may tell more.

        A robot that stands before a wall, or drives through a white room, must not be blinded on a
        guess. Those come slowly, or were in view before; a cover or a wrong exposure does not.
        """
        state, until = self._blind
        lately = time - until <= PATIENCE  # what moves on a lens may let a picture through
        if shown == 'covered':
            cover = self._shown in ('black', shown) or (self._shown != BLANK and (
                (lately and state != 'over-exposed') or self._views.cover(time, rgb)
                or self._views.slid_over(time, grey)))
            return shown if cover else BLANK
        if white * (1 if self._leapt is None else STAY) <= GLARE:
            self._leapt = None
        elif self._leapt is None and self._shown not in ('over-exposed', BRIGHT) and (
                self._views.leapt(time, grey)):
            self._leapt = time
        if self._leapt is not None and shown != 'black':
            return 'over-exposed' if time - self._leapt < DAZZLED else BRIGHT
        if shown == 'over-exposed':
            sudden = self._shown != BRIGHT and (
                (lately and state == shown) or self._views.turned_white(time, grey))
            return shown if sudden else BRIGHT
        return shown
