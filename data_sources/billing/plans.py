"""Lago's plans read into ours, the choice of those on offer, and why one of them cannot be bought here yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from data_sources.billing.money import MISMATCHED_AT_STRIPE, too_fine_for_stripe
from data_sources.billing.plan_terms import rated, terms_of, unreadable
from data_sources.billing.types import Catalogue, Collector, Entitlement, Plan, PlanList, Privilege

TIMES_A_YEAR = {"weekly": 52, "monthly": 12, "quarterly": 4, "semiannual": 2, "yearly": 1}
_TRUE = frozenset({"true", "yes", "1"})
_YES = frozenset({"true", "yes", "1", "on", "y", "t"})
_NO = frozenset({"false", "no", "0", "off", "n", "f"})
_MAIL = re.compile(r"^[^@\s?&<>\"]+@[^@\s?&<>\"]+\.[^@\s?&<>\"]+$")

# To visitors, members and admins alike.
_ASK = "Ask whoever runs this console for it."


def read_plan(raw: Any) -> Plan | None:
    """Read one plan object of Lago.

    Args:
        raw: The decoded JSON.

    Returns:
        The plan, or None when it has no id, code or name. A field that is missing or of a wrong type becomes None:
        Lago's always-zero counters (`customers_count` and its like) are not read at all.
    """
    if not isinstance(raw, dict):
        return None
    lago_id, code, name = (_words(raw.get(key)) for key in ("lago_id", "code", "name"))
    if lago_id is None or code is None or name is None:
        return None
    extras = _metadata(raw.get("metadata"))
    usage, fixed = _list(raw.get("charges")), _list(raw.get("fixed_charges"))
    contact = extras.get("contact_sales", "")
    sold_by_people, shown_to_all = _said(raw.get("metadata"), "contact_sales"), _said(raw.get("metadata"), "public")
    interval = _words(raw.get("interval"))
    return Plan(
        lago_id=lago_id,
        code=code,
        name=name,
        description=_words(raw.get("description")),
        interval=interval if interval in TIMES_A_YEAR else None,
        amount_cents=_whole(raw.get("amount_cents")),
        currency=_words(raw.get("amount_currency")),
        trial_days=_number(raw.get("trial_period")),
        pay_in_advance=_flag(raw.get("pay_in_advance")),
        usage_charges=None if usage is None else len(usage),
        fixed_charges=None if fixed is None else len(fixed),
        charges_in_advance=_in_advance(usage, fixed),
        minimum_commitment_cents=_minimum(raw.get("minimum_commitment")),
        credits=_words(extras.get("credits")),
        features=_numbered(extras, "feature"),
        limitations=_numbered(extras, "limitation"),
        entitlements=tuple(_entitlements(raw.get("entitlements"))),
        # What is neither a plain yes nor a plain no is read as the operator's wish to hold the plan back.
        contact_sales=sold_by_people is not None and sold_by_people not in _NO,
        sales_email=contact if _MAIL.match(contact) else None,
        yearly_code=_words(extras.get("yearly_code")),
        most_popular=extras.get("most_popular", "").lower() in _TRUE,
        public=shown_to_all is None or shown_to_all in _YES,
        pending_deletion=raw.get("pending_deletion") is True,
        usage_thresholds=None if (steps := _list(raw.get("usage_thresholds"))) is None else len(steps),
        unreadable=unreadable(raw),
        terms=terms_of(raw),
        limits=_limits(extras),
        taxed=rated(raw.get("taxes")),
    )


def read_plans(rows: Sequence[Any]) -> Catalogue:
    """Read a whole list of plans; what cannot be read is named, never dropped in silence."""
    found: dict[str, Plan] = {}
    unread = []
    for place, raw in enumerate(rows, 1):
        plan = read_plan(raw)
        if plan is None:
            unread.append(f"{_called(raw, place)} {_what_is_missing(raw)}.")
        elif plan.code in found:
            unread.append(f"Plan {plan.code} is listed twice; the first one counts.")
        else:
            found[plan.code] = plan
    return Catalogue(tuple(found.values()), tuple(unread))


def _called(raw: Any, place: int) -> str:
    code = _words(raw.get("code")) if isinstance(raw, dict) else None
    return f"Plan {code[:100]}" if code else f"Number {place} of Lago's list"


def _what_is_missing(raw: Any) -> str:
    if not isinstance(raw, dict):
        return "is not a plan"
    words = {"lago_id": "id", "code": "code", "name": "name"}
    return "has no " + " and no ".join(word for key, word in words.items() if _words(raw.get(key)) is None)


def offered(found: Sequence[Plan], codes: Sequence[str] | None) -> PlanList:
    """Choose and order the plans on offer.

    Args:
        found: All plans of the Lago organization that can be read.
        codes: The operator's list (`OPS_BILLING_PLANS`); None offers all but hidden ones.

    Returns:
        The plans: in the operator's order; else currency by currency, the one with most plans first, each by its
        price a year, then those without a known price, and those sold by people last. Plans that Lago is about to
        delete are never among them.
    """
    alive = [plan for plan in found if not plan.pending_deletion]
    if codes is None:
        shown = [plan for plan in alive if plan.public]
        return PlanList(tuple(_twins_together(_sorted(shown))))
    by_code = {plan.code: plan for plan in reversed(alive)}
    wanted = list(dict.fromkeys(codes))
    missing = [code for code in wanted if code not in by_code]
    notes = (f"Listed in OPS_BILLING_PLANS but not in Lago: {', '.join(missing)}",) if missing else ()
    return PlanList(tuple(by_code[code] for code in wanted if code in by_code), notes)


def pairs(plans: Iterable[Plan]) -> dict[str, Plan]:
    """Plans that can be paid monthly or yearly: code of the monthly plan -> its yearly twin.

    Only where both are on offer, in one currency, and the intervals are truly monthly and yearly.
    """
    all_of = {plan.code: plan for plan in plans}
    found: dict[str, Plan] = {}
    for plan in all_of.values():
        twin = all_of.get(plan.yearly_code or "")
        if (
            twin is not None
            and plan.interval == "monthly"
            and twin.interval == "yearly"
            and twin.currency == plan.currency
        ):
            found[plan.code] = twin
    return found


def why_not(plan: Plan, collector: Collector = "lago") -> str | None:
    """Why this plan cannot be bought here safely, in one sentence; None when it can.

    Lago holds a subscription back until its payment succeeds only for plans paid in advance, outside a trial. Any
    other plan with a price would start before anybody has paid, so it is not sold here yet. Where Stripe itself
    collects, it can only take a flat price.

    Args:
        plan: The plan.
        collector: Who collects the money.
    """
    if plan.contact_sales:
        return "This plan is sold by our sales team."
    if plan.amount_cents is None or plan.amount is None:
        return "Its price is not known, so it cannot be bought."
    if plan.unreadable:
        return f"Its {' and '.join(plan.unreadable)} cannot be read, so it cannot be bought."
    if plan.interval is None:
        return "How often it is billed is not known, so it cannot be bought."
    if plan.is_free:
        return None
    if plan.usage_charges is None or plan.fixed_charges is None:
        return "Its charges are not known, so it cannot be bought."
    if plan.currency in MISMATCHED_AT_STRIPE:
        return (
            f"Amounts in {plan.currency} are counted differently by Lago and Stripe, so it cannot be bought here yet."
        )
    if any(too_fine_for_stripe(each, plan.currency) for each in (plan.amount_cents, plan.minimum_commitment_cents)):
        return f"Stripe charges {plan.currency} with two decimals only, so it cannot be bought here."
    if plan.has_trial:
        return f"It starts with a trial, before any payment. Plans with a trial cannot be started here yet. {_ASK}"
    if plan.amount_cents == 0:
        return f"It is paid after use, with no payment at the start. Such plans cannot be started here yet. {_ASK}"
    if plan.pay_in_advance is not True:
        return f"It is paid at the end of each period. Such plans cannot be started here yet. {_ASK}"
    return _not_flat(plan) if collector == "stripe" else None


def _not_flat(plan: Plan) -> str | None:
    more = [
        words
        for words, there in (
            ("usage", plan.usage_charges),
            ("fixed charges", plan.fixed_charges),
            ("a minimum", plan.minimum_commitment_cents),
            ("usage thresholds", plan.usage_thresholds),
            ("tax", plan.taxed),
        )
        if there
    ]
    if not more:
        return None
    has = f"It has {' and '.join(more)} beside its price"
    return f"{has}, and Stripe collects here, which can take a flat price only. {_ASK}"


def _sorted(plans: Sequence[Plan]) -> list[Plan]:
    """Amounts of two currencies cannot be compared, so each currency's plans stand together."""
    priced = Counter(plan.currency for plan in plans if _a_year(plan) is not None)

    def place(plan: Plan) -> tuple[bool, bool, int, str, Decimal, str]:
        price = _a_year(plan)
        # A plan without a price goes after those with one, never as if it were free.
        if price is None:
            return plan.contact_sales, True, 0, "", Decimal(0), plan.code
        return plan.contact_sales, False, -priced[plan.currency], plan.currency or "", price, plan.code

    return sorted(plans, key=place)


