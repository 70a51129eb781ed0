"""How the depth node fares, in plain words and as lines through time, from what it tells."""
from collections import deque
from collections.abc import Iterable
from html import escape
import math
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np

from ..msg import DepthStatus

STAGES = ('decode', 'preprocess', 'model', 'postprocess', 'publish', 'total', 'age')
EXPLAINED = {'preprocess': 'prepare', 'model': 'network', 'postprocess': 'metres',
             'total': 'arrival to published', 'age': 'camera to published'}
LINES = ('age', 'total', 'model')  # of the plot
WINDOW = 60.0  # seconds
SILENT = 3.0  # seconds without diagnostics: the node has gone
REMEMBERED = 5  # resets
SIGNS = {DiagnosticStatus.OK: ('#2b8a3e', 'ok'), DiagnosticStatus.WARN: ('#e67700', 'warning'),
         DiagnosticStatus.ERROR: ('#c92a2a', 'error')}


class Health:
    """What the depth node has told of itself and of one camera."""

    def __init__(self, node: str):
        """node: its full name without the first slash, as diagnostics have it."""
        self._node = node
        self._parts: dict[str, DiagnosticStatus] = {}
        self._heard = -math.inf
        self.follow('')

    def follow(self, camera: str) -> None:
        """Begin anew with a camera."""
        self._camera = camera
        self.status: DepthStatus | None = None
        self._rows: deque = deque(maxlen=3000)
        self._resets: deque = deque(maxlen=REMEMBERED)

    def on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name, _, part = status.name.partition(': ')
            if name == self._node:
                self._parts[part] = status
                self._heard = time.monotonic()

    def on_status(self, status: DepthStatus) -> None:
        if self.status is not None and status.resets > self.status.resets:
            before = dict(zip(self.status.reset_reasons, self.status.reset_counts, strict=True))
            for reason, count in zip(status.reset_reasons, status.reset_counts, strict=True):
                if count > before.get(reason, 0):
                    self._resets.appendleft((time.strftime('%H:%M:%S'), reason))
        self.status = status
        self._rows.append((time.monotonic(), *(getattr(status, f'{stage}_ms')
                                               for stage in STAGES)))

    @property
    def alive(self) -> bool:
        return time.monotonic() - self._heard < SILENT

    @property
    def state(self) -> str:
        """The lifecycle's state, '' while the node is silent."""
        return self._value('model', 'state') if self.alive else ''

    @property
    def image_topic(self) -> str:
        return self._value(self._named('input'), 'topic')

    def _named(self, part: str) -> str:
        return f'{self._camera}: {part}' if self._camera else part

    def _value(self, part: str, key: str) -> str:
        status = self._parts.get(part)
        return next((each.value for each in status.values if each.key == key),
                    '') if status else ''

    def headline(self) -> str:
        """Return the state in a line, for the top of the page."""
        if not self.alive:
            return self._line('#c92a2a', 'no node', f'/{self._node} is silent: is it running?')
        worst = max(self._shown(), key=lambda each: each[1].level, default=None)
        sign = SIGNS[worst[1].level if worst and worst[1].level in SIGNS else DiagnosticStatus.OK]
        status, words = self.status, self.state
        if status is not None:
            words += (f', {status.frame_rate:.1f} frames/s, {_ms(status.age_ms)} old, '
                      f'{status.model} on {status.device}')
        colour, level = sign
        return self._line(colour, level if level == 'ok' else f'{level}: see Health', words)

    def html(self) -> str:
        """Return all of it: warnings, latencies, resets."""
        parts = [self._line(*SIGNS.get(status.level, ('#868e96', '')), f'{part}: {status.message}')
                 for part, status in self._shown()]
        if not self.alive:
            parts = [self.headline()]
        if self.status is not None:
            parts += [self._latencies(), self._counts(self.status)]
        return (f'<div style="margin:0 8px 8px;font-size:13px;line-height:1.45;'
                f'overflow-wrap:anywhere">{"".join(parts)}</div>')

    def _shown(self) -> Iterable[tuple[str, DiagnosticStatus]]:
        names = ('model', self._named('input'), self._named('output'))
        return [(name, self._parts[name]) for name in names if name in self._parts]

    def _recent(self) -> np.ndarray:
        """Return the rows of the window: seconds before now, and each stage's ms."""
        now = time.monotonic()
        rows = np.array([row for row in self._rows if now - row[0] < WINDOW], float)
        rows = rows.reshape(-1, 1 + len(STAGES))
        rows[:, 0] -= now
        return rows

    def plot(self) -> tuple[np.ndarray, ...]:
        """Return seconds before now and the ms of LINES, each (N,) float64, N at least 2."""
        rows = self._recent()
        if len(rows) < 2:
            rows = np.full((2, 1 + len(STAGES)), np.nan)
            rows[:, 0] = -WINDOW, 0
        return (rows[:, 0], *(np.nan_to_num(rows[:, 1 + STAGES.index(line)]) for line in LINES))

    def _latencies(self) -> str:
        rows = self._recent()
        if not len(rows):
            return ''
        cells = ''.join(
            f'<tr><td>{EXPLAINED.get(stage, stage)}</td><td align="right">{_ms(middle)}</td>'
            f'<td align="right">{_ms(worst)}</td></tr>'
            for stage, middle, worst in zip(
                STAGES, np.median(rows[:, 1:], 0), rows[:, 1:].max(0), strict=True))
        return ('<table style="width:100%;margin-top:6px"><tr><th align="left">last minute</th>'
                f'<th align="right">median</th><th align="right">worst</th></tr>{cells}</table>')

    def _counts(self, status: DepthStatus) -> str:
        lines = [f'{status.processed} of {status.received} images became depth, '
                 f'{status.replaced} were replaced by a newer one while the network was busy']
        lines += [f'{count} {word}' for word, count in (
            ('could not be used', status.rejected), ('failed', status.failed),
            ('came late', status.late), ('came twice', status.repeated)) if count]
        lines.append(f'scale {status.scale_mode}'
                     + ('' if status.calibrated else ': the metres are not calibrated'))
        counts = dict(zip(status.reset_reasons, status.reset_counts, strict=True))
        told = ', '.join(f'{reason} {count}x' for reason, count in counts.items()) or 'none'
        lines.append(f'resets: {told}')
        lines += [f'{when} reset: {reason}' for when, reason in self._resets]
        return '<p style="margin:6px 0">' + '<br>'.join(escape(line) for line in lines) + '</p>'

    @staticmethod
    def _line(colour: str, sign: str, words: str) -> str:
        return (f'<div style="margin:0 8px 4px;font-size:13px;line-height:1.45"><b style="'
                f'background:{colour};color:#fff;border-radius:3px;padding:0 5px">{escape(sign)}'
                f'</b> {escape(words)}</div>')


def _ms(milliseconds: float) -> str:
    return f'{milliseconds:.0f} ms' if math.isfinite(milliseconds) else '-'
