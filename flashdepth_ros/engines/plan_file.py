"""A TensorRT plan in a file that says what the plan is of."""
import json
import os
from pathlib import Path
import tempfile

from .engine import EngineError

# A plan file begins with this line and one line of JSON that says what the plan is of.
MAGIC = b'flashdepth_ros TensorRT plan 1\n'


def replace_file(path: Path, content: bytes) -> None:
    """Write a file; a reader sees all of it, or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_plan(path: Path, plan: bytes, facts: dict[str, str]) -> None:
    """Write a plan with what it is of; a reader sees all of the file or nothing."""
    replace_file(path, MAGIC + json.dumps({**facts, 'bytes': len(plan)}).encode() + b'\n' + plan)


def read_plan(path: Path) -> tuple[dict[str, str], bytes]:
    """Return what a plan file is of, and the plan; EngineError for foreign and truncated files."""
    with open(path, 'rb') as file:
        if file.readline() != MAGIC:
            raise EngineError(f'{path} is no engine that export_engine made (a bare TensorRT plan '
                              f'does not say what it is of): make it with export_engine')
        try:
            facts = json.loads(file.readline())
            length = int(facts.pop('bytes'))
        except (ValueError, KeyError, AttributeError) as error:
            raise EngineError(f'{path} is damaged ({error!r}): build it anew') from error
        plan = file.read()
    if len(plan) != length:
        raise EngineError(f'{path} is cut off ({len(plan)} of {length} bytes): build it anew')
    return facts, plan
