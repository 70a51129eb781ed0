"""A TensorRT plan is built of an exported graph, by TensorRT or by TensorRT for RTX."""
import functools
import logging
from pathlib import Path
from typing import Any

from .engine import EngineError
from .plan_file import replace_file

log = logging.getLogger(__name__)


@functools.cache
def logger_of(library: Any) -> Any:
    """Return the logger of the library that writes to ours and keeps the errors.

    One for all: the library goes on with the first that it is given, and warns of others.
    """
    class Logger(library.ILogger):
        def __init__(self):
            library.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, message):
            if severity in (self.INTERNAL_ERROR, self.ERROR):
                self.errors.append(message)
                log.error('TensorRT: %s', message)
            elif severity == self.WARNING:
                log.warning('TensorRT: %s', message)

    return Logger()


def _progress(library: Any) -> Any:
    """Return a monitor that logs how far each phase of a build has come, in quarters."""
    class Progress(library.IProgressMonitor):
        def __init__(self):
            library.IProgressMonitor.__init__(self)
            self.phases = {}

        def phase_start(self, name, parent, steps):
            if parent is None:
                log.info('TensorRT: %s', name)
            self.phases[name] = (steps, 0)

        def step_complete(self, name, step):
            steps, shown = self.phases.get(name, (0, 0))
            if steps >= 4 and 4 * step // steps > shown:
                self.phases[name] = (steps, 4 * step // steps)
                log.info('TensorRT: %s %d %%', name, 100 * step // steps)
            return True

        def phase_finish(self, name):
            self.phases.pop(name, None)

    return Progress()


def parse_graph(library: Any, builder: Any, logger: Any, graph: Path) -> Any:
    """Return the network of a graph; EngineError names the nodes that TensorRT cannot take."""
    network = builder.create_network(
        1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        reasons = '; '.join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise EngineError(f'TensorRT {library.__version__} cannot read {graph}: {reasons}')
    return network


def config_of(library: Any, builder: Any, workspace: int = 0) -> Any:
    """Return how plans are built; workspace: as for `build_plan`."""
    config = builder.create_builder_config()
    config.clear_flag(library.BuilderFlag.TF32)  # fp32 means 24 bits
    # 0 times NaN is NaN, by which a state that has one is found; TensorRT for RTX can be captured
    # for certain where it takes no memory in a step
    for name in ('STRICT_NANS', 'REQUIRE_USER_ALLOCATION'):
        if name in library.BuilderFlag.__members__:
            config.set_flag(library.BuilderFlag.__members__[name])
    if workspace:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, workspace)
    return config


def build_plan(
    library: Any, graph: Path, timing_cache: Path | None = None,
    compute_capability: str | None = None, workspace: int = 0, detailed: bool = False,
) -> bytes:
    """Build the plan of a graph; EngineError.

    compute_capability: such as 'SM89', for a GPU that is not here (TensorRT for RTX alone can).
    timing_cache: a file that makes later builds faster. workspace: bytes that the plan may take
    besides weights, inputs and outputs; 0 is TensorRT's own limit, all of the device's memory.
    detailed: with what `plan_layers` tells of the layers.
    """
    logger = logger_of(library)
    logger.errors.clear()
    builder = library.Builder(logger)
    network = parse_graph(library, builder, logger, graph)
    config = config_of(library, builder, workspace)
    if detailed:
        config.profiling_verbosity = library.ProfilingVerbosity.DETAILED
    monitor = _progress(library)
    config.progress_monitor = monitor
    if compute_capability is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(
            getattr(library.ComputeCapability, compute_capability), 0)
    timings = None
    if timing_cache is not None and 'rtx' not in library.__name__:  # there it does nothing
        known = timing_cache.read_bytes() if timing_cache.is_file() else b''
        timings = config.create_timing_cache(known) or config.create_timing_cache(b'')
        config.set_timing_cache(timings, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(
            f'TensorRT {library.__version__} cannot build {graph.name}: '
            f'{"; ".join(logger.errors) or "it gives no reason"}. Free GPU memory, or choose a '
            f'smaller input.short_side or another engine.backend')
    if timing_cache is not None and timings is not None:
        replace_file(timing_cache, bytes(memoryview(config.get_timing_cache().serialize())))
    return bytes(memoryview(plan))
