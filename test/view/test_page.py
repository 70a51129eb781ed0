"""The live page as an operator uses it: in a browser, over a simulated drive.

SCREENSHOTS=docs python -m pytest test/view/test_page.py draws the README's pictures anew.
"""
import os
from pathlib import Path
import re
import subprocess
import time

from browser import browser, needs_chromium
import cv2
from egl import needs_egl
from node_process import as_arguments, end, start
import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from ros_rig import Client, to_array
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from flashdepth_ros.ros.message import stamp_to_ns

needs_chromium()
needs_egl()

LIMIT = 180.0  # seconds; the machine may be busy
SCREENSHOTS = os.environ.get('SCREENSHOTS', '')
SIZE = {'width': 320, 'height': 240, 'rate': 10.0} if SCREENSHOTS else {
    'width': 160, 'height': 120, 'rate': 4.0}
PICTURES: dict[str, np.ndarray] = {}
POINTS = 15000 if SCREENSHOTS else 1000


def nodes(domain: int, log: Path):
    """Start a simulated camera, a depth node and the page; return them and the page's log."""
    with log.open('w') as file:
        return [
            start('view_node', domain, '-p', f'port:={18080 + domain}', '-p', f'points:={POINTS}',
                  '-p', f'record.folder:={log.parent / "recordings"}',
                  stdout=file, stderr=subprocess.STDOUT),
            start('depth_node', domain, *as_arguments({
                'model.name': 'flashdepth-nano', 'engine.backend': 'torch',
                'output.max_range': 1000.0, 'input.short_side': 0 if SCREENSHOTS else 70}),
                environment={'OMP_NUM_THREADS': '1'}, stderr=subprocess.DEVNULL),
            start('sim_camera_node', domain, *as_arguments({'seed': 1, **SIZE}),
                  stderr=subprocess.DEVNULL)]


