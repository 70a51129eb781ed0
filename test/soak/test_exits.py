"""SIGINT and SIGTERM at any moment: out within three seconds, and nothing is left behind."""
import os
from pathlib import Path
import random
import signal
import threading
import time

from node_process import shared_memory
from patience import patience
import pytest
from ros_rig import street

SECONDS = 3.0  # where the processor is free
FULL = os.environ.get('SOAK') == 'full'


def ask(process, transition: str) -> None:
    """Ask for a transition and do not wait for its end."""
    process.ask(transition)
    process.spin_until(lambda: False, 0.1)


def says(process, word: str) -> None:
    assert process.spin_until(lambda: word in process.last_words(), 60), process.last_words()


def configuring(process) -> None:
    process.state()  # so that the next answer comes at once
    process.set_parameter('model.name', 'flashdepth-l')  # which takes a second or more
    ask(process, 'configure')
    assert process.state() == 'configuring'


def activating(process) -> None:
    assert process.change_state('configure')
    process.set_parameter('model.name', 'flashdepth-l')
    ask(process, 'activate')


def exporting(process) -> None:
    process.set_parameter('engine.backend', 'openvino')
    process.set_parameter('input.height', 140)
    process.set_parameter('input.width', 140)
    ask(process, 'configure')
    says(process, 'exporting flashdepth-nano at')
    time.sleep(1)


def preparing(process) -> None:
    process.set_parameter('engine.backend', 'auto')
    process.activate()
    for _ in range(4):
        process.depth_of(street(1, 70, 70)[0], process.next_stamp())
    says(process, 'exporting flashdepth-nano at')
    time.sleep(1)


def in_a_long_frame(process) -> None:
    process.set_parameter('model.name', 'flashdepth-s')
    process.set_parameter('input.short_side', 0)
    process.activate()
    process.send(street(1, 700, 700)[0], process.next_stamp())
    process.spin_until(lambda: False, 0.3)


def deactivating(process) -> None:
    in_a_long_frame(process)
    ask(process, 'deactivate')


def after_a_failure(process) -> None:
    process.set_parameter('model.weights', '/no/such/file.pth')
    assert not process.change_state('configure')


def finalized(process) -> None:
    assert process.change_state('unconfigured_shutdown')


STATES = (configuring, activating, exporting, preparing, in_a_long_frame, deactivating,
          after_a_failure, finalized)


def session(number: int) -> list[str]:
    """Return the processes of a session."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = entry.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == number and fields[0] != 'Z':
            found.append(entry.parent.name)
    return found


def assert_clean_exit(process, number: int, starting: bool = False) -> float:
    """End the node; return the seconds that it took."""
    shared = shared_memory(process.process.pid) - process.peers
    assert shared or starting
    seconds = process.stop(number)
    code = process.process.returncode
    assert seconds < SECONDS * patience(), (seconds, process.last_words())
    if not starting:  # while PyTorch is imported a KeyboardInterrupt may go through C++, and abort
        assert code == 0 and 'Traceback' not in process.last_words(), process.last_words()
    begin = time.monotonic()
    while session(process.process.pid):  # one that has just begun looks whether it is still wanted
        assert time.monotonic() - begin < patience()
    assert not [name for name in shared if Path(name).exists()]
    return seconds


CASES = [(state, number) for state in STATES for number in (signal.SIGINT, signal.SIGTERM)
         if FULL or (state, number) == (preparing, signal.SIGTERM)]


@pytest.mark.parametrize(('state', 'number'), CASES, ids=[
    f'{state.__name__} {number.name}' for state, number in CASES])
def test_in_a_state(node, tmp_path, state, number):
    if state in (exporting, preparing):
        for package in ('openvino', 'onnx'):
            pytest.importorskip(package)
    process = node(environment={'XDG_CACHE_HOME': str(tmp_path)})
    state(process)
    assert_clean_exit(process, number)
    assert not list(tmp_path.glob('core*'))


def test_at_any_moment(node, soak, tmp_path, measured):
    """From the first moment on, while it starts, loads, films and prepares a faster engine."""
    rng, times, frames = random.Random(3), [], street(20, 70, 70)
    for i in range(soak.signals):
        process = node(autostart=True, environment={'XDG_CACHE_HOME': str(tmp_path / str(i))},
                       **{'engine.backend': 'auto'})
        ended = threading.Event()

        def film(process=process, ended=ended) -> None:
            while not ended.wait(0.05):
                stamp = process.next_stamp()
                process.send(frames[stamp % 20], stamp)

        camera = threading.Thread(target=film, daemon=True)
        camera.start()
        try:
            process.spin_until(lambda: False, rng.uniform(0, 12))
            starting = 'ready on' not in process.last_words()
            times.append(assert_clean_exit(
                process, rng.choice((signal.SIGINT, signal.SIGTERM)), starting))
        finally:
            ended.set()
            camera.join()
    measured(f'{soak.signals} signals; the slowest exit took {max(times):.1f} s, '
             f'the median {sorted(times)[len(times) // 2]:.1f} s')
