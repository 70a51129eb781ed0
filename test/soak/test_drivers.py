"""Camera drivers in processes of their own, with Fast DDS' own settings, and the real node."""
from misbehaviour import seconds_until_told
from patience import patience
import pytest

from flashdepth_ros.ros.transport import driver_remedy

SIZES = (640, 480), (1280, 720), (1920, 1080)
RATE = 5.0


@pytest.mark.parametrize('first', ['driver', 'node'])
def test_the_frames_of_an_ordinary_driver_arrive(node, driver, soak, measured, first):
    if first == 'driver':
        camera = driver()
        camera.do('open')
    process = node().activate().without_camera()
    if first == 'node':
        camera = driver()
        camera.do('open')
    assert process.spin_until(lambda: camera.do('subscribers')['subscribers'] == 1)
    camera.do('publish', first=1, count=1, rate=1, width=98, height=84)
    assert process.spin_until(lambda: process.received['depth_node/status'])
    texts = []
    for i, (width, height) in enumerate(SIZES, start=1):
        before = process.status.received
        camera.ask(do='publish', topic='image', first=10_000 * i, count=soak.driven, rate=RATE,
                   width=width, height=height)
        process.spin_until(
            lambda before=before: process.status.received - before >= soak.driven,
            soak.driven / RATE + 3 * patience())
        camera.answer()
        received = process.status.received - before
        texts.append(f'{received} of {soak.driven} at {width}x{height}')
        assert received >= (0.95 if soak.full else 0.6) * soak.driven, texts
    measured(', '.join(texts))


def test_a_best_effort_driver_without_our_profile_is_told_what_to_do(node, driver):
    process, camera = node().activate().without_camera(), driver()
    camera.do('open', reliability='best_effort')
    camera.ask(do='publish', topic='image', first=10, count=15, rate=RATE, width=1280, height=720)
    words = ('best effort', 'export ', 'fastdds.xml', 'reliable')
    seconds_until_told(process, {'': words}, 5)
    log = process.log.read_text()
    assert all(word in log for word in words)
    camera.answer()
    camera.do('shut')
    name, value = driver_remedy().removeprefix('export ').split('=')
    better = driver(**{name: value})
    better.do('stream', reliability='best_effort', width=1280, height=720)
    seconds_until_told(process, {'': ()}, 4)
