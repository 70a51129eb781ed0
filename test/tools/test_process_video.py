"""From a real video to files of depth and to their scores, with a seeded network."""
import json

import cv2
import numpy as np
import pytest
import torch

from flashdepth_ros.files.depth_folder import (
    DepthFolder,
    DepthFolderError,
    DepthWriter,
    colour_range,
    colours,
    png_scale,
)
from flashdepth_ros.files.exr import read_exr
from flashdepth_ros.models import Unit, build_model, prepare_frame, randomise
from flashdepth_ros.models.dpt import upsample
from flashdepth_ros.tools import evaluate, process_video

MODEL = ('--model', 'flashdepth-nano', '--weights', 'random', '--device', 'cpu',
         '--backend', 'torch', '--short-side', '84')
FRAMES, SIZE = 9, (75, 90)  # becomes 84x98 for the network


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Write a folder of images in which something moves."""
    folder = tmp_path_factory.mktemp('images')
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    for i in range(FRAMES):
        frame = cv2.GaussianBlur(noise, (0, 0), 4)
        cv2.rectangle(frame, (5 * i, 20), (5 * i + 20, 50), (255, 255, 0), -1)
        cv2.imwrite(str(folder / f'frame_{i}.png'), frame)
    return folder


@pytest.fixture(scope='module')
def video(images, tmp_path_factory):
    path = tmp_path_factory.mktemp('video') / 'video.mp4'
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (SIZE[1] + 1, SIZE[0] + 1))
    for i in range(FRAMES):
        frame = cv2.imread(str(images / f'frame_{i}.png'))
        writer.write(cv2.copyMakeBorder(frame, 0, 1, 0, 1, cv2.BORDER_REPLICATE))
    writer.release()
    return path


@pytest.fixture(scope='module')
def expected(images):
    """Compute the images' inverse depth with the model itself, its state carried."""
    model = build_model('flashdepth-nano')
    randomise(model)
    model.to(memory_format=torch.channels_last)  # as the engine's, so that both round alike
    state, outputs = None, []
    with torch.inference_mode():
        for i in range(FRAMES):
            bgr = cv2.imread(str(images / f'frame_{i}.png'))
            frame = prepare_frame(bgr[..., ::-1].copy(), model.spec.frame, 84)
            state = state or model.initial_state(1, *frame.shape[1:])
            output, state = model.step(frame[None], state)
            outputs.append(output)
    return torch.stack(outputs)  # (FRAMES, 1, h, w)


