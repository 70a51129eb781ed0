"""Weights that are damaged or meant to harm, a full disk, and a cache that cannot be written."""
import io
import os
from pathlib import Path
import pickle
import struct
import subprocess
import zipfile

from node_process import SMALL
import pytest
from safetensors.torch import save_file
import torch

from flashdepth_ros.models import build_model


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f'touch {self.mark}',)


def bombs(mark: Path) -> dict[str, bytes]:
    """Return files that would run a command when unpickled, by name."""
    zipped = io.BytesIO()
    torch.save({'model': Bomb(mark)}, zipped)
    among_tensors = io.BytesIO()
    torch.save({**build_model('flashdepth-nano').state_dict(), 'extra': Bomb(mark)}, among_tensors)
    legacy = io.BytesIO()
    torch.save(Bomb(mark), legacy, _use_new_zipfile_serialization=False)
    return {'bare.pth': pickle.dumps(Bomb(mark)), 'zipped.pth': zipped.getvalue(),
            'among_tensors.pth': among_tensors.getvalue(), 'legacy.pth': legacy.getvalue(),
            'named.safetensors': pickle.dumps(Bomb(mark))}


def harmful(folder: Path, mark: Path) -> list[Path]:
    """Write files that are no weights of flashdepth-nano; return their paths."""
    tensors = build_model('flashdepth-nano').state_dict()
    whole = io.BytesIO()
    torch.save(tensors, whole)
    save_file(tensors, folder / 'whole.safetensors')
    safe = (folder / 'whole.safetensors').read_bytes()
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('archive/data.pkl', bytes(200_000_000))
        file.writestr('archive/version', '3')
    with torch.device('meta'):
        shapes = {key: value.shape for key, value in build_model('vda-s').state_dict().items()}
    another = io.BytesIO()
    torch.save({key: torch.zeros((1,) * len(shape)).expand(shape)
                for key, shape in shapes.items()}, another)
    header = b'{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    files = {
        **bombs(mark),
        'half.pth': whole.getvalue()[:len(whole.getvalue()) // 2],
        'half.safetensors': safe[:len(safe) // 2],
        'empty.pth': b'', 'empty.safetensors': b'', 'text.pth': b'404: Not Found',
        'long_header.safetensors': struct.pack('<Q', 2 ** 60) + b'{}',
        'false_offsets.safetensors': struct.pack('<Q', len(header)) + header,
        'deflated.pth': deflated.getvalue(), 'another.pth': another.getvalue(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / 'folder.pth').mkdir()
    os.mkfifo(folder / 'pipe.pth')  # opening it would wait for ever
    (folder / 'loop.pth').symlink_to(folder / 'loop.pth')
    return [*(folder / name for name in files),
            *(folder / name for name in ('folder.pth', 'pipe.pth', 'loop.pth'))]


def test_weights_that_are_none(node, tmp_path, measured):
    mark = tmp_path / 'executed'
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()  # such a file does run a command where it is unpickled
    mark.unlink()
    process = node()
    process.state()
    before, most = process.memory(), 0
    paths = harmful(tmp_path, mark)
    for path in paths:
        assert process.set_parameter('model.weights', str(path))
        assert not process.change_state('configure')
        assert process.state() == 'unconfigured'
        log = process.last_words()
        assert f'cannot configure: {path}' in log or f"'{path}'" in log, log
        most = max(most, process.memory() - before)
    assert not mark.exists()
    assert process.set_parameter('model.weights', 'random')
    process.activate().assert_right()
    measured(f'{len(paths)} files; memory at most {most / 1e6:+.0f} MB after a refusal')


def mounted(folder: Path, options: str, then: str) -> tuple[str, ...]:
    """Return what starts a command with a small file system on a folder, seen by it alone."""
    script = f'mount -t tmpfs -o {options} tmpfs "$0" && {{ {then}; exec "$@"; }}'
    wrapper = ('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, str(folder))
    try:
        tried = subprocess.run([*wrapper, 'true'], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip('this machine has no unshare, which mounts a small disk for one process')
    if tried.returncode:
        pytest.skip(f'this machine does not let a process mount a disk: {tried.stderr.strip()}')
    return wrapper


@pytest.mark.parametrize(('options', 'then', 'holds'), [
    ('size=1m', 'head -c 2m /dev/zero > "$0/rest" 2>/dev/null', ('XDG_CACHE_HOME', 'ROS_LOG_DIR')),
    # without a log ROS does not start: see --disable-external-lib-logs
    ('size=1m,ro', 'true', ('XDG_CACHE_HOME',)),
], ids=['full', 'read-only'])
def test_a_disk_on_which_nothing_can_be_kept(node, soak, tmp_path, options, then, holds):
    pytest.importorskip('onnxruntime')
    folder = tmp_path / 'disk'
    folder.mkdir()
    process = node(
        wrapper=mounted(folder, options, then), environment=dict.fromkeys(holds, str(folder)),
        **{'engine.backend': 'onnx', 'input.height': 70, 'input.width': 70})
    assert not process.change_state('configure')
    assert 'XDG_CACHE_HOME' in process.last_words() and str(folder) in process.last_words()
    assert process.set_parameter('engine.backend', 'torch')
    process.activate().assert_right()
    if soak.full or 'ro' in options:  # on a full disk only an exported engine shows that
        assert process.change_state('deactivate')
        assert process.set_parameter('engine.backend', 'auto')
        assert process.change_state('activate')
        process.connect()
        for _ in range(5):  # after some frames a faster engine is prepared, and cannot be kept
            process.depth_of(SMALL[0], process.next_stamp())
        assert process.spin_until(lambda: 'torch keeps running' in process.last_words(), 120)
        process.assert_right()
    assert process.stop() < 3 and process.process.returncode == 0
