"""Fetch a model's official weights into the user's Hugging Face cache.

Exit codes: 0 fetched or already here, 1 not fetched, 2 wrong usage, 3 licence not accepted.
"""
import argparse
from collections.abc import Sequence
import logging
import sys

from ..models import MODELS, CheckpointError, ModelSpec
from ..weights.official import (
    LicenceError,
    WeightsNotFoundError,
    download_weights,
    find_weights,
    source,
)
from ..weights.record import sha256


def _list() -> None:
    for spec in MODELS.values():
        print(f'{spec.name:20} {spec.licence}\n{"":20} {source(spec)}\n{"":20} {_where(spec)}')


def _where(spec: ModelSpec) -> str:
    try:
        return str(find_weights(spec))
    except WeightsNotFoundError:
        return 'not on this machine'
    except CheckpointError as error:
        return str(error)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='fetch_weights', description="Fetch a model's official weights.")
    parser.add_argument('model', nargs='?', choices=list(MODELS), metavar='MODEL',
                        help=f'one of: {", ".join(MODELS)}')
    parser.add_argument('--list', action='store_true',
                        help='show every model, its licence, its source and its file here')
    parser.add_argument('--accept-licence', action='store_true',
                        help='accept a licence that forbids commercial use')
    options = parser.parse_args(argv)
    if not options.list and options.model is None:
        parser.error('give a MODEL, or --list to see them')
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    logging.getLogger('flashdepth_ros').setLevel(logging.INFO)
    try:
        if options.list:
            _list()
            return 0
        spec = MODELS[options.model]
        path = download_weights(spec, options.accept_licence)
        print(f'{path}\n{path.stat().st_size / 1e6:.1f} MB, licence {spec.licence}, '
              f'sha256 {sha256(path)}')
    except LicenceError as error:
        print(f'fetch_weights: {error}', file=sys.stderr)
        return 3
    except (CheckpointError, OSError) as error:
        print(f'fetch_weights: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('fetch_weights: interrupted; the same command tries again', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
