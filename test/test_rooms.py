"""What each room of the package may import: docs/design.md says why.

`python test/test_rooms.py` draws the rooms anew into docs/design.md.
"""
import ast
from collections.abc import Iterator
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'flashdepth_ros'
DESIGN = ROOT / 'docs' / 'design.md'
LONGEST = 300  # lines of a file

# libraries that only some rooms may import
ROS = {'rclpy', 'sensor_msgs', 'std_msgs', 'std_srvs', 'diagnostic_msgs', 'builtin_interfaces',
       'rcl_interfaces', 'lifecycle_msgs', 'launch', 'launch_ros', 'ament_index_python',
       'message_filters', 'tf2_ros', 'tf2_msgs', 'nav_msgs', 'bondpy', 'msg'}
LIBRARIES = ROS | {'torch', 'cv2', 'av'}

# room: what of the package, and of the libraries above, its files may import besides their own
ALLOWED = {
    'models': {'images', 'torch', 'cv2'},
    'weights': {'models'},
    'engines': {'models', 'weights', 'torch'},
    'images': {'cv2'},
    'metres': {'images', 'models', 'cv2'},
    'streams': {'images', 'models', 'engines', 'torch'},
    'ros': {'images', 'cv2', *ROS},
    'node': {'models', 'weights', 'engines', 'images', 'metres', 'streams', 'ros', 'torch', 'cv2',
             *ROS},
    'files': {'images', 'ros', 'models', 'cv2', 'av'},
    'recordings': {'node', 'models', 'engines', 'files', 'ros', 'weights', 'images', 'torch', *ROS},
    'simulation': {'images', 'cv2'},
    'cameras': {'ros', 'files', 'images', 'simulation', *ROS},
    'datasets': {'files', 'images', 'cv2'},
    'scoring': {'images', 'files', 'metres', 'ros', 'cv2', *ROS},
    'training': {'models', 'images', 'simulation', 'scoring', 'files', 'datasets', 'torch',
                 'cv2'},
    'demo': {'images', 'ros', 'scoring', 'cv2', *ROS},
    'benchmark': {'ros', 'images', 'files', 'cv2', *ROS},
    'view': {'ros', 'files', 'images', 'cv2', *ROS},
    'tools': {'models', 'weights', 'engines', 'images', 'metres', 'streams', 'files', 'ros',
              'datasets', 'scoring', 'simulation', 'training', 'benchmark', 'demo', 'recordings',
              'torch', 'cv2', *ROS,
              'node.parameter_table'},  # the one file of the node that others may know
    # the programs
    '': {'node', 'cameras', 'ros', 'view'},
}
FILES = sorted(PACKAGE.rglob('*.py'))


def name_of(path: Path) -> str:
    """Return a file's module, '' for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path: Path, lazily: bool = True) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of every import: 'images.points' of the package, or a library.

    lazily: also those inside of functions.
    """
    tree = ast.parse(path.read_text())
    package = path.relative_to(PACKAGE).parent.parts
    nodes = ast.walk(tree) if lazily else (
        node for top in tree.body if not isinstance(top, (ast.FunctionDef, ast.ClassDef))
        for node in ast.walk(top))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.removeprefix('flashdepth_ros.'))
                        for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                base = '.'.join((*package[:len(package) - node.level + 1], *base.split('.')))
            base = base.removeprefix('flashdepth_ros.').strip('.')
            for alias in node.names:
                module = f'{base}.{alias.name}'.strip('.')
                yield node.lineno, module if module in MODULES else base


@pytest.mark.parametrize('path', FILES, ids=name_of)
def test_a_room_imports_only_what_it_may(path):
    room = name_of(path).partition('.')[0] if path.parent != PACKAGE else ''
    rooms = set(ALLOWED) - {''}
    for line, module in imports(path):
        target = module.partition('.')[0]
        if target in rooms | LIBRARIES and target != room:
            assert ALLOWED[room] & {target, module}, (
                f'{path.relative_to(PACKAGE.parent)}:{line} imports {module}, but '
                f'{room or "a program"} may import only {", ".join(sorted(ALLOWED[room]))}')


def test_every_room_has_a_rule():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / '__init__.py').exists()}
    assert rooms == set(ALLOWED) - {''}


def test_no_files_import_each_other_in_a_circle():
    graph = {name: {module for _, module in imports(path)
                    if module in MODULES and module not in ('', name)}
             for name, path in MODULES.items() if path.name != '__init__.py'}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, ' -> '.join((*trail[trail.index(name):], name))
        if name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize('path', FILES, ids=name_of)
def test_a_long_file_says_why(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST or 'one table' in (ast.get_docstring(
        ast.parse(path.read_text())) or ''), f'{len(lines)} lines'


def test_every_test_is_run():
    folders = {path.parent.name for path in Path(__file__).parent.glob('*/test_*.py')}
    listed = re.search(r'^TESTS \?= (.*?)\nPYTEST', (ROOT / 'Makefile').read_text(), re.M | re.S)
    assert folders <= set(re.findall(r'\w+', listed[1])), "missing in the Makefile's TESTS"


def drawing() -> str:
    """Draw which room imports which, without what follows from others, as a Mermaid graph."""
    uses: dict[str, set[str]] = {room: set() for room in ALLOWED}
    for path in FILES:
        room = name_of(path).partition('.')[0] if path.parent != PACKAGE else ''
        uses[room] |= {module.partition('.')[0] for _, module in imports(path)} & set(ALLOWED)
    uses = {room: others - {'', room} for room, others in uses.items()}

    def reach(room: str) -> set[str]:
        return uses[room].union(*(reach(other) for other in uses[room]))

    lines = ['```mermaid', 'graph TD']
    for room in sorted(uses):
        direct = uses[room] - set().union(*(reach(other) for other in uses[room]))
        lines += [f'  {room or "programs"} --> {other}' for other in sorted(direct)]
    return '\n'.join([*lines, '```'])


def with_drawing(text: str) -> str:
    begin, end = text.index('```mermaid'), text.index('```', text.index('```mermaid') + 3) + 3
    return text[:begin] + drawing() + text[end:]


def test_the_drawing_is_that_of_the_imports():
    text = DESIGN.read_text()
    assert text == with_drawing(text), f'draw it anew: python {Path(__file__).relative_to(ROOT)}'


if __name__ == '__main__':
    DESIGN.write_text(with_drawing(DESIGN.read_text()))
