"""Calibration files as camera_calibration writes them."""
import pytest

from flashdepth_ros.ros.camera_info_file import CalibrationFile, CalibrationFileError

CALIBRATION = """
image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [600., 0., 319.5, 0., 610., 239.5, 0., 0., 1.]}
distortion_model: equidistant
distortion_coefficients: {rows: 1, cols: 4, data: [0.1, 0.01, 0., 0.]}
rectification_matrix: {rows: 3, cols: 3, data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]}
projection_matrix:
  rows: 3
  cols: 4
  data: [500., 0., 319.5, -60., 0., 510., 239.5, 0., 0., 0., 1., 0.]
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'a camera.yaml'
    path.write_text(CALIBRATION)
    return path


@pytest.mark.parametrize('url', ['file://{}', '{}', 'file://${{ROS_HOME}}/a%20camera.yaml'])
def test_it_is_found(path, monkeypatch, url):
    monkeypatch.setenv('ROS_HOME', str(path.parent))
    info = CalibrationFile.read(url.format(path)).of_size(640, 480)
    assert (info.width, info.height, info.distortion_model) == (640, 480, 'equidistant')
    assert list(info.k) == [600, 0, 319.5, 0, 610, 239.5, 0, 0, 1]
    assert list(info.d) == [0.1, 0.01, 0, 0] and info.p[3] == -60


def test_it_is_scaled_as_resampling_moves_pixels(path):
    info = CalibrationFile.read(str(path)).of_size(320, 240)
    assert list(info.k) == [300, 0, 159.5, 0, 305, 119.5, 0, 0, 1]
    assert list(info.p) == [250, 0, 159.5, -30, 0, 255, 119.5, 0, 0, 0, 1, 0]


def test_it_is_found_in_a_package(path, tmp_path, monkeypatch):
    pytest.importorskip('ament_index_python')
    (tmp_path / 'share/ament_index/resource_index/packages').mkdir(parents=True)
    (tmp_path / 'share/ament_index/resource_index/packages/my_robot').touch()
    (tmp_path / 'share/my_robot/config').mkdir(parents=True)
    path.rename(tmp_path / 'share/my_robot/config/front.yaml')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    assert CalibrationFile.read('package://my_robot/config/front.yaml').info.k[0] == 600


@pytest.mark.parametrize(('change', 'words'), [
    (('[600., 0., 319.5', '[600., 0.'), 'camera_matrix has 8 numbers, not 9'),
    (('camera_matrix', 'matrix'), "it has no 'camera_matrix'"),
    (('600.', '6.'), 'field of view'),
    (('image_width: 640', '['), 'is no YAML file'),
    ((CALIBRATION, ''), 'it holds no fields')])
def test_what_is_wrong_is_told(path, change, words):
    path.write_text(CALIBRATION.replace(*change))
    with pytest.raises(CalibrationFileError, match=words) as caught:
        CalibrationFile.read(str(path))
    assert 'a camera.yaml' in str(caught.value)


@pytest.mark.parametrize(('url', 'words'), [
    ('file:///no/such.yaml', '/no/such.yaml cannot be read: No such file'),
    ('http://host/a.yaml', 'neither file:// nor package://')])
def test_a_file_that_is_not_there(url, words):
    with pytest.raises(CalibrationFileError, match=words):
        CalibrationFile.read(url)
