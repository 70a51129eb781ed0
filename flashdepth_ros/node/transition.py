"""What a transition of the depth node does with an error."""
from collections.abc import Callable
import functools
import traceback

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from ..engines import EngineError
from ..images.loops import LoopError
from ..metres.units import ScaleError
from ..models import CheckpointError, FrameTooSmallError
from ..ros.parameters import ParameterError

FAILURE, ERROR = TransitionCallbackReturn.FAILURE, TransitionCallbackReturn.ERROR

# what a wrong parameter or file may raise while loading; anything else is a defect and gets a trace
EXPECTED = (CheckpointError, EngineError, FrameTooSmallError, LoopError, ScaleError,
            ParameterError)


def transition(step: Callable) -> Callable:
    """Make a transition callback log what it raises: rclpy drops exceptions silently."""
    @functools.wraps(step)
    def logged(self, state: LifecycleState) -> TransitionCallbackReturn:
        name = step.__name__.removeprefix('on_')
        try:
            result = step(self, state)
        except EXPECTED as error:
            self.problem, trace = f'cannot {name}: {error}', ''
        except Exception as error:
            self.problem = f'cannot {name}: {type(error).__name__}: {error}'
            trace = f'\n{traceback.format_exc()}'
        else:
            self.problem = None
            return result
        self.get_logger().error(self.problem + trace)
        if name == 'activate':  # stays inactive
            self._stop()
            return FAILURE
        self._release()
        return FAILURE if name == 'configure' else ERROR  # both end in unconfigured
    return logged
