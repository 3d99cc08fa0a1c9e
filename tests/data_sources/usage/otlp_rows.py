"""Makes OTLP exports for tests, in JSON and, of the same spans, in protobuf."""

from __future__ import annotations

import base64
import copy
import json

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.data_sources.usage.ingest_rows import DATA, NOON_US

CAPTURED = json.loads((DATA / "litellm_otlp.json").read_text(encoding="utf-8"))
START_NS = NOON_US * 1000


def value(plain):
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    if isinstance(plain, float):
        return {"doubleValue": plain}
    return {"stringValue": plain}


def span(number=1, *, name="chat m", kind=3, seconds=2.0, status=None, **changes):
    attributes = changes.pop("attributes", {})
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(START_NS + number * 1000),
        "endTimeUnixNano": str(START_NS + number * 1000 + int(seconds * 1e9)),
        "attributes": [{"key": key, "value": value(plain)} for key, plain in attributes.items()],
        "status": {} if status is None else {"code": status},
        **changes,
    }


def chat(number=1, attributes=None, **given):
    """A span of inference with the newer names."""
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.usage.input_tokens": 2006,
        "gen_ai.usage.output_tokens": 300,
    } | (attributes or {})
    return span(number, attributes={key: plain for key, plain in said.items() if plain is not None}, **given)


def export(*spans, service="gateway"):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]} if service else {}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "s"}, "spans": list(spans)}]}]}


def protobuf(exported):
    """The same export in protobuf, whose own JSON has ids in base64."""
    exported = copy.deepcopy(exported)
    for group in exported["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for one in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in one:
                        one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return json_format.ParseDict(exported, ExportTraceServiceRequest()).SerializeToString()


def litellm_span(payload):
    """The span that LiteLLM's other callback sends of an event: its times are floats times 10^9, dictionaries text."""
    meta = payload["metadata"]
    failed = payload["status"] == "failure"
    usage = meta["usage_object"] or {}
    attributes = {f"metadata.{key}": said(given) for key, given in meta.items()} | {
        "hidden_params": json.dumps(payload["hidden_params"]),
        "litellm.call_id": payload["litellm_call_id"],
        "litellm.model_group": payload["model_group"],
        "litellm.provider.model": payload["model"],
        "llm.request.type": payload["call_type"],
        "llm.is_streaming": str(bool(payload["stream"])),
        "gen_ai.operation.name": payload["call_type"],
        "gen_ai.system": payload["custom_llm_provider"] or "Unknown",
        "gen_ai.response.id": payload["id"],
        "gen_ai.response.model": payload["model_group"],
        **{f"gen_ai.cost.{key}": cost for key, cost in (payload["cost_breakdown"] or {}).items() if cost is not None},
    }
    if usage:
        attributes |= {
            "gen_ai.usage.input_tokens": usage["prompt_tokens"],
            "gen_ai.usage.output_tokens": usage["completion_tokens"],
        }
    if failed:
        attributes |= {
            "error.type": payload["error_information"]["error_class"],
            "error.code": payload["error_information"]["error_code"],
        }
    return span(
        name="litellm_request",
        kind=1,
        status=2 if failed else 1,
        attributes=attributes,
        startTimeUnixNano=str(int(payload["startTime"] * 1e9)),
        endTimeUnixNano=str(int(payload["endTime"] * 1e9)),
    )


def said(given):
    """As LiteLLM makes any value an attribute."""
    if given is None:
        return ""
    return given if isinstance(given, str | bool | int | float) else str(given)
