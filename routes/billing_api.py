"""Plans for programs, the click on "Select plan", and the way back from Stripe. Thin: parse, ask the source, encode."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec
from flask import Blueprint, Response, g, jsonify, redirect, session
from werkzeug.exceptions import BadRequest, Conflict
from werkzeug.wrappers import Response as WerkzeugResponse

from data_sources.billing.account.types import Offer
from data_sources.billing.source import BillingSource
from data_sources.billing.types import CheckoutAnswer, Entitlement, Plan, PlanList, Progress, Wanted
from data_sources.result import Failed, NotConfigured, Problem, Ready, Result
from routes.errors import respond
from routes.gate import needs, principal, public
from routes.wire import answer, body_of, query_params

PAGE = "/admin/subscription/plan"
# Visitors need not sign in, so one question to Lago serves all who ask within this time.
PUBLIC_MAX_AGE_S = 15.0


class CheckoutBody(msgspec.Struct, forbid_unknown_fields=True):
    """What "Select plan" sends. The shown price is compared with Lago's, never used; `confirm` is an offer's token."""

    plan_code: str
    shown_amount_cents: int | None = None
    shown_currency: str | None = None
    shown_customer: str | None = None
    confirm: str | None = None


class CustomerBody(msgspec.Struct, forbid_unknown_fields=True):
    """For whom an admin looks and buys from now on; null is nobody."""

    customer_id: str | None


class ProgressBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which purchase; none means the open one."""

    attempt_id: str | None = None


class PurchaseBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which purchase."""

    attempt_id: str


class RetryBody(msgspec.Struct, forbid_unknown_fields=True):
    """What an admin tries again: a purchase or a webhook."""

    attempt_id: str | None = None
    event_id: int | None = None


def blueprint(billing: Callable[[], BillingSource]) -> Blueprint:
    """The routes under `/api/v1/billing`, and `/billing/return`.

    Args:
        billing: Gives the source; asked at each request.
    """
    made = Blueprint("billing_api", __name__)

    @made.get("/api/v1/billing/plans/public")
    @public
    def public_plans() -> Response:
        """The plans on offer, for everyone."""
        query_params(())
        result = billing().plans(max_age_s=PUBLIC_MAX_AGE_S)
        age = _age(result)
        return answer(result, lambda listed: encode_plans(listed) | age, empty={"plans": []} | age)

    @made.post("/api/v1/billing/checkout/create")
    @needs("billing:write")
    def create_checkout() -> Response:
        """Start a free plan, or open Stripe's page for one that costs something."""
        query_params(())
        body = body_of(CheckoutBody)
        source = billing()
        shown = body.shown_amount_cents, body.shown_currency, body.shown_customer
        wanted = Wanted(body.plan_code, *shown, confirm=body.confirm)
        return answer(source.checkout(source.buyer(principal()), wanted), encode_checkout)

    @made.post("/api/v1/billing/customer")
    @needs("admin")
    def choose_customer() -> Response:
        """Look and buy for this customer from now on, in this session."""
        query_params(())
        body = body_of(CustomerBody)
        source = billing()
        if principal().organization_id is not None or source.only_customer is not None or not g.by_session:
            raise Conflict("For this sign-in the customer is settled, so none can be chosen.")
        chosen = None if body.customer_id is None else source.directory.known(body.customer_id)
        if chosen is None or isinstance(chosen, Ready):
            session["principal"] = {**session["principal"], "customer_id": body.customer_id}
        if chosen is None:
            return jsonify(customer_id=None)
        return answer(chosen, lambda row: {"customer_id": row.external_id, "name": row.name})

    @made.post("/api/v1/billing/checkout/progress")
    @needs("billing:write")
    def checkout_progress() -> Response:
        """Bring a purchase a step further and tell how it stands."""
        query_params(())
        source = billing()
        body = body_of(ProgressBody)
        result = source.progress(source.reader(principal()), body.attempt_id)
        return answer(result, encode_progress, empty={"state": None, "done": True})

    @made.post("/api/v1/billing/checkout/give-up")
    @needs("billing:write")
    def give_up() -> Response:
        """Give up the reader's own purchase, as long as Lago was not asked for it."""
        query_params(())
        source = billing()
        attempt_id = body_of(PurchaseBody).attempt_id
        return answer(source.give_up(source.reader(principal()), attempt_id), encode_progress)

    @made.post("/api/v1/billing/checkout/read")
    @needs("billing:write")
    def has_read() -> Response:
        """Note that the reader has read how the own purchase ended."""
        query_params(())
        source = billing()
        attempt_id = body_of(PurchaseBody).attempt_id
        return answer(source.has_read(source.reader(principal()), attempt_id), lambda done: {"read": done})

    @made.get("/api/v1/billing/checkout/under-way")
    @needs("billing:read")
    def under_way() -> Response:
        """A mark that changes with each step of the customer's purchase, whoever began it; null without one."""
        query_params(())
        source = billing()
        one = source.under_way(source.buyer(principal()))
        if isinstance(one, Problem):
            return answer(Failed(one), dict)
        return jsonify(mark=None if one is None else one.mark)

    @made.post("/api/v1/billing/retry")
    @needs("admin")
    def retry() -> Response:
        """Look at a purchase now, or have a webhook worked off again."""
        query_params(())
        body = body_of(RetryBody)
        desk = billing().desk
        if body.attempt_id is not None and body.event_id is None:
            return answer(desk.retry(principal().id, body.attempt_id), encode_progress)
        if body.event_id is not None and body.attempt_id is None:
            return answer(desk.retry_event(body.event_id), _worked_off)
        raise BadRequest("Name one: attempt_id or event_id.")

    @made.get("/billing/return")
    @needs("billing:write")
    def return_from_stripe() -> WerkzeugResponse:
        """Where Stripe sends the reader back. Notes the saved card and leads to the page, which does the rest."""
        given = query_params(("session_id",)).get("session_id", [""])
        source = billing()
        result = source.returned(source.reader(principal()), given[-1])
        if isinstance(result, Ready):
            # 303: loading the page again does not come back here.
            return redirect(f"{PAGE}?purchase={result.value.attempt_id}", 303)
        if isinstance(result, Failed):
            problem = result.problem
            return respond(problem.status, str(problem.kind), problem.title, problem.detail)
        detail = result.detail if isinstance(result, NotConfigured) else ""
        return respond(503, "not-configured", result.title, detail)

    return made


