"""Results of a dataset's sequences: kept while they come, as JSON, and shown as a table."""
import json
import math
import os
from pathlib import Path
from typing import Any

from . import metrics
from .markdown import markdown_table
from .protocols import Protocol
from .published import published

COLUMNS = {
    'abs_rel': 'AbsRel ↓', 'delta1': 'δ1 ↑', 'rmse': 'RMSE m ↓', 'boundary_f1': 'boundary F1 ↑',
    'boundary_f1_masked': 'boundary F1 masked ↑', 'tae_percent': 'TAE % ↓',
    'tae_percent_released': 'TAE % as released ↓',
    **{f'{name}{suffix}': f'{text} {words}'
       for suffix, words in (('_per_frame', 'per frame'), ('_searching', 'searching'),
                             ('_per_frame_searching', 'per frame, searching'))
       for name, text in (('abs_rel', 'AbsRel'), ('delta1', 'δ1'))},
    'abs_rel_by_position': 'AbsRel paired by position ↓',
    'delta1_by_position': 'δ1 paired by position ↑', 'coverage': 'coverage'}
# what the papers' code computes, where this differs from the number itself
AS_RELEASED = {'abs_rel': 'abs_rel_by_position', 'delta1': 'delta1_by_position',
               'tae_percent': 'tae_percent_released'}
TOLD = ('abs_rel', 'delta1', 'tae_percent')


class BenchmarkResults:
    """What was scored so far. settings: what makes two runs the same; path: of the JSON, or none.

    A file of an interrupted run with the same settings is continued; any other is replaced.
    """

    def __init__(self, path: Path | None, protocol: Protocol, settings: dict[str, Any]):
        self._path, self._protocol, self._settings = path, protocol, settings
        self._sequences: dict[str, dict[str, Any]] = {}
        self._notes: list[str] = []
        self._complete = False
        if path is not None and path.is_file():
            try:
                before = json.loads(path.read_text())
                if before['settings'] == settings and not before['complete']:
                    self._sequences = {each['name']: each for each in before['sequences']}
            except (ValueError, KeyError, TypeError):
                pass  # some other file: it is replaced, as --json always does

    def note(self, text: str) -> None:
        """Add what a reader of the results should know."""
        self._notes.append(text)

    def has(self, name: str) -> bool:
        """Whether a sequence is scored."""
        return name in self._sequences

    def add(self, sequence: dict[str, Any]) -> None:
        """Keep a sequence's name, frames and numbers."""
        self._sequences[sequence['name']] = {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in sequence.items()}
        self._write()

    def finish(self) -> None:
        """Say that all sequences are there."""
        self._complete = True
        self._write()

    def told(self, name: str) -> str:
        """Return a sequence's main numbers in words."""
        numbers = self._sequences[name]
        return ', '.join(f'{COLUMNS[key].split(" ")[0]} {_shown(numbers[key])}'
                         for key in TOLD if key in numbers)

    def mean(self) -> dict[str, float | None]:
        """Return the mean over the sequences of every number that they have."""
        keys = dict.fromkeys(key for each in self._sequences.values() for key in each
                             if key in COLUMNS)
        means = {}
        for key in keys:
            value = metrics.mean([math.nan if each.get(key) is None else each[key]
                                  for each in self._sequences.values()])
            means[key] = None if math.isnan(value) else value
        return means

    def differences(self) -> list[dict[str, Any]]:
        """Return the published rows, and by how much this run's means differ from each."""
        mean = self.mean()
        ours = {key: mean.get(released, mean.get(key)) for key, released in AS_RELEASED.items()}
        return [{**row._asdict(), 'difference': {
            key: value - theirs for key, value in ours.items()
            if value is not None and (theirs := getattr(row, key)) is not None}}
            for row in published(self._protocol.name, self._settings['dataset'])]

    def as_json(self) -> dict[str, Any]:
        """Return everything; the means also at the top, as evaluate's other sources have them."""
        return {**self.mean(), 'frames': sum(each['frames'] for each in self._sequences.values()),
                'model': self._settings['model'], 'protocol': self._protocol.name,
                'about': self._protocol.about, 'settings': self._settings,
                'complete': self._complete, 'notes': self._notes, 'mean': self.mean(),
                'published': self.differences(), 'sequences': list(self._sequences.values())}

    def _write(self) -> None:
        if self._path is None:
            return
        partial = self._path.with_name(f'.{self._path.name}.partial')
        partial.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + '\n')
        os.replace(partial, self._path)
        if self._complete:
            self._path.with_suffix('.md').write_text(self.markdown() + '\n')

    def markdown(self) -> str:
        """Return the sequences, their mean, and the published numbers as tables."""
        mean = self.mean()
        shown = [key for key in COLUMNS if key in mean]
        rows = [['sequence', 'frames', *(COLUMNS[key] for key in shown)]]
        for name, each in self._sequences.items():
            rows.append([name, str(each['frames']), *(_shown(each.get(key)) for key in shown)])
        rows.append(['**mean**', str(sum(each['frames'] for each in self._sequences.values())),
                     *(_shown(mean[key]) for key in shown)])
        who = self._settings['model'] or 'predictions'
        text = [f'{who} on {self._settings["dataset"]}, protocol {self._protocol.name} '
                f'({self._protocol.about})', '', markdown_table(rows)]
        papers = self.differences()
        if papers:
            text += ['', 'Published, and the difference of this run:', '', markdown_table([
                ['method', 'AbsRel ↓', 'δ1 ↑', 'TAE % ↓', 'difference', 'source'],
                *([row['method'], _shown(row['abs_rel'], 3), _shown(row['delta1'], 3),
                   _shown(row['tae_percent'], 3),
                   ', '.join(f'{COLUMNS[key].split(" ")[0]} {value:+.4f}'
                             for key, value in row['difference'].items()) or '-', row['source']]
                  for row in papers)])]
        notes = [*self._notes, *(f'{each["name"]}: {note}' for each in self._sequences.values()
                                 for note in each['notes'])]
        return '\n'.join([*text, *([''] if notes else []), *(f'- {note}' for note in notes)])


def _shown(value: float | None, digits: int = 4) -> str:
    return '-' if value is None else f'{value:.{digits}f}'
