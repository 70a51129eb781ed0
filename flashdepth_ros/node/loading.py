"""From the parameters to an engine that is ready to run."""
from dataclasses import dataclass
import time

from rclpy.impl.rcutils_logger import RcutilsLogger

from ..engines import Engine, open_engine
from ..images.loops import compile_loops
from ..metres.units import check_mode
from ..models import MODELS, ModelSpec
from ..ros.memory import release_memory
from ..ros.parameters import ParameterError, Settings
from ..weights.choice import choose_model
from .diagnostics import UNTRAINED
from .parameter_table import of_camera

# the settings that a loaded engine was made from
ENGINE_SETTINGS = ('model.name', 'model.weights', 'engine.backend', 'engine.device',
                   'engine.precision', 'engine.threads', 'engine.path', 'engine.fallback')


@dataclass(frozen=True)
class LoadedModel:
    """An engine, the settings that it was made from, and what choosing it had to warn of."""

    engine: Engine
    settings: tuple
    warning: str

    def fits(self, settings: Settings) -> bool:
        """Say whether the settings ask for just this engine."""
        return self.settings == _of(settings)


def _of(settings: Settings) -> tuple:
    return tuple(settings[key] for key in ENGINE_SETTINGS)


def check_modes(spec: ModelSpec, settings: Settings) -> None:
    """Refuse what means nothing for the model, of any camera.

    ScaleError for its scale mode, ParameterError for camera.focal.
    """
    for camera in settings['cameras']:
        own = of_camera(settings, camera)
        check_mode(own['scale.mode'], spec.unit, spec.name)
        if own['camera.focal'] == 'model' and not spec.gives_focal:
            names = ', '.join(name for name, other in MODELS.items() if other.gives_focal)
            raise ParameterError(f'camera.focal is model, and {spec.name} tells no focal length: '
                                 f'set it to info, or model.name to one of {names}')


def choose(settings: Settings) -> tuple[ModelSpec, str, str]:
    """Return the model, its weights and a warning ('': none).

    CheckpointError, and what check_modes raises.
    """
    spec, weights, warning = choose_model(settings['model.name'], settings['model.weights'])
    check_modes(spec, settings)
    return spec, str(weights), f'{spec.name}: {UNTRAINED}' if weights == 'random' else warning


def load_model(
    spec: ModelSpec, weights: str, warning: str, settings: Settings, log: RcutilsLogger,
    at_once: bool = True,
) -> LoadedModel:
    """Open the engine of what `choose` chose, and warm it up, so that no frame waits for it.

    at_once: what takes long to prepare takes over later. EngineError, CheckpointError, LoopError.
    """
    if warning:
        log.warning(warning)
    begin = time.perf_counter()
    compile_loops()
    height = width = 0  # the first frame tells
    if settings['input.height'] and settings['input.width']:
        height, width = spec.frame.network_size(
            settings['input.height'], settings['input.width'], settings['input.short_side'])
    engine = open_engine(
        spec, weights, settings['engine.backend'], settings['engine.device'],
        settings['engine.precision'], height=height, width=width,
        path=settings['engine.path'], fallback=settings['engine.fallback'], at_once=at_once,
        threads=settings['engine.threads'])
    engine.warm_up()
    release_memory()  # what only loading needed: more than the compiled loops take
    if engine.fell_back:
        log.error(f'torch runs in place of the chosen engine: {engine.fell_back}')
    log.info(f'{spec.name} is ready on {engine.device} ({engine.backend}, {engine.precision}) '
             f'after {time.perf_counter() - begin:.1f} s')
    return LoadedModel(engine, _of(settings), warning)
