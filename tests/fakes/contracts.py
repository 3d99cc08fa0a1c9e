"""What went over the wire against the services' published descriptions, where a folder with them is given."""

from __future__ import annotations

import functools
import gc
import importlib.util
import json
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.fakes.server import Asked

# Lago's own servers send these although its description does not allow them.
_REAL_LAGO = (
    re.compile(r"invoice_display_name"),
    re.compile(r"'KWD' is not one of"),
    re.compile(r"entitlements/\d+: 'entitlement' is"),
    re.compile(r"(payment_provider|provider_customer_id|cancellation_reason|on_termination_credit_note): None is not"),
)

# Not in the trimmed description of Stripe.
_NOT_DESCRIBED = ("/v1/invoice_payments", "/v1/charges", "/v1/refunds")


def folder() -> Path | None:
    given = os.environ.get("CONTRACTS_DIR")
    return Path(given) if given else None


def check(lago: Iterable[Asked], stripe: Iterable[Asked]) -> list[str]:
    """Every mismatch as one line; nothing to say without descriptions."""
    where = folder()
    if where is None:
        return []
    found = [line for asked in stripe for line in _stripe(where, asked)]
    return found + [line for asked in lago for line in _lago(where, asked)]


@functools.cache
def _stripe_contract(where: Path) -> Any:
    spec = importlib.util.spec_from_file_location("stripe_contract_check", where / "stripe_contract_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file to be closed by the collector
        made = module.Contract(where / "stripe-openapi.trimmed.json")
        gc.collect()
    return made


def _stripe(where: Path, asked: Asked) -> list[str]:
    if not asked.path.startswith("/v1/") or asked.path in _NOT_DESCRIBED:
        return []
    contract, method = _stripe_contract(where), asked.method.lower()
    said = []
    if method == "post" and not asked.path.startswith("/v1/invoices/"):
        said += [f"Stripe request {asked.path}: {line}" for line in contract.request(method, asked.path, asked.body)]
    if asked.status == 200:
        answer = dict(asked.answer)
        if asked.path.startswith("/v1/invoices/"):  # to make one void is not in the trimmed description, its answer is
            return [f"Stripe invoice: {line}" for line in contract.response("get", "/v1/invoices/x", answer)]
        if asked.path == "/v1/invoices":  # the list is not in the trimmed description, its rows are
            rows = [contract.response("get", "/v1/invoices/x", one) for one in answer["data"]]
            return said + [f"Stripe invoice: {line}" for lines in rows for line in lines]
        intent = answer.get("setup_intent")
        if isinstance(intent, dict):  # expanded on request; the description has it as an id
            said += [f"Stripe setup intent: {line}" for line in contract.response("get", "/v1/setup_intents/x", intent)]
            answer["setup_intent"] = intent["id"]
        said += [f"Stripe answer {asked.path}: {line}" for line in contract.response(method, asked.path, answer)]
    return said


@functools.cache
def _lago_description(where: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (where / "lago-openapi.yaml").open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)


@functools.cache
def _validator(where: Path, schema: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**json.loads(schema), "components": _lago_description(where)["components"]})


def _lago(where: Path, asked: Asked) -> list[str]:
    operation = _operation(where, asked)
    if operation is None:
        return []
    said = []
    known = {_parameter(where, one) for one in operation.get("parameters", [])}
    said += [f"query parameter {name}" for name in asked.query if name not in known]
    if asked.body:
        content = operation["requestBody"]["content"]["application/json"]["schema"]
        said += _errors(where, content, asked.json)
    if asked.status is not None:
        answered = operation["responses"].get(str(asked.status))
        if answered is None:
            said.append(f"status {asked.status} is not documented")
        else:
            if "$ref" in answered:
                answered = _lago_description(where)["components"]["responses"][answered["$ref"].rsplit("/", 1)[1]]
            said += _errors(where, answered["content"]["application/json"]["schema"], asked.answer)
    said = [line for line in said if not any(real.search(line) for real in _REAL_LAGO)]
    return [f"Lago {asked.method} {asked.path}: {line}" for line in said]


def _operation(where: Path, asked: Asked) -> dict[str, Any] | None:
    path = asked.path.removeprefix("/api/v1")
    if path == asked.path:
        return None  # /health is not part of the description
    for template, methods in _lago_description(where)["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
            return methods.get(asked.method.lower()) or {"responses": {}, "parameters": []}
    return {"responses": {}, "parameters": []}


def _parameter(where: Path, one: dict[str, Any]) -> str:
    if "$ref" in one:
        one = _lago_description(where)["components"]["parameters"][one["$ref"].rsplit("/", 1)[1]]
    return one["name"]


def _errors(where: Path, schema: dict[str, Any], value: Any) -> list[str]:
    checker = _validator(where, json.dumps(schema, default=str))
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in checker.iter_errors(value)]