class Operator:
    """Somebody before a page: what is done with it, and what is seen."""

    def __init__(self, page, client: Client):
        self.page, self.client = page, client

    def until(self, condition, what: str) -> None:
        """Wait for a condition while topics are received too."""
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end, f'{what} has not come:\n{self.text()[:2000]}'
            self.client.spin_until(lambda: False, 0.05)

    def text(self) -> str:
        return self.page.execute_script('return document.body.innerText')

    def data(self, element: str) -> dict:
        return self.page.execute_script(
            f'return {{...document.getElementById("{element}")?.dataset}}')

    def press(self, words: str) -> None:
        """Press the button, or open the tab, with these words."""
        self.page.find_element(By.XPATH, (
            f"//*[@role='tab' or self::button or self::label][normalize-space()='{words}']"
        )).click()

    def has(self, words: str) -> bool:
        return words in self.text()

    def point_at(self, element: str, across: float, down: float) -> None:
        """Move the pointer over an element, in shares of its size from its upper left corner."""
        script = """
            const box = document.getElementById(arguments[0]).getBoundingClientRect();
            return [box.x + box.width * arguments[1], box.y + box.height * arguments[2]]"""
        x, y = self.page.execute_script(script, element, across, down)
        actions = ActionChains(self.page, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        actions.perform()

    def parameter(self, name: str):
        return parameter_value_to_python(self.client.call(
            GetParameters, 'depth_node/get_parameters',
            GetParameters.Request(names=[name])).values[0])

    def screenshot(self, name: str) -> None:
        if SCREENSHOTS:
            if name != 'phone':  # else the window's height has its bars in it
                self.page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
                    'width': 1280, 'height': 800, 'deviceScaleFactor': 1, 'mobile': False})
            self.client.spin_until(lambda: False, 5)
            PICTURES[name] = cv2.imdecode(
                np.frombuffer(self.page.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)


def test_an_operator_sees_reads_and_changes(domain, tmp_path):
    log = tmp_path / 'view.log'
    client, running = Client(domain), nodes(domain, log)
    depths = client.received['depth/image']
    statuses = client.received['depth_node/status']
    try:
        assert client.spin_until(lambda: 'the page is at' in log.read_text(), LIMIT)
        address = re.search(r'the page is at (\S+)', log.read_text())[1]
        assert client.spin_until(lambda: depths and statuses, LIMIT), 'no depth without the page'
        # nobody looks: nobody but this client has subscribed
        assert client.node.count_subscribers('depth/image') == 1
        with browser(1280, 800) as page:
            page.get(address)
            operator = Operator(page, client)
            see_and_read(operator, depths)
            move_a_slider(operator)
            reset_and_switch(operator, statuses)
            record(operator, tmp_path / 'recordings')
            assert not [entry for entry in page.get_log('browser')
                        if entry['level'] == 'SEVERE' and 'favicon' not in entry['message']]
        operator.client.spin_until(lambda: client.node.count_subscribers('depth/image') == 1, LIMIT)
        assert client.node.count_subscribers('depth/image') == 1
        if SCREENSHOTS:
            with browser(390, 844, phone=True) as page:
                page.get(address)
                phone = Operator(page, client)
                phone.until(lambda: phone.data('metres').get('stamp'), 'a picture on the phone')
                close_notice(page)
                phone.screenshot('phone')
            write_screenshots()
        assert 'Traceback' not in log.read_text(), log.read_text()
    finally:
        for process in running:
            end(process)
        client.close()


def write_screenshots() -> None:
    """Write view.jpg, a desktop and a phone side by side, and view_health.jpg."""
    desktop, phone = PICTURES['desktop'], PICTURES['phone']
    height = desktop.shape[0]
    phone = cv2.resize(phone, (phone.shape[1] * height // phone.shape[0], height),
                       interpolation=cv2.INTER_AREA)
    gap = np.full((height, 16, 3), 255, np.uint8)
    for name, picture in (('view', np.hstack([desktop, gap, phone])),
                          ('view_health', PICTURES['health'])):
        cv2.imwrite(str(Path(SCREENSHOTS) / f'{name}.jpg'), picture)


def close_notice(page) -> None:
    """Close viser's notice of software rendering, which is this browser's alone."""
    page.execute_script(
        "document.querySelectorAll('.mantine-Notification-closeButton').forEach(e => e.click())")


def see_and_read(operator: Operator, depths: list) -> None:
    """The metres under the pointer are those of the topic, of the same stamp and pixel."""
    operator.until(lambda: operator.data('metres').get('stamp'), 'the first picture')
    close_notice(operator.page)
    shown = operator.page.execute_script("""
        return ['camera', 'depth'].map(each => document.getElementById(each).naturalWidth)""")
    assert shown == [SIZE['width']] * 2
    operator.point_at('depth', 0.6, 0.7)
    operator.until(lambda: operator.data('metres').get('u'), 'a reading')
    by_stamp, read = {}, {}

    def both() -> bool:
        nonlocal read
        by_stamp.update({stamp_to_ns(each.header.stamp): each for each in depths})
        read = operator.data('metres')
        return int(read['stamp']) in by_stamp

    operator.until(both, 'the topic of a stamp that the page shows')
    u, v = int(read['u']), int(read['v'])
    assert abs(u / SIZE['width'] - 0.6) < 0.02 and abs(v / SIZE['height'] - 0.7) < 0.02
    depth = to_array(by_stamp[int(read['stamp'])])
    assert abs(float(read['metres']) - depth[v, u]) <= np.nanmax(
        depth[np.isfinite(depth)]) / 65534 + 1e-6
    assert operator.has('frames/s') and operator.has('flashdepth-nano')


def move_a_slider(operator: Operator) -> None:
    """A slider that is drawn changes the parameter; a change by others moves the slider."""
    before = operator.parameter('slice.far')

    def thumb():
        return operator.page.execute_script("""
            return [...document.querySelectorAll('.mantine-Slider-root [role=slider]')].find(
              each => Number(each.getAttribute('aria-valuenow')) === arguments[0])""", before)

    operator.until(thumb, 'the slider of slice.far')
    thumb = thumb()
    for _ in range(5):
        thumb.send_keys(Keys.ARROW_RIGHT)
    operator.until(lambda: operator.parameter('slice.far') > before + 0.2, 'the new value')
    operator.screenshot('desktop')


def reset_and_switch(operator: Operator, statuses: list) -> None:
    operator.press('Node')
    operator.until(lambda: operator.has('deactivate'), 'the buttons')
    assert 'requested' not in statuses[-1].reset_reasons
    operator.press('reset')
    # a busy computer makes others, such as a gap in time
    operator.until(lambda: 'requested' in statuses[-1].reset_reasons, 'the reset')
    operator.press('deactivate')
    operator.until(lambda: operator.has('inactive'), 'the state')
    operator.press('activate')
    operator.until(lambda: operator.has('active,') and not operator.has('inactive'), 'the state')
    operator.press('Health')
    operator.until(lambda: operator.has('resets: ') and operator.has('requested'), 'the reason')
    operator.screenshot('health')


def record(operator: Operator, folder: Path) -> None:
    rosbags = pytest.importorskip('rosbags.highlevel')
    operator.press('Node')
    operator.until(lambda: operator.has('Record a bag'), 'the button')
    operator.press('Record a bag')
    operator.until(lambda: operator.has('Stop recording'), 'the recording')
    topics = {'/image', '/depth/image', '/depth/camera_info', '/depth_node/status'}
    operator.until(lambda: sum(each.stat().st_size for each in folder.rglob('*.mcap')) > 200_000,
                   'the messages')
    operator.press('Stop recording')
    operator.until(lambda: operator.has('Record a bag'), 'the end of the recording')
    bag, = folder.iterdir()
    with rosbags.AnyReader([bag]) as reader:
        assert {each.topic for each in reader.connections} == topics
        assert all(each.msgcount for each in reader.connections)
