"""`ops-center forget`: asks a running console to forget a person. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable

from data_sources.http import session
from data_sources.result import Problem
from data_sources.usage.console_client import Console, StoppedError


def ask_to_forget(url: str, key: Callable[[], str], *, user: str, apply: bool, keep_figures: bool) -> str | Problem:
    """Ask what is held of a person, and with `apply` to take it out.

    Args:
        url: The console's address.
        key: Makes an administrator's bearer key.
        user: Their id, as senders name it.
        apply: Whether to do it.
        keep_figures: Keep their calls and cost, attributed to nobody.

    Returns:
        What was or is held of them, in words, or the problem.
    """
    asked = {"user": user, "apply": apply, "keep_figures": keep_figures}
    try:
        with session() as made:
            console = Console(made, url, key)
            told = console.ask("forget", "The person was not forgotten", method="POST", body=asked)
    except StoppedError as error:
        return error.problem
    cost = "no known cost" if told["cost_usd"] is None else f"a known cost of {told['cost_usd']} USD"
    words = f"{told['attempts']:,} attempts of {user!r} were found, {told['calls']:,} calls with {cost}."
    if told.get("bytes_left"):
        words += f" Deleted bytes are still in the file ({told['bytes_left']}): run this again later."
    return f"{console.note} {words}" if console.note else words
