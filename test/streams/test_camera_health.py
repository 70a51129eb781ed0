"""What the pictures of a camera say of it, and since when."""
import cv2
from egl import needs_egl
import numpy as np
import pytest

from flashdepth_ros.images.picture_statistics import equal_share, picture_statistics, thumbnail
from flashdepth_ros.images.scene_change import scene_distance, shift_distance
from flashdepth_ros.streams.camera_health import CameraHealth

needs_egl()

from flashdepth_ros.simulation import Renderer, make_scene  # noqa: E402
from flashdepth_ros.simulation.events import BLURS, happen  # noqa: E402
from flashdepth_ros.simulation.sequences import drive_scene  # noqa: E402
from flashdepth_ros.simulation.walls import drive_to_wall  # noqa: E402

RNG = np.random.default_rng(11)
# edges and flat parts of all sizes, a little noise
PICTURES = [np.clip(sum(
    np.kron(RNG.integers(0, 90, (240 // n, 320 // n, 3)), np.ones((n, n, 1))) for n in (80, 20, 4))
    + RNG.normal(0, 3, (240, 320, 3)), 0, 255).astype(np.uint8) for _ in range(30)]


@pytest.mark.parametrize(('height', 'width', 'small'), [
    (240, 320, (136, 182)), (480, 640, (136, 182)), (1081, 1921, (102, 182)), (84, 98, (84, 98)),
    (600, 20, (182, 6)), (1, 4000, (1, 182)), (4000, 1, (182, 1)), (1, 1, (1, 1))])
def test_a_thumbnail_has_one_size_and_the_mean(height, width, small):
    rgb = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    grey = thumbnail(rgb)
    assert grey.shape == small
    assert picture_statistics(grey).brightness <= 255
    if rgb.size > 20_000:
        assert grey.mean() == pytest.approx((rgb @ [0.299, 0.587, 0.114]).mean(), abs=2)


def test_the_numbers_are_those_of_plain_numpy():
    grey = thumbnail(PICTURES[0])
    numbers = picture_statistics(grey)
    smooth = cv2.GaussianBlur(grey.astype(float), (0, 0), 1.2)
    assert numbers.brightness == pytest.approx(np.percentile(smooth, 98), abs=1)
    assert numbers.contrast == pytest.approx(grey.std(), rel=1e-4)
    bright = np.minimum(grey.astype(int) * 2, 255).astype(np.uint8)
    assert picture_statistics(bright).white == pytest.approx((bright >= 250).mean())
    v = np.pad(grey.astype(float), 1, mode='reflect')
    smooth = [v[:-2] + 2 * v[1:-1] + v[2:], v[:, :-2] + 2 * v[:, 1:-1] + v[:, 2:]]
    gradient = np.hypot(smooth[0][:, 2:] - smooth[0][:, :-2], smooth[1][2:] - smooth[1][:-2]) / 8
    assert numbers.detail == pytest.approx(np.percentile(gradient, 99), abs=0.5)
    assert equal_share(grey, grey) == 1 and equal_share(grey, grey[1:]) == 0
    assert equal_share(grey, 255 - grey) < 0.05


@pytest.mark.parametrize(('event', 'state'), [
    ('black', 'black'), ('cap', 'black'), ('1/32', 'black'), ('finger', 'covered'),
    ('lit finger', 'covered'), ('fog', 'covered'), ('white', 'over-exposed'),
    ('x8', 'over-exposed')])
def test_a_blind_camera_is_told_at_once(event, state):
    health = CameraHealth()
    assert health.judge(PICTURES[0], 5.75).state == 'good'
    for i in (1, 2):
        judgment = health.judge(happen(event, PICTURES[i], 0, i), 5 + i)
        assert (judgment.state, judgment.since, judgment.blind) == (state, 6.0, True)
        assert health.blind_frames == i and judgment.is_error(1.0) and not judgment.is_error(0.9)
        assert judgment.words(act=True).endswith('until then') and judgment.words(act=False)
    assert health.judge(PICTURES[3], 8.0).words(act=True) is None
    assert (health.newest.since, health.blind_frames) == (8.0, 0)


@pytest.fixture(scope='module')
def renderer():
    with Renderer(160, 120) as renderer:
        yield renderer


def states_of(pictures, health: CameraHealth | None = None, begin: float = 0.0) -> list[str]:
    health = health or CameraHealth()
    return [health.judge(picture, begin + i / 10).state for i, picture in enumerate(pictures)]


def test_a_wall_that_comes_nearer_or_into_view_is_no_cover(renderer):
    for pictures in (
            # a drive that comes near to a white wall
            [frame.rgb for frame in drive_scene(renderer, make_scene(1), 20, first=206)],
            [frame.rgb for frame in drive_to_wall(renderer, 960005, 0.5)],
            [frame.rgb for frame in drive_to_wall(renderer, 960005, 1.5, turning=True)]):
        plain = [picture_statistics(thumbnail(picture)).detail < 5 for picture in pictures]
        assert sum(plain) >= 10
        first = plain.index(True)
        assert set(states_of(pictures)) <= {'good', 'blank'}
        # as where it starts before the wall, and nothing tells what came before
        assert set(states_of(pictures[first:])) <= {'good', 'blank'}
        # but not after another place
        assert states_of([PICTURES[0][::2, ::2], pictures[first]]) == ['good', 'covered']


@pytest.mark.parametrize('event', ['finger', 'lit finger', 'fog'])
@pytest.mark.parametrize('frames', [1, 2, 3])
def test_a_cover_may_slide_before_the_lens_and_let_a_picture_through(event, frames):
    pictures = [picture.copy() for picture in PICTURES[:20]]
    for i, picture in enumerate(pictures[5:], start=5):
        width = min(320, 320 * (i - 4) // frames)
        picture[:, :width] = happen(event, picture, 0, i)[:, :width]
    pictures[14] = PICTURES[14]
    states = states_of(pictures)
    covered = 4 + frames
    assert states[:covered] == ['good'] * covered and states[14] == 'good'
    assert states[covered:14] + states[15:] == ['covered'] * (19 - covered)


@pytest.mark.parametrize('frames', [4, 8])
def test_a_cover_may_slide_slowly_over_a_camera_at_rest(frames):
    def states(moves: bool) -> list[str]:
        pictures = []
        for i in range(20):
            noise = np.random.default_rng(i).normal(0, 3, (240, 320, 3))
            pictures.append(np.clip(moved(PICTURES[0], 9 * i * moves) + noise, 0, 255).astype(
                np.uint8))
            if i >= 5:
                width = min(320, 320 * (i - 4) // frames)
                pictures[i][:, :width] = happen('finger', pictures[i], 0, i)[:, :width]
        return states_of(pictures)
    assert states(False) == ['good'] * (4 + frames) + ['covered'] * (16 - frames)
    # as a wall comes into the view of a camera that turns
    assert frames < 8 or 'covered' not in states(True)


def test_where_nothing_was_seen_before_a_picture_without_detail_blinds_nobody():
    fog = [happen('fog', picture, 0, i) for i, picture in enumerate(PICTURES)]
    assert states_of(fog) == ['good'] * 10 + ['blank'] * 20
    health = CameraHealth()
    health.judge(PICTURES[0], 0.0)  # too long ago
    assert states_of(fog[:15], health, 5.0) == ['good'] * 10 + ['blank'] * 5
    # a lens cap, of which a raised gain makes noise
    health = CameraHealth()
    assert states_of([np.zeros_like(fog[0])] * 3 + fog[:5], health) == ['black'] * 3 + [
        'covered'] * 5


def test_a_bright_room_is_told_and_a_wrong_exposure_blinds():
    def brighter(*gains):
        return [np.clip(picture * float(gain), 0, 255).astype(np.uint8)
                for picture, gain in zip(PICTURES, gains, strict=False)]
    slowly = states_of(brighter(1, 1.5, 2, 3, 3, 3, 3, *[6] * 15, 1))
    began = slowly.index('bright')
    assert slowly == ['good'] * began + ['bright'] * (22 - began) + ['good'] and began < 20
    assert states_of(brighter(1, 1, *[6] * 5, 1)) == ['good'] * 2 + ['over-exposed'] * 5 + ['good']
    assert states_of(brighter(*[6] * 3)) == ['over-exposed'] * 3  # from the start


def test_many_times_the_light_blinds_in_a_dark_room_too():
    dark = [(moved(PICTURES[0], 5 * i) * 0.26).astype(np.uint8) for i in range(30)]
    bright = [happen('x8', picture, 0, i) for i, picture in enumerate(dark)]
    share = picture_statistics(thumbnail(bright[5])).white
    assert 0.2 < share < 0.5
    assert states_of([*dark[:3], *bright[3:10], *dark[10:12]]) == (
        ['good'] * 3 + ['over-exposed'] * 7 + ['good'] * 2)
    # light that was switched on stays
    health = CameraHealth()
    states = [health.judge((dark if i < 3 else bright)[i % 30], i / 10).state for i in range(90)]
    assert states[3:53] == ['over-exposed'] * 50 and set(states[63:]) == {'bright'}
    # slowly, it is no exposure that went wrong
    slowly = [np.clip(picture * gain, 0, 255).astype(np.uint8)
              for picture, gain in zip(dark, np.linspace(1, 8, 25), strict=False)]
    assert 'over-exposed' not in states_of(slowly)


@pytest.mark.parametrize(('event', 'state'), [
    ('1/8', 'dark'), *((blur, 'blurred') for blur in list(BLURS)[2:4])])
def test_worse_pictures_are_told_after_a_second(event, state):
    health = CameraHealth()
    states = [health.judge(happen(event, picture, 0, i) if 3 <= i < 20 else picture, i / 10).state
              for i, picture in enumerate(PICTURES[:25])]
    assert states == ['good'] * 13 + [state] * 7 + ['good'] * 5
    assert health.blind_frames == 0


def test_a_frozen_picture_is_told_after_a_second_and_ten_frames():
    for rate, frames in ((5, 10), (10, 10), (30, 30)):
        health = CameraHealth()
        health.judge(PICTURES[0], 0.0)
        states = [health.judge(PICTURES[1], 1 + i / rate).state for i in range(frames + 3)]
        assert states == ['good'] * frames + ['frozen'] * 3
        assert health.newest.since == 1.0
        assert health.judge(PICTURES[2], 9.0).state == 'good'


def test_a_state_near_its_threshold_does_not_flicker():
    health = CameraHealth()
    levels = [17, 19, 21, 19, 23, 26, 21]
    flat = np.ones((240, 320, 3), np.uint8)
    states = [health.judge(flat * np.uint8(level), i / 10).state for i, level in enumerate(levels)]
    assert states[:5] == ['black'] * 5 and 'black' not in states[5:]


def test_another_size_is_no_frozen_picture():
    health = CameraHealth()
    for i in range(30):
        shape = (84, 98) if i % 2 else (98, 84)
        assert health.judge(PICTURES[0][:shape[0], :shape[1]], i / 10).state == 'good'


def moved(picture: np.ndarray, pixels: int) -> np.ndarray:
    return np.roll(picture, pixels, axis=1)


def test_a_cut_is_told_once_and_motion_and_light_are_none():
    health = CameraHealth()
    noise = np.random.default_rng(5)
    for i in range(40):  # driving on, brighter and darker, until another picture comes at the 20th
        light = 1 + 0.3 * np.sin(i)
        picture = light * moved(PICTURES[i // 20], 3 * i) + noise.normal(0, 4, (240, 320, 3))
        judgment = health.judge(np.clip(picture, 0, 255).astype(np.uint8), i / 10, 0.8)
        assert judgment.cut == (i == 20), i
        assert judgment.state == 'good'


def test_cuts_are_counted_at_most_every_sixth_frame_and_never_at_zero():
    health = CameraHealth()
    assert [i for i, picture in enumerate(PICTURES[:20])
            if health.judge(picture, i / 10, 0.8).cut] == [1, 7, 13, 19]
    assert not any(health.judge(picture, 5.0).cut for picture in PICTURES)


@pytest.mark.parametrize(('later', 'cut'), [
    (0.03, True), (0.3, True), (0.4, False), (3.0, False), (-0.1, False)])
def test_a_cut_is_told_only_where_the_pictures_were_taken_soon_one_after_the_other(later, cut):
    health = CameraHealth()
    health.judge(PICTURES[0], 7.0, 0.8, taken=100.0)
    assert health.judge(PICTURES[1], 7.1, 0.8, taken=100.0 + later).cut == cut
    assert health.judge(PICTURES[1], 7.2, 0.8, taken=100.1 + later).cut is False


def test_a_camera_that_turns_is_in_the_same_scene_before_stripes_too():
    wide = cv2.resize(np.hstack(PICTURES[:3]), (960, 240))
    stripes = wide // 2 + np.uint8(100) * (np.arange(960) // 12 % 2 == 0)[:, None].astype(np.uint8)
    for picture in (wide, stripes):
        first, *later = (thumbnail(np.ascontiguousarray(picture[:, x:x + 320]))
                         for x in (0, 120, 200))
        for turned in later:
            assert scene_distance(turned, first) < 0.8
    assert scene_distance(thumbnail(PICTURES[4]), thumbnail(PICTURES[0])) > 0.8
    # where there is nothing to be found again, or no room for it, nobody can tell
    assert scene_distance(thumbnail(PICTURES[0]), np.full((136, 182), 90, np.uint8)) == 0
    assert scene_distance(thumbnail(PICTURES[0])[:9], thumbnail(PICTURES[1])[:9]) == 0


def test_what_passes_before_the_lens_and_a_cover_are_no_cuts():
    health = CameraHealth()
    for i in range(20):
        picture = PICTURES[0].copy()
        picture[:, 20 * i:20 * i + 90] = 30  # an arm
        if 8 <= i < 12:
            picture[:] = 0
        judgment = health.judge(picture, i / 10, 0.8)
        assert not judgment.cut
    assert health.judge(PICTURES[0][:120], 3.0, 0.8).cut is False  # another size is a reset anyway


def test_a_shift_is_found_as_by_trying_all():
    a, b = (cv2.resize(thumbnail(each), (32, 24), interpolation=cv2.INTER_AREA).astype(float)
            for each in PICTURES[:2])
    best = -1.0
    for dy in range(-6, 7):
        for dx in range(-10, 11):
            y, x = slice(max(0, dy), 24 + min(0, dy)), slice(max(0, dx), 32 + min(0, dx))
            v, u = slice(max(0, -dy), 24 + min(0, -dy)), slice(max(0, -dx), 32 + min(0, -dx))
            best = max(best, float(np.corrcoef(a[v, u].ravel(), b[y, x].ravel())[0, 1]))
    assert shift_distance(thumbnail(PICTURES[0]), thumbnail(PICTURES[1])) == pytest.approx(
        1 - best, abs=1e-3)
