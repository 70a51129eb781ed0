"""The report of a comparison of models: one HTML file with its pictures in it, or one PDF."""
import base64
from collections.abc import Iterator, Sequence
import html
import io
from pathlib import Path
from typing import Any

from .comparison import (
    Clip,
    Outcome,
    against_length,
    flicker,
    new_figure,
    samples,
    slices,
    table,
)
from .sequences import ScoringError

Compared = Sequence[tuple[Clip, Sequence[Outcome]]]
PICTURED = 12  # sequences of which pictures are drawn
ABOUT = ('Inverse depth is aligned to the truth by one scale and shift a sequence; against length, '
         'by one for the frames counted. All models saw every frame in turns.')


def write_report(clips: Compared, title: str, path: Path) -> None:
    """Write the table and the pictures to a file that ends in .html or .pdf. ScoringError."""
    if path.suffix.lower() == '.pdf':
        _write_pdf(clips, title, path)
    else:
        path.write_text(as_html(clips, title))


def check_report_name(path: Path) -> None:
    """Raise ScoringError where a report cannot be written under a name."""
    if path.suffix.lower() not in ('.html', '.pdf'):
        raise ScoringError(f'a report is .html or .pdf, not {path.name}')
    if not path.absolute().parent.is_dir():
        raise ScoringError(f'there is no folder {path.parent} for the report')


def _pictures(clips: Compared) -> Iterator[Any]:
    yield against_length(clips)
    for clip, outcomes in clips[:PICTURED]:
        yield from (samples(clip, outcomes), slices(clip, outcomes), flicker(clip, outcomes))


def _remarks(clips: Compared) -> list[str]:
    more = len(clips) - PICTURED
    return [ABOUT, *([f'Pictures are of the first {PICTURED} sequences; {more} more are in the '
                      f'table.'] if more > 0 else [])]


def as_html(clips: Compared, title: str) -> str:
    """Return one HTML page with everything in it. ScoringError: no matplotlib."""
    rows = table(clips)
    cells = [f'<tr>{"".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)}</tr>'
             for tag, row in zip(['th', *['td'] * (len(rows) - 1)], rows, strict=True)]
    remarks = ''.join(f'<p>{html.escape(each)}</p>' for each in _remarks(clips))
    pictures = ''.join(_embedded(figure) for figure in _pictures(clips))
    return (f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}'
            f'</title><style>body{{font-family:sans-serif;max-width:70em;margin:2em auto}}'
            f'td,th{{padding:.3em .8em;text-align:right}}img{{max-width:100%}}</style>'
            f'<h1>{html.escape(title)}</h1><table>{"".join(cells)}</table>'
            f'{remarks}{pictures}</html>\n')


def _embedded(figure: Any) -> str:
    data = io.BytesIO()
    figure.savefig(data, dpi=100, format='png')
    return f'<p><img src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"></p>'


def _write_pdf(clips: Compared, title: str, path: Path) -> None:
    first = new_figure(10, 1.6 + 0.3 * len(table(clips)))
    axes = first.subplots()
    axes.axis('off')
    header, *rows = table(clips)
    drawn = axes.table(rows, colLabels=header, loc='center', cellLoc='right')
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.scale(1, 1.4)
    drawn.auto_set_column_width(list(range(len(header))))
    first.suptitle(title)
    first.supxlabel('\n'.join(_remarks(clips)), fontsize='small')
    from matplotlib.backends.backend_pdf import PdfPages  # new_figure told if it is not there
    with PdfPages(path, metadata={'Title': title}) as pages:
        for figure in (first, *_pictures(clips)):
            pages.savefig(figure)
