"""What is wrong with a camera's input at this moment: several at once, each until it is over."""
from dataclasses import dataclass
import threading
import time

GOOD = 30     # frames after which a bad one is forgotten,
LASTS = 1.0   # or seconds, if a good one has come since,
LONGEST = 10  # or seconds in any case
AGAIN = 60.0  # seconds until the same problem is worth another line in the log


@dataclass
class _Seen:
    text: str
    time: float
    good: int = 0


class Problems:
    """Those of single frames, which end by themselves, and those that last until they are ended.

    A key is what a problem is about: a newer one takes the place of the one before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: dict[str, _Seen] = {}
        self._standing: dict[str, str] = {}
        self._logged: dict[str, float] = {}

    def bad_frame(self, key: str, text: str) -> bool:
        """Take note that a frame could not be used; say whether that is worth a line in the log."""
        with self._lock:
            self._frames.pop(key, None)  # the newest last
            self._frames[key] = _Seen(text, time.perf_counter())
            return self._is_new(text)

    def good_frame(self, *keys: str) -> None:
        """Take note of a good frame: of these keys, or of all."""
        with self._lock:
            for key in keys or tuple(self._frames):
                if key in self._frames:
                    self._frames[key].good += 1

    def set(self, key: str, text: str | None) -> bool:
        """Begin a problem that lasts, or end it with None; say whether the log should tell."""
        with self._lock:
            if text is None:
                self._standing.pop(key, None)
                return False
            began = key not in self._standing
            self._standing[key] = text
            return began and self._is_new(key)

    def clear(self) -> None:
        """Forget all: what comes next is another life of the node."""
        with self._lock:
            self._frames.clear()
            self._standing.clear()
            self._logged.clear()

    def current(self) -> list[str]:
        """Return what is wrong now: what lasts first, then the newest of the frames'."""
        now = time.perf_counter()
        with self._lock:
            self._frames = {key: seen for key, seen in self._frames.items()
                            if not _over(seen, now)}
            texts = [*self._standing.values(),
                     *(seen.text for seen in reversed(self._frames.values()))]
        return list(dict.fromkeys(texts))

    def _is_new(self, what: str) -> bool:
        now = time.perf_counter()
        self._logged = {each: when for each, when in self._logged.items() if now - when < AGAIN}
        if what in self._logged:
            return False
        self._logged[what] = now
        return True


def _over(seen: _Seen, now: float) -> bool:
    age = now - seen.time
    return seen.good >= GOOD or (seen.good > 0 and age > LASTS) or age > LONGEST
