"""Identical questions of one moment are asked once, and nobody is given what he would not have waited for."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from data_sources.shared import MOMENT_S, Shared


@pytest.mark.parametrize(
    ("key", "later_s", "second"), [("a", 0.0, "first"), ("a", MOMENT_S + 1, "second"), ("b", 0.0, "second")]
)
def test_who_asks_the_same_in_the_same_moment_gets_the_answer_of_the_first(key: str, later_s: float, second: str):
    first, looked, now_s = threading.get_ident(), threading.Event(), [0.0]

    def clock() -> float:
        if threading.get_ident() != first:
            looked.set()
        return now_s[0]

    shared: Shared[str] = Shared(clock)
    others: list[Future[str]] = []

    with ThreadPoolExecutor(1) as pool:

        def question() -> str:
            now_s[0] = later_s
            others.append(pool.submit(shared.ask, key, lambda: "second"))
            assert looked.wait(10)
            return "first"

        assert shared.ask("a", question) == "first"
        assert others[0].result(10) == second
    assert shared.ask("a", lambda: "anew") == "anew"


def test_what_goes_wrong_is_told_and_the_next_asks_anew():
    shared: Shared[str] = Shared()

    def wrong() -> str:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        shared.ask("a", wrong)
    assert shared.ask("a", lambda: "anew") == "anew"
