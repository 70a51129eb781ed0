"""The depth node's executor beside callbacks that take long, and beside those that raise."""
import threading
import time

import pytest
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context

from flashdepth_ros.ros.executor import PoolExecutor


@pytest.fixture
def spun(domain):
    """Make a node whose timers run on so many threads: (node, executor)."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node('callbacks', context=context)
    executors = []

    def make(num_threads: int) -> tuple:
        executors.append(PoolExecutor(num_threads, context=context))
        executors[-1].add_node(node)
        return node, executors[-1]

    yield make
    node.destroy_node()
    for executor in executors:
        executor.shutdown()
    context.try_shutdown()
    context.destroy()


def once(node, callback) -> None:
    """Call it from a timer, one time."""
    timer = node.create_timer(
        0.01, lambda: (timer.cancel(), callback()), callback_group=ReentrantCallbackGroup())


def test_a_callback_that_waits_for_a_thread_is_not_offered_again(spun):
    """Handing it over again and again takes the interpreter from the network's thread."""
    node, executor = spun(1)
    offered, came = [], []

    def offer(*arguments, wait=executor.wait_for_ready_callbacks):
        offered.append(wait(*arguments)[0])
        return offered[-1], None, None

    executor.wait_for_ready_callbacks = offer
    once(node, lambda: (time.sleep(1.0), came.append('long')))
    once(node, lambda: came.append('short'))
    deadline = time.monotonic() + 10
    while len(came) < 2 and time.monotonic() < deadline:
        executor.spin_once(0.05)
    assert sorted(came) == ['long', 'short']
    assert len(set(offered)) == 2
    assert len(offered) <= 4  # each may be offered once more in the moment in which it begins


def test_callbacks_run_beside_each_other(spun):
    node, executor = spun(2)
    meet = threading.Barrier(2, timeout=5)
    met = []
    for _ in range(2):
        once(node, lambda: met.append(meet.wait()))
    deadline = time.monotonic() + 10
    while len(met) < 2 and time.monotonic() < deadline:
        executor.spin_once(0.1)
    assert sorted(met) == [0, 1]


def test_what_a_callback_raises_is_raised_where_it_spins(spun):
    node, executor = spun(2)
    came = []
    once(node, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        for _ in range(50):
            executor.spin_once(0.1)
    once(node, lambda: came.append('later'))
    for _ in range(50):
        executor.spin_once(0.1)
        if came:
            break
    assert came == ['later']
