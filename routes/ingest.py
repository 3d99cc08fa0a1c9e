"""Events come in here: usage of LLMs from senders with a key, and the batches that can be taken out again."""

from __future__ import annotations

import hmac
import io
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Annotated

import msgspec
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from data_sources.usage.attempt import MAX_TEXT, BadEventError, iso_us
from data_sources.usage.commit import ChangeRefusedError
from data_sources.usage.intake import Refusal, refusals
from data_sources.usage.normalise import BadBodyError, Parsed, Rejected, TooManyEventsError, parse
from data_sources.usage.normalise.own import DEFAULT_SOURCE
from data_sources.usage.plain_reasons import MOST_REASONS, plain_reason
from data_sources.usage.pricing import BUNDLED, PriceBook
from data_sources.usage.retention import TOO_OLD, too_old
from data_sources.usage.store import StoreError
from data_sources.usage.writer import BatchRefusedError, Receipt, UnknownBatchError, Writer, now_us
from routes.body import BodyTooLargeError, TooMuchAtOnceError, decoding, held_body, patience
from routes.errors import from_problem, problem_response
from routes.gate import needs
from routes.wire import body_of, query_params

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MB = 10**6
PATH = "/api/v1/llm/usage/events"
_SHORT_BYTES = 65_536
_FAILED = "ops.short_way_failed"
_PARAMETERS = ("batch_id", "source", "kind", "name", "span_start", "span_end")


def blueprint(writer: Callable[[], Writer], *, max_body_mb: int, prices: PriceBook = BUNDLED) -> Blueprint:
    """The routes that change the usage store.

    Args:
        writer: Gives the started writer.
        max_body_mb: Largest body, as sent and after decompression, in MB.
        prices: What events are priced with.
    """
    made = Blueprint("ingest", __name__)

    @made.post(PATH)
    @needs("usage:write")
    def take_events() -> Response:
        """Store events; answers after they are durable."""
        asked = _parameters()
        span = _span(asked)
        try:
            parsed = Parsed([], [])
            with held_body(max_body_mb * MB) as body:
                if body or span is None:
                    with decoding(body):
                        parsed = parse(body, source=asked.get("source"), now_us=now_us(), prices=prices)
        except BodyTooLargeError:
            detail = (
                f"A body may have {max_body_mb} MB, also after decompression (OPS_MAX_INGEST_MB). Send smaller parts."
            )
            return problem_response("too-large", "The body is too large", 413, detail)
        except TooMuchAtOnceError as error:
            return from_problem(StoreError(str(error), code="busy", title="Events must wait").problem)
        except TooManyEventsError as error:
            return problem_response("too-large", "The body holds too many events", 413, str(error))
        except BadBodyError as error:
            return problem_response("bad-query", "These are not events", 400, str(error))
        return _store(writer(), asked, parsed, span)

    @made.get("/api/v1/llm/usage/batches")
    @needs("usage:write")
    def list_batches() -> Response:
        """The newest batches, newest first; with `batch_id` only that one."""
        asked = query_params(("batch_id",))
        try:
            found = writer().batches(next(iter(asked.get("batch_id", ())), None))
        except StoreError as error:
            return from_problem(error.problem)
        return jsonify(batches=[{name: _plain(value) for name, value in batch.items()} for batch in found])

    @made.post("/api/v1/llm/usage/batches/<batch_id>/refused")
    @needs("usage:write")
    def count_refused(batch_id: str) -> Response:
        """Count rows of a file that whoever imports it could not read, by reason: they are never sent."""
        asked = _parameters(("source", "kind", "name"))
        if len(batch_id) > MAX_TEXT:
            raise BadRequest(f"A batch's id is longer than {MAX_TEXT} characters.")
        source = asked.get("source", DEFAULT_SOURCE)
        told = body_of(_RefusedRows).refused
        return _store(
            writer(),
            {**asked, "batch_id": batch_id},
            Parsed([], []),
            None,
            [Refusal(source, plain_reason(one.reason), one.events) for one in told],
        )

    @made.post("/api/v1/llm/usage/batches/<batch_id>/undo")
    @needs("usage:write")
    def undo_batch(batch_id: str) -> Response:
        """Take a batch out of every figure."""
        query_params(())
        try:
            undone = writer().undo(batch_id)
        except StoreError as error:
            return from_problem(error.problem)
        except UnknownBatchError as error:
            return problem_response("not-found", "Nothing to undo", 404, str(error))
        except ChangeRefusedError as error:
            return problem_response("conflict", "The batch cannot be undone", 409, str(error))
        return jsonify(batch_id=undone.batch_id, removed=undone.removed)

    return made


