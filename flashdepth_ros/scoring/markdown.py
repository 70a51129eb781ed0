"""Rows as a Markdown table."""
from __future__ import annotations

from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return cells, the head in the first row, as a Markdown table without a last line break."""
    lines = [rows[0], ['---'] * len(rows[0]), *rows[1:]]
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in lines)
