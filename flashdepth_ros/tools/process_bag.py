"""Turn the images of a bag into depth, in another bag, as the node would have published it.

docs/bags.md says what is read and written, how an interrupted run goes on, and how many bags are
processed on many machines.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path
import re
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..engines import EngineError
from ..files.places import Place
from ..images.loops import LoopError
from ..models import MODELS, CheckpointError
from ..ros.compressed_depth import FORMATS
from .options import add_weights_argument, positive

if TYPE_CHECKING:
    from ..recordings.recipe import Recipe

# CheckpointError and the like name what to do; FrameTooSmallError, BagError, ScaleError and
# ParameterError are ValueErrors
EXPECTED = (CheckpointError, EngineError, LoopError, ImportError, ValueError, OSError)
ADDRESS = re.compile(r'local|auto|ray://.+|[\w.-]+:\d+')
LEAD_IN = 60    # frames; docs/bags.md has what it is measured by


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='process_bag', fromfile_prefix_chars='@',
        description='Turn the images of bags (rosbag2 or ROS 1) into depth, in other bags, as the '
        "node would. The node's rules hold for continuity, resets, scale and rectification.")
    parser.add_argument('bags', nargs='+', metavar='IN', help='rosbag2 folders or files, or ROS 1 '
                        'bags; @FILE reads them from a file, one a line')
    parser.add_argument('output', metavar='OUT', help='the new bag; of several bags, the folder '
                        'for theirs, or a URL such as s3://bucket/depth')
    parser.add_argument('--model', choices=['auto', *MODELS], metavar='MODEL',
                        help=f'auto or one of: {", ".join(MODELS)} (default: auto)')
    add_weights_argument(parser)
    parser.add_argument('--backend', help='engine (default: auto)')
    parser.add_argument('--device', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--short-side', type=int, metavar='PIXELS',
                        help="the network's short side (default: the model's own rule)")
    parser.add_argument('--topics', nargs='+', default=[], metavar='IMAGE[:CAMERA_INFO]',
                        help="a camera's topics, raw or compressed, of one camera or several "
                             '(default: the only images; camera_info beside them)')
    parser.add_argument('--encoding', choices=['32FC1', '16UC1'],
                        help='of depth/image: metres (default) or millimetres')
    parser.add_argument('--compress', choices=FORMATS,
                        help='write depth/image/compressedDepth instead, as image_transport does')
    parser.add_argument('--add', nargs='+', default=[], metavar='TOPIC',
                        help='also write points, points/clearing, depth/confidence, '
                             'disparity/image, depth/preview or depth/slice')
    parser.add_argument('--no-originals', dest='originals', action='store_false',
                        help="leave the bag's own topics out")
    parser.add_argument('--namespace', default='', help='before the names of what is written')
    parser.add_argument('--remap', nargs='+', default=[], metavar='NAME:=TOPIC',
                        help='where other inputs are, such as odom:=/odom')
    parser.add_argument('--params-file', type=Path, metavar='FILE',
                        help='parameters of the node (YAML)')
    parser.add_argument('-p', '--param', nargs='+', default=[], metavar='NAME:=VALUE',
                        help='parameters of the node, such as scale.mode:=ground')
    parser.add_argument('--piece', type=positive, default=500, metavar='FRAMES',
                        help='frames after which what is done is safe (default: 500)')
    parser.add_argument('--overwrite', action='store_true', help='replace a bag that is there')
    many = parser.add_argument_group('many bags')
    many.add_argument('--ray', nargs='?', const='local', metavar='ADDRESS',
                      help='have Ray do it: local (default), auto, HOST:PORT or ray://HOST:PORT')
    many.add_argument('--cpus', type=float, default=1.0, metavar='N',
                      help='CPUs of a worker (default: 1)')
    many.add_argument('--gpus', type=float, default=0.0, metavar='N',
                      help='GPUs of a worker; 0.5 is half of one (default: 0)')
    many.add_argument('--split', type=float, default=0.0, metavar='SECONDS',
                      help='divide long bags into windows of that length')
    many.add_argument('--lead-in', type=int, default=LEAD_IN, metavar='FRAMES',
                      help=f'before each window, to make its state (default: {LEAD_IN})')
    many.add_argument('--by-camera', action='store_true',
                      help='a bag for each camera of --topics')
    return parser


def with_address(words: Sequence[str]) -> list[str]:
    """Give --ray its address where the word after it is none: --ray IN OUT is local."""
    words = list(words)
    if '--ray' in words:
        after = words.index('--ray') + 1
        if after < len(words) and not ADDRESS.fullmatch(words[after]):
            words.insert(after, 'local')
    return words


def _pairs(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, found, value = word.partition(':=')
        if not found:
            parser.error(f"'{word}' is not NAME:=VALUE")
        pairs[name] = value
    return pairs


def values_from(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Any]:
    """Return the node's parameters that the options set; ParameterError."""
    import yaml

    from ..recordings.recipe import values_of
    values = values_of(options.params_file) if options.params_file else {}
    values.pop('cameras', None)
    values |= {name: yaml.safe_load(value)
               for name, value in _pairs(parser, options.param).items()}
    for option, name in (('model', 'model.name'), ('backend', 'engine.backend'),
                         ('device', 'engine.device'), ('short_side', 'input.short_side'),
                         ('encoding', 'output.encoding')):
        if getattr(options, option) is not None:
            values[name] = getattr(options, option)
    if options.weights != 'auto':
        values['model.weights'] = options.weights
    return values


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(with_address(sys.argv[1:] if argv is None else argv))
    from ..recordings.recipe import MORE_OUTPUTS, Recipe
    if unknown := set(options.add) - set(MORE_OUTPUTS):
        parser.error(f'--add {" ".join(sorted(unknown))}: it must be of {", ".join(MORE_OUTPUTS)}')
    try:
        values = values_from(parser, options)
        if options.ray and not options.gpus:
            values.setdefault('engine.threads', max(1, round(options.cpus)))
        recipe = Recipe(
            values, options.topics, options.add, options.compress, options.originals,
            options.namespace, {name: '/' + topic.lstrip('/')
                                for name, topic in _pairs(parser, options.remap).items()},
            options.piece)
        if len(options.bags) > 1 or options.ray or options.split or options.by_camera:
            return many(options, recipe)
        return one(options, recipe)
    except EXPECTED as error:
        print(f'process_bag: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('process_bag: interrupted; the same command goes on from here', file=sys.stderr)
        return 130


def one(options: argparse.Namespace, recipe: 'Recipe') -> int:
    """Process a bag into the output."""
    from ..recordings.models import ModelKeeper
    from ..recordings.notes import Notes, to_stderr
    from ..recordings.process import process_bag
    notes = Notes('process_bag', to_stderr)
    with tqdm(unit='frame', disable=None) as bar:
        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
        manifest = process_bag(Path(options.bags[0]), Place(options.output), recipe,
                               ModelKeeper(), notes, options.overwrite, show)
    for loss in manifest['notes']:
        if loss not in notes.kept:
            print(f'process_bag: {loss}', file=sys.stderr)
    print(f'{manifest["frames"]} frames in {options.output}')
    return 0


def many(options: argparse.Namespace, recipe: 'Recipe') -> int:
    """Process bags into a folder, here or by Ray; 1 where one of them failed."""
    from ..recordings.fleet import Crew, Here, OnRay, process_all, write_manifest
    from ..recordings.jobs import jobs_for
    jobs = jobs_for(options.bags, options.output, recipe, options.overwrite, options.by_camera)
    crew: Crew = OnRay(options.ray, options.cpus, options.gpus) if options.ray else Here()
    entries: list[dict] = []
    try:
        with tqdm(total=len(jobs), unit='bag', disable=None) as bar:
            for entry in process_all(jobs, crew, options.split, options.lead_in):
                entries.append(entry)
                bar.update()
                tqdm.write(_line(entry), file=sys.stderr)
    finally:
        crew.close()
        write_manifest(Place(options.output), entries)
    failed = sum(entry['outcome'] == 'failed' for entry in entries)
    frames = sum(entry.get('frames', 0) for entry in entries)
    print(f'{frames} frames of {len(entries) - failed} bags in {options.output}'
          + (f'; {failed} bags failed, see manifest.json' if failed else ''))
    return 1 if failed else 0


def _line(entry: dict) -> str:
    if entry['outcome'] == 'failed':
        return f'process_bag: {entry["bag"]} failed: {entry["error"]}'
    notes = ''.join(f'; {note}' for note in entry['notes'])
    return (f'process_bag: {entry["output"]}: {entry["outcome"]}, {entry["frames"]} frames in '
            f'{entry["seconds"]:.1f} s{notes}')


if __name__ == '__main__':
    sys.exit(main())
