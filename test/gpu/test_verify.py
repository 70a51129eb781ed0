"""test/gpu/verify.py runs from end to end on a CPU, also where there is little but PyTorch."""
import json
from pathlib import Path
import subprocess
import sys

VERIFY = Path(__file__).with_name('verify.py')
# what a machine with a GPU need not have
MISSING = ('numba', 'rclpy', 'sensor_msgs', 'onnx', 'onnxruntime', 'openvino',
           'simplejpeg', 'safetensors', 'huggingface_hub', 'tqdm', 'mujoco', 'psutil')


def run(folder: Path, *arguments: str, before: str = '') -> subprocess.CompletedProcess:
    program = (f'import runpy, sys\nfor name in {MISSING!r}: sys.modules[name] = None\n'
               f'{before}\nsys.argv = ["verify.py", *sys.argv[1:]]\n'
               f'runpy.run_path({str(VERIFY)!r}, run_name="__main__")')
    return subprocess.run(
        [sys.executable, '-c', program, '--device', 'cpu', '--output', str(folder), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300,
        # no installed package, no ROS: PATH and PYTHONPATH are empty
        env={'PATH': '', 'OMP_NUM_THREADS': '1', 'XDG_CACHE_HOME': str(folder)})


def test_all_parts_on_a_cpu(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / 'gpu.json').read_text())
    states = {name: part['status'] for name, part in report['parts'].items()}
    left_out = {name for name, state in states.items() if state == 'left out'}
    assert left_out == {'mamba', 'memory', 'tensorrt'} and all(
        report['parts'][name]['why'] for name in left_out)
    assert set(states.values()) == {'passed', 'left out'} and len(states) == 13
    assert all(part['rows'] for name, part in report['parts'].items() if name not in left_out)
    assert report['parts']['graph']['rows'][0]['graphs'] == 1
    text = (tmp_path / 'gpu.md').read_text()
    assert '## speed: passed' in text and '| model | size | precision | frames | p50_ms' in text


def test_what_is_wrong_is_told(tmp_path):
    """A network whose last layer is off by a part in a hundred."""
    done = run(tmp_path, '--part', 'goldens', '--part', 'versions', before=(
        f'sys.path.insert(0, {str(VERIFY.parents[2])!r})\n'
        'from flashdepth_ros.models.dpt import DPTHead\n'
        'predict = DPTHead.predict\n'
        'DPTHead.predict = lambda *arguments: 1.01 * predict(*arguments)'))
    assert done.returncode == 1
    report = json.loads((tmp_path / 'gpu.json').read_text())
    assert list(report['parts']) == ['goldens', 'versions']
    assert report['parts']['goldens']['status'] == 'wrong'
    assert 'flashdepth-s departs' in report['parts']['goldens']['why']
    assert 'goldens: wrong' in (tmp_path / 'gpu.md').read_text()


def test_point_maps_are_timed_too(tmp_path):
    """Of the same network with a small encoder."""
    done = run(tmp_path, '--part', 'speed', '--models', 'dyfn', before=(
        f'sys.path.insert(0, {str(VERIFY.parents[2])!r})\n'
        'import dataclasses, functools\n'
        'from flashdepth_ros.models import MODELS\n'
        'build = functools.partial(MODELS["dyfn"].build, "nano")\n'
        'MODELS["dyfn"] = dataclasses.replace(MODELS["dyfn"], build=build)'))
    assert done.returncode == 0, done.stdout + done.stderr
    row, = json.loads((tmp_path / 'gpu.json').read_text())['parts']['speed']['rows']
    assert row['model'] == 'dyfn' and row['fps'] > 0 and row['precision'] == 'fp32'
    assert 'remark' not in row


def test_no_time_is_told(tmp_path):
    done = run(tmp_path, '--part', 'speed', '--seconds', '0')
    assert done.returncode == 0 and 'no time is left' in done.stdout
