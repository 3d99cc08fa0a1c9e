"""The one way out: a `requests.Session` with time-outs, bounded retries, and every failure as a `Problem`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import MaxRetryError, ProtocolError
from urllib3.util import Timeout
from urllib3.util.retry import Retry

from data_sources.budget import budget, left_s, may_try_again
from data_sources.pace import FLOW_BYTES, ClosedMeanwhileError, Flow, PacedAdapter, Whole, on_a_new_connection, pace
from data_sources.result import Kind, Problem

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 8.0
MAX_BODY_BYTES = 32 * 10**6
# A long answer may be waited for so many read time-outs before it must have brought a bit more.
_FLOW_READS = 3
BROKEN_OFF = "broken-off"  # the code of a problem: the answer began, and its connection ended before it did
_RETRIED = (502, 503, 504)
_NO_ADDRESS = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer of another service.

    Attributes:
        status: The HTTP status.
        body: The decoded JSON; numbers with a fraction are `Decimal`, read from their text.
        headers: The answer's headers.
        elapsed_s: Time to the full body, in seconds.
    """

    status: int
    body: Any
    headers: Mapping[str, str]
    elapsed_s: float


class _Long(NamedTuple):
    """The time-outs of an answer that may take as long as it likes, while it comes."""

    connect_s: float
    read_s: float


class _Session(requests.Session):
    """A session that obeys the operator's proxy and CA bundle (`HTTPS_PROXY`, `NO_PROXY`, `REQUESTS_CA_BUNDLE`)."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """What the environment says about this address; this machine itself is never asked through a proxy."""
        merged = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if urlsplit(str(url)).hostname in _LOOPBACK:
            merged["proxies"] = {}
        return merged

    def send(self, request: Any, **kwargs: Any) -> requests.Response:
        """One call, with all of its answer, tries and reads included, in a time: see `total_s`.

        It ends earlier where the time of the click that it is part of does (`budget.py`). A long answer only has to
        keep coming.
        """
        timeout, left = kwargs.get("timeout"), left_s()
        if isinstance(timeout, _Long):
            with pace(Flow(_FLOW_READS * timeout.read_s)):
                return super().send(request, **kwargs)
        if left == 0:
            raise requests.exceptions.Timeout("the time of this click timed out")
        connect_s, read_s = _pair(timeout)
        total = total_s((connect_s, read_s)) if left is None else min(left, total_s((connect_s, read_s)))
        kwargs["timeout"] = Timeout(connect=connect_s, read=read_s, total=total)
        with pace(Whole(total)):
            if left is not None:
                return super().send(request, **kwargs)
            with budget(total):
                return super().send(request, **kwargs)


def total_s(timeout_s: tuple[float, float]) -> float:
    """The longest that a question and all of its answer take together, in seconds.

    Args:
        timeout_s: Connect and read time-out, in seconds. The answer may begin at the end of the one and take the
            other once more to come.
    """
    return timeout_s[0] + 2 * timeout_s[1]


def flow_words(error: Exception, timeout_s: tuple[float, float]) -> str | None:
    """What a long answer did that came too slowly; None where it ended otherwise.

    Args:
        error: Raised while it was read.
        timeout_s: As given to `open_stream`.
    """
    if "ReadTimeout" not in repr(error):
        return None
    read_s = timeout_s[1]
    return f"sent less than {FLOW_BYTES // 1000} kB in {_FLOW_READS * read_s:g} s, or nothing for {read_s:g} s"


def _pair(timeout: Any) -> tuple[float, float]:
    """Connect and read time-out, in seconds."""
    if timeout is None:
        return CONNECT_TIMEOUT_S, READ_TIMEOUT_S
    return timeout if isinstance(timeout, tuple) else (timeout, timeout)


class _Retry(Retry):
    """Tries again as long as there is time for it."""

    anew = False  # whether a kept connection was found closed already

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        """The tries that are left after this one."""
        error = kwargs.get("error")
        closed = isinstance(error, ProtocolError) and isinstance(error.args[-1], ClosedMeanwhileError)
        if closed and args[0] == "GET" and not self.anew and may_try_again():
            tries = self.new()
            tries.anew = True
            on_a_new_connection()
            return tries
        tries = Retry.increment(self if may_try_again() else self.new(total=0), *args, **kwargs)
        tries.anew = self.anew
        return tries


def _own_headers_only(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leaves a request as it is: without this, an entry of `~/.netrc` would replace our key with somebody else's."""
    return request


