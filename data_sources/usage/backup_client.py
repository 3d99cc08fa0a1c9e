"""`ops-center backup`: fetches a copy of the usage store from a running console. Prints nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import requests

from data_sources.http import Answer, open_stream, session
from data_sources.result import Kind, Problem
from data_sources.usage.console_client import NOTE, ROOT, refusal

_WHAT = "The store was not backed up"
_CHUNK = 1 << 20


def fetch_backup(
    url: str,
    key: Callable[[], str],
    path: Path,
    on_progress: Callable[[int, int], None],
    on_note: Callable[[str], None] = lambda _: None,
) -> int | Problem:
    """Fetch a copy into a file; it stands under its name only when it is whole.

    Args:
        url: The console's address.
        key: Makes an administrator's bearer key.
        path: The file to write; one that is there is replaced at the end.
        on_progress: Told after each part: bytes written, bytes there are.
        on_note: Told what must be known about it.

    Returns:
        How many attempts the copy holds, or the problem.
    """
    part = path.with_name(path.name + ".part")
    source = f"The console at {url}"
    try:
        with session() as made:
            made.headers["Authorization"] = f"Bearer {key()}"
            answer = open_stream(made, f"{url}{ROOT}/backup", source=source, what=_WHAT, timeout_s=(3, 300))
            if isinstance(answer, Problem):
                return answer
            if isinstance(answer, Answer):
                return refusal(answer, _WHAT, key="Run this with the data folder or secret key of that console.")
            with answer, os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                size, done = int(answer.headers["Content-Length"]), 0
                for chunk in answer.iter_content(_CHUNK):  # raises when the answer ends before its length
                    file.write(chunk)
                    done += len(chunk)
                    on_progress(done, size)
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        if NOTE in answer.headers:
            on_note(answer.headers[NOTE])
        return int(answer.headers["X-Total-Attempts"])
    except requests.RequestException:
        return Problem(Kind.UPSTREAM, _WHAT, f"{source} broke off its answer.")
    except OSError as error:
        return Problem(Kind.BAD_QUERY, _WHAT, f"{path} cannot be written: {error.strerror}.")
    finally:
        part.unlink(missing_ok=True)