def _a_year(plan: Plan) -> Decimal | None:
    """The base price of a year, to order plans of different intervals by; None when it is not known."""
    times = TIMES_A_YEAR.get(plan.interval or "")
    return None if plan.amount is None or times is None else plan.amount * times


def _twins_together(plans: list[Plan]) -> Iterable[Plan]:
    """A yearly twin directly after its monthly plan, so that it takes that plan's place on the page."""
    twins = pairs(plans)
    moved = {twin.code for twin in twins.values()}
    for plan in plans:
        if plan.code not in moved:
            yield plan
            if plan.code in twins:
                yield twins[plan.code]


def _words(value: object) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text or None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _list(value: object) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _in_advance(usage: list[Any] | None, fixed: list[Any] | None) -> bool | None:
    if usage is None or fixed is None:
        return None
    return any(isinstance(charge, dict) and charge.get("pay_in_advance") is True for charge in (*usage, *fixed))


def _minimum(raw: object) -> int | None:
    return _whole(raw.get("amount_cents")) if isinstance(raw, dict) else None


def _metadata(raw: object) -> dict[str, str]:
    if not isinstance(raw, dict):
        return {}
    texts = {str(key): str(value).strip() for key, value in raw.items() if isinstance(value, str | int | Decimal)}
    return {key: text for key, text in texts.items() if text}


