"""SIGINT and SIGTERM in a process that runs nodes."""
import os
import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """Let SIGINT and SIGTERM end the process where it is: while it loads, nothing is left behind.

    Python's own KeyboardInterrupt in the midst of PyTorch's import may abort the process.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def end_in_order() -> threading.Event:
    """Let SIGINT and SIGTERM do no more than set the event that is returned.

    rclpy's own handlers are not for a node that loads a network: they invalidate the context in the
    midst of whatever is made with it on other threads, which raises anywhere, or crashes. A handler
    of Python's runs only when the main thread comes back from its waiting in C, so a thread reads
    what the interpreter's C handler writes.
    """
    ended = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        while os.read(reading, 1)[0] not in SIGNALS:
            pass
        ended.set()

    threading.Thread(target=wait, name='signals', daemon=True).start()
    return ended