@pytest.fixture(scope='module')
def written(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp('depth') / 'npz'
    assert process_video.main([
        str(images), '--output', str(folder), *MODEL, '--format', 'npz']) == 0
    return folder


def test_depth_up_to_scale_of_a_point_map(images, tmp_path, capsys, small_dyfn):
    """Sky is no value in 16 bits and +Inf in floats, and nothing of it is called out of range."""
    options = ['--model', small_dyfn, *MODEL[2:], '--short-side', '56', '--max-frames', '3']
    for file_format in ('npz', 'png16'):
        folder = tmp_path / file_format
        assert process_video.main([
            str(images), '--output', str(folder), '--format', file_format, '--no-preview',
            *options]) == 0
    assert 'did not fit' not in capsys.readouterr().err
    about = json.loads((folder / 'depth.json').read_text())
    assert (about['quantity'], about['unit'], about['no_value'], about['out_of_range']) == (
        'depth', 'up to scale', 0, 0)
    with np.load(tmp_path / 'npz' / 'frame_000002.npz') as arrays:
        depth = arrays['depth']
    assert depth.shape == SIZE and (depth >= 0).all()
    sky = np.isinf(depth)
    assert 0.1 < sky.mean() < 0.9
    stored = cv2.imread(str(folder / 'frame_000002.png'), cv2.IMREAD_UNCHANGED)
    assert (stored[sky] == 0).all()
    steps = stored[~sky] - about['scale'] * depth[~sky]
    assert np.abs(steps).max() < 0.51
    disparity = DepthFolder(tmp_path / 'npz').disparity(2)
    assert (disparity[sky] == 0).all()


def test_depth_is_the_models_own_at_camera_size(written, expected):
    wanted = upsample(expected, SIZE)[:, 0].numpy()
    for i in range(FRAMES):
        with np.load(written / f'frame_{i:06d}.npz') as arrays:
            assert arrays.files == ['inverse_depth']
            np.testing.assert_allclose(arrays['inverse_depth'], wanted[i], atol=1e-5, rtol=1e-5)
    about = json.loads((written / 'depth.json').read_text())
    assert about['quantity'] == 'inverse depth'
    assert (about['unit'], about['model'], about['weights']) == (
        '100/m', 'flashdepth-nano', 'random')
    assert (about['height'], about['width'], about['frames']) == (*SIZE, FRAMES)
    assert about['network_size'] == [84, 98]
    assert about['complete']


def test_the_temporal_filter(images, expected, tmp_path):
    arguments = [str(images), '--output', str(tmp_path), *MODEL, '--format', 'npz', '--no-preview',
                 '--network-size', '--overwrite', '--filter']
    assert process_video.main([*arguments, '1', '0.4']) == 0  # changes nothing
    depth, raw = DepthFolder(tmp_path), expected[:, 0].numpy() / 100
    np.testing.assert_allclose(depth.disparity(2), raw[2], atol=1e-5, rtol=1e-4)
    assert process_video.main([*arguments, '0.2', '5']) == 0
    depth = DepthFolder(tmp_path)
    assert depth.about['filter'] == [0.2, 5]
    np.testing.assert_allclose(depth.disparity(0), raw[0], atol=1e-5, rtol=1e-4)
    assert np.abs(depth.disparity(2) - raw[2]).max() > 1e-3


def test_16_bit_png_at_network_size(images, expected, tmp_path):
    assert process_video.main([
        str(images), '--output', str(tmp_path), *MODEL, '--network-size', '--no-preview',
        '--max-frames', '3']) == 0
    stored = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
              for path in sorted(tmp_path.glob('*.png'))]
    assert len(stored) == 3
    assert {array.dtype for array in stored} == {np.dtype(np.uint16)}
    wanted = expected[:3, 0].numpy()
    assert np.abs(np.stack(stored) / 64 - wanted).max() <= 0.5001 / 64
    assert not (tmp_path / 'preview.mp4').exists()
    about = json.loads((tmp_path / 'depth.json').read_text())
    assert (about['scale'], about['height'], about['width']) == (64, 84, 98)
    np.testing.assert_allclose(
        DepthFolder(tmp_path).disparity(2), wanted[2] / 100, atol=0.51 / 6400)


def test_a_video_gives_a_preview_of_one_colour_range(video, tmp_path):
    assert process_video.main([str(video), '--output', str(tmp_path), *MODEL]) == 0
    preview = cv2.VideoCapture(str(tmp_path / 'preview.mp4'))
    assert preview.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    frames = []
    while (read := preview.read())[0]:
        frames.append(read[1])
    assert len(frames) == len(list(tmp_path.glob('frame_*.png'))) == FRAMES
    folder = DepthFolder(tmp_path)
    limits = folder.about['preview_inverse_depth']
    image = colours(folder.disparity(8) * 100, Unit.HUNDRED_PER_METRE, limits)
    assert np.abs(frames[8].astype(int) - image).mean() < 15  # but for the codec's loss


def test_the_window_mode_is_the_models_own(images, tmp_path):
    from flashdepth_ros.models import video_window as windows
    assert process_video.main([
        str(images), '--output', str(tmp_path), '--model', 'vda-s', '--weights', 'random',
        '--device', 'cpu', '--short-side', '42', '--window', '--format', 'npz']) == 0
    model = build_model('vda-s')
    randomise(model)
    windowed, wanted = windows.WindowedDepth(model, SIZE), []
    for i in range(FRAMES):
        bgr = cv2.imread(str(images / f'frame_{i}.png'))
        wanted += windowed.push(prepare_frame(bgr[..., ::-1].copy(), model.spec.frame, 42))
    wanted += windowed.finish()
    assert len(wanted) == FRAMES
    for i, depth in enumerate(wanted):
        with np.load(tmp_path / f'frame_{i:06d}.npz') as arrays:
            np.testing.assert_allclose(arrays['inverse_depth'], depth, atol=1e-5, rtol=1e-5)
    assert json.loads((tmp_path / 'depth.json').read_text())['mode'] == 'window'


def test_a_sequence_in_the_way_is_kept(written, images, capsys):
    before = (written / 'depth.json').read_text()
    arguments = [str(images), '--output', str(written), *MODEL, '--max-frames', '1']
    assert process_video.main(arguments) == 1
    assert 'already holds a depth sequence' in capsys.readouterr().err
    assert (written / 'depth.json').read_text() == before


