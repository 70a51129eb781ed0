"""Every dataset's layout is read with the right pairs; damage is named."""
import json

import layouts
import numpy as np
import pytest

from flashdepth_ros.datasets.catalogue import open_dataset
from flashdepth_ros.datasets.pairing import by_name, by_stamp
from flashdepth_ros.datasets.sequence import DatasetError


def of(name, root, allowed=0.05):
    return list(open_dataset(name, root, allowed))


def test_kittis_truth_begins_at_picture_5(tmp_path):
    first, second = of('kitti', layouts.kitti(tmp_path))
    assert (first.name, second.name) == ('2011_09_26_drive_0002_sync', '2011_10_03_drive_0047_sync')
    assert [frame.name for frame in first.frames] == [f'{i:010d}' for i in range(5, 19)]
    assert not first.unpaired and 'the 6. of 24' in first.notes[0]
    depth = first.depth(3)
    truth = layouts.scene(8, 63, 121, nearest=4)
    assert (depth[:, ::3] == 0).all()
    np.testing.assert_allclose(depth[:, 1::3], truth[:, 1::3], atol=0.5 / 256)
    np.testing.assert_array_equal(first.rgb(3)[..., ::-1], layouts.picture(8, 63, 121))
    assert first.frames[0].intrinsics.tolist() == [[720, 0, 60], [0, 720, 31], [0, 0, 1]]
    assert second.frames[0].intrinsics is None  # its day has no calibration here


def test_scannet_has_poses_and_two_sizes(tmp_path):
    root = layouts.scannet(tmp_path, 6, step=0.1)
    (root / 'scans_test/scene0707_00/pose/2.txt').write_text('-inf ' * 16)
    np.savetxt(root / 'scans_test/scene0707_00/pose/2.txt', np.full((4, 4), -np.inf))
    scene = of('scannet', root)[0]
    assert scene.rgb(0).shape == (76, 102, 3) and scene.depth(0).shape == (60, 80)
    assert scene.frames[1].pose[2, 3] == 0.1 and scene.frames[2].pose is None
    assert scene.frames[0].intrinsics[0].tolist() == [70, 0, 39.5]
    np.testing.assert_allclose(scene.depth(4), 2.6, atol=0.0005)
    assert [frame.name for frame in scene.frames] == list('012345')


@pytest.mark.parametrize('lists', [True, False])
def test_bonn_is_paired_by_stamps_and_not_by_position(tmp_path, lists):
    sequence, = of('bonn', layouts.tum(tmp_path, lists=lists))
    assert len(sequence.frames) == layouts.FRAMES
    for i in (0, 9, 23):
        np.testing.assert_allclose(sequence.depth(i), layouts.scene(i, 60, 80), atol=0.0001)
        np.testing.assert_array_equal(sequence.rgb(i)[..., ::-1], layouts.picture(i, 60, 80))
    assert sequence.unpaired == ['truth 1548266468.976667.png']
    assert '24 of 24 pairs differ from those by position' in sequence.notes[0]


def test_tum_has_poses_and_its_cameras(tmp_path):
    sequence, = of('tum', layouts.tum(tmp_path, 'rgbd_dataset_freiburg1_xyz') /
                   'rgbd_dataset_freiburg1_xyz')
    np.testing.assert_allclose(  # a quarter turn about z
        sequence.frames[3].pose, [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]],
        atol=1e-7)
    assert sequence.frames[0].intrinsics[0, 0] == 517.3


def test_stamps_that_are_closest_belong_together_and_each_once():
    assert by_stamp([0.0, 0.1, 0.2], [0.012, 0.105, 0.19, 0.199]) == [(0, 0), (1, 1), (2, 3)]
    assert by_stamp([0.0, 0.015], [0.014]) == [(1, 0)]
    assert by_stamp([0.0], [0.02]) == []  # TUM's rule: less than 0.02 s


@pytest.mark.parametrize('name', ['sintel', 'sintel-final'])
def test_sintel_has_sky_and_cameras(tmp_path, name):
    sequence, = of(name, layouts.sintel(tmp_path, 5))
    assert [frame.name for frame in sequence.frames] == [f'frame_{i:04d}' for i in range(1, 6)]
    assert (sequence.depth(0)[:6] == np.float32(1e10)).all()
    np.testing.assert_allclose(sequence.depth(2)[6:], layouts.scene(3, 60, 98)[6:], rtol=1e-6)
    # the file has the world's origin 0.1 m before the camera: the camera is 0.1 m behind it
    assert sequence.frames[0].pose[2, 3] == pytest.approx(-0.1)
    assert sequence.frames[0].intrinsics[0].tolist() == [112, 0, 48.5]


