"""Events of a simulated camera, the bag that they are recorded in, and what is told of them."""
import json

from egl import needs_egl
import numpy as np
import pytest

needs_egl()

from flashdepth_ros.files.bag_pairs import PairedImages  # noqa: E402
from flashdepth_ros.simulation import Renderer  # noqa: E402
from flashdepth_ros.simulation.events import (  # noqa: E402
    CUT,
    FROZEN,
    KINDS,
    happen,
    plan_events,
)
from flashdepth_ros.simulation.sequences import drive_through  # noqa: E402
from flashdepth_ros.tools import (  # noqa: E402
    camera_health_evaluation,
    evaluate,
    record_simulation,
    reset_evaluation,
)

SMALL = ['--size', '112x84']
TOPICS = {'rgb': '/image', 'truth': '/truth/depth/image'}


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind not in (CUT, FROZEN)])
def test_same_arguments_give_the_same_picture_and_leave_the_given_one_alone(kind):
    rgb = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    given = rgb.copy()
    picture = happen(kind, given, 3, 5)
    np.testing.assert_array_equal(picture, happen(kind, given, 3, 5))
    np.testing.assert_array_equal(given, rgb)
    assert picture.dtype == np.uint8 and picture.shape == rgb.shape and (picture != rgb).any()


def test_a_bag_holds_the_events_that_its_file_tells(tmp_path):
    bag = tmp_path / 'bag'
    assert record_simulation.main(['--seed', '4', '--rate', '4', '--events', 'frozen', 'cut',
                                   'black', *SMALL, '--output', str(bag)]) == 0
    frames = [frame['rgb'] for frame in PairedImages(bag, TOPICS, 0.0)]
    spans = {event['kind']: slice(*(round(4 * (event[end] - 1)) for end in ('begin', 'end')))
             for event in json.loads((bag / 'events.json').read_text())}
    assert list(spans) == ['frozen', 'cut', 'black'] and len(frames) == spans['black'].stop + 8
    frozen, black, cut = spans['frozen'], spans['black'], spans['cut'].start
    for rgb in frames[frozen]:
        np.testing.assert_array_equal(rgb, frames[frozen.start - 1])
    assert (frames[frozen.stop] != frames[frozen.stop - 1]).any()
    for index, rgb in enumerate(frames):
        assert rgb.any() != (black.start <= index < black.stop)
    with Renderer(112, 84) as renderer:  # after the cut: the scene of the next seed
        other = next(iter(drive_through(renderer, 5, 1, 4)))
    assert np.abs(frames[cut].astype(int) - other.rgb).mean() < 1


def test_an_event_that_does_not_exist_is_refused_by_name(tmp_path, capsys):
    assert [event.kind for event in plan_events([], 10)] == list(KINDS)
    arguments = ['--events', 'rain', *SMALL, '--output', str(tmp_path / 'bag')]
    assert record_simulation.main(arguments) == 1
    assert "'rain'" in capsys.readouterr().err


def test_evaluate_tells_what_is_found(capsys, monkeypatch):
    monkeypatch.setattr(camera_health_evaluation, 'SLIDES', {3: 'in 3 frames'})
    assert evaluate.main(['--camera-health', '--seeds', '3,6', '--max-frames', '24']) == 0
    rows = {cells[1]: cells[2:] for cells in (
        [cell.strip() for cell in line.split('|')] for line in capsys.readouterr().out.splitlines()
    ) if len(cells) > 3}
    assert rows['drives, every frame'][:8] == ['48'] + 7 * ['0']
    for event in ('black', 'cap', 'finger', 'white', 'x8', 'blur 1.9 %', 'frozen'):
        assert rows[event][:2] == ['2', '100.0'], event
    assert rows['finger in 3 frames, at rest'][:2] == ['2', '100.0']
    assert float(rows['a cut to another scene'][1]) > 80


def test_evaluate_tells_what_the_state_is_worth(capsys, monkeypatch):
    monkeypatch.setattr(reset_evaluation, 'START', 3)
    monkeypatch.setattr(reset_evaluation, 'COVER', 2)
    assert evaluate.main(['--camera-health', '--seeds', '3,6', '--model', 'flashdepth-nano',
                          '--backend', 'torch', *SMALL]) == 0
    table = capsys.readouterr().out
    assert len(table.splitlines()) == 8 and 'nan' not in table
