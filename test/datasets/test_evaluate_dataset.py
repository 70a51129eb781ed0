"""The command on miniature datasets: perfect and wrong predictions, resuming, damage."""
import json

import cv2
import layouts
import numpy as np
import pytest

from flashdepth_ros.datasets.catalogue import open_dataset
from flashdepth_ros.files.depth_folder import DepthWriter
from flashdepth_ros.files.exr import write_exr
from flashdepth_ros.models import Unit
from flashdepth_ros.scoring.benchmark_results import BenchmarkResults
from flashdepth_ros.scoring.protocols import PROTOCOLS
from flashdepth_ros.tools import evaluate

LAYOUTS = {'kitti': layouts.kitti, 'scannet': layouts.scannet, 'bonn': layouts.tum,
           'tum': layouts.tum, 'sintel': layouts.sintel, 'sintel-final': layouts.sintel,
           'waymo': layouts.waymo, 'nyuv2': layouts.nyuv2}


def predict(name, root, folder, change=lambda depth: depth, suffix='npy', kind='inverse'):
    """Write what `change` makes of the true depth, a file a frame under the frame's name."""
    for sequence in open_dataset(name, root):
        (folder / sequence.name).mkdir(parents=True)
        for i, frame in enumerate(sequence.frames):
            depth = sequence.depth(i)
            value = change(np.where(depth > 0, depth, 5.0))
            value = 1 / value if kind == 'inverse' else value
            path = folder / sequence.name / f'{frame.name}.{suffix}'
            if suffix == 'png':
                cv2.imwrite(str(path), np.clip(value * 800, 0, 65535).round().astype(np.uint16))
            elif suffix == 'npz':
                np.savez(path, value.astype(np.float32))
            elif suffix == 'exr':
                write_exr(path, value)
            else:
                np.save(path, value.astype(np.float32))
    return folder


def run(tmp_path, name, root, *more):
    result = tmp_path / 'result.json'
    assert evaluate.main(['--dataset', name, str(root), *map(str, more), '--json',
                          str(result)]) == 0
    return json.loads(result.read_text())


@pytest.mark.parametrize('protocol', ['vda', 'vda-500', 'depthcrafter', 'flashdepth', 'dyfn'])
@pytest.mark.parametrize('name', LAYOUTS)
def test_a_perfect_prediction_is_perfect_in_every_layout(tmp_path, name, protocol):
    if (name, protocol) == ('nyuv2', 'vda-500'):
        root = layouts.nyuv2_raw(tmp_path / 'raw', 2)  # its crop is of 640x480 pixels
    else:
        root = LAYOUTS[name](tmp_path)
    predictions = predict(name, root, tmp_path / 'predictions')
    found = run(tmp_path, name, root, '--predictions', predictions, '--protocol', protocol)
    assert found['abs_rel'] == pytest.approx(0, abs=2e-5)
    assert found['delta1'] == 1
    assert found['complete'] and found['coverage'] == 1


def test_bonn_is_scored_from_frame_30_to_139(tmp_path):
    root = layouts.tum(tmp_path, frames=36, size=(30, 40))
    predictions = predict('bonn', root, tmp_path / 'predictions')
    for path in sorted((predictions / 'rgbd_bonn_balloon2').iterdir())[:30]:
        path.unlink()
    found = run(tmp_path, 'bonn', root, '--predictions', predictions)
    assert found['frames'] == 6 and found['delta1'] == 1
    short = layouts.tum(tmp_path / 'short', frames=10, size=(30, 40))
    predictions = predict('bonn', short, tmp_path / 'other')
    found = run(tmp_path, 'bonn', short, '--predictions', predictions)
    assert found['frames'] == 10
    assert "ends before the protocol's frame 30" in ' '.join(found['sequences'][0]['notes'])