class _RefusedReason(msgspec.Struct, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    events: Annotated[int, msgspec.Meta(ge=1, le=10**9)]


class _RefusedRows(msgspec.Struct, forbid_unknown_fields=True):
    refused: Annotated[list[_RefusedReason], msgspec.Meta(min_length=1, max_length=MOST_REASONS)]


def _store(
    writer: Writer,
    asked: dict[str, str],
    parsed: Parsed,
    span: tuple[int, int] | None,
    unsent: Sequence[Refusal] = (),
) -> Response:
    named = asked.get("batch_id")
    parsed = _young_enough(parsed, writer.raw_from_us)
    try:
        if _FAILED in request.environ:  # the short way handed them over already
            raise request.environ[_FAILED]
        receipt = writer.submit(
            parsed.attempts,
            batch_id=named or new_batch_id(),
            named=named is not None,
            kind=asked.get("kind", "api"),
            source=asked.get("source"),
            name=asked.get("name"),
            refusals=[
                *refusals((bad.source, bad.reason, bad.index, bad.fields) for bad in parsed.rejected),
                *unsent,
            ],
            span_us=span,
        )
    except StoreError as error:
        return from_problem(error.problem)
    except BatchRefusedError as error:
        return problem_response("conflict", "The batch cannot take more events", 409, str(error))
    return Response(_told(receipt, parsed.rejected), mimetype="application/json")


def _told(receipt: Receipt, rejected: Sequence[Rejected]) -> bytes:
    """What a sender is answered, as JSON."""
    return msgspec.json.encode(
        {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "rejected": [{"index": bad.index, "reason": bad.reason} for bad in rejected],
            "batch_id": receipt.batch_id,
        }
    )


class _BrokenOff:
    """A body whose rest does not come, so that nobody waits for it a second time."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error


class ShortWay:
    """Takes a sender's small request before Flask looks at it: of many at once, Flask's part is the greater one.

    Only the plain case: the ingest key, no parameters, no compression, a small body of nothing but good events. All
    else goes on to Flask with its body as it came, so that there is one place that says no, and one that counts it.
    """

    def __init__(self, writer: Callable[[], Writer], *, ingest_token: str, prices: PriceBook = BUNDLED) -> None:
        """Make it.

        Args:
            writer: Gives the started writer.
            ingest_token: The key of senders.
            prices: What events are priced with.
        """
        self._writer = writer
        self._prices = prices
        self._authorization = f"Bearer {ingest_token}".encode()

    def __call__(self, environ: WSGIEnvironment) -> bytes | None:
        """The JSON of a 200, after the events are durable; None leaves the request to Flask."""
        length = environ.get("CONTENT_LENGTH", "")
        if (
            environ["PATH_INFO"] != PATH
            or environ["REQUEST_METHOD"] != "POST"
            or environ.get("QUERY_STRING")
            or "HTTP_CONTENT_ENCODING" in environ
            or "HTTP_TRANSFER_ENCODING" in environ
            or not (length.isascii() and length.isdecimal() and 0 < int(length) <= _SHORT_BYTES)
            or not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode(), self._authorization)
        ):
            return None
        try:
            with patience(environ):
                body = environ["wsgi.input"].read(int(length))
        except OSError as error:
            environ["wsgi.input"] = _BrokenOff(error)  # the sender fell silent, or went: Flask tells which
            return None
        environ["wsgi.input"] = io.BytesIO(body)
        if len(body) < int(length):
            return None
        try:
            writer = self._writer()
            parsed = parse(body, source=None, now_us=now_us(), prices=self._prices)
        except Exception:  # whatever it is: Flask comes to the same place, and tells it
            return None
        if parsed.rejected or too_old(parsed.attempts, writer.raw_from_us):
            return None
        try:
            return _told(writer.submit(parsed.attempts, batch_id=new_batch_id()), ())
        except Exception as error:  # likewise, but they must not be handed over twice
            environ[_FAILED] = error
            return None


def _young_enough(parsed: Parsed, raw_from_us: int | None) -> Parsed:
    """Without the events that may have been here before and are gone: those are refused, each in its place."""
    old = set(too_old(parsed.attempts, raw_from_us))
    if not old:
        return parsed
    refused = {bad.index for bad in parsed.rejected}
    places = (index for index in count() if index not in refused)
    indexes = dict(zip(range(len(parsed.attempts)), places, strict=False))
    rejected = [*parsed.rejected, *(Rejected(indexes[place], TOO_OLD, parsed.attempts[place].source) for place in old)]
    kept = [attempt for place, attempt in enumerate(parsed.attempts) if place not in old]
    return Parsed(kept, sorted(rejected, key=lambda bad: bad.index))


def new_batch_id() -> str:
    """Sorts by time, and is not guessed."""
    return f"{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(6)}"


def _parameters(known: Sequence[str] = _PARAMETERS) -> dict[str, str]:
    asked = {name: values[-1] for name, values in query_params(known).items() if values[-1]}
    for name, value in asked.items():
        if len(value) > MAX_TEXT:
            raise BadRequest(f"{name} is longer than {MAX_TEXT} characters.")
    if asked.get("kind", "api") not in ("api", "import"):
        raise BadRequest("kind is one of api, import.")
    return asked


def _span(asked: dict[str, str]) -> tuple[int, int] | None:
    """What an import covers, when it says so."""
    if ("span_start" in asked) != ("span_end" in asked):
        raise BadRequest("span_start and span_end are given together.")
    if "span_start" not in asked:
        return None
    try:
        span = iso_us(asked["span_start"]), iso_us(asked["span_end"])
    except BadEventError:
        raise BadRequest("span_start and span_end are ISO 8601 times with an offset.") from None
    if span[0] > span[1] or span[1] > now_us() + 86_400 * MB:
        raise BadRequest("span_start lies before span_end, and span_end not in the future.")
    return span


def _plain(value: object) -> object:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
