"""Chromium without a screen, or a skip where there is none."""
from collections.abc import Iterator
from contextlib import contextmanager
import shutil

import pytest

webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')

ARGUMENTS = ('--headless=new', '--no-sandbox', '--hide-scrollbars',
             # WebGL in software
             '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader')


def needs_chromium() -> tuple[str, str]:
    """Return Chromium and its driver, or skip the test, or the module that calls this first."""
    found = shutil.which('chromium'), shutil.which('chromedriver')
    if None in found:
        pytest.skip('Chromium and its driver are not installed: apt install chromium '
                    'chromium-driver', allow_module_level=True)
    return found


@contextmanager
def browser(width: int, height: int, phone: bool = False) -> Iterator:
    """Open a browser with a window of that size; phone: as one, with touch."""
    chromium, driver = needs_chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*ARGUMENTS, f'--window-size={width},{height}'):
        options.add_argument(argument)
    if phone:
        options.add_experimental_option('mobileEmulation', {'deviceMetrics': {
            'width': width, 'height': height, 'pixelRatio': 2.0, 'touch': True}})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.set_script_timeout(180)  # a busy machine, whose browser draws in software
    try:
        yield opened
    finally:
        opened.quit()
