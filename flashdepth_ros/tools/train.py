r"""Train a model on recordings with true depth: bags, folders, simulated scenes.

    train RUN --model flashdepth-s --data drives/ --image-topic /camera/image_raw \
        --truth-topic /camera/aligned_depth_to_color/image_raw

RUN/weights.safetensors is for model.weights. The same command goes on where it was stopped.
docs/training.md says the rest.
"""
import argparse
from collections.abc import Sequence
from dataclasses import fields
import logging
import os
from pathlib import Path
import sys
from typing import Any

from ..files.bag_types import BagError
from ..files.sources import SourceError
from ..models import MODELS, CheckpointError, model_spec
from ..training.data_sources import Reading, recordings_of, split_weight
from ..training.effects import SEQUENCE, SINGLE
from ..training.losses import LOSSES
from ..training.mixture import Mixture, Truth, split
from ..training.parts import PARTS, RATES
from ..training.recordings import DataError, Recording
from ..weights.choice import resolve_weights
from .options import positive

# recipes of flashdepth-nano: from nothing, and to another domain (docs/training.md)
PRESETS: dict[str, dict[str, Any]] = {
    'nano': {
        'model': 'flashdepth-nano', 'weights': 'none', 'learn': ['all'], 'loss': 'log',
        'muon_rate': 2e-3, 'rate': [('all', 1e-3)], 'weight_decay': 0.05, 'warm_up': 300,
        'average': 0.998, 'precision': 'bf16', 'crop': 1.0, 'flying_pixels': True},
    'nano-fine-tune': {
        'model': 'flashdepth-nano', 'learn': ['all'], 'loss': 'log', 'steps': 600, 'every': 600,
        'rate': [('encoder', 3e-4), ('decoder', 5e-4), ('temporal', 3e-4)], 'clips': 4,
        'frames': 2, 'lead': 8, 'weight_decay': 0.02, 'warm_up': 30, 'cool_down': 0.7,
        'average': 0.99, 'keep': 0.3, 'precision': 'bf16', 'crop': 0.7, 'effects': 0.5}}


