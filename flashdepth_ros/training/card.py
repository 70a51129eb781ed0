"""The model card of a training, written from what was done and measured."""
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ..models.spec import ModelSpec
from ..scoring.markdown import markdown_table
from ..scoring.sequences import Scores
from .recordings import Recording
from .trainer import Plan

COLUMNS = {'delta1': 'δ1 ↑', 'abs_rel': 'AbsRel ↓', 'change_error': 'change error ↓',
           'tae_percent': 'TAE % ↓'}
NAMED = 10  # recordings of a source

Row = Mapping[str, float | None]


def described(recordings: Sequence[Recording]) -> str:
    """Say how many recordings there are, of how many frames, and what they are called."""
    frames = sum(len(each) for each in recordings)
    names = ', '.join(each.name for each in recordings[:NAMED])
    more = f' and {len(recordings) - NAMED} more' if len(recordings) > NAMED else ''
    return f'{len(recordings)} recordings, {frames} frames: {names}{more}'


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'


def score_table(rows: Mapping[str, Row]) -> str:
    """Return scores as a Markdown table."""
    return markdown_table([['', *COLUMNS.values()],
                           *([name, *(_cell(row[key]) for key in COLUMNS)]
                             for name, row in rows.items())])


def model_card(
    spec: ModelSpec, base: str, plan: Plan, step: int, domain: str,
    sources: Mapping[str, tuple[float, Sequence[Recording]]], held_out: Sequence[Recording],
    before: Mapping[str, Row], after: Mapping[str, Scores],
) -> str:
    """Return a model card in Markdown, with the head that Hugging Face reads.

    base: what the training began with: 'official', a file's name or 'nothing'. step: of the weights
    that were kept. sources: weight and recordings by name. before, after: scores by what they are
    of.
    """
    scores: dict[str, Row] = {}
    for name, row in before.items():
        scores[f'{name}, before'] = row
        scores[f'{name}, after'] = after[name].numbers()
    nothing = base == 'nothing'
    licence = 'that of your data: no other weights were used' if nothing else (
        f'{spec.licence}, of the weights it began with; what your data allow comes on top')
    tag = 'apache-2.0' if spec.licence == 'Apache-2.0' and not nothing else 'other'
    train = '\n'.join(f'- `{name}` (weight {weight:g}): {described(recordings)}'
                      for name, (weight, recordings) in sources.items())
    commercial = '' if spec.commercial or nothing else (
        '\n**Not for commercial use**, as the weights it began with.\n')
    settings = '\n'.join(f'| {name} | {value} |' for name, value in asdict(plan).items())
    return f"""---
license: {tag}
tags: [depth-estimation, flashdepth_ros]
---
# {spec.name}, fine-tuned

Load it with `model.name: {spec.name}` and `model.weights:` this folder's `weights.safetensors`.

| | |
|---|---|
| model | {spec.name}, {spec.unit.value} |
| began with | {base} |
| licence | {licence} |
| domain | {domain or 'that of the data below; elsewhere it was not measured'} |
| kept | the weights of step {step}, the best on the held-out recordings |
{commercial}
## Scores

{score_table(scores)}

Of the first frames of whole recordings, none of which was trained on. `held out` chose the step, so
it is a little too good; judge on a drive that had no part in the training (`evaluate`).

![curve](curve.png)

![picture, truth, prediction](held_out.png)

## Data

{train}
- held out: {described(held_out)}

## Training

| | |
|---|---|
{settings}
"""
