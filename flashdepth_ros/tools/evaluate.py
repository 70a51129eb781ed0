"""Compare depth sequences with the truth: a table of accuracy, steadiness and sharpness.

docs/evaluation.md has the metrics and the file formats.
"""
import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys
import tempfile

from ..datasets.catalogue import READERS
from ..datasets.sequence import UNPAIRED
from ..engines import EngineError
from ..files.depth_folder import SIDECAR
from ..models import CheckpointError
from ..scoring import metrics
from ..scoring.costmap import costmap_table
from ..scoring.protocols import PROTOCOLS
from ..scoring.scale_modes import MODES
from ..scoring.sequences import mean_scores, plot, score, table
from ..weights.choice import choose_model
from .camera_health_evaluation import camera_health_tables
from .compare_models import compare
from .confidence_evaluation import confidence_report, filter_report
from .costmap_evaluation import costmap_scores
from .evaluate_dataset import evaluate_dataset
from .evaluation_sources import of_bag, of_files, of_running_nodes, of_simulation
from .options import add_filter_argument, add_model_arguments, add_simulation_arguments, seeds
from .reset_evaluation import reset_tables


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='evaluate', description='Compare depth sequences with the truth: of files, of '
        'a benchmark (--dataset), of simulated scenes (--seeds), of a bag '
        '(--bag) or of running nodes (--live).')
    parser.add_argument('predictions', nargs='?',
                        help='a folder that process_video wrote; with --model or --compare, a '
                             'video or images')
    parser.add_argument('truth', type=Path, nargs='?',
                        help='a folder of true depth, a file a frame')
    source = parser.add_argument_group('other sources').add_mutually_exclusive_group()
    source.add_argument('--seeds', type=seeds, metavar='SEEDS',
                        help='simulated scenes: 7, 0:5 (0 to 4) or 1,4,9; with --model')
    source.add_argument('--bag', metavar='PATH',
                        help='a rosbag2 (SQLite or MCAP) or ROS 1 bag; with --model its images '
                             'are used, without it the depth that it holds')
    source.add_argument('--live', action='store_true', help='what running nodes publish')
    source.add_argument('--dataset', nargs=2, metavar=('NAME', 'ROOT'),
                        help=f'a benchmark on disk, under --protocol, with --model or '
                             f'--predictions: {", ".join(READERS)}; ROOT may be an index of '
                             f"Video Depth Anything's benchmark (.json)")
    parser.add_argument('--protocol', choices=list(PROTOCOLS), metavar='PROTOCOL',
                        help='of a dataset: ' + ', '.join(PROTOCOLS) + ' (default: vda; '
                             'vda-500 for nyuv2, flashdepth for waymo)')
    parser.add_argument('--predictions', dest='prediction_folder', type=Path, metavar='FOLDER',
                        help="a dataset's predictions: a folder a sequence, of process_video's or "
                             "with a .npy, .npz, .png or .exr a frame under the frame's name")
    parser.add_argument('--quantity', default='auto', choices=['auto', 'depth', 'inverse-depth'],
                        help='what such files hold (default: what fits the first truth)')
    parser.add_argument('--allow-unpaired', type=float, default=100 * UNPAIRED, metavar='PERCENT',
                        help=f'frames that may have no partner (default: {100 * UNPAIRED:g})')
    parser.add_argument('--image-topic', default='image', metavar='TOPIC',
                        help='of the bag (default: image)')
    parser.add_argument('--depth-topic', default='depth/image', metavar='TOPIC',
                        help='default: depth/image')
    parser.add_argument('--truth-topic', default='truth/depth/image', metavar='TOPIC',
                        help='default: truth/depth/image')
    parser.add_argument('--tolerance', type=float, default=0.02, metavar='SECONDS',
                        help='how far apart stamps of a bag may be that belong together '
                             '(default: 0.02)')
    parser.add_argument('--namespace', default='', help='of the running nodes')
    parser.add_argument('--wait', type=float, default=60.0, metavar='SECONDS',
                        help='for a frame of the running nodes (default: 60)')
    add_simulation_arguments(parser)
    parser.add_argument('--stateless', action='store_true',
                        help='forget the state before every frame: what is the memory worth?')
    parser.add_argument('--costmap', action='store_true',
                        help="what nav2's costmap makes of the depth of --seeds instead, beside "
                             'that of true depth (with --stateless: of both)')
    parser.add_argument('--camera-health', action='store_true',
                        help='what is told of cameras that see (--seeds, --videos), of covers and '
                             'other events, and of cuts; with --model: what the state is '
                             'worth after them')
    parser.add_argument('--videos', nargs='+', default=[], type=Path, metavar='FILE',
                        help='of --camera-health: videos in which nothing happens')
    parser.add_argument('--confidence', action='store_true',
                        help='how well depth/confidence tells what is wrong in --seeds instead: '
                             'sparsification (drawn with --plot) and calibration')
    add_filter_argument(parser, 'what the temporal filter makes of --seeds instead, beside the '
                        'same without it (0.2 0.4 are those of filter.alpha and filter.delta)')
    parser.add_argument('--scale-mode', nargs='+', default=['fixed'], choices=MODES,
                        metavar='MODE', help=f'of --costmap: {", ".join(MODES)} (default: fixed)')
    parser.add_argument('--min-confidence', nargs='+', type=float, default=[], metavar='SHARE',
                        help='of --costmap: also without what is less certain, as '
                             'points.min_confidence does it')
    parser.add_argument('--align', default='scale-shift', choices=metrics.ALIGNMENTS,
                        help='of inverse depth (default: scale-shift)')
    parser.add_argument('--first-frame', action='store_true',
                        help='align on the first frame that has truth instead of on the sequence')
    parser.add_argument('--max-depth', type=float, default=80.0, metavar='METRES',
                        help='ignore farther truth, clip farther predictions (default: 80)')
    parser.add_argument('--truth-scale', type=float, default=1000.0, metavar='STEPS',
                        help="the truth PNG's steps per metre (default: 1000; KITTI 256)")
    parser.add_argument('--cameras', type=Path, metavar='FILE',
                        help='intrinsics and poses (.npz or .json), for the TAE')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='also write the numbers there; a dataset whose run was interrupted '
                             'goes on from there')
    parser.add_argument('--plot', type=Path, metavar='FILE',
                        help='also draw them through time (.png, .svg or .pdf)')
    parser.add_argument('--compare', nargs='+', metavar='MODEL[@BACKEND]',
                        help='several models on the same frames, in turns: of --seeds, of '
                             '--dataset, or of pictures and their truth')
    parser.add_argument('--report', type=Path, metavar='FILE',
                        help='of --compare: one .html or .pdf file with pictures (needs '
                             'matplotlib)')
    add_model_arguments(parser, default=None)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(argv)
    other = options.seeds or options.bag or options.live or options.dataset
    if bool(other) == bool(options.predictions) or (not other and options.truth is None):
        parser.error('give predictions and truth, or one of --dataset, --seeds, --bag and --live')
    one = (options.model is None) != (options.prediction_folder is None)
    if options.dataset and not options.compare and not one:
        parser.error('--dataset needs --model or --predictions')
    if not options.dataset and (options.prediction_folder or options.protocol):
        parser.error('--predictions FOLDER and --protocol belong to --dataset')
    if options.dataset:  # a protocol says how; nothing is ignored in silence
        given = [name for name in ('align', 'max_depth', 'truth_scale', 'cameras', 'plot')
                 if getattr(options, name) != parser.get_default(name)]
        if given:
            parser.error(f'--dataset does not take --{given[0].replace("_", "-")}: the protocol '
                         f'and the dataset say it')
    if options.compare:
        if options.model or options.prediction_folder or options.bag or options.live:
            parser.error('--compare takes --seeds, --dataset or pictures and truth, and neither '
                         '--model nor --predictions')
    elif options.report:
        parser.error('--report belongs to --compare')
    elif options.seeds and options.model is None and not options.camera_health:
        parser.error('--seeds needs --model')
    if options.live and options.model is not None:
        parser.error('--live takes the model that runs: leave --model')
    if (options.costmap or options.camera_health or options.confidence
            or options.smoothing) and not options.seeds:
        parser.error('--costmap, --camera-health, --confidence and --filter need --seeds')
    if options.model is not None:
        try:
            spec, file, warning = choose_model(options.model, options.weights)
        except (CheckpointError, ValueError, OSError) as error:
            print(f'evaluate: {error}', file=sys.stderr)
            return 1
        if warning:
            print(f'evaluate: {warning}', file=sys.stderr)
        options.model, options.weights = spec.name, str(file)
    sequences_of = (of_simulation if options.seeds else of_bag if options.bag
                    else of_running_nodes if options.live else of_files)
    align = options.align + (
        ' on the first frame' if options.first_frame and options.align != 'none' else '')
    names, all_scores, about = [], [], None
    try:
        if options.compare:
            print(compare(options))
            return 0
        if options.camera_health:
            print(reset_tables(options) if options.model else camera_health_tables(options))
            return 0
        if options.dataset:
            print(evaluate_dataset(options).markdown())
            return 0
        with tempfile.TemporaryDirectory() as temporary:
            if options.costmap:
                totals = costmap_scores(options, Path(temporary))
                print(costmap_table(list(totals), list(totals.values())))
                if options.json is not None:
                    options.json.write_text(json.dumps(
                        {name: scores.numbers() for name, scores in totals.items()}) + '\n')
                return 0
            if options.confidence or options.smoothing:
                report, numbers = (confidence_report if options.confidence else filter_report)(
                    options, Path(temporary))
                print(report)
                if options.json is not None:
                    options.json.write_text(json.dumps(numbers) + '\n')
                return 0
            for each in sequences_of(options, Path(temporary)):
                names.append(each.name)
                all_scores.append(score(
                    each.predictions, each.truth, options.align, options.first_frame,
                    options.max_depth, each.cameras, options.max_frames))
                about = getattr(each.predictions, 'about', None)
        print(table(names, align, all_scores))
        if options.json is not None:
            mean = all_scores[0] if len(all_scores) == 1 else mean_scores(all_scores)
            sequences = [{'name': name, **scores.numbers()}
                         for name, scores in zip(names, all_scores, strict=True)]
            options.json.write_text(json.dumps({
                'align': align, 'max_depth': options.max_depth, 'model': options.model,
                **mean.numbers(), 'sequences': sequences, SIDECAR: about}, indent=1) + '\n')
        if options.plot is not None:
            model = options.model or names[0]
            plot(names, all_scores, options.plot, f'{model}, alignment {align}')
    # SourceError, DatasetError, DepthFolderError, ScoringError, BagError and FrameTooSmallError
    # are ValueErrors;
    # ImportError: the simulation is not installed
    except (CheckpointError, EngineError, ImportError, ValueError, OSError) as error:
        print(f'evaluate: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
