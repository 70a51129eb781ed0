"""Prove on one machine that the networks compute what they should on its GPU, and how fast.

    python3 test/gpu/verify.py                   all of it, in at most 9 minutes
    python3 test/gpu/verify.py --part goldens    a part; --list names them
    python3 test/gpu/verify.py --device cpu      small sizes, to try this program itself

PyTorch (2.9 or later), NumPy and OpenCV are all that it needs: no ROS, and this package need not be
installed. It writes gpu.json and gpu.md; the exit status is 1 where something is wrong.
"""
import argparse
from collections.abc import Callable, Sequence
import json
import logging
from pathlib import Path
import sys
import time
import traceback

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
for _folder in (ROOT, ROOT / 'test' / 'engines', HERE):
    sys.path.insert(0, str(_folder))

from bench_tools import Bench, LeftOut, Wrong  # noqa: E402
import parts_fast  # noqa: E402
import parts_right  # noqa: E402
import parts_tensorrt  # noqa: E402
import torch  # noqa: E402

BUDGET = 540  # seconds
MODELS = ('flashdepth-s', 'flashdepth', 'vda-s', 'ovda-c16', 'flashdepth-l', 'vda-b',
          'depth-anything-v2-s', 'dyfn', 'vda-l')
SIZES = ((518, 518), (518, 924), (1148, 2044))

# in the order in which they run; the seconds are kept for those that come after
PARTS: dict[str, Callable[[Bench], list[dict]]] = {
    'versions': parts_fast.versions,
    'ceilings': parts_fast.ceilings,
    'goldens': lambda bench: parts_right.goldens(bench, ROOT / 'test' / 'data'),
    'graph': parts_right.graph,
    'rings': parts_right.rings,
    'streams': parts_right.streams,
    'sizes': parts_right.sizes,
    'mamba': parts_right.mamba,
    'memory': parts_right.out_of_memory,
    'speed': parts_fast.speed,
    'halves': parts_right.halves,
    'profile': parts_fast.profile,
    'tensorrt': parts_tensorrt.tensorrt,
}
# of the whole, what a part must leave to those after it
KEPT = {'speed': 150, 'halves': 40}


def run_part(name: str, bench: Bench) -> dict:
    """Run a part; return its status (passed, wrong, left out), why, its notes and its rows."""
    bench.notes = []
    begin, result = time.perf_counter(), {'status': 'passed', 'why': '', 'rows': []}
    end = bench.deadline
    bench.deadline = end - (0 if bench.small else KEPT.get(name, 0))
    try:
        if bench.left() <= 0:
            raise LeftOut('no time is left')
        result['rows'] = PARTS[name](bench)
    except LeftOut as reason:
        result |= {'status': 'left out', 'why': str(reason)}
    except Wrong as reason:
        result |= {'status': 'wrong', 'why': str(reason)}
    except Exception as error:
        traceback.print_exc()
        result |= {'status': 'wrong', 'why': f'{type(error).__name__}: {error}'}
    bench.deadline = end
    if bench.cuda:
        torch.cuda.empty_cache()
    return result | {'notes': list(bench.notes), 'seconds': time.perf_counter() - begin}


def number(value: object) -> str:
    """Write a cell of a table."""
    if not isinstance(value, float):
        return str(value)
    return f'{value:.2e}' if value and abs(value) < 1e-2 else f'{value:.4g}'


def markdown(report: dict) -> str:
    """Return the report as text with a table for each part."""
    lines = [f'# {report["device"]}', '', f'{report["summary"]}', '']
    for name, part in report['parts'].items():
        lines += [f'## {name}: {part["status"]} ({part["seconds"]:.0f} s)', '']
        lines += [f'{part["why"]}', ''] if part['why'] else []
        lines += [f'- {note}' for note in part['notes']] + ([''] if part['notes'] else [])
        columns = list(dict.fromkeys(key for row in part['rows'] for key in row))
        if columns:
            lines += ['| ' + ' | '.join(columns) + ' |', '|' + ' --- |' * len(columns)]
            lines += ['| ' + ' | '.join(number(row.get(key, '')) for key in columns) + ' |'
                      for row in part['rows']]
            lines.append('')
    return '\n'.join(lines)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='verify', description='Prove that the networks are right on this GPU, and how fast.')
    parser.add_argument('--part', action='append', choices=list(PARTS), metavar='PART',
                        help=f'one or more of {", ".join(PARTS)} (default: all)')
    parser.add_argument('--list', action='store_true', help='say what the parts do, and end')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu',
                        help='of PyTorch (default: cuda where there is one)')
    parser.add_argument('--models', nargs='+', metavar='MODEL', help='instead of all')
    parser.add_argument('--full', action='store_true', help='all sizes, on a CPU too')
    parser.add_argument('--seconds', type=float, default=BUDGET, help=f'default: {BUDGET}')
    parser.add_argument('--output', type=Path, default=Path('gpu_output'),
                        help='folder for gpu.json and gpu.md (default: gpu_output)')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    asked = options(argv)
    if asked.list:
        for name in PARTS:
            parts = (getattr(module, name, None)
                     for module in (parts_right, parts_fast, parts_tensorrt))
            part = next(filter(None, parts), parts_right.out_of_memory)
            print(f'{name:10} {(part.__doc__ or "").strip()}')
        return 0
    logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(message)s')
    device = torch.device(asked.device)
    if device.type == 'cuda':
        if not torch.cuda.is_available():
            print('verify: PyTorch sees no CUDA device', file=sys.stderr)
            return 2
        device = torch.device('cuda', device.index or 0)
        torch.cuda.set_device(device)
    small = device.type == 'cpu' and not asked.full
    begin = time.perf_counter()
    bench = Bench(
        device, small, tuple(asked.models or (('flashdepth-nano',) if small else MODELS)),
        ((84, 112),) if small else SIZES, begin + asked.seconds)
    report: dict = {'device': parts_fast.versions(bench)[0]['is'], 'parts': {}}
    asked.output.mkdir(parents=True, exist_ok=True)
    for name in asked.part or PARTS:
        print(f'{name} ...', flush=True)
        part = report['parts'][name] = run_part(name, bench)
        print(f'{name}: {part["status"]} in {part["seconds"]:.1f} s'
              + (f' ({part["why"]})' if part['why'] else ''), flush=True)
        statuses = [each['status'] for each in report['parts'].values()]
        report['summary'] = ', '.join(f'{statuses.count(status)} {status}' for status in (
            'passed', 'wrong', 'left out')) + f' in {time.perf_counter() - begin:.0f} s'
        # after each: a machine that hangs or is taken away leaves what there is
        (asked.output / 'gpu.json').write_text(json.dumps(report, indent=1) + '\n')
        (asked.output / 'gpu.md').write_text(markdown(report))
    print(f'{report["summary"]}: {asked.output}/gpu.md')
    return 1 if 'wrong' in statuses else 0


if __name__ == '__main__':
    sys.exit(main())