def test_what_is_wrong_is_said_in_one_line(images, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'small.png'), np.zeros((20, 20, 3), np.uint8))
    for source, more, message in (
            (str(tmp_path / 'gone.mp4'), (), 'there is no video file'),
            (str(tmp_path), ('--model', 'flashdepth-s', '--short-side', '0'), '70 pixels a side'),
            (str(images), ('--window',), 'no window mode'),
            (str(images), ('--backend', 'abacus'), "'abacus'"),
            (str(images), ('--weights', '/gone.pth'), 'no such file')):
        assert process_video.main([
            source, '--output', str(tmp_path / 'out'), *MODEL, *more]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.startswith('process_video: ')
        assert error.count('\n') == 1
        assert not (tmp_path / 'out').exists()


def test_a_source_that_breaks_leaves_whole_frames_and_says_so(images, tmp_path, capsys):
    for i in range(8):
        (tmp_path / f'{i}.png').write_bytes((images / f'frame_{i}.png').read_bytes())
    cv2.imwrite(str(tmp_path / '8.png'), np.zeros((90, 90, 3), np.uint8))
    out = tmp_path / 'out'
    assert process_video.main([str(tmp_path), '--output', str(out), *MODEL]) == 1
    assert '8.png is 90x90, but the frames before it are 90x75' in capsys.readouterr().err
    about = json.loads((out / 'depth.json').read_text())
    assert (about['frames'], about['complete']) == (8, False)
    assert len(list(out.glob('frame_*.png'))) == 8


def test_metres_are_stored_as_millimetres(tmp_path):
    depth = np.array([[1.2344, 65.535, 70], [0, np.nan, np.inf]], np.float32)
    scale = png_scale([depth], Unit.METRES)
    writer = DepthWriter(tmp_path, Unit.METRES, (2, 3), 'png16', scale, None, 30, {})
    writer.write(depth)
    writer.close(complete=True)
    stored = cv2.imread(str(tmp_path / 'frame_000000.png'), cv2.IMREAD_UNCHANGED)
    assert stored.tolist() == [[1234, 65535, 0], [0, 0, 0]]  # never a wall at the largest value
    assert writer.out_of_range == 3
    disparity = DepthFolder(tmp_path).disparity(0)
    np.testing.assert_allclose(
        disparity, [[1 / 1.234, 1 / 65.535, np.nan], [np.nan] * 3], rtol=1e-6)


def test_relative_depth_gets_a_scale_with_room_from_the_first_frames(tmp_path):
    first = [np.array([[0.5, 3.0]], np.float32), np.array([[10.0, np.nan]], np.float32)]
    scale = png_scale(first, Unit.RELATIVE)
    assert scale == 512  # 10 * 8 * 512 < 65535 < 10 * 8 * 1024
    writer = DepthWriter(tmp_path, Unit.RELATIVE, (1, 2), 'png16', scale, None, 30, {})
    writer.write(np.array([[10.0, 1000.0]], np.float32))
    writer.close(complete=True)
    assert writer.out_of_range == 1
    np.testing.assert_allclose(DepthFolder(tmp_path).disparity(0), [[10, 65535 / 512]])
    assert png_scale([np.zeros((1, 2))], Unit.RELATIVE) == 1


def test_the_preview_shows_what_has_no_value_in_grey():
    depth = np.array([[1, 2, np.nan, 0]], np.float32)
    ramp = np.repeat(np.linspace(1, 4, 401, dtype=np.float32), 4)[None]
    limits = colour_range([ramp], Unit.METRES)
    assert limits == pytest.approx((0.253, 0.943), abs=0.005)
    image = colours(depth, Unit.METRES, limits)
    assert image[0, 2:].tolist() == [[128] * 3] * 2
    assert image[0, 0].sum() > image[0, 1].sum()


# ---- metres with the pictures ----------------------------------------------------------------


def read_calibration(path):
    """Read a camera as RTAB-Map's CameraModel does."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    width, height = (int(storage.getNode(f'image_{side}').real()) for side in ('width', 'height'))

    def matrix(name):
        node = storage.getNode(name)
        shape = [int(node.getNode(side).real()) for side in ('rows', 'cols')]
        data = node.getNode('data')
        return np.array([data.at(i).real() for i in range(data.size())]).reshape(shape)
    return (width, height, storage.getNode('distortion_model').string(), matrix('camera_matrix'),
            matrix('distortion_coefficients'), matrix('projection_matrix'))


@pytest.mark.parametrize('kind', ['png16', 'exr'])
def test_metres_are_an_rgb_d_folder_of_rtabmap_and_open3d(images, expected, tmp_path, kind):
    assert process_video.main([
        str(images), '--output', str(tmp_path), *MODEL, '--metres', kind, '--scale', '2',
        '--intrinsics', '80', '81', '44', '36', '--max-frames', '5']) == 0
    with np.errstate(divide='ignore'):
        wanted = 2 * 100 / upsample(expected, SIZE)[:5, 0].numpy()
    for i in range(5):
        name = f'{i:06d}'
        if kind == 'png16':
            depth = cv2.imread(str(tmp_path / f'depth/{name}.png'), cv2.IMREAD_UNCHANGED)
            assert depth.dtype == np.uint16
            near = wanted[i] < 65
            np.testing.assert_allclose(depth[near] / 1000, wanted[i][near], atol=0.0006)
            assert (depth[wanted[i] > 66] == 0).all()
        else:
            depth = read_exr(tmp_path / f'depth/{name}.exr')
            near = wanted[i] < 1e4
            np.testing.assert_allclose(depth[near], wanted[i][near], rtol=1e-4)
        picture = cv2.imread(str(images / f'frame_{i}.png'))
        stored = cv2.imread(str(tmp_path / f'rgb/{name}.jpg'))
        assert np.abs(stored.astype(int) - picture).mean() < 4  # but for JPEG
    width, height, model, matrix, distortion, projection = read_calibration(
        tmp_path / 'calibration.yaml')
    assert (width, height, model) == (SIZE[1], SIZE[0], 'plumb_bob')
    assert matrix.tolist() == [[80, 0, 44], [0, 81, 36], [0, 0, 1]]
    assert not distortion.any() and projection[:, :3].tolist() == matrix.tolist()
    assert json.loads((tmp_path / 'camera_intrinsic.json').read_text()) == {
        'width': 90, 'height': 75, 'intrinsic_matrix': [80, 0, 0, 0, 81, 0, 44, 36, 1]}
    folder = DepthFolder(tmp_path)
    assert folder.about['complete'] and len(folder) == 5
    near = wanted[3] < 60
    np.testing.assert_allclose(1 / folder.disparity(3)[near], wanted[3][near], atol=0.001)


def test_an_assumed_camera_is_told(images, tmp_path, capsys):
    assert process_video.main([str(images), '--output', str(tmp_path), *MODEL, '--metres',
                               '--max-frames', '1']) == 0
    assert 'assumed to see 60 degrees' in capsys.readouterr().err
    camera = json.loads((tmp_path / 'camera_intrinsic.json').read_text())
    assert camera['intrinsic_matrix'][0] == pytest.approx(45 / np.tan(np.pi / 6))
    assert DepthFolder(tmp_path).about['intrinsics_assumed']


def test_relative_depth_needs_a_scale_for_metres(images, tmp_path, capsys):
    relative = [str(images), '--output', str(tmp_path / 'out'), '--model', 'vda-s', '--weights',
                'random', '--device', 'cpu', '--short-side', '42', '--backend', 'torch',
                '--max-frames', '2', '--metres', '--hfov', '70']
    assert process_video.main(relative) == 1
    assert '--metres needs --scale FACTOR' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
    assert process_video.main([*relative, '--scale', '0.5', '--shift', '0.25']) == 0
    depth = cv2.imread(str(tmp_path / 'out/depth/000001.png'), cv2.IMREAD_UNCHANGED)
    assert depth.max() <= 4000  # 1 / 0.25 m at the most: inverse depth is never negative
    with pytest.raises(SystemExit):
        process_video.main([str(images), '--output', str(tmp_path), '--hfov', '70'])
    assert 'belong to --metres' in capsys.readouterr().err


def test_the_model_is_chosen_as_elsewhere(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('FLASHDEPTH_WEIGHTS', str(tmp_path))  # none there, and none to be had
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert process_video.main([str(images), '--output', str(tmp_path / 'out'), '--device', 'cpu',
                               '--backend', 'torch', '--max-frames', '1']) == 0
    assert DepthFolder(tmp_path / 'out').about['model'] in ('flashdepth-s', 'flashdepth-nano')


# ---- evaluate --------------------------------------------------------------------------------


@pytest.fixture
def truth(expected, tmp_path):
    """Write the depth that the model saw, but for a scale and a shift, with a hole."""
    folder = tmp_path / 'truth'
    folder.mkdir()
    disparity = upsample(expected, SIZE)[:, 0].numpy() / 100
    for i, frame in enumerate(disparity):
        depth = 1 / (3 * np.maximum(frame, 1e-3) + 0.2)
        depth[:5] = 0
        np.savez(folder / f'{i}.npz', depth=depth)
    return folder


def scores(tmp_path, *arguments):
    result = tmp_path / 'scores.json'
    assert evaluate.main([*map(str, arguments), '--json', str(result)]) == 0
    return json.loads(result.read_text())


def test_a_prediction_that_is_right_but_for_scale_and_shift(written, truth, tmp_path, capsys):
    found = scores(tmp_path, written, truth)
    assert (found['scale'], found['shift']) == pytest.approx((3, 0.2), rel=1e-3)
    assert found['abs_rel'] < 1e-3
    assert (found['delta1'], found['coverage'], found['frames']) == (1, 1, FRAMES)
    assert found['change_error'] < 1e-4
    assert found['tae_percent'] is None
    assert '| flashdepth-nano | scale-shift | 9 |' in capsys.readouterr().out
    first = scores(tmp_path, written, truth, '--first-frame')
    assert (first['scale'], first['shift']) == pytest.approx((3, 0.2), rel=1e-3)
    assert scores(tmp_path, written, truth, '--align', 'none')['abs_rel'] > 0.5


def test_the_tae_needs_cameras(written, truth, tmp_path):
    cameras = tmp_path / 'cameras.json'
    intrinsics = [[80, 0, 44.5], [0, 80, 37], [0, 0, 1]]
    cameras.write_text(json.dumps(
        {'intrinsics': intrinsics, 'poses': np.tile(np.eye(4), (FRAMES, 1, 1)).tolist()}))
    still = scores(tmp_path, written, truth, '--cameras', cameras)['tae_percent']
    assert 0 < still < 100  # a camera at rest: how much each pixel's depth changes
    np.savez(tmp_path / 'cameras.npz', intrinsics=np.tile(intrinsics, (FRAMES, 1, 1)),
             poses=np.tile(np.eye(4), (FRAMES, 1, 1)))
    assert scores(tmp_path, written, truth, '--cameras', tmp_path / 'cameras.npz')[
        'tae_percent'] == pytest.approx(still)


def test_a_model_is_evaluated_directly(written, images, truth, tmp_path):
    direct = scores(tmp_path, images, truth, *MODEL, '--max-frames', '4')
    stored = scores(tmp_path, written, truth, '--max-frames', '4')
    for name in ('abs_rel', 'delta1', 'boundary_f1', 'change_error'):
        assert direct[name] == pytest.approx(stored[name])


def test_truth_that_does_not_belong_to_the_prediction_is_refused(written, truth, tmp_path, capsys):
    (truth / '0.npz').unlink()
    assert scores(tmp_path, written, truth)['frames'] == FRAMES - 1
    assert scores(tmp_path, written, truth)['abs_rel'] < 1e-3  # paired by the names' numbers
    (truth / '4.npz').unlink()
    assert evaluate.main([str(written), str(truth)]) == 1
    assert '1 of 8 frames have no partner (12 %' in capsys.readouterr().err
    (truth / '7.npz').rename(truth / '70.npz')
    assert evaluate.main([str(written), str(truth)]) == 1
    assert 'not clear which prediction belongs' in capsys.readouterr().err
    assert evaluate.main([str(tmp_path / 'gone'), str(truth)]) == 1
    assert 'give a folder that process_video wrote' in capsys.readouterr().err
    (truth / '70.npz').rename(truth / '4.npz')
    (truth / '8.npz').rename(truth / '7.npz')
    cv2.imwrite(str(truth / '8.png'), np.zeros((4, 4), np.uint8))
    assert evaluate.main([str(written), str(truth)]) == 1
    assert 'depth needs a 16-bit PNG' in capsys.readouterr().err
    (tmp_path / 'cameras.json').write_text('{"intrinsics": [[1]], "poses": [[1]]}')
    assert evaluate.main([str(written), str(truth), '--cameras',
                          str(tmp_path / 'cameras.json')]) == 1
    assert 'need intrinsics (3, 3)' in capsys.readouterr().err


def test_a_damaged_sidecar_is_named(tmp_path):
    (tmp_path / 'depth.json').write_text('{}')
    with pytest.raises(DepthFolderError, match='damaged'):
        DepthFolder(tmp_path)