def _worked_off(_: object) -> dict[str, Any]:
    message = "What came of it stands in its row in a moment; where it fails, with the reason."
    return {"title": "The webhook is worked off again", "message": message}


def _age(result: Result[PlanList]) -> dict[str, Any]:
    """When the plans were read, and whether these are old ones because Lago does not answer now."""
    told = None if isinstance(result, NotConfigured) else result.provenance
    read_at = None if told is None or told.as_of is None else told.as_of.astimezone(UTC)
    return {
        "as_of": None if read_at is None else f"{read_at:%Y-%m-%dT%H:%M:%SZ}",
        "stale": isinstance(result, Ready) and result.stale is not None,
    }


def encode_plans(listed: PlanList) -> dict[str, Any]:
    """The plans as JSON; what Lago did not say is null."""
    return {"plans": [encode_plan(plan) for plan in listed.plans]}


def encode_plan(plan: Plan) -> dict[str, Any]:
    """One plan as JSON: `amount_cents` in the currency's smallest unit, `amount` in its main unit as text."""
    return {
        "id": plan.lago_id,
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "amount_cents": plan.amount_cents,
        "amount": None if plan.amount is None else str(plan.amount),
        "amount_currency": plan.currency,
        "interval": plan.interval,
        "trial_period": None if plan.trial_days is None else float(plan.trial_days),
        "pay_in_advance": plan.pay_in_advance,
        "usage_charges": plan.usage_charges,
        "fixed_charges": plan.fixed_charges,
        "minimum_commitment_cents": plan.minimum_commitment_cents,
        "credits": plan.credits,
        "features": list(plan.features),
        "limitations": list(plan.limitations),
        "entitlements": [_entitlement(one) for one in plan.entitlements],
        "contact_sales": plan.contact_sales,
        "yearly_code": plan.yearly_code,
        "most_popular": plan.most_popular,
    }


def _entitlement(one: Entitlement) -> dict[str, Any]:
    privileges = [{"code": each.code, "name": each.name, "value": each.value} for each in one.privileges]
    return {"code": one.code, "name": one.name, "privileges": privileges}


def encode_checkout(got: CheckoutAnswer) -> dict[str, Any]:
    """What follows the click, as JSON; `offer` with `confirm`, `purchase` where one is waited for without Stripe."""
    told: dict[str, Any] = {"status": got.status, "checkout_url": got.checkout_url, "message": got.message}
    if got.offer is not None:
        told["offer"] = encode_offer(got.offer)
    return told if got.purchase is None else told | {"purchase": got.purchase}


def encode_offer(offer: Offer) -> dict[str, Any]:
    """A decision in words, as JSON; its `token` is sent back as `confirm`."""
    return {
        "title": offer.title,
        "lines": list(offer.lines),
        "warning": offer.warning,
        "verb": offer.verb,
        "keep": offer.keep,
        "token": offer.token,
    }


def encode_progress(got: Progress) -> dict[str, Any]:
    """How a purchase stands, as JSON; `good` is null while open, `held_up` true when it could not be looked at."""
    return {
        "attempt_id": got.attempt_id,
        "state": got.state,
        "title": got.title,
        "message": got.message,
        "done": got.done,
        "good": got.good,
        "held_up": got.held_up is not None,
    }
