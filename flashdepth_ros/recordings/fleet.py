"""Many bags: one after the other here, or by Ray on as many machines as there are.

Who works on what, when, and what happens when a worker or a machine is gone is Ray's business.
"""
from collections.abc import Callable, Iterator
import json
from typing import Any, Protocol

from ..files.places import Place
from .jobs import Job, join, run, windows_of

RETRIES = 5    # of a job whose worker died; so many that a bag which kills them all is given up


class Crew(Protocol):
    """Does work, somewhere."""

    def submit(self, function: Callable, *arguments: Any) -> Any:
        """Have a function called; what an earlier call was submitted as may be an argument."""

    def results(self, submitted: dict[Any, Job]) -> Iterator[tuple[Job, Any]]:
        """Yield what was asked for of each call, as it comes."""

    def close(self) -> None: ...


class _Call:
    """A call that is made when its result is asked for."""

    def __init__(self, function: Callable, arguments: tuple):
        self._function, self._arguments, self._result = function, arguments, None

    def result(self) -> Any:
        if self._result is None:
            self._result = self._function(*(
                each.result() if isinstance(each, _Call) else each for each in self._arguments))
        return self._result


class Here:
    """Does one thing after the other, in this process."""

    def submit(self, function: Callable, *arguments: Any) -> _Call:
        return _Call(function, arguments)

    def results(self, submitted: dict[_Call, Job]) -> Iterator[tuple[Job, Any]]:
        for call, job in submitted.items():
            yield job, call.result()

    def close(self) -> None:
        pass


class OnRay:
    """Ray's tasks. A worker's process is used again and keeps its model; ImportError without Ray.

    address: of a cluster, or 'local' for this machine. cpus, gpus: what each worker has for
    itself; a GPU may be shared (0.5).
    """

    def __init__(self, address: str, cpus: float, gpus: float):
        try:
            import ray
        except ImportError as error:
            raise ImportError(f'--ray needs Ray ({error}): pip install ray') from error
        self._ray, self._gpus = ray, gpus
        self._options = {
            'num_cpus': cpus, 'num_gpus': gpus or None, 'max_retries': RETRIES,
            'max_calls': 0,    # also with GPUs, where Ray would end a worker after each task
            # a worker that goes from one GPU to another sees both
            'runtime_env': {'env_vars': {'RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES': '1'}}
            if gpus else None}
        local = {'include_dashboard': False} if address == 'local' else {}
        ray.init(address, log_to_driver=False, logging_level='ERROR', **local)

    def submit(self, function: Callable, *arguments: Any) -> Any:
        call = _with_gpu if self._gpus and function is run else function
        return self._ray.remote(**self._options)(call).options(
            name=function.__name__).remote(*arguments)

    def results(self, submitted: dict[Any, Job]) -> Iterator[tuple[Job, Any]]:
        waiting = list(submitted)
        while waiting:
            done, waiting = self._ray.wait(waiting)
            for each in done:
                try:
                    yield submitted[each], self._ray.get(each)
                except self._ray.exceptions.RayError as error:
                    # the worker died again and again, or what it raised was not expected
                    yield submitted[each], {
                        'bag': submitted[each].source, 'output': submitted[each].target,
                        'outcome': 'failed', 'error': str(error).strip(), 'notes': []}

    def close(self) -> None:
        self._ray.shutdown()


def _with_gpu(job: Job) -> dict:
    """Do a job on the GPU that Ray gives."""
    from dataclasses import replace

    import ray
    device = f'cuda:{int(ray.get_gpu_ids()[0])}'
    return run(replace(job, device=device))


def process_all(
    jobs: list[Job], crew: Crew, split: float = 0.0, lead_in: int = 0,
) -> Iterator[dict]:
    """Do jobs, and yield what became of each as it ends.

    split: the length in seconds of windows into which long bags are divided, each led in over so
    many frames; 0 is none.
    """
    windows = {crew.submit(windows_of, job, split, lead_in): job for job in jobs} if split else {}
    divided: list[tuple[Job, Any]] = list(crew.results(windows)) if split else [
        (job, [job]) for job in jobs]
    submitted = {}
    for job, parts in divided:
        if isinstance(parts, dict):    # it failed
            yield parts
        elif len(parts) == 1:
            submitted[crew.submit(run, parts[0])] = job
        else:
            submitted[crew.submit(join, job, *(crew.submit(run, part) for part in parts))] = job
    for _, entry in crew.results(submitted):
        yield entry


def write_manifest(target: Place, entries: list[dict]) -> None:
    """Write what became of all bags into their folder."""
    outcomes: dict[str, int] = {}
    for entry in entries:
        outcomes[entry['outcome']] = outcomes.get(entry['outcome'], 0) + 1
    target.write('manifest.json', json.dumps({
        'outcomes': outcomes, 'frames': sum(entry.get('frames', 0) for entry in entries),
        'bags': sorted(entries, key=lambda entry: entry['output'])}, indent=1).encode())
