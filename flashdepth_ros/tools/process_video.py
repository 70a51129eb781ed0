"""Turn a video file or a folder of images into depth, frame by frame, for a video of any length.

Every model streams: its state is carried from frame to frame. --window runs Video Depth Anything as
its authors do offline: over overlapping windows of 32 frames that are aligned and blended.
"""
import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, tee
from pathlib import Path
import sys
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..engines import Engine, EngineError, open_engine
from ..files.depth_folder import SUFFIXES, DepthWriter, check_free, colour_range, png_scale
from ..files.inputs import masked
from ..files.rgbd_folder import RgbdWriter
from ..files.sources import Frame, SourceError, open_source
from ..images.resampling import square_pixels
from ..models import (
    CheckpointError,
    Unit,
    build_model,
    load_weights,
    prepare_frame,
    randomise,
)
from ..models.video_depth_anything import VideoDepthAnything
from ..node.parameter_table import PARAMETERS
from ..streams.continuity import SECOND, Continuity, FrameOrigin
from ..streams.depth_stream import DepthStream
from ..weights.choice import choose_model
from ..weights.record import sha256
from .options import add_filter_argument, add_model_arguments
from .rgbd_video import Metres, add_metres_arguments, metres_of, write_rgbd

MAX_GAP = cast(float, PARAMETERS['stream.max_gap'].default)  # seconds
FIRST_FRAMES = 8  # these are held back and fix the colours, and the scale of relative 16-bit depth


def open_window_model(
    name: str, weights: Path | Literal['random'], device: str,
) -> tuple[VideoDepthAnything, str]:
    """Return a model that has a window mode and the device it is on; EngineError."""
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    network = build_model(name)
    randomise(network) if weights == 'random' else load_weights(network, weights)
    try:
        network.to(device)
    except (RuntimeError, AssertionError) as error:  # no such device, or out of memory
        reason = str(error).splitlines()[0]
        raise EngineError(f'--device {device} cannot run {name}: {reason}') from error
    return cast(VideoDepthAnything, network), device


@torch.inference_mode()
def window_depth(
    frames: Iterable[np.ndarray], model: VideoDepthAnything, device: str,
    size: tuple[int, int] | None, short_side: int = 0,
) -> Iterator[Tensor]:
    """Yield the final output for each RGB frame of a model that has a window mode, on the CPU.

    size: (height, width) of the outputs, at which the windows are aligned; None for the network's.
    """
    from ..models.video_window import WindowedDepth
    windowed = WindowedDepth(model, size)
    for frame in frames:
        tensor = prepare_frame(frame, model.spec.frame, short_side)
        for output in windowed.push(tensor.to(device)):
            yield output.float().cpu()
    for output in windowed.finish():
        yield output.float().cpu()


def stream_depth(
    frames: Iterable[Frame], stream: DepthStream, aspect: float, size: tuple[int, int],
    max_gap: float, resets: list[dict], smoothing: tuple[float, float] | None = None,
) -> Iterator[Tensor]:
    """Yield a plane for each frame, the state carried on, and forgotten where the node would.

    aspect: of the pixels. size: (height, width) that point maps are read at. resets: gets the
    number of each frame before which the state was forgotten, and why. smoothing: alpha and delta
    of the temporal filter, None for none.
    """
    continuity = Continuity(max_gap)
    for number, frame in enumerate(frames):
        height, width = frame.rgb.shape[:2]
        stamp = round((1 + frame.time) * SECOND)  # a stamp of zero is none
        verdict = continuity.observe(FrameOrigin(stamp, '', width, height, 'rgb8'), frame.time)
        if verdict.reset:
            stream.reset()
            resets.append({'frame': number, 'reason': verdict.reset})
        picture = square_pixels(frame.rgb, aspect)
        output = stream.step(stream.prepare(picture))
        if smoothing is not None:
            output = stream.smoothed(output, *smoothing)
        yield stream.read(output, picture.shape[:2], size)


