"""OTLP/HTTP: traces of calls come in here, answered as the OpenTelemetry protocol says.

Protobuf is answered in protobuf and JSON in JSON: 200 with what was refused, 400 for a body that is no export, which
a sender must not send again, and 503 with Retry-After, which it must. Errors are a `google.rpc.Status`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from flask import Blueprint, Response, g, request
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from werkzeug.exceptions import BadRequest

from data_sources.usage.attempt import MAX_TEXT
from data_sources.usage.intake import Refusal
from data_sources.usage.normalise.otlp import DEFAULT_SOURCE, ParsedSpans, parse
from data_sources.usage.normalise.otlp_wire import BadExportError, TooManySpansError
from data_sources.usage.plain_reasons import plain_reason
from data_sources.usage.pricing import BUNDLED, PriceBook
from data_sources.usage.retention import TOO_OLD, too_old
from data_sources.usage.store import StoreError
from data_sources.usage.writer import Writer, now_us
from routes.body import BodyTooLargeError, TooMuchAtOnceError, decoding, held_body
from routes.gate import needs
from routes.ingest import MB, new_batch_id
from routes.wire import query_params

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_INVALID, _UNAVAILABLE = 3, 14  # google.rpc.Code
_UNKNOWN, _BY_STATUS = 2, {401: 16, 403: 7, 500: 13, 503: 14}
_REASONS_TOLD = 5


def blueprint(writer: Callable[[], Writer], *, max_body_mb: int, prices: PriceBook = BUNDLED) -> Blueprint:
    """The route that OpenTelemetry exporters post traces to.

    Args:
        writer: Gives the started writer.
        max_body_mb: Largest body, as sent and after decompression, in MB.
        prices: What calls are priced with.
    """
    made = Blueprint("otlp", __name__)

    @made.post("/v1/traces")
    @needs("usage:write")
    def take_traces() -> Response:
        """Store the calls of an export; answers after they are durable."""
        if request.mimetype not in (PROTOBUF, JSON):
            return _refused(415, _INVALID, f"Content-Type is {PROTOBUF} or {JSON}.")
        try:
            source = _source()
            with held_body(max_body_mb * MB) as body, decoding(body):
                parsed = parse(body, as_json=request.mimetype == JSON, source=source, now_us=now_us(), prices=prices)
        except BodyTooLargeError:
            return _refused(413, _INVALID, f"A body may have {max_body_mb} MB, also after decompression.")
        except TooMuchAtOnceError as error:
            return _later(StoreError(str(error), code="busy", title="Events must wait"))
        except TooManySpansError as error:
            return _refused(413, _INVALID, str(error))
        except BadExportError as error:
            return _refused(400, _INVALID, str(error))
        except BadRequest as error:
            return _refused(400, _INVALID, error.description or "This request is not understood.")
        return _stored(writer(), parsed, source)

    @made.after_request
    def as_status(answer: Response) -> Response:
        """What others refused, such as a wrong key, in the words of the protocol too."""
        if answer.mimetype != "application/problem+json":
            return answer
        told = answer.get_json()
        message = ". ".join(part.rstrip(".") for part in (told["title"], told["detail"]) if part)
        status = _refused(answer.status_code, _BY_STATUS.get(answer.status_code, _UNKNOWN), message)
        answer.set_data(status.get_data())
        answer.content_type = status.content_type
        return answer

    return made


def _source() -> str | None:
    source = query_params(("source",)).get("source", [""])[-1]
    if len(source) > MAX_TEXT:
        raise BadRequest(f"source is longer than {MAX_TEXT} characters.")
    return source or None


def _stored(writer: Writer, parsed: ParsedSpans, source: str | None) -> Response:
    old = set(too_old(parsed.attempts, writer.raw_from_us))
    attempts = [attempt for place, attempt in enumerate(parsed.attempts) if place not in old]
    reasons = parsed.rejected + Counter({TOO_OLD: len(old)})
    rejected = reasons.total()
    if attempts or rejected:  # most exports of a proxy hold no call; they leave no batch behind
        named = source or DEFAULT_SOURCE
        refusals = [Refusal(named, plain_reason(reason), count) for reason, count in parsed.rejected.items()]
        gone = Counter(parsed.attempts[place].source for place in old)
        refusals += [Refusal(one, TOO_OLD, count) for one, count in gone.items()]
        try:
            writer.submit(attempts, batch_id=new_batch_id(), source=source, refusals=refusals)
        except StoreError as error:
            return _later(error)
    told = ExportTraceServiceResponse()
    if rejected:
        told.partial_success.rejected_spans = rejected
        told.partial_success.error_message = _reasons(reasons)
    if request.mimetype == PROTOBUF:
        return Response(told.SerializeToString(), mimetype=PROTOBUF)
    partial = {"rejectedSpans": str(rejected), "errorMessage": _reasons(reasons)}  # 64-bit numbers are text
    return Response(json.dumps({"partialSuccess": partial} if rejected else {}), mimetype=JSON)


def _reasons(rejected: Counter[str]) -> str:
    told = [f"{reason} ({number})" for reason, number in rejected.most_common(_REASONS_TOLD)]
    more = len(rejected) - len(told)
    return "; ".join(told) + (f"; and {more} more reasons" if more > 0 else "")


def _later(error: StoreError) -> Response:
    g.problem_code = error.problem.code
    answer = _refused(503, _UNAVAILABLE, f"{error.problem.title}: {error.problem.detail}")
    answer.headers["Retry-After"] = str(max(1, round(error.problem.retry_after_s or 1)))
    return answer


def _refused(status: int, code: int, message: str) -> Response:
    if request.mimetype == PROTOBUF:
        body: bytes | str = Status(code=code, message=message).SerializeToString()
        return Response(body, status, mimetype=PROTOBUF)
    return Response(json.dumps({"code": code, "message": message}), status, mimetype=JSON)
