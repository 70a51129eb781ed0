"""The thread that turns waiting frames into depth."""
from collections.abc import Callable, Sequence
import threading

from ..ros.parameters import Settings
from ..ros.topics import Topics
from .camera import Camera
from .pipeline import Pipeline


class Worker:
    """Has frames go their way as soon as one waits, from `start` to `stop`.

    settings: gives those in force. ready: notified when a frame waits.
    """

    def __init__(
        self, topics: Topics, cameras: Sequence[Camera], settings: Callable[[], Settings],
        ready: threading.Condition,
    ):
        self._pipeline = Pipeline(topics, cameras, settings)
        self._ready, self._working = ready, True
        self._thread = threading.Thread(target=self._run, name='depth worker', daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """End after the frame in progress; wait for it, at most `timeout` seconds."""
        with self._ready:
            self._working = False
            self._ready.notify_all()
        self._thread.join(timeout)

    def _run(self) -> None:
        pipeline = self._pipeline

        def has_waited_for(how_many: Callable) -> bool:
            return not self._working or how_many(
                camera.input.arrivals.waits() for camera in pipeline.cameras)

        while True:
            with self._ready:
                self._ready.wait_for(lambda: has_waited_for(any))
                # frames taken together arrive moments apart; a silent camera costs no more
                self._ready.wait_for(lambda: has_waited_for(all),
                                     pipeline.wait_for_others if len(pipeline.cameras) > 1 else 0)
                if not self._working:
                    return
            # a silent camera keeps the others from going ahead: together they take one step
            pipeline.process(lambda: self._working and has_waited_for(all))
