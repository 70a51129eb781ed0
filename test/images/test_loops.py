"""The loops over pixels are compiled once, and run wherever the package lies."""
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

from flashdepth_ros.images import cubic, loops, points, resampling

# of this room: other rooms have loops too
LOOPS = [each for each in loops._LOOPS if each.function.__module__.startswith(loops.__package__)]
FILES = sorted({each.function.__module__.rpartition('.')[2] for each in LOOPS})
PROGRAM = f"""
from flashdepth_ros.images import loops, {', '.join(FILES)}
import numpy as np
loops.compile_loops()
assert (resampling.resize_aligned(np.ones((3, 4), np.float32), 6, 8) == 1).all()
print(sum(sum(each.compile().stats.cache_hits.values()) for each in loops._LOOPS))
"""


@pytest.fixture
def images(tmp_path):
    """Return a copy of the room, alone and without anything compiled."""
    here = Path(loops.__file__).resolve().parent
    images = tmp_path / 'package' / 'flashdepth_ros' / 'images'
    shutil.copytree(here, images, ignore=shutil.ignore_patterns('__pycache__'))
    (images.parent / '__init__.py').touch()
    return images


def run(images: Path, **environment: str) -> subprocess.CompletedProcess:
    """Compile the copy's loops, and use one, in another process."""
    return subprocess.run(
        [sys.executable, '-c', PROGRAM], cwd=images.parents[1], capture_output=True, text=True,
        timeout=60, env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1', 'NUMBA_CACHE_DIR': '',
                         'XDG_CACHE_HOME': str(images.parents[2] / 'cache'), **environment})


def found_compiled(process: subprocess.CompletedProcess) -> int:
    """Return how many loops came from the cache."""
    assert process.returncode == 0, process.stderr
    return int(process.stdout)


def test_each_loop_is_compiled_for_its_one_signature():
    assert {cubic._shrink, points._fill, resampling._resize} <= set(loops._LOOPS)
    loops.compile_loops()
    for each in loops._LOOPS:
        assert len(each.compile().signatures) == 1
        assert not each.compile()._can_compile    # for another one, at some frame


def test_the_next_start_finds_them_compiled(images):
    assert found_compiled(run(images)) == 0
    assert found_compiled(run(images)) == len(LOOPS)
    assert list((images / '__pycache__').glob('*.nbc'))


def test_where_the_package_cannot_be_written_the_users_cache_keeps_them(images):
    (images / '__pycache__').touch()    # no folder can be made there, also not by root
    assert found_compiled(run(images)) == 0
    assert found_compiled(run(images)) == len(LOOPS)
    assert list((images.parents[2] / 'cache').rglob('*.nbc'))


def test_where_nothing_can_be_written_they_run_all_the_same(images):
    (images / '__pycache__').touch()
    assert found_compiled(run(images, XDG_CACHE_HOME='/dev/null/cache')) == 0


def test_a_damaged_cache_costs_a_compilation(images):
    assert found_compiled(run(images)) == 0
    for file in (images / '__pycache__').glob('*.nb*'):    # as a power cut may leave it
        os.truncate(file, file.stat().st_size // 2)
    assert found_compiled(run(images)) == 0


def test_without_numba_one_error_says_what_to_install(images):
    (images.parents[1] / 'numba.py').write_text("raise ImportError('no such package here')")
    process = run(images)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        'flashdepth_ros.images.loops.LoopError: Numba, which compiles the loops over pixels, cannot'
        ' be loaded (no such package here): install it with python3 -m pip install numba, or sudo '
        'apt install python3-numba')
