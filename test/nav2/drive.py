"""A simulated robot drives before nav2's own costmap, and a box is put before it and taken away."""
from collections.abc import Iterator
import contextlib
from pathlib import Path
import time

from costmap import Costmap, marked
from egl import needs_egl
from known_depth import node_that_knows, picture_of
import numpy as np
from ros_rig import Rig
from simulated_robot import RATE, Robot, shipped_parameters

from flashdepth_ros.scoring.costmap import CostmapScores, TrueCells, score_marks


@contextlib.contextmanager
def robot_with(network: str, mode: str, domain: int, *which) -> Iterator[Robot]:
    """Open a robot whose node has a network: 'nano', or 'known' with depth that is right.

    mode: scale.mode. which: seed, kind and frames of the drive.
    """
    needs_egl()
    from flashdepth_ros.simulation import Renderer
    own = {'points.stride': 2, 'scale.mode': mode}    # stride: of 640 pixels
    with Renderer(320, 240) as renderer:
        if network == 'known':
            node = node_that_knows(domain, **own)
        else:
            node = Rig(domain, **{**shipped_parameters(), **own, 'model.name': 'flashdepth-nano',
                                  'model.weights': 'auto', 'input.short_side': 0}).activate()
        try:
            if network == 'known':
                yield Robot(node, renderer, *which, picture=lambda frame: picture_of(frame.depth))
            else:
                yield Robot(node, renderer, *which)
        finally:
            node.close()


def drive(robot: Robot, folder: Path, moving: bool = True) -> CostmapScores:
    """Drive before nav2's costmap, whose marks are scored as those of `evaluate --costmap`.

    moving: False shows the first frame all the time.
    """
    node = robot.node
    costmap = Costmap(node, folder, global_frame='map', robot_base_frame='camera_link',
                      transform_tolerance=1.0)
    waiting = node.node.create_timer(0.2, lambda: _begin(robot))    # TF, while nav2 starts
    try:
        costmap.activate()
        node.node.destroy_timer(waiting)
        costmap.grids.clear()
        _begin(robot)
        begin, sent = time.monotonic(), []
        for index in range(len(robot.frames)):
            node.spin_until(lambda: time.monotonic() >= begin + index / RATE, 10)    # noqa: B023
            sent.append(time.monotonic())
            robot.send(index, moving)
        node.spin_until(lambda: time.monotonic() >= sent[-1] + 1 / RATE, 10)
    finally:
        costmap.close()
    truth, ends = robot.truth(), [*sent[1:], time.monotonic()]
    return score_marks([_marks(costmap, truth, end) for end in ends], truth, RATE)


def _begin(robot: Robot) -> None:
    robot.begin = robot.node.node.get_clock().now().nanoseconds
    robot.wheels.publish(robot.scene, robot.begin, 0.0)


def _marks(costmap: Costmap, truth: TrueCells, end: float) -> np.ndarray:
    """Return the cells (rows, columns) bool of the truth that the last grid before `end` marks."""
    layer = truth.empty_layer()
    marks = np.zeros(layer.marked.shape, bool)
    grids = [grid for at, grid in costmap.grids if at <= end]
    if grids:
        rows, columns = layer.cells(marked(grids[-1]))
        inside = ((rows >= 0) & (rows < marks.shape[0])
                  & (columns >= 0) & (columns < marks.shape[1]))
        marks[rows[inside], columns[inside]] = True
    return marks
