"""Work shared out over all cores."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator

AHEAD = 96  # results made before they are asked for, at most: who takes them may be slower


def on_all_cores(work: Callable, arguments: Iterable) -> Iterator:
    """work(a) for every argument, in their order, by forked processes. What `work` holds need not be pickled, its results must."""
    global _work
    _work = work  # found again by the processes
    with multiprocessing.get_context("fork").Pool() as workers:
        coming: deque = deque()
        for argument in arguments:
            coming.append(workers.apply_async(_run, (argument,)))
            if len(coming) > AHEAD:
                yield coming.popleft().get()
        for result in coming:
            yield result.get()


def _run(argument):
    return _work(argument)
