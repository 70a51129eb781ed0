"""RViz's configuration of one camera, repeated for several."""
from collections.abc import Sequence
import copy
from pathlib import Path

import yaml


def for_cameras(path: str | Path, cameras: Sequence[str]) -> str:
    """Return the configuration in a file with a display of every topic for each camera.

    path: its topics are relative, as those of a camera without a name.
    """
    config = yaml.safe_load(Path(path).read_text())
    manager = config['Visualization Manager']
    displays = []
    for display in manager['Displays']:
        for camera in cameras if 'Topic' in display else ():
            one = copy.deepcopy(display)
            one['Name'] = f'{camera}: {display["Name"]}'
            one['Topic']['Value'] = f'{camera}/{display["Topic"]["Value"]}'
            displays.append(one)
        if 'Topic' not in display:
            displays.append(display)
    manager['Displays'] = displays
    return yaml.safe_dump(config)