def test_bonn_is_also_scored_as_the_papers_pair_it(tmp_path):
    # depth begins a frame before the pictures: by position picture i has the truth of i - 1
    root = layouts.tum(tmp_path, frames=36, size=(30, 40))
    predictions = predict('bonn', root, tmp_path / 'predictions')
    found = run(tmp_path, 'bonn', root, '--predictions', predictions)
    assert found['abs_rel'] == pytest.approx(0, abs=1e-4) and found['delta1'] == 1
    truth = np.stack([layouts.scene(i, 30, 40) for i in range(29, 35)])
    disparity = 1 / np.stack([layouts.scene(i, 30, 40) for i in range(30, 36)])
    scale, shift = np.polyfit(disparity.ravel(), 1 / truth.ravel(), 1)
    expected = np.mean(np.abs(1 / (scale * disparity + shift) - truth) / truth)
    assert expected > 0.005
    assert found['abs_rel_by_position'] == pytest.approx(expected, abs=2e-4)
    # what was published is compared with the papers' own pairs
    row = next(each for each in found['published'] if each['method'] == 'vda-l')
    assert row['difference']['abs_rel'] == pytest.approx(expected - 0.053, abs=2e-4)
    released = run(tmp_path, 'bonn', root, '--predictions', predictions, '--protocol',
                   'vda-released')
    assert released['abs_rel'] == found['abs_rel_by_position']
    assert 'abs_rel_by_position' not in run(  # TUM is in no paper's table
        tmp_path, 'tum', root, '--predictions', predictions)


def test_scannets_perfect_prediction_at_the_pictures_size(tmp_path):
    root = layouts.scannet(tmp_path, colour=(120, 160))
    folder = tmp_path / 'predictions'
    for sequence in open_dataset('scannet', root):
        (folder / sequence.name).mkdir(parents=True)
        for i, frame in enumerate(sequence.frames):
            np.save(folder / sequence.name / f'{frame.name}.npy',
                    np.full((120, 160), 0.3) + 0.01 * i)
    found = run(tmp_path, 'scannet', root, '--predictions', folder, '--quantity', 'inverse-depth')
    assert found['sequences'][0]['frames'] == 8  # every third of 24
    assert 0 < found['abs_rel'] < 1


@pytest.mark.parametrize(('suffix', 'kind', 'told'), [
    ('npy', 'inverse', 'inverse-depth'), ('npz', 'depth', 'depth'), ('png', 'depth', 'depth'),
    ('exr', 'depth', 'depth')])
def test_files_may_hold_depth_or_inverse_depth(tmp_path, suffix, kind, told):
    root = layouts.kitti(tmp_path)
    predictions = predict('kitti', root, tmp_path / 'predictions', suffix=suffix, kind=kind)
    found = run(tmp_path, 'kitti', root, '--predictions', predictions)
    assert found['abs_rel'] == pytest.approx(0, abs=1e-3)
    assert f'the predictions were taken for {told}' in found['sequences'][0]['notes']


def test_a_known_affine_error_scores_what_is_computed_by_hand(tmp_path):
    root = layouts.kitti(tmp_path)
    wrong = predict('kitti', root, tmp_path / 'wrong', lambda depth: 1 / (2 / depth + 0.3))
    for protocol in ('vda', 'depthcrafter', 'flashdepth'):  # fitted where the error is affine
        found = run(tmp_path, 'kitti', root, '--predictions', wrong, '--protocol', protocol)
        assert found['abs_rel'] == pytest.approx(0, abs=1e-5)
        assert found['sequences'][0]['scale'] == pytest.approx(0.5, rel=1e-4)
        assert found['sequences'][0]['shift'] == pytest.approx(-0.15, rel=1e-4)
    # fitted in depth it stays: over all valid pixels, by hand
    sequence = next(open_dataset('kitti', root))
    truth = np.stack([sequence.depth(i)[:62, :120] for i in range(14)])
    valid = truth > 0
    depth = 1 / (2 / truth[valid] + 0.3)
    scale, shift = np.polyfit(depth, truth[valid], 1)
    error = np.zeros(truth.shape)
    error[valid] = np.abs(scale * depth + shift - truth[valid]) / truth[valid]
    found = run(tmp_path, 'kitti', root, '--predictions', wrong, '--protocol', 'dyfn')
    assert found['sequences'][0]['abs_rel'] == pytest.approx(
        np.mean(error.sum((1, 2)) / valid.sum((1, 2))), rel=1e-4)
    other = predict('kitti', root, tmp_path / 'other', lambda depth: 2 * depth + 1)
    found = run(tmp_path, 'kitti', root, '--predictions', other, '--protocol', 'dyfn')
    for suffix in ('', '_searching', '_per_frame', '_per_frame_searching'):
        assert found[f'abs_rel{suffix}'] == pytest.approx(0, abs=1e-5)


