"""Turn a video file or a folder of images into depth, frame by frame, for a video of any length.

Every model streams: its state is carried from frame to frame. --window runs Video Depth Anything as
its authors do offline: over overlapping windows of 32 frames that are aligned and blended.
"""
import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
import sys
from typing import cast

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..engines import Engine, EngineError, open_engine
from ..files.depth_folder import SUFFIXES, DepthWriter, check_free, colour_range, png_scale
from ..files.sources import open_source
from ..models import (
    MODELS,
    CheckpointError,
    build_model,
    load_weights,
    model_spec,
    prepare_frame,
    randomise,
)
from ..models.dpt import upsample
from ..models.video_depth_anything import VideoDepthAnything
from ..weights.choice import resolve_weights
from ..weights.record import sha256

FIRST_FRAMES = 8  # these are held back and fix the colours, and the scale of relative 16-bit depth


def stream_depth(
    frames: Iterable[np.ndarray], engine: Engine, short_side: int = 0, stateless: bool = False,
) -> Iterator[Tensor]:
    """Yield the model's output (h, w) for each RGB frame, on the CPU, with the state carried.

    stateless: forget the state before every frame, which shows what the memory is worth.
    """
    state = engine.initial_state()
    for frame in frames:
        if stateless:
            state = engine.initial_state()
        tensor = prepare_frame(frame, engine.spec.frame, short_side, engine.frame_device)
        output, state = engine.step(tensor[None], state)
        yield output[0].cpu()


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
            yield output.cpu()
    for output in windowed.finish():
        yield output.cpu()


def to_size(output: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Resize a model's output (h, w) to `size` as the authors do, as a float32 array."""
    if output.shape != size:
        output = upsample(output[None, None], size)[0, 0]
    return output.float().numpy()


def process(
    source: str, folder: Path, model: str, weights: str = 'auto', backend: str = 'auto',
    device: str = 'auto', short_side: int = 0, max_frames: int | None = None,
    window: bool = False, camera_size: bool = True, file_format: str = 'png16',
    preview: bool = True, overwrite: bool = False,
) -> DepthWriter:
    """Write the depth of a source into a folder; returns the closed writer with its counts.

    Raises SourceError, DepthFolderError, CheckpointError, EngineError, FrameTooSmallError, OSError.
    """
    spec = model_spec(model)
    if window and not model.startswith('vda-'):
        raise EngineError(f'{model} has no window mode, only the vda models have: leave --window')
    if window and backend not in ('auto', 'torch'):
        raise EngineError(f'the window mode runs in PyTorch only, not in {backend}: leave --window')
    check_free(folder, overwrite)
    engine = None
    with open_source(source) as frames:
        network_size = spec.frame.network_size(*frames.size, short_side)
        file = resolve_weights(spec, weights)
        chosen = islice(iter(frames), max_frames)
        if window:
            if device == 'auto':
                device = 'cuda' if torch.cuda.is_available() else 'cpu'
            network = build_model(model)
            randomise(network) if file == 'random' else load_weights(network, file)
            try:
                network.to(device)
            except (RuntimeError, AssertionError) as error:  # no such device, or out of memory
                reason = str(error).splitlines()[0]
                raise EngineError(f'--device {device} cannot run {model}: {reason}') from error
            outputs = window_depth(
                chosen, cast(VideoDepthAnything, network), device,
                frames.size if camera_size else None, short_side)
        else:
            engine = open_engine(
                spec, str(file), backend, device,
                height=network_size[0], width=network_size[1])
            outputs = stream_depth(chosen, engine, short_side)
        total = frames.frames
        if max_frames is not None:
            total = min(total or max_frames, max_frames)
        try:
            return _write(
                outputs, total, folder, spec.unit.value,
                frames.size if camera_size else network_size, file_format, preview, frames.fps, {
                    'model': model, 'mode': 'window' if window else 'stream',
                    'weights': Path(file).name,
                    'weights_sha256': None if file == 'random' else sha256(file),
                    'source': source, 'camera_size': frames.size, 'network_size': network_size,
                    'backend': engine.backend if engine else 'torch',
                    'device': engine.device if engine else device,
                    'precision': engine.precision if engine else 'fp32'}, overwrite)
        finally:
            if engine is not None:
                engine.close()


def _write(
    outputs: Iterator[Tensor], total: int | None, folder: Path, unit: str, size: tuple[int, int],
    file_format: str, preview: bool, fps: float, about: dict, overwrite: bool,
) -> DepthWriter:
    with tqdm(total=total, unit='frame', disable=None) as bar:
        def counted() -> Iterator[Tensor]:
            for output in outputs:
                bar.update()
                yield output
        final = counted()
        first = list(islice(final, FIRST_FRAMES))
        arrays = [output.float().numpy() for output in first]
        writer = DepthWriter(
            folder, unit, size, file_format, png_scale(arrays, unit),
            colour_range(arrays, unit) if preview else None, fps, about, overwrite)
        complete = False
        try:
            for output in chain(first, final):
                writer.write(to_size(output, size))
            complete = True
        finally:
            writer.close(complete)
    return writer


def positive(text: str) -> int:
    """Parse a number of frames; argparse reports what is not one."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def add_model_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the options that choose and feed a model."""
    parser.add_argument('--model', required=required, choices=list(MODELS), metavar='MODEL',
                        help=f'one of: {", ".join(MODELS)}')
    parser.add_argument('--weights', default='auto',
                        help='auto (the official file), random, or a .pth or .safetensors file')
    parser.add_argument('--backend', default='auto', help='engine (default: auto)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--short-side', type=int, default=0, metavar='PIXELS',
                        help="the network's short side (default: the model's own rule)")
    parser.add_argument('--max-frames', type=positive, metavar='N', help='stop after N frames')
    parser.add_argument('--window', action='store_true',
                        help='offline windows instead of streaming (vda models)')


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='process_video', description='Turn a video file or a folder of images into depth.')
    parser.add_argument('source', help='a video file or a folder of images')
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
    options = vars(parser.parse_args(argv))
    options['folder'] = options.pop('output').expanduser()
    options['file_format'] = options.pop('format')
    try:
        writer = process(**options)
    # SourceError, DepthFolderError and FrameTooSmallError are ValueErrors
    except (CheckpointError, EngineError, ValueError, OSError) as error:
        print(f'process_video: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('process_video: interrupted; the frames so far are whole', file=sys.stderr)
        return 130
    print(f'{writer.frames} frames in {options["folder"]}')
    if writer.out_of_range:
        print(f'process_video: {writer.out_of_range} pixels did not fit into 16 bits, see '
              f'depth.json; --format npz keeps every value', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
