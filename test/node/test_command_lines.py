"""What people mistype on a node's command line is told in one line."""
import subprocess
import sys

import pytest


def run(name: str, *arguments: str) -> tuple[int, str, str]:
    """Run a program to its end; return its status, and what it printed and complained of."""
    done = subprocess.run([sys.executable, '-m', f'flashdepth_ros.{name}', *arguments],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(('name', 'words'), [
    ('depth_node', ('image', 'depth/image', '~/reset', 'output.max_range  (100.0; 0.01 to 10000.0)',
                    'Farthest depth that is a value', '--params-file', '--ros-args')),
    ('camera_node', ('camera_info', "source  ('0')", 'folder of images')),
    ('sim_camera_node', ('truth/depth/image', 'any, room, corridor, hall'))])
def test_help(name, words):
    status, printed, complaint = run(name, '--help')
    assert (status, complaint) == (0, '')
    assert printed.startswith(f'usage: {name}') and all(word in printed for word in words)


@pytest.mark.parametrize(('arguments', 'words'), [
    (('--params-file', '/no/such.yaml'), 'there is no parameters file /no/such.yaml'),
    (('--params-file', 'broken.yaml'), 'broken.yaml cannot be read'),
    (('--log-level', 'loud'), "the log level 'loud' is none of debug, info"),
    (('-r', 'image:=/cam//image'), "'image:=/cam//image' renames nothing"),
    (('-r', '__ns:=/my//robot'), "the namespace '/my//robot' cannot be had"),
    (('-p', 'source'), "'source' sets no parameter"),
    (('--nonsense',), "'--nonsense' is no ROS argument"),
    (('--', '-p', 'source:=3'), "'-p source:=3' is not understood")],
    ids=lambda value: value[0] if isinstance(value, tuple) else '')
def test_one_line_names_what_is_wrong(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.yaml').write_text('source: 3\n')
    status, printed, complaint = run('camera_node', '--ros-args', *arguments)
    assert status == 2 and not printed
    own = [line for line in complaint.splitlines() if '[rcl]' not in line]  # which warns besides
    assert len(own) == 1 and words in own[0]


def test_a_mistyped_parameter_is_named_with_the_real_one(rig):
    node = rig(**{'output.max_rang': 3.0, 'strange': 1})
    assert node.change_state('configure')
    assert node.spin_until(lambda: node.diagnostics and (
        'there is no parameter output.max_rang: is output.max_range meant?; '
        'there is no parameter strange' in node.health('model').message))