def test_an_index_is_evaluated_as_video_depth_anything_does(tmp_path):
    index = layouts.vda_index(tmp_path, 6)
    folder = tmp_path / 'out/2011_09_26_drive_0002_sync/rgb'
    folder.mkdir(parents=True)
    for i in range(5, 11):  # as its inference writes them
        truth = layouts.scene(i, 63, 121, nearest=4)
        np.save(folder / f'{i:010d}.npy', cv2.resize((1 / truth).astype(np.float32), (120, 62)))
    found = run(tmp_path, 'kitti', index, '--predictions', tmp_path / 'out')
    assert found['frames'] == 6
    assert found['abs_rel'] < 0.01  # but for the resizing


def test_the_tae_with_the_cropped_camera_and_as_released(tmp_path):
    # a wall that comes 0.02 m nearer a frame, and a prediction that says so: no error
    root = layouts.scannet(tmp_path, 14, step=0.02, colour=(60, 80))
    predictions = predict('scannet', root, tmp_path / 'predictions')
    found = run(tmp_path, 'scannet', root, '--predictions', predictions, '--protocol', 'vda-tae',
                '--quantity', 'inverse-depth')
    assert found['frames'] == 2 * 4  # from frame 10 on
    assert found['tae_percent'] == pytest.approx(0, abs=0.01)
    # the wall is level: a wrong centre of the camera changes nothing, and moving all is right
    assert found['tae_percent_released'] == pytest.approx(0, abs=0.01)
    still = predict('scannet', root, tmp_path / 'still', lambda depth: 0 * depth + 2.9)
    found = run(tmp_path, 'scannet', root, '--predictions', still, '--protocol', 'vda-tae',
                '--quantity', 'inverse-depth')
    # all at the mean depth d, moved by 0.02 m: 0.02 / d each way
    assert found['tae_percent'] == pytest.approx(2 / 2.77, rel=0.01)


def test_the_tae_of_sintel_has_its_poses(tmp_path):
    root = layouts.sintel(tmp_path, 5)
    predictions = predict('sintel', root, tmp_path / 'predictions')
    found = run(tmp_path, 'sintel', root, '--predictions', predictions, '--protocol', 'vda-tae')
    assert 0 < found['tae_percent'] < 50 and found['abs_rel'] < 1e-5


def test_sintel_as_released_is_in_whole_metres(tmp_path):
    root = layouts.sintel(tmp_path, 5)
    predictions = predict('sintel', root, tmp_path / 'predictions')
    found = run(tmp_path, 'sintel', root, '--predictions', predictions, '--protocol',
                'vda-released')
    assert found['abs_rel'] > 0.05


# ---- a model, progress and resuming ----------------------------------------------------------

MODEL = ('--model', 'flashdepth-nano', '--weights', 'random', '--device', 'cpu',
         '--backend', 'torch')


def test_a_model_sees_the_protocols_frames(tmp_path, capsys):
    root = layouts.kitti(tmp_path, 14, size=(85, 99))
    found = run(tmp_path, 'kitti', root, *MODEL, '--protocol', 'depthcrafter')
    assert [each['frames'] for each in found['sequences']] == [4, 4]
    assert found['abs_rel'] > 0
    text, error = capsys.readouterr()
    assert '1/2 2011_09_26_drive_0002_sync: AbsRel' in error
    assert '| **mean** | 8 |' in text and '| DepthCrafter | 0.104 | 0.896 |' in text
    assert "2 of the protocol's 13 sequences are here" in text
    assert (tmp_path / 'result.md').read_text().strip() == text.strip()


def test_a_published_number_stands_beside_with_the_difference():
    results = BenchmarkResults(None, PROTOCOLS['dyfn'], {
        'dataset': 'bonn', 'model': 'flashdepth-l'})
    results.add({'name': 'balloon2', 'frames': 5, 'abs_rel': 0.063, 'delta1': 0.9, 'notes': []})
    row = next(each for each in results.differences() if each['method'] == 'flashdepth-l')
    assert row['difference'] == pytest.approx({'abs_rel': 0.010, 'delta1': -0.080})
    assert 'AbsRel +0.0100, δ1 -0.0800' in results.markdown()


