"""What the command line asks of a running console about its usage store. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests

from data_sources.http import Answer, call_json
from data_sources.result import Kind, Problem

_TIMEOUT_S = (3.0, 300.0)
ROOT = "/api/v1/llm/usage"
NOTE = "X-Ops-Note"  # header of what must be known about an answer


class StoppedError(Exception):
    """The console did not do what it was asked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refusal(answer: Answer, what: str, *, key: str = "Use its ingest key.") -> Problem:
    """The problem of an answer that is no success, in the console's own words where it has any.

    Args:
        answer: Of a console.
        what: What failed, for the reader.
        key: What to say of a key that it does not take.
    """
    told = answer.body if isinstance(answer.body, dict) else {}
    detail = ": ".join(str(told[name]) for name in ("title", "detail") if told.get(name))
    if answer.status in (401, 403):
        detail = f"The server refused the key. {key}"
    return Problem(Kind.UPSTREAM, what, detail or f"The server answered {answer.status}.", code=f"HTTP {answer.status}")


class Console:
    """A running console, asked with a key made afresh for each question: a long task outlives a short key."""

    def __init__(self, made: requests.Session, url: str, key: Callable[[], str]) -> None:
        """Remember whom to ask.

        Args:
            made: A session of `http.session()`.
            url: Its address.
            key: Makes the bearer key.
        """
        self.made, self.url, self.key = made, url.rstrip("/"), key
        self.note: str | None = None  # what the last answer says must be known about it

    def ask(
        self, path: str, what: str, *, method: str = "GET", params: Mapping[str, object] | None = None, body: Any = None
    ) -> Any:
        """Ask one question.

        Args:
            path: Under the usage API.
            what: What failed if it fails, for the reader.
            method: The HTTP method.
            params: Query parameters.
            body: Sent as JSON.

        Raises:
            StoppedError: There is no answer, or it is no success.
        """
        answer = call_json(
            self.made,
            method,
            f"{self.url}{ROOT}/{path}",
            source=f"The console at {self.url}",
            what=what,
            params=params,
            body=body,
            headers={"Authorization": f"Bearer {self.key()}"},
            timeout_s=_TIMEOUT_S,
            accept_errors=True,
        )
        if isinstance(answer, Problem):
            raise StoppedError(answer)
        if answer.status != 200:
            raise StoppedError(
                refusal(answer, what, key="Run this with the data folder or secret key of that console.")
            )
        self.note = answer.headers.get(NOTE)
        return answer.body