def session(*, retries: int = 2, pool: int = 8) -> requests.Session:
    """Make a session whose GETs are tried again on a failed connection and on 502, 503, 504; nothing else is.

    A GET on a kept connection that turns out to be closed is asked once more on a new one, whatever `retries` says.

    Args:
        retries: How many further tries of a GET.
        pool: How many connections are kept open.
    """
    made = _Session()
    retry = _Retry(
        total=retries,
        connect=retries,
        read=0,
        status=retries,
        other=0,
        allowed_methods=frozenset({"GET"}),
        status_forcelist=_RETRIED,
        backoff_factor=0.2,
        backoff_max=2,
        respect_retry_after_header=False,  # a page cannot wait for a minute: the problem carries the time instead
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        made.mount(scheme, PacedAdapter(max_retries=retry, pool_connections=pool, pool_maxsize=pool))
    made.auth = _own_headers_only
    made.headers["User-Agent"] = "ops-center"
    return made


def call_json(
    made: requests.Session,
    method: str,
    url: str,
    *,
    source: str,
    what: str,
    params: Any = None,
    body: Any = None,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
    accept_errors: bool = False,
    undecoded: bool = False,
) -> Answer | Problem:
    """Send one request and read its JSON answer.

    Args:
        made: A session of `session()`.
        method: The HTTP method; only GET is tried again.
        url: The whole address. Path parts from outside must have been quoted by the caller.
        source: Who is asked, for the reader: "Lago".
        what: What failed if it fails, for the reader: "Plans could not be read".
        params: Query parameters.
        body: What to send as JSON.
        data: What to send as it is, instead of `body`; `headers` name its type.
        headers: More headers, such as the bearer key; never logged.
        timeout_s: Connect and read time-out, in seconds; both together bound the whole question, see `total_s`.
        accept_errors: Return JSON error answers (4xx, 5xx) as an `Answer` for the caller to read.
        undecoded: Return the JSON's bytes, for a caller with a faster decoder of its own.

    Returns:
        The answer, or the problem. Never raises for what the network or the other side does.
    """
    try:
        answer = made.request(
            method,
            url,
            params=params,
            json=body,
            data=data,
            headers=dict(headers or {}),
            timeout=timeout_s,
            allow_redirects=False,
            stream=True,
        )
        with answer:
            raw = _bounded(answer)
    except requests.exceptions.RequestException as error:
        return _broken(error, method, url, source=source, what=what, timeout_s=timeout_s)
    if raw is None:
        return Problem(Kind.UPSTREAM, what, f"{source} answered more than {MAX_BODY_BYTES // 10**6} MB.")
    is_json = "json" in answer.headers.get("Content-Type", "")
    if undecoded and is_json and (answer.status_code < 300 or accept_errors):
        return Answer(answer.status_code, raw, answer.headers, answer.elapsed.total_seconds())
    return _read(answer, raw, source=source, what=what, accept_errors=accept_errors)


def open_stream(
    made: requests.Session,
    url: str,
    *,
    source: str,
    what: str,
    params: Any = None,
    timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
) -> requests.Response | Answer | Problem:
    """Open a long answer, to be read while it comes.

    Args:
        made: A session of `session()`.
        url: The whole address.
        source: Who is asked, for the reader.
        what: What failed if it fails, for the reader.
        params: Query parameters.
        timeout_s: Connect time-out, and the longest pause between two parts, in seconds. `pace.FLOW_BYTES` of it
            must come in three such pauses.

    Returns:
        The open answer, which the caller reads and closes; of any but 200 the whole of it, with its JSON where it has
        one; or the problem.
    """
    try:
        answer = made.get(url, params=params, timeout=_Long(*timeout_s), allow_redirects=False, stream=True)
    except requests.exceptions.RequestException as error:
        return _broken(error, "GET", url, source=source, what=what, timeout_s=timeout_s)
    if answer.status_code == 200:
        return answer
    with answer:
        return Answer(answer.status_code, _json_of(answer), answer.headers, answer.elapsed.total_seconds())


def _json_of(answer: requests.Response) -> Any:
    """The JSON of a refusal, None where it has none that can be read."""
    try:
        return json.loads(_bounded(answer) or b"null", parse_float=Decimal)
    except (ValueError, RecursionError, requests.exceptions.RequestException):
        return None


def _broken(
    error: requests.exceptions.RequestException,
    method: str,
    url: str,
    *,
    source: str,
    what: str,
    timeout_s: tuple[float, float],
) -> Problem:
    # A session that retries reports a time-out before the answer as the end of its tries.
    unanswered = bool(error.args) and isinstance(error.args[0], MaxRetryError) and "ReadTimeout" in repr(error)
    if isinstance(error, requests.exceptions.Timeout) or unanswered:
        in_time = "in time" if left_s() is not None else f"within {timeout_s[1]:g} s"
        return Problem(Kind.TIMEOUT, what, f"{source} did not answer {in_time}.", code="timeout", retry_after_s=5)
    log.warning("%s: %s %s: %s", source, method, url, type(error).__name__)
    if isinstance(error, _NO_ADDRESS):
        return Problem(Kind.UPSTREAM, what, f"{source} has an address that cannot be asked.", code="address")
    if not isinstance(error, requests.exceptions.ConnectionError):
        broken = isinstance(error, requests.exceptions.ChunkedEncodingError)
        code = BROKEN_OFF if broken else type(error).__name__
        return Problem(Kind.UPSTREAM, what, f"{source} broke off its answer.", code=code)
    if "ResponseError" in repr(error):
        return Problem(Kind.UPSTREAM, what, f"{source} kept answering with a server error.", retry_after_s=5)
    if "ReadTimeout" in repr(error):
        detail = f"{source} did not send its whole answer in time."
        return Problem(Kind.TIMEOUT, what, detail, code="timeout", retry_after_s=5)
    return Problem(Kind.UPSTREAM, what, f"{source} cannot be reached.", code="connection", retry_after_s=5)


def _bounded(answer: requests.Response) -> bytes | None:
    parts, total = [], 0
    for part in answer.iter_content(65536):
        total += len(part)
        if total > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _read(answer: requests.Response, raw: bytes, *, source: str, what: str, accept_errors: bool) -> Answer | Problem:
    status = answer.status_code
    is_json = "json" in answer.headers.get("Content-Type", "")
    try:
        decoded = json.loads(raw, parse_float=Decimal) if raw else None
    except (ValueError, RecursionError):
        decoded, is_json = None, False
    if status < 300 or (accept_errors and is_json and isinstance(decoded, dict)):
        if raw and not is_json:
            return Problem(Kind.UPSTREAM, what, f"{source} answered something that is not JSON.", code=f"HTTP {status}")
        return Answer(status, decoded, answer.headers, answer.elapsed.total_seconds())
    return refused(status, answer.headers, source=source, what=what)


def refused(status: int, headers: Mapping[str, str], *, source: str, what: str) -> Problem:
    """The problem of an answer that is not a success."""
    return Problem(
        Kind.UPSTREAM, what, _sentence(source, status), code=f"HTTP {status}", retry_after_s=retry_after(headers)
    )


def _sentence(source: str, status: int) -> str:
    if status in (401, 403):
        return f"{source} refused our key."
    if status == 404:
        return f"{source} does not know this address."
    if status == 429:
        return f"{source} asks us to slow down."
    if 300 <= status < 400:
        return f"{source} sent us elsewhere; its address is probably set wrongly."
    return f"{source} answered with an error."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds named by a `Retry-After` header, None when absent or a date."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