def test_an_interrupted_run_goes_on(tmp_path, capsys):
    root = layouts.kitti(tmp_path)
    predictions = predict('kitti', root, tmp_path / 'predictions')
    second = predictions / '2011_10_03_drive_0047_sync'
    second.rename(tmp_path / 'away')
    arguments = ['--dataset', 'kitti', str(root), '--predictions', str(predictions), '--json',
                 str(tmp_path / 'result.json')]
    assert evaluate.main(arguments) == 1
    assert 'there are no predictions' in capsys.readouterr().err
    before = json.loads((tmp_path / 'result.json').read_text())
    assert not before['complete'] and len(before['sequences']) == 1
    (tmp_path / 'away').rename(second)
    for path in (predictions / '2011_09_26_drive_0002_sync').iterdir():
        path.unlink()  # what is scored is not read again
    assert evaluate.main(arguments) == 0
    after = json.loads((tmp_path / 'result.json').read_text())
    assert after['complete'] and len(after['sequences']) == 2
    assert evaluate.main(arguments) == 1  # a whole run begins anew


# ---- what cannot be compared -----------------------------------------------------------------


def test_kittis_frames_cannot_be_compared_with_those_five_later(tmp_path, capsys):
    # process_video on all pictures of a drive, and the truth of the dataset, which begins at 5
    root = layouts.kitti(tmp_path, 40)
    drive = '2011_09_26_drive_0002_sync'
    names = [f'{i:010d}' for i in range(40)]

    def written(folder, names):
        writer = DepthWriter(folder, Unit.RELATIVE, (63, 121), 'npz', 1.0, None, 10, {})
        for i, name in enumerate(names):
            depth = layouts.scene(i, 63, 121, nearest=4)
            writer.write((1 / depth).astype(np.float32), name=name)
        writer.close(complete=True)
        return folder
    named = written(tmp_path / 'depth' / drive, names)
    truth = root / 'data_depth_annotated/val' / drive / 'proj_depth/groundtruth/image_02'
    result = tmp_path / 'scores.json'
    for more in ((), ('--max-frames', '30')):
        assert evaluate.main([str(named), str(truth), '--truth-scale', '256', *more,
                              '--json', str(result)]) == 0
        found = json.loads(result.read_text())
        assert found['abs_rel'] == pytest.approx(0, abs=2e-4) and found['frames'] == 30
    # a video's frames have no names: a count that differs is never cut to fit
    video = written(tmp_path / 'video', [None] * 40)
    for more in ((), ('--max-frames', '30')):
        assert evaluate.main([str(video), str(truth), '--truth-scale', '256', *more]) == 1
        assert '40 predicted and 30 true frames' in capsys.readouterr().err
    # and the dataset itself
    written(tmp_path / 'depth/2011_10_03_drive_0047_sync', names)
    found = run(tmp_path, 'kitti', root, '--predictions', tmp_path / 'depth')
    assert found['abs_rel'] == pytest.approx(0, abs=2e-4)


def test_predictions_that_do_not_belong_are_refused(tmp_path, capsys):
    root = layouts.kitti(tmp_path)
    predictions = predict('kitti', root, tmp_path / 'predictions')
    folder = predictions / '2011_09_26_drive_0002_sync'
    arguments = ['--dataset', 'kitti', str(root), '--predictions', str(predictions)]

    def refused(words):
        assert evaluate.main(arguments) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith('evaluate: ') and words in error
    np.save(folder / '0000000007.npy', np.ones((90, 90)))
    refused('prediction of frame 0000000007 is 90x90, which does not belong to a picture of 120x62')
    (folder / '0000000007.npy').write_bytes(b'nothing')
    refused('0000000007.npy cannot be read')
    (folder / '0000000007.npy').unlink()
    refused('1 of 14 frames have no partner (7 %, more than 5 %): 0000000007')
    found = run(tmp_path, 'kitti', root, '--predictions', predictions, '--allow-unpaired', '8')
    assert found['delta1'] == 1 and [each['frames'] for each in found['sequences']] == [13, 14]
    assert 'without a prediction: 0000000007' in found['sequences'][0]['notes']
    (root / 'data_depth_annotated').rename(root / 'gone')
    refused('has no data_depth_annotated/val')


@pytest.mark.parametrize('arguments', [
    ['--dataset', 'kitti', '/'], ['--predictions', 'x'], ['a', 'b', '--protocol', 'vda'],
    ['--dataset', 'kitti', '/', '--model', 'flashdepth-s', '--predictions', 'x']])
def test_options_that_do_not_go_together(arguments, capsys):
    with pytest.raises(SystemExit):
        evaluate.main(arguments)
    assert '--dataset' in capsys.readouterr().err