def _said(raw: object, key: str) -> str | None:
    """What the operator wrote, in lower case and whatever its type; None when nothing."""
    value = raw.get(key) if isinstance(raw, dict) else None
    text = "" if value is None else str(value).strip().lower()
    return text or None


def _numbered(extras: dict[str, str], stem: str) -> tuple[str, ...]:
    """`feature_1`, `feature_2`, `feature_10`: in the order of their numbers, gaps allowed."""
    found = [(int(m[1]), text) for key, text in extras.items() if (m := re.fullmatch(rf"{stem}_(\d{{1,3}})", key))]
    return tuple(text for _, text in sorted(found))


def _limits(extras: dict[str, str]) -> tuple[tuple[str, Decimal], ...]:
    """`limit_` + code of a metric = how much of it is in the plan; what is no number is no limit."""
    found = [(key.removeprefix("limit_"), _number(text)) for key, text in extras.items() if key.startswith("limit_")]
    return tuple((code, number) for code, number in found if code and number is not None and number >= 0)


def _entitlements(raw: object) -> Iterable[Entitlement]:
    for given_one in raw if isinstance(raw, list) else ():
        # Lago's description wraps each in {"entitlement": …}, its servers send them bare: both are read.
        one = given_one.get("entitlement", given_one) if isinstance(given_one, dict) else None
        if not isinstance(one, dict) or (code := _words(one.get("code"))) is None:
            continue
        given = one.get("privileges")
        privileges = tuple(
            Privilege(name, _words(each.get("name")), _scalar(each.get("value")))
            for each in (given if isinstance(given, list) else ())
            if isinstance(each, dict) and (name := _words(each.get("code"))) is not None
        )
        yield Entitlement(code, _words(one.get("name")), privileges)


def _scalar(value: object) -> int | bool | str | None:
    if isinstance(value, str):
        return _words(value)
    return value if isinstance(value, int) else None