def named_number(text: str) -> tuple[str, float]:
    """Parse NAME=NUMBER."""
    name, _, value = text.partition('=')
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=NUMBER") from None


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not from 0 to 1')
    return value


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='train', description=__doc__.splitlines()[0], epilog='docs/training.md says more.')
    parser.add_argument('run', type=Path, help='folder of this training: weights, curves, card')
    parser.add_argument('--preset', choices=list(PRESETS),
                        help='a recipe of flashdepth-nano: from nothing, or to another domain')
    parser.add_argument('--model', choices=list(MODELS), metavar='MODEL', default='flashdepth-nano',
                        help=f'{", ".join(MODELS)} (default: %(default)s)')
    parser.add_argument('--weights', default='auto',
                        help='to begin with: auto (the official file), none, or a file')

    data = parser.add_argument_group('data')
    data.add_argument('--data', nargs='+', required=True, metavar='SOURCE[@WEIGHT]',
                      help='a bag, a folder with rgb/ and depth/, shards of make_scenes, a folder '
                           'of these, or sim:FIRST:END[,hfov=105,materials=bold,...]')
    data.add_argument('--held-out', nargs='+', default=[], metavar='SOURCE',
                      help='recordings that are only scored (default: some of the data)')
    data.add_argument('--held-out-share', type=share, default=0.2,
                      help='of the recordings, without --held-out (default: %(default)s)')
    data.add_argument('--also', nargs='+', default=[], metavar='NAME=SOURCE',
                      help='other recordings to score, such as the domain the weights come from')
    data.add_argument('--image-topic', default='image', help='of bags (default: %(default)s)')
    data.add_argument('--truth-topic', default='truth/depth/image',
                      help='of bags (default: %(default)s)')
    data.add_argument('--truth-scale', type=float, default=1000.0, metavar='STEPS',
                      help='of PNG depth, a metre (default: 1000)')
    data.add_argument('--range', type=float, nargs=2, default=(0.1, 80.0),
                      metavar=('NEAREST', 'FARTHEST'),
                      help="the reference sensor's range in metres (default: 0.1 80)")
    data.add_argument('--flying-pixels', action='store_true',
                      help='keep truth that hangs between two surfaces (default: leave it out)')
    data.add_argument('--short-side', type=int, default=0, metavar='PIXELS',
                      help="of the network's frame (default: the model's own rule)")
    data.add_argument('--cache', type=Path, metavar='DIR',
                      help='of the frames at that size (default: RUN/frames)')
    data.add_argument('--crop', type=share, default=0.8,
                      help='smallest share of a side that a random crop keeps (default: '
                           '%(default)s)')
    data.add_argument('--effects', type=float, default=1.0,
                      help='factor of how often pictures are changed (default: %(default)s)')
    data.add_argument('--forget', type=share, default=0.0,
                      help="share of a window model's remembered frames that is masked")

    plan = parser.add_argument_group('training')
    plan.add_argument('--loss', choices=list(LOSSES),
                      help='default: log for models of metres, else vda')
    plan.add_argument('--loss-weight', type=named_number, nargs='+', default=[],
                      metavar='TERM=NUMBER', help='; '.join(
                          f'{name}: ' + ', '.join(f'{t}={w:g}' for t, w in loss.weights.items())
                          for name, loss in LOSSES.items()))
    plan.add_argument('--learn', nargs='+', choices=[*PARTS, 'all'], metavar='PART',
                      help='default: all that the model has of decoder, temporal and fusion; '
                           'also: encoder, all')
    plan.add_argument('--rate', type=named_number, nargs='+', default=[], metavar='PART=NUMBER',
                      help='learning rates; all=... for every part (default: ' + ', '.join(
                          f'{part}={rate:g}' for part, rate in RATES.items()) + ')')
    from ..training.trainer import Plan
    for name, words in (
            ('steps', ''), ('clips', 'of a step, over all processes'),
            ('accumulate', "parts of a process's clips that go one after the other"),
            ('frames', 'of a clip'), ('lead', 'up to so many frames before them lead the state in'),
            ('muon_rate', "for the encoder's matrices by Muon; 0 is AdamW"), ('weight_decay', ''),
            ('warm_up', 'steps in which the rates grow'),
            ('cool_down', 'share of the steps in which they shrink to 0'),
            ('average', 'how much the averaged weights keep at a step'),
            ('keep', 'share of the weights that it began with in those that are kept'),
            ('seed', '')):
        default = {field.name: field.default for field in fields(Plan)}[name]
        plan.add_argument('--' + name.replace('_', '-'), type=type(default), default=default,
                          help=f'{words} (default: %(default)s)'.strip())
    plan.add_argument('--precision', choices=('fp32', 'bf16', 'fp16'), default='fp32',
                      help='default: %(default)s')
    plan.add_argument('--device', choices=('auto', 'cpu'), default='auto')
    plan.add_argument('--processes', type=positive, default=1,
                      help='on this machine, one for each GPU, or of one thread each on a CPU; '
                           'on several machines start it with torchrun instead')

    watch = parser.add_argument_group('watching it')
    watch.add_argument('--every', type=positive, default=200, metavar='STEPS',
                       help='between scores (default: %(default)s)')
    watch.add_argument('--held-out-frames', type=positive, default=30, metavar='N',
                       help='the first N of each recording are scored (default: %(default)s)')
    watch.add_argument('--patience', type=int, default=0, metavar='N',
                       help='end after N scores without a better one (default: never)')
    watch.add_argument('--report', type=positive, default=20, metavar='STEPS',
                       help='between lines of progress (default: %(default)s)')
    watch.add_argument('--minutes', type=float, default=0.0,
                       help="end after so long; on a CPU of each process's own time")
    watch.add_argument('--domain', default='', help='what the card says that it is good for')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        parser = make_parser()
    except ImportError as error:
        print(f"train: {error}: pip install 'flashdepth_ros[train]'", file=sys.stderr)
        return 1
    preset = parser.parse_known_args(arguments)[0].preset
    if preset:
        parser.set_defaults(**PRESETS[preset])
    options = parser.parse_args(arguments)
    if options.processes > 1 and 'RANK' not in os.environ:
        os.execv(sys.executable, [
            sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node',
            str(options.processes), '-m', 'flashdepth_ros.tools.train', *arguments])
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(message)s')
    from ..training.parts import PartError
    from ..training.trainer import TrainingError
    try:
        train(options)
    # DatasetError, DepthFolderError and FrameTooSmallError are ValueErrors
    except (TrainingError, DataError, PartError, CheckpointError, BagError, SourceError,
            ImportError, ValueError, OSError) as error:
        print(f'train: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _for_every_part(rates: Sequence[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part, rate in rates:
        found |= dict.fromkeys(PARTS, rate) if part == 'all' else {part: rate}
    if unknown := found.keys() - PARTS.keys():
        raise DataError(f'--rate {", ".join(unknown)}: the parts are {", ".join(PARTS)}')
    return found


def train(options: argparse.Namespace) -> None:
    """Read the data, train, and write the card."""
    from ..training.card import model_card
    from ..training.network import learner_of
    from ..training.parts import part_of
    from ..training.run import CARD, Run, Watch, log
    from ..training.trainer import Plan, Trainer, accelerator
    spec = model_spec(options.model)
    weights = None if options.weights == 'none' else resolve_weights(spec, options.weights)
    learner = learner_of(spec.name, weights if isinstance(weights, Path) else None, options.seed)
    has = {part_of(name) for name, _ in learner.network.named_parameters()}
    plan = Plan(
        loss=options.loss or ('log' if spec.unit.is_metric else 'vda'),
        loss_weights=dict(options.loss_weight), rates=_for_every_part(options.rate),
        learn=tuple(options.learn or (part for part in PARTS if part in has - {'encoder'})),
        **{name: getattr(options, name) for name in (
            'steps', 'clips', 'accumulate', 'frames', 'lead', 'muon_rate', 'weight_decay',
            'warm_up', 'cool_down', 'average', 'keep', 'precision', 'seed')})
    runner = accelerator(options.precision, options.device)
    options.run.mkdir(parents=True, exist_ok=True)
    reading = Reading(
        spec, options.cache or options.run / 'frames', options.short_side, options.image_topic,
        options.truth_topic, options.truth_scale)
    with runner.main_process_first():
        sources = {name: (weight, recordings_of(name, reading))
                   for name, weight in map(split_weight, options.data)}
        held_out = [each for name in options.held_out for each in recordings_of(name, reading)]
        also = {name: recordings_of(source, reading) for name, _, source in (
            each.partition('=') for each in options.also)}
    if not held_out:
        sources, held_out = _split(sources, options.held_out_share, options.seed)
    truth = Truth(*options.range, options.flying_pixels)
    strength = (SINGLE if plan.frames + plan.lead == 1 else SEQUENCE).scaled(options.effects)
    first = next(iter(sources.values()))[1][0]
    mixture = Mixture(
        list(sources.values()), first.size, strength, truth, plan.seed, options.crop,
        getattr(learner.network, 'slots', 0), options.forget)
    run = Run(options.run, Trainer(plan, learner, mixture, runner), Watch(
        held_out, also, truth, options.held_out_frames, options.every, options.patience,
        options.report, options.minutes))
    resumed = run.resume()
    if run.chief:
        log.info('%s %s: %d parameters learn, %d recordings, %d held out, clips of %dx%d',
                 spec.name, f'from step {run.trainer.step_number}' if resumed else 'begins',
                 sum(p.numel() for p in run.trainer.parameters), len(mixture.recordings),
                 len(held_out), first.size[1], first.size[0])
    run.run()
    if run.chief:
        base = {'auto': 'the official weights', 'none': 'nothing'}.get(
            options.weights, Path(options.weights).name)
        (options.run / CARD).write_text(model_card(
            spec, base, plan, run.best_step, options.domain, sources, held_out, run.before,
            run.best_scores()))
        log.info('%s: δ1 %.4f of step %d, %.4f before', options.run / 'weights.safetensors',
                 run.best, run.best_step, run.before['held out']['delta1'])
    runner.end_training()  # whose threads would abort a process that ends


Sources = dict[str, tuple[float, list[Recording]]]


def _split(sources: Sources, part: float, seed: int) -> tuple[Sources, list[Recording]]:
    """Hold recordings of every source out that has two or more."""
    kept: Sources = {}
    held_out: list[Recording] = []
    several = any(len(recordings) > 1 for _, recordings in sources.values())
    for name, (weight, recordings) in sources.items():
        train, out = (recordings, []) if several and len(recordings) < 2 else split(
            recordings, part, seed)
        kept[name] = weight, train
        held_out += out
    return kept, held_out


if __name__ == '__main__':
    sys.exit(main())