def test_waymos_points_lie_in_their_pixels(tmp_path):
    sequence, = of('waymo', layouts.waymo(tmp_path, 4))
    depth = sequence.depth(2)
    assert np.count_nonzero(depth) == 32 * 32
    np.testing.assert_allclose(
        depth[::2, ::3], layouts.scene(2, 64, 96, nearest=4)[::2, ::3], rtol=1e-6)


def test_nyuv2_labelled_and_scenes(tmp_path):
    labelled, = of('nyuv2', layouts.nyuv2(tmp_path))
    np.testing.assert_allclose(labelled.depth(5), layouts.scene(5, 60, 80), rtol=1e-6)
    np.testing.assert_array_equal(labelled.rgb(5), layouts.picture(5, 60, 80))
    scene, = of('nyuv2', layouts.nyuv2_scenes(tmp_path / 'scenes', 2))
    np.testing.assert_allclose(scene.depth(1), layouts.scene(2, 480, 640), atol=0.0001)


def test_nyuv2s_raw_frames_are_brought_into_the_picture(tmp_path):
    scene, = of('nyuv2', layouts.nyuv2_raw(tmp_path))
    assert scene.name == 'cafe_0001a' and len(scene.frames) == 4
    assert scene.unpaired == ['truth d-1294886362.641436-3116800000.pgm']
    assert scene.frames[0].name == 'r-1294886362.665769-3118787619'
    for i in range(4):
        depth = scene.depth(i)
        wall = 351.3 / (1092.5 - np.round(1092.5 - 351.3 / (2 + 0.1 * i)))
        assert np.median(depth[50:150, 200:500]) == pytest.approx(wall)
        # the box's corners: from the depth camera's pixels through both cameras, by hand
        row, column = np.nonzero((depth > 0.9) & (depth < 1.1))
        assert (row.min(), row.max()) == pytest.approx((221.1, 310.1), abs=2)
        assert (column.min(), column.max()) == pytest.approx((254.2, 386.5), abs=2)
        assert not depth[:, :30].any()  # where the Kinect saw nothing, and its edge
        # pictures are undistorted by a few pixels at the edge and none in the middle
        np.testing.assert_allclose(
            scene.rgb(i)[250:260, 320:330, ::-1], layouts.picture(i, 480, 640)[250:260, 320:330],
            atol=3)
    assert scene.frames[0].intrinsics[0] == pytest.approx([518.858, 0, 324.582], abs=1e-3)


def test_damaged_raw_frames_of_nyuv2(tmp_path):
    root = layouts.nyuv2_raw(tmp_path, 30, missing=(7,))
    scene, = of('nyuv2', root)
    assert len(scene.frames) == 29  # the depth of picture 7 goes to no other
    assert [each.split('-')[1] for each in scene.unpaired] == [
        '1294886362.641436', '1294886362.908103']
    assert np.median(scene.depth(7)[50:150, 200:500]) == pytest.approx(2.8, abs=0.01)
    picture = next((root / 'cafe_0001a').glob('r-1294886362.69*'))
    depth = next((root / 'cafe_0001a').glob('d-1294886362.67*'))
    for path, read in ((picture, scene.rgb), (depth, lambda i: scene.depth(i - 1))):
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(DatasetError, match=f'{path.name} is damaged or truncated'):
            read(1)
    depth.write_bytes(b'P5 640 480 255\n' + bytes(640 * 480))
    with pytest.raises(DatasetError, match='no PGM of 16 bits'):
        scene.depth(0)
    depth.rename(depth.with_name('d-now.pgm'))
    with pytest.raises(DatasetError, match=r'd-now.pgm has no stamp in its name'):
        of('nyuv2', root)
    for path in (root / 'cafe_0001a').glob('r-*'):
        path.unlink()
    (root / 'cafe_0001a/d-now.pgm').unlink()
    with pytest.raises(DatasetError, match=r'depth .* but no pictures'):
        of('nyuv2', root)


