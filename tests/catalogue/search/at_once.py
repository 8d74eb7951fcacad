"""Several processes or threads at one index, whose failures fail the test."""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.catalogue.search.samples import a_document

LONG_ENOUGH = 300
"""Seconds after which work is taken as hanging; a laden machine needs a part of them."""


def save_some(opened: Callable[[str], Any], where: str, name: str, number: int) -> None:
    index = opened(where)
    for i in range(number):
        index.put([a_document(f"{name}-{i}", f"Angebot {name} {i}")])


def processes(work: Callable[..., None], *calls: Sequence[Any]) -> None:
    """Call `work` with each of `calls` in processes of their own."""
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=work, args=tuple(call)) for call in calls]
    for process in started:
        process.start()
    for process in started:
        process.join(LONG_ENOUGH)
        assert process.exitcode == 0


def threads(work: Sequence[Callable[[], None]], meanwhile: Callable[[], None]) -> None:
    """Each of `work` in a thread, while two more repeat `meanwhile` until all is done."""
    errors: list[BaseException] = []
    done = threading.Event()

    def guarded(act: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                act()
            except BaseException as error:
                errors.append(error)

        return threading.Thread(target=run, daemon=True)

    def repeat() -> None:
        # Without a pause two readers would leave the writers a turn only every few milliseconds.
        while not done.wait(0.005):
            meanwhile()

    repeating = [guarded(repeat) for _ in range(2)]
    working = [guarded(act) for act in work]
    for thread in (*repeating, *working):
        thread.start()
    for thread in working:
        thread.join(LONG_ENOUGH)
    done.set()
    for thread in repeating:
        thread.join(LONG_ENOUGH)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in (*working, *repeating)), "a thread never ended"
