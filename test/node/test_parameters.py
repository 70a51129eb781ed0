"""The parameter table, the YAML file that repeats it for people, and the other data files."""
import ast
from pathlib import Path
import re
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from flashdepth_ros.cameras.camera_node import PARAMETERS as CAMERA
from flashdepth_ros.cameras.sim_camera_node import PARAMETERS as SIM_CAMERA
from flashdepth_ros.node.parameter_table import PARAMETERS, check_together
from flashdepth_ros.ros.rviz_config import for_cameras

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'config' / 'flashdepth.yaml').read_text()


def flat(tree: dict, prefix: str = '') -> dict:
    values = {}
    for key, value in tree.items():
        values |= flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {
            prefix + key: value}
    return values


def test_the_yaml_file_has_every_parameter_with_its_default():
    assert flat(yaml.safe_load(TEXT)['/**']['ros__parameters']) == {
        name: parameter.default for name, parameter in PARAMETERS.items()}


@pytest.mark.parametrize('name', PARAMETERS)
def test_the_yaml_file_explains_it(name):
    key = name.rpartition('.')[2]
    comments = re.findall(rf'((?:^ *#.*\n)+) *{key}: ', TEXT, flags=re.MULTILINE)
    parameter = PARAMETERS[name]
    mark = '[running]' if parameter.running else '[inactive]'
    numbers = [parameter.low, parameter.high] if parameter.low is not None else []
    assert any(
        (mark in comment or name == 'autostart')
        and all(f'{number:f}'.rstrip('0').rstrip('.') in comment for number in numbers)
        for comment in comments), comments


@pytest.mark.parametrize(('file', 'table'), [('sim_camera', SIM_CAMERA), ('camera', CAMERA)])
def test_the_yaml_file_of_a_camera_has_and_explains_its_parameters(file, table):
    text = (ROOT / 'config' / f'{file}.yaml').read_text()
    assert yaml.safe_load(text)['/**']['ros__parameters'] == {
        name: parameter.default for name, parameter in table.items()}
    for name, parameter in table.items():
        comment = re.search(rf'((?:^ *#.*\n)+) *{name}: ', text, flags=re.MULTILINE)
        assert comment, name
        limits = [parameter.low, parameter.high] if parameter.low is not None else []
        assert all(str(limit) in comment[1] for limit in limits), name


def test_descriptors_are_complete():
    for parameter in PARAMETERS.values():
        descriptor = parameter.descriptor()
        assert len(descriptor.description) > 20
        if parameter.choices:
            assert all(choice in descriptor.additional_constraints for choice in parameter.choices)
        if isinstance(parameter.default, (int, float)) and parameter.default not in (True, False):
            assert descriptor.floating_point_range or descriptor.integer_range
        assert parameter.problem(parameter.default) is None


def test_contradictions_are_found():
    settings = {name: parameter.default for name, parameter in PARAMETERS.items()}
    assert check_together(settings) is None
    assert 'output.min_range' in check_together({**settings, 'output.min_range': 100.0})
    assert 'preview.far' in check_together({**settings, 'preview.far': 0.1})


def test_rviz_file_names_topics_that_exist():
    displays = yaml.safe_load((ROOT / 'rviz' / 'depth.rviz').read_text())[
        'Visualization Manager']['Displays']
    topics = {display['Topic']['Value'] for display in displays if 'Topic' in display}
    assert topics == {'image', 'depth/preview', 'points'}


def test_rviz_has_displays_for_each_of_several_cameras():
    displays = yaml.safe_load(for_cameras(ROOT / 'rviz' / 'depth.rviz', ['front', 'rear']))[
        'Visualization Manager']['Displays']
    assert [display['Topic']['Value'] for display in displays if 'Topic' in display] == [
        'front/image', 'rear/image', 'front/depth/preview', 'rear/depth/preview',
        'front/points', 'rear/points']
    names = [display['Name'] for display in displays]
    assert len(set(names)) == len(names) and 'Optical frame' in names


def test_the_node_s_parameters_for_nav2_are_allowed_and_invent_no_height():
    text = (ROOT / 'config' / 'nav2_depth.yaml').read_text()
    values = flat(yaml.safe_load(text)['/**']['ros__parameters'])
    settings = {name: parameter.default for name, parameter in PARAMETERS.items()} | values
    assert all(PARAMETERS[name].problem(value) is None for name, value in values.items())
    assert check_together(settings) is None
    assert values['scale.mode'] == 'ground' and 'scale.camera_height' not in values


def test_the_costmap_marks_above_what_errors_make_of_the_floor():
    """Of 2 degrees and 5 %, as docs/nav2.md says; and what is marked can be cleared."""
    def read(name: str) -> dict:
        return yaml.safe_load((ROOT / 'config' / f'{name}.yaml').read_text())

    output = read('nav2_depth')['/**']['ros__parameters']['output']
    layer = read('nav2_voxel_layer')['local_costmap']['local_costmap']['ros__parameters'][
        'camera_layer']
    sources = [layer[name] for name in layer['observation_sources'].split()]
    marking = [source for source in sources if source['marking']]
    clearing = [source for source in sources if source['clearing']]
    assert len(marking) == 3 and len(clearing) == 1 and not clearing[0]['marking']
    for source in marking:
        assert source['topic'] == '/points'
        assert source['min_obstacle_height'] > 0.025 + 0.033 * source['obstacle_max_range']
        assert source['obstacle_min_range'] == output['min_range']
    assert max(source['obstacle_max_range'] for source in marking) == output['max_range']
    assert clearing[0]['topic'] == '/points/clearing'
    assert clearing[0]['raytrace_max_range'] == output['max_range']
    assert layer['z_voxels'] <= 16


def test_dds_profile_is_well_formed():
    root = ElementTree.parse(ROOT / 'config' / 'fastdds.xml').getroot()
    size = root.find('.//{*}segment_size')
    assert int(size.text) >= 2 ** 26  # the largest image, its depth and its cloud at once


@pytest.mark.parametrize('extra', ['onnx', 'openvino', 'view'])
def test_the_requirements_of_a_robot_are_those_of_setup(extra):
    """Without this package, which colcon builds, and without NumPy 2."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    listed = next(ast.literal_eval(node.value) for node in tree.body
                  if isinstance(node, ast.Assign) and node.targets[0].id == extra.upper())
    basis = next(ast.literal_eval(node.value) for node in ast.walk(tree)
                 if isinstance(node, ast.keyword) and node.arg == 'install_requires')

    def lines(name: str) -> set[str]:
        text = (ROOT / 'config' / 'requirements' / f'{name}.txt').read_text()
        return {line.partition('#')[0].strip() for line in text.splitlines()} - {''}

    # OpenCV and Numba are the distribution's
    assert lines('robot') - {'numpy<2'} == set(basis) - {
        'numpy', 'opencv-python-headless', 'numba'}
    assert 'numpy<2' in lines('robot')
    assert lines(extra) == {'-r robot.txt', *listed}
