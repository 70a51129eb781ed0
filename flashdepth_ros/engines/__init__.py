"""How a model's step is run; docs/engines.md compares the backends."""
from .backends import BACKENDS, choose, open_engine
from .engine import Engine, EngineError, NotReadyError, Request, State
from .precision import PRECISIONS

__all__ = [
    'BACKENDS', 'PRECISIONS', 'Engine', 'EngineError', 'NotReadyError', 'Request', 'State',
    'choose', 'open_engine']
