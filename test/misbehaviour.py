"""How drivers misbehave for as long as they do, and what the node must say of it meanwhile."""
from collections.abc import Mapping
from dataclasses import dataclass, field
import time

from driver_process import Driver
from patience import patience
from ros_rig import Client

RIGHT_AWAY = 2.0  # seconds within which diagnostics must tell of a cause, and of its end
SILENT = 5.0      # seconds without an image that are no cause yet
OK = b'\0'


@dataclass(frozen=True)
class Cause:
    """What is wrong with a stream (see camera_driver.py), and words of the warning for it.

    second: a second stream on the same topic does it. late: seconds until it is a cause.
    """

    words: tuple[str, ...]
    behaviour: dict = field(default_factory=dict)
    second: bool = False
    kind: str = 'Image'
    late: float = 0.0


CAUSES = {
    'truncated image': Cause(('truncated',), {'keep': 0.5}),
    'wrong encoding': Cause(('holographic',), {'encoding': 'holographic'}),
    'camera_info of another camera': Cause(
        ('on its side',), {'info_width': 84, 'info_height': 98}),
    'camera_info of another frame': Cause(('another camera',), {'info_frame_id': 'rear'}),
    'empty frame_id': Cause(('frame_id is empty',), {'frame_id': ''}),
    'zero stamps': Cause(('no stamps',), {'stamp': 'zero'}),
    'stamps that count from the start': Cause(('count from a start',), {'stamp': 'start'}),
    'stamps of last week': Cause(('604800 s old',), {'late': 604_800.0}),
    'the same stamp always': Cause(('driver must give each frame a stamp',), {'stamp': 'same'}),
    'two publishers of two sizes': Cause(
        ('2 publishers', 'sizes differ'), {'width': 140, 'height': 98}, second=True),
    'wrong type': Cause(('carries compressed images',), kind='CompressedImage'),
    'not calibrated': Cause(('not calibrated',), {'k': 0.0}),
    'silence': Cause(('no image on',), {'silent': True}, late=SILENT),
    'too small': Cause(('input.short_side',), {'width': 20, 'height': 20}),
}


def begin(driver: Driver, prefix: str, cause: Cause) -> None:
    """Have a driver, whose stream is good, do what is wrong."""
    if cause.second:
        driver.do('stream', which='second', prefix=prefix, **cause.behaviour)
    elif cause.kind != 'Image':
        driver.do('cease')
        driver.do('stream', kind=cause.kind, prefix=prefix)
    else:
        driver.do('behave', **cause.behaviour)


def finish(driver: Driver, prefix: str, cause: Cause) -> None:
    """Have its stream be good again."""
    if cause.second:
        driver.do('cease', which='second')
    elif cause.kind != 'Image':
        driver.do('cease')
        driver.do('stream', prefix=prefix)
    else:
        driver.do('behave')


def seconds_until_told(
    client: Client, wanted: Mapping[str, tuple[str, ...]], longest: float,
) -> dict[str, float]:
    """Wait until /diagnostics warn of each camera's input with all of its words.

    No words: until they tell that its images arrive, and of nothing wrong. Only what is told from
    now on counts. longest: seconds, see patience(). Returns the seconds that each took.
    """
    start, took = time.monotonic(), {}
    longest *= patience()
    client.diagnostics.clear()

    def health(camera: str):
        return client.health(f'{camera}: input' if camera else 'input')

    def said(camera: str) -> bool:
        status = health(camera)
        if status is None:
            return False
        if not wanted[camera]:
            return status.level == OK and status.message.startswith('images arrive')
        return status.level != OK and all(word in status.message for word in wanted[camera])

    def all_said() -> bool:
        for camera in wanted:
            if camera not in took and said(camera):
                took[camera] = time.monotonic() - start
        return len(took) == len(wanted)

    assert client.spin_until(all_said, longest), f'not within {longest} s: ' + '; '.join(
        f'of {camera!r} {words or "nothing wrong"}, but: '
        f'{health(camera).message if health(camera) else "nothing"}'
        for camera, words in wanted.items() if camera not in took)
    return took


def assert_told(
    client: Client, drivers: Mapping[str, Driver], names: Mapping[str, str],
) -> str:
    """Have the cameras' drivers misbehave and be good again; demand that diagnostics follow.

    names: of CAUSES, by the camera. Returns in words how long it took them each time.
    """
    causes = {camera: CAUSES[name] for camera, name in names.items()}
    for camera, cause in causes.items():
        begin(drivers[camera], f'{camera}/', cause)
    latest = RIGHT_AWAY + max(cause.late for cause in causes.values())
    came = seconds_until_told(
        client, {camera: cause.words for camera, cause in causes.items()}, latest)
    for camera, cause in causes.items():
        finish(drivers[camera], f'{camera}/', cause)
    gone = seconds_until_told(client, dict.fromkeys(causes, ()), RIGHT_AWAY)
    return ', '.join(f'{name} {came[camera]:.1f} s and {gone[camera]:.1f} s'
                     for camera, name in names.items())