def test_an_index_names_the_pairs_itself(tmp_path):
    index = layouts.vda_index(tmp_path, 4)
    content = json.loads(index.read_text())
    items = content['kitti'][0]['2011_09_26_drive_0002_sync']
    items[0]['gt_depth'] = items[3]['gt_depth']  # also where it pairs strangely
    index.write_text(json.dumps(content))
    sequence, = of('kitti', index)
    np.testing.assert_allclose(
        sequence.depth(0), layouts.scene(8, 63, 121, nearest=4), atol=0.5 / 256)
    with pytest.raises(DatasetError, match='index of kitti, not of bonn'):
        of('bonn', index)


# ---- damage ------------------------------------------------------------------------------------


def test_a_missing_frame_is_listed_and_too_many_are_an_error(tmp_path):
    root = layouts.kitti(tmp_path, 60, missing=(20,))
    assert of('kitti', root)[0].unpaired == ['picture 0000000020']  # 1 of 50
    for i in (30, 31):
        (root / 'data_depth_annotated/val/2011_09_26_drive_0002_sync/proj_depth/groundtruth/'
         f'image_02/{i:010d}.png').unlink()
    with pytest.raises(DatasetError, match=r'3 of 50 frames have no partner .6 %.*0000000030'):
        of('kitti', root)
    assert len(of('kitti', root, allowed=0.1)[0].frames) == 47


def test_names_that_only_one_side_has():
    assert by_name({'a': 1, 'b': 2, 'c': 3}, {'b': 1, 'd': 2}) == (
        ['b'], ['truth d', 'picture a', 'picture c'])
    assert by_name({'a': 1, 'b': 2, 'c': 3}, {'b': 1}, only_within=True) == (['b'], [])


@pytest.mark.parametrize('share', [0.5, 0.98])
def test_a_truncated_png_is_named(tmp_path, share):
    root = layouts.kitti(tmp_path, 12)
    folder = root / 'data_depth_annotated/val/2011_09_26_drive_0002_sync'
    truth = folder / 'proj_depth/groundtruth/image_02/0000000005.png'
    whole = truth.read_bytes()
    truth.write_bytes(whole[:int(len(whole) * share)])
    with pytest.raises(DatasetError, match=r'0000000005.png is damaged or truncated'):
        of('kitti', root)[0].depth(0)
    picture = root / 'raw_data/2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000006.png'
    whole = picture.read_bytes()
    picture.write_bytes(whole[:int(len(whole) * share)])
    with pytest.raises(DatasetError, match=r'0000000006.png is damaged or truncated'):
        of('kitti', root)[0].rgb(1)


def test_a_wrong_size_is_named(tmp_path):
    root = layouts.tum(tmp_path, frames=4)
    sequence, = of('bonn', root)
    path = sorted((root / 'rgbd_bonn_balloon2/depth').iterdir())[3]
    layouts.save(path, np.ones((30, 40), np.uint16))
    assert sequence.rgb(0).shape == (60, 80, 3)
    with pytest.raises(DatasetError, match=r'truth of frame 1548266469.066667 is 40x30, but the '
                       'sequence is 80x60'):
        sequence.depth(2)


def test_damaged_sintel_files_are_named(tmp_path):
    root = layouts.sintel(tmp_path, 3)
    depth = root / 'training/depth/alley_1/frame_0002.dpt'
    depth.write_bytes(depth.read_bytes()[:-7])
    with pytest.raises(DatasetError, match=r'frame_0002.dpt is damaged: .* for 98x60 pixels'):
        of('sintel', root)[0].depth(1)
    depth.write_bytes(b'PNG' * 20)
    with pytest.raises(DatasetError, match='does not begin with the tag'):
        of('sintel', root)[0].depth(1)
    (root / 'training/camdata_left/alley_1/frame_0001.cam').write_bytes(b'')
    with pytest.raises(DatasetError, match=r'frame_0001.cam is damaged'):
        of('sintel', root)


def test_what_is_not_there_is_said(tmp_path):
    for name, words in (
            ('kitti', 'data_depth_annotated.zip'), ('scannet', 'SensReader'),
            ('sintel', 'none of the folders'), ('bonn', 'no rgb/'),
            ('nyuv2', 'nyu_depth_v2_labeled.mat'), ('madeup', 'there is no dataset')):
        with pytest.raises(DatasetError, match=words):
            of(name, tmp_path)
    with pytest.raises(DatasetError, match='there is no folder'):
        of('kitti', tmp_path / 'gone')
