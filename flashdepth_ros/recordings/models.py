"""One model that is loaded, kept from bag to bag."""
from pathlib import Path

from ..node import loading
from ..ros.parameters import Settings
from ..weights.record import sha256
from .notes import Notes


class ModelKeeper:
    """Gives the model that settings ask for, and loads one only where that is another.

    loads: how many were loaded so far.
    """

    def __init__(self) -> None:
        self._model: loading.LoadedModel | None = None
        self._weights = ''
        self.loads = 0

    def open(self, settings: Settings, notes: Notes) -> loading.LoadedModel:
        """Return a model; CheckpointError, EngineError, ScaleError, ParameterError."""
        if self._model is None or not self._model.fits(settings):
            spec, weights, warning = loading.choose(settings)
            self.close()
            self._model = loading.load_model(
                spec, weights, warning, settings, notes, at_once=False)
            self._weights = weights
            self.loads += 1
        else:
            loading.check_modes(self._model.engine.spec, settings)
        if self._model.warning:
            notes.warning(self._model.warning)
        return self._model

    def about(self) -> dict:
        """Say which model it is, in a form that other runs can be compared with."""
        engine = self._model.engine
        return {'model': engine.spec.name, 'backend': engine.backend,
                'precision': engine.precision, 'weights_sha256': None
                if self._weights == 'random' else sha256(Path(self._weights))}

    def close(self) -> None:
        if self._model is not None:
            self._model.engine.close()
            self._model = None
