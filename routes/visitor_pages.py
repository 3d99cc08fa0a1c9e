"""The plans for visitors: a plain page without sign-in, without script and without anybody's current plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Response, g, make_response, render_template

from components.plan_compare import FOOT, TITLE, compare
from components.plan_words import PlanWords, mail_address, plan_words, saving_words
from components.plans import as_of
from data_sources.billing.plans import pairs, why_not
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Plan, PlanList
from data_sources.result import Empty, Failed, Ready
from routes.billing_api import PAGE, PUBLIC_MAX_AGE_S
from routes.gate import public


@dataclass(frozen=True, slots=True)
class VisitorCard:
    """A plan card for somebody who has not signed in."""

    id: str
    words: PlanWords
    note: str
    popular: bool
    contact: bool
    href: str | None
    why_not: str | None


def blueprint(billing: Callable[[], BillingSource]) -> Blueprint:
    """The page `/plans`.

    Args:
        billing: Gives the source; asked at each request.
    """
    made = Blueprint("visitor_pages", __name__)

    @made.get("/plans")
    @public
    def plans() -> Response:
        """The plans on offer."""
        source = billing()
        result = source.plans(max_age_s=PUBLIC_MAX_AGE_S)
        if isinstance(result, Ready):
            signed_in = g.get("principal") is not None
            listed = result.value
            cards = _cards(listed, source, signed_in=signed_in)
            asked = as_of(result.provenance.fetched_at)
            stale = (
                None
                if result.stale is None
                else "The billing system gives no usable answer now. These are its last prices."
            )
            body = render_template(
                "plans.html",
                cards=cards,
                as_of=asked,
                stale=stale,
                words=None,
                signed_in=signed_in,
                comparison=compare(listed.plans, pairs(listed.plans)),
                compare_title=TITLE,
                compare_foot=FOOT,
            )
            return _page(body, 200)
        if isinstance(result, Empty):
            return _page(_words("No plans on offer", "There is nothing to buy here at the moment."), 200)
        if isinstance(result, Failed):
            status, words = (
                result.problem.status,
                ("Plans cannot be shown now", "The billing system gives no usable answer. Try again in a minute."),
            )
        else:
            status, words = 503, ("Plans are not set up yet", "This console has no billing system yet.")
        return _page(_words(*words), status)

    return made


def _words(title: str, detail: str) -> str:
    return render_template("plans.html", cards=[], as_of=None, stale=None, words=(title, detail))


def _page(body: str, status: int) -> Response:
    made = make_response(body, status)
    made.headers["Cache-Control"] = "no-store"
    return made


def choose_address(code: str, *, signed_in: bool) -> str:
    """Where "Select plan" leads: to the card of this plan on the reader's own page, through sign-in if need be.

    Only our own page with the code as one quoted value: nothing in a code can make it another address.
    """
    target = f"{PAGE}?plan={quote(code, safe='')}"
    return target if signed_in else f"/login?next={quote(target, safe='')}"


def _cards(listed: PlanList, source: BillingSource, *, signed_in: bool) -> list[VisitorCard]:
    twins = {
        yearly.code: monthly for monthly in listed.plans for yearly in [pairs(listed.plans).get(monthly.code)] if yearly
    }
    return [
        _card(plan, twins.get(plan.code), source, choose_address(plan.code, signed_in=signed_in))
        for plan in listed.plans
    ]


def _why_not(plan: Plan, source: BillingSource) -> str | None:
    """Why nobody can buy this plan here, for people who cannot change a setting."""
    if plan.contact_sales:
        return None if mail_address(plan, source.sales_email) else "This plan is sold by our sales team."
    reason = why_not(plan, source.collector)
    if reason is None and not plan.is_free and source.stripe is None:
        return "Plans with a price cannot be bought here yet."
    return reason


def _card(plan: Plan, monthly: Plan | None, source: BillingSource, choose: str) -> VisitorCard:
    words = plan_words(plan)
    saving = saving_words(monthly, plan) if monthly is not None else None
    reason = _why_not(plan, source)
    return VisitorCard(
        id=plan.lago_id,
        words=words,
        note=f"{words.note}. {saving}" if saving else words.note,
        popular=plan.most_popular,
        contact=plan.contact_sales,
        href=mail_address(plan, source.sales_email) if plan.contact_sales else None if reason else choose,
        why_not=reason,
    )
