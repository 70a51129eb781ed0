"""A camera driver's process, with Fast DDS' own settings, as seen by a test."""
import json
import os
from pathlib import Path
import subprocess
import sys

# what a user's own choice is read from: a driver of these tests has none
CHOICES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE',
           'FASTDDS_BUILTIN_TRANSPORTS', 'RMW_IMPLEMENTATION')


class Driver:
    """Gives commands to a camera_driver.py of its own."""

    def __init__(self, domain: int, **environment: str):
        values = {name: value for name, value in os.environ.items() if name not in CHOICES}
        program = Path(__file__).with_name('camera_driver.py')
        self._process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**values, 'ROS_DOMAIN_ID': str(domain), **environment})
        assert self._process.stdout.readline() == '{}\n'

    def ask(self, **command) -> None:
        print(json.dumps(command), file=self._process.stdin, flush=True)

    def answer(self) -> dict:
        return json.loads(self._process.stdout.readline())

    def do(self, name: str, topic: str = 'image', **options) -> dict:
        self.ask(do=name, topic=topic, **options)
        return self.answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
