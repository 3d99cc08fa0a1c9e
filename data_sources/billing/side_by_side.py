"""Questions to another service that do not wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def side_by_side(asks: Sequence[Callable[[], T]], *, at_once: int = 8) -> list[T]:
    """Put questions at the same time; the answers in the order of the questions.

    Plain threads and no pool: those who ask here are few (`Doorway`), and no question can wait for a thread that
    another question holds. What a question raises is raised here.

    Args:
        asks: The questions.
        at_once: How many are under way at the same time at most.
    """
    answers: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def ask(place: int) -> None:
        try:
            answers[place] = asks[place]()
        except BaseException as error:  # raised again below, in the thread that asked
            errors[place] = error

    for first in range(0, len(asks), at_once):
        places = range(first, min(first + at_once, len(asks)))
        others = [threading.Thread(target=copy_context().run, args=(ask, place), daemon=True) for place in places[1:]]
        for thread in others:
            thread.start()
        ask(places[0])
        for thread in others:
            thread.join()
        if errors:
            raise errors[min(errors)]
    return [answers[place] for place in range(len(asks))]