def process(
    source: str, folder: Path, model: str, weights: str = 'auto', backend: str = 'auto',
    device: str = 'auto', short_side: int = 0, max_frames: int | None = None,
    window: bool = False, camera_size: bool = True, file_format: str = 'png16',
    preview: bool = True, overwrite: bool = False, metres: Metres | None = None,
    max_gap: float = MAX_GAP, smoothing: tuple[float, float] | None = None,
) -> DepthWriter | RgbdWriter:
    """Write the depth of a source into a folder; returns the closed writer with its counts.

    metres: write pictures with depth in metres instead (rgbd_folder.py). max_gap: seconds between
    two frames after which the stream begins anew, 0 for never. smoothing: alpha and delta of the
    temporal filter, None for none. Raises SourceError,
    DepthFolderError, CheckpointError, EngineError, FrameTooSmallError, ScaleError or OSError.
    """
    spec, file, warning = choose_model(model, weights)
    model = spec.name
    if warning:
        print(f'process_video: {warning}', file=sys.stderr)
    if metres is not None:
        metres.check(spec)
    if window and not model.startswith('vda-'):
        raise EngineError(f'{model} has no window mode, only the vda models have: leave --window')
    if window and backend not in ('auto', 'torch'):
        raise EngineError(f'the window mode runs in PyTorch only, not in {backend}: leave --window')
    if window and smoothing is not None:
        raise EngineError('--filter is of streams: leave it or --window')
    check_free(folder, overwrite)
    engine: Engine | None = None
    with open_source(source) as frames:
        aspect, height, width = frames.pixel_aspect, *frames.size
        square = square_pixels(np.empty((height, width, 1), np.uint8), aspect).shape
        network_size = spec.frame.network_size(square[0], square[1], short_side)
        chosen, seen = tee(islice(iter(frames), max_frames))
        resets: list[dict] = []
        outputs: Iterator[Tensor]
        if window:
            network, device = open_window_model(model, file, device)
            outputs = window_depth(
                (square_pixels(frame.rgb, aspect) for frame in chosen), network, device,
                frames.size if camera_size else None, short_side)
        else:
            height, width = network_size
            engine = open_engine(spec, str(file), backend, device, height=height, width=width)
            stream = DepthStream(engine, short_side)
            size = frames.size if camera_size else network_size
            outputs = stream_depth(chosen, stream, aspect, size, max_gap, resets, smoothing)
        total = frames.frames
        if max_frames is not None:
            total = min(total or max_frames, max_frames)
        about = {
            'model': model, 'mode': 'window' if window else 'stream',
            'weights': Path(file).name,
            'weights_sha256': None if file == 'random' else sha256(file),
            'source': masked(source), 'damaged_frames': 0, 'resets': resets,
            'camera_size': frames.size, 'pixel_aspect': aspect, 'network_size': network_size,
            'backend': engine.backend if engine else 'torch',
            'device': engine.device if engine else device,
            'precision': engine.precision if engine else 'fp32', 'filter': smoothing}

        def pairs() -> Iterator[tuple[Tensor, Frame]]:
            """Yield each output with its frame; a tee keeps the few between the two."""
            for output in outputs:
                about['damaged_frames'] = frames.damaged
                yield output, next(seen)
            about['damaged_frames'] = frames.damaged
        try:
            if metres is not None:
                return write_rgbd(
                    tqdm(pairs(), total=total, unit='frame', disable=None), folder, spec.unit,
                    frames.size, frames.fps, about, overwrite, metres)
            return _write(
                pairs(), total, folder, spec.unit,
                frames.size if camera_size else network_size, file_format, preview, frames.fps,
                about, overwrite)
        finally:
            if engine is not None:
                engine.close()


def _write(
    pairs: Iterator[tuple[Tensor, Frame]], total: int | None, folder: Path, unit: Unit,
    size: tuple[int, int], file_format: str, preview: bool, fps: float, about: dict,
    overwrite: bool,
) -> DepthWriter:
    with tqdm(total=total, unit='frame', disable=None) as bar:
        def counted() -> Iterator[tuple[Tensor, Frame]]:
            for pair in pairs:
                bar.update()
                yield pair
        final = counted()
        first, broken = [], None
        try:
            for pair in islice(final, FIRST_FRAMES):
                first.append(pair)
        except SourceError as error:  # what came before it is good
            if not first:
                raise
            broken = error
        arrays = [output.numpy() for output, _ in first]
        writer = DepthWriter(
            folder, unit, size, file_format, png_scale(arrays, unit),
            colour_range(arrays, unit) if preview else None, fps, about, overwrite)
        complete = False
        try:
            for output, frame in chain(first, final):
                writer.write(DepthStream.resample(output, *size), frame.time, frame.name)
            if broken is not None:
                raise broken
            complete = True
        finally:
            writer.close(complete)
    return writer


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='process_video', description='Turn a video file or a folder of images into depth.',
        epilog='Exit status: 0 when all frames were processed, but for those that cannot be '
        'decoded, which are counted; 1 when nothing was, or the source broke off: the frames so '
        'far are whole, and depth.json says complete: false; 130 when interrupted.')
    parser.add_argument('source', help="a video file, a folder of images, or a stream's address")
    parser.add_argument('--output', required=True, type=Path, metavar='DIR',
                        help='folder for the depth frames, depth.json and preview.mp4')
    add_model_arguments(parser)
    parser.add_argument('--format', default='png16', choices=list(SUFFIXES),
                        help='16-bit PNG (default) or float32 npz, a file a frame')
    size = parser.add_mutually_exclusive_group()
    size.add_argument('--camera-size', action='store_true', default=True,
                      help="depth at the frames' size (default)")
    size.add_argument('--network-size', dest='camera_size', action='store_false',
                      help="depth at the network's size")
    parser.add_argument('--no-preview', dest='preview', action='store_false',
                        help='write no preview.mp4')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a sequence that the folder holds')
    parser.add_argument('--max-gap', type=float, default=MAX_GAP, metavar='SECONDS',
                        help='two frames that are further apart do not continue each other '
                             '(default: %(default)g; 0: all do)')
    add_filter_argument(parser, 'mix each frame with those before it, along the optical flow, as '
                        'filter.alpha and filter.delta of the node (0.2 0.4)')
    add_metres_arguments(parser)
    options = vars(parser.parse_args(argv))
    try:
        metres = metres_of(options)
    except ValueError as error:
        parser.error(str(error))
    options['folder'] = options.pop('output').expanduser()
    options['file_format'] = options.pop('format')
    try:
        writer = process(**options, metres=metres)
    # SourceError, DepthFolderError and FrameTooSmallError are ValueErrors
    except (CheckpointError, EngineError, ValueError, OSError) as error:
        print(f'process_video: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('process_video: interrupted; the frames so far are whole', file=sys.stderr)
        return 130
    print(f'{writer.frames} frames in {options["folder"]}')
    if writer.damaged:
        print(f'process_video: damaged frames of {masked(options["source"])} that were left out: '
              f'{writer.damaged}', file=sys.stderr)
    if writer.out_of_range:
        print(f'process_video: {writer.out_of_range} pixels did not fit into 16 bits, see '
              f'depth.json; --format npz keeps every value', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
