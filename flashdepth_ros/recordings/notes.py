"""What a run has to tell people, kept for its manifest and shown while it goes on."""
from collections.abc import Callable
import sys

MOST = 100  # notes that are kept


class Notes:
    """Takes what the node's log would be told. show: prints a line; None is for nothing."""

    def __init__(self, name: str, show: Callable[[str], None] | None = None):
        self._name, self._show = name, show
        self.kept: list[str] = []

    def info(self, text: str, **_: object) -> None:
        pass

    def warning(self, text: str, **_: object) -> None:
        if text in self.kept or len(self.kept) >= MOST:
            return
        self.kept.append(text)
        if self._show is not None:
            self._show(f'{self._name}: {text}')

    error = warning


def to_stderr(line: str) -> None:
    """Print a line beside a progress bar."""
    from tqdm import tqdm
    tqdm.write(line, file=sys.stderr)
