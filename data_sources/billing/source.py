"""The subscription room as one source: what pages and routes ask, each answer a `Result`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from data_sources.billing import purchase, subscribe
from data_sources.billing.account.desk import AccountDesk
from data_sources.billing.account.moves import day_in, on_words
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.audit import READ_BY_BUYER
from data_sources.billing.customers import buyer_of, collected_by_lago, moment, read_current, reader_of
from data_sources.billing.desk import Desk
from data_sources.billing.directory import Directory
from data_sources.billing.doorway import Doorway
from data_sources.billing.inbox import Inbox
from data_sources.billing.lago import SOURCE, LagoClient
from data_sources.billing.plans import offered
from data_sources.billing.progress import progress_of
from data_sources.billing.purchase import PriceWords, Terms, Till
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.billing.stripe_subscriptions import over_at_stripe
from data_sources.billing.sweeper import Sweeper
from data_sources.billing.tax import ADDED, tax_added
from data_sources.billing.types import (
    Buyer,
    Catalogue,
    CheckoutAnswer,
    Collector,
    Current,
    Ended,
    Plan,
    PlanList,
    Progress,
    Stops,
    Subscription,
    UnderWay,
    Wanted,
)
from data_sources.billing.under_way import TITLE as NOT_GIVEN_UP
from data_sources.billing.under_way import came_to_nothing, give_up, under_way_of
from data_sources.billing.webhooks import Webhooks
from data_sources.principal import Principal
from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Provenance, Ready, Result, utc_now
from data_sources.state.store import State, StateUnavailableError

T = TypeVar("T")

NO_LAGO = NotConfigured(
    "Lago is not connected",
    "Plans, prices and subscriptions come from Lago, an open billing server.",
    ("OPS_LAGO_URL", "OPS_LAGO_API_KEY"),
)
NO_CUSTOMER = Problem(
    Kind.CONFLICT,
    "Nothing was bought",
    "You are signed in without an organization, so there is nobody to buy for. An admin chooses a customer on the "
    "subscription page, or OPS_LAGO_CUSTOMER names the only one.",
    code="no_customer",
)
OTHER_CUSTOMER = Problem(
    Kind.CONFLICT,
    "Nothing was bought",
    "Meanwhile another customer was chosen, in another tab perhaps. The page is read again: look for whom you buy.",
    code="customer_changed",
)
PATIENCE_S = 10.0
_SLOW = Problem(Kind.TIMEOUT, "Plans could not be read", "Lago takes long to answer.", code="timeout", retry_after_s=5)
CHANGE_AT_STRIPE = purchase.CHANGE_AT_STRIPE
NO_STRIPE = subscribe.NO_STRIPE


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer about plans, when it came (monotonic seconds), and all of Lago's plans, on offer or not."""

    result: Result[PlanList]
    at_s: float
    all: tuple[Plan, ...] = ()


class BillingSource:
    """Plans, the current subscription, and the purchase.

    Args:
        lago: Lago, None when it is not configured.
        stripe: Stripe, None when it is not configured.
        state: The state database, for purchases under way.
        price_words: Writes a plan's price for Stripe's page.
        plan_codes: `OPS_BILLING_PLANS`.
        collector: `OPS_BILLING_COLLECTOR`.
        only_customer: `OPS_LAGO_CUSTOMER`.
        sales_email: `OPS_SALES_EMAIL`.
        base_url: The console's own address.
        stripe_webhook_secret: `OPS_STRIPE_WEBHOOK_SECRET`.
        lago_hmac_key: `OPS_LAGO_HMAC_KEY`.
        wait: Waits for so many seconds.
        click_s: How long everything may take that one click asks, in seconds; None keeps to the usual.
        lago_missing: Without Lago, the settings that are missing.
    """

    def __init__(
        self,
        lago: LagoClient | None,
        stripe: StripeGateway | None,
        state: State,
        *,
        price_words: PriceWords,
        plan_codes: Sequence[str] | None = None,
        collector: Collector = "lago",
        only_customer: str | None = None,
        sales_email: str | None = None,
        base_url: str = "http://127.0.0.1:8050",
        stripe_webhook_secret: str | None = None,
        lago_hmac_key: str | None = None,
        wait: Callable[[float], object] = time.sleep,
        click_s: float | None = None,
        lago_missing: tuple[str, ...] = NO_LAGO.settings,
    ) -> None:
        self.no_lago = replace(NO_LAGO, settings=lago_missing)
        self.lago = lago
        self.stripe = stripe
        self.sales_email = sales_email
        self.only_customer = only_customer
        self.collector = collector
        self._attempts = Attempts(state)
        self._terms = Terms(plan_codes, collector, base_url, price_words, wait)
        self._doorway = Doorway() if click_s is None else Doorway(click_s=click_s)
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._good: Ready[PlanList] | None = None
        self.directory = Directory(lago, self.no_lago, self._doorway)
        self.inbox = Inbox(state)
        self.sweeper = Sweeper(self._attempts, self.inbox, self._finish)
        self.webhooks = Webhooks(
            self.inbox,
            stripe_secret=stripe_webhook_secret,
            stripe_live=stripe is not None and stripe.live,
            lago=lago,
            lago_hmac_key=lago_hmac_key,
            wake=self.sweeper.wake,
        )
        self.account = AccountDesk(lago, stripe, self._attempts, self._terms, self._doorway, self.no_lago, NO_STRIPE)
        self.desk = Desk(
            self._attempts,
            self.inbox,
            self._finish,
            self.sweeper.wake,
            {"stripe": stripe_webhook_secret is not None, "lago": lago is not None},
        )

    def start(self) -> None:
        """Begin to look after purchases that nobody looks at."""
        if self.lago is not None:
            self.sweeper.start()

    def close(self) -> None:
        """Stop looking, then give back every connection."""
        self.sweeper.close()
        if self.lago is not None:
            self.lago.close()

    def buyer(self, principal: Principal) -> Buyer | None:
        """For which Lago customer this person buys, None when there is none."""
        return buyer_of(principal, self.only_customer)

    def reader(self, principal: Principal) -> Buyer | None:
        """Whose purchases this person may look at: an admin's own ones, whichever customer is chosen by now."""
        return reader_of(principal, self.only_customer)

    def plans(self, *, max_age_s: float = 0.0) -> Result[PlanList]:
        """The plans on offer, from Lago, every page of them.

        Args:
            max_age_s: An answer as young as this is good enough; the public page uses it, so that visitors cannot
                make the console hammer Lago.

        Returns:
            The plans; with `stale` the last good ones when Lago does not answer now.
        """
        if self.lago is None:
            return self.no_lago
        # One question at a time: those who wait for it share its answer. Visitors do not wait where there is an older
        # answer: a slow Lago must not hold every thread of the console.
        asked_at_s = time.monotonic()
        kept = self._kept
        if kept is not None and kept.at_s >= asked_at_s - max_age_s:
            return kept.result
        with self._doorway.place("Plans could not be read") as busy:
            if busy is not None:
                return kept.result if max_age_s and kept is not None else self._last_good(busy)
            if not self._lock.acquire(timeout=0.0 if max_age_s and kept is not None else PATIENCE_S):
                return kept.result if max_age_s and kept is not None else self._last_good(_SLOW)
            try:
                kept = self._kept
                if kept is not None and kept.at_s >= asked_at_s - max_age_s:
                    return kept.result
                return self._ask_plans(self.lago)
            finally:
                self._lock.release()

    @property
    def seen(self) -> Result[PlanList] | None:
        """What was last answered about plans, without asking anyone; None before the first question."""
        kept = self._kept
        return None if kept is None else kept.result

    def _known(self, lago: LagoClient) -> Mapping[str, Plan]:
        """All of Lago's plans by code, asked now or by somebody who is asking now; none when Lago does not answer."""
        asked_at_s = time.monotonic()
        if not self._lock.acquire(timeout=PATIENCE_S):
            return {}
        try:
            if self._kept is None or self._kept.at_s < asked_at_s:
                self._ask_plans(lago)
            kept = self._kept
        finally:
            self._lock.release()
        return {} if kept is None else {plan.code: plan for plan in kept.all}

    def _ask_plans(self, lago: LagoClient) -> Result[PlanList]:
        """Ask, and keep the answer; under the lock."""
        found = lago.plans()
        result = self._chosen(found)
        self._kept = _Kept(result, time.monotonic(), () if isinstance(found, Problem) else found.plans)
        return result

    def _chosen(self, found: Catalogue | Problem) -> Result[PlanList]:
        now = utc_now()
        told = Provenance(SOURCE, "GET /api/v1/plans", as_of=now, fetched_at=now)
        if isinstance(found, Problem):
            return self._last_good(found, told)
        chosen = offered(found.plans, self._terms.plan_codes)
        chosen = replace(chosen, notes=(*chosen.notes, *found.unread))
        rows = len(found.plans) + len(found.unread)
        told = Provenance(SOURCE, told.query, as_of=now, fetched_at=now, rows=rows, notes=chosen.notes)
        if not chosen.plans:
            self._good = None
            return Empty("No plans on offer", "Lago answered and has no plan to show here.", told)
        self._good = Ready(chosen, told)
        return self._good

    def _last_good(self, problem: Problem, told: Provenance | None = None) -> Result[PlanList]:
        """The last good plans, marked as old ones with why there are no newer ones; without any, only why."""
        good = self._good
        return Failed(problem, told) if good is None else Ready(good.value, good.provenance, stale=problem)

    def current(self, buyer: Buyer | None, *, awaited: str | None = None) -> Result[Current]:
        """What the customer is subscribed to now.

        Args:
            buyer: Whose customer it is.
            awaited: The purchase that the reader's page has not yet told the end of: what it started is not called
                active before, so that nothing on the page is ahead of anything else.
        """
        if self.lago is None:
            return self.no_lago
        now = utc_now()
        told = Provenance(SOURCE, "GET /api/v1/subscriptions", as_of=now, fetched_at=now)
        if buyer is None:
            return Empty("No organization", NO_CUSTOMER.detail, told)
        with self._doorway.place("Subscriptions could not be read") as busy:
            found = busy or read_current(self.lago, buyer.customer_id, partial(self._known, self.lago))
            if isinstance(found, Current):
                found = self._over_at_stripe(found)
            ended = "" if isinstance(found, Problem) or found.subscriptions else self._ended(self.lago, buyer, found)
        if isinstance(found, Problem):
            return Failed(found, told)
        if not found.subscriptions:
            nothing = "Lago has no running or coming subscription for this customer."
            return Empty("No plan runs", f"{ended}{nothing}", told)
        return Ready(self._unconfirmed(found, buyer, awaited), told)

    def _ended(self, lago: LagoClient, buyer: Buyer, found: Current) -> str:
        """Which plan of theirs has ended, and when; "" where none was started here, or Lago does not tell."""
        try:
            if not self._attempts.ever_started(buyer.customer_id):
                return ""  # most have never had one: nobody waits for one more question
        except StateUnavailableError:
            return ""
        row = lago.subscription(purchase.subscription_id(buyer), "terminated")
        at = moment(row.get("terminated_at")) if isinstance(row, dict) else None
        if not isinstance(row, dict) or at is None:
            return ""
        code, kept = str(row.get("plan_code")), self._kept
        name = next((plan.name for plan in (() if kept is None else kept.all) if plan.code == code), code)
        return f"{name} ended {on_words(day_in(at, found))}. "

    def _over_at_stripe(self, found: Current) -> Current:
        try:
            return over_at_stripe(self.stripe, self._attempts, found)
        except StateUnavailableError:
            return found

    def _unconfirmed(self, found: Current, buyer: Buyer, awaited: str | None) -> Current:
        try:
            attempt = None if awaited is None else self._attempts.of(buyer, awaited)
        except StateUnavailableError:
            return found
        if attempt is None or attempt.customer_id != found.customer_id:
            return found
        waits = partial(replace, status="incomplete", paid=attempt.collector == "stripe")
        rows = [waits(one) if _started_by(attempt, one) else one for one in found.subscriptions]
        return replace(found, subscriptions=tuple(rows))

    def shop(
        self, buyer: Buyer | None, *, awaited: str | None = None
    ) -> tuple[Result[PlanList], Result[Current], Stops]:
        """The plans on offer, what the customer holds, and what stops a sale to it, asked side by side.

        Args:
            buyer: Who would buy.
            awaited: As for `current`.
        """
        current_of = partial(self.current, buyer, awaited=awaited)
        asks: list[Callable[[], Any]] = [self.plans, current_of, partial(self._stops, buyer)]
        plans, current, stops = side_by_side(asks)
        return plans, current, stops

    def _stops(self, buyer: Buyer | None) -> Stops:
        """What a click on a plan with a price would be refused for, told before it."""
        lago = self.lago
        if lago is None or buyer is None:
            return Stops()
        if self.collector == "lago":
            return Stops(runs_at_stripe=self._runs_at_stripe(buyer))
        with self._doorway.place("Taxes could not be read") as busy:
            asks: list[Callable[[], Any]] = [partial(lago.customer, buyer.customer_id), lago.taxes]
            told: list[Any] = [busy, busy] if busy else side_by_side(asks)
            customer, known = told
            if isinstance(customer, dict) and collected_by_lago(customer):
                return Stops(collector=subscribe.by_lago(buyer))
            failed = [one for one in (customer, known) if isinstance(one, Problem)]
            added = failed[0] if failed else tax_added(lago, customer, known)
        if isinstance(added, Problem):
            return Stops(tax=f"Whether Lago adds tax is not known: {added.detail}")
        return Stops(tax=ADDED if added else None)

    def _runs_at_stripe(self, buyer: Buyer) -> bool:
        try:
            return bool(self._attempts.running(buyer.customer_id))
        except StateUnavailableError:
            return False  # a click finds it out

    def under_way(self, buyer: Buyer | None) -> UnderWay | Problem | None:
        """The customer's purchase that is not settled, whoever began it, from our own books; None without one."""
        if self.lago is None or buyer is None:
            return None
        try:
            attempt = self._attempts.open_for(buyer.customer_id)
        except StateUnavailableError as error:
            return error.problem
        return None if attempt is None else under_way_of(attempt, buyer)

    def came_to_nothing(self, buyer: Buyer | None, *, awaited: str | None = None) -> Ended | Problem | None:
        """The reader's last purchase where it ended without a plan while nobody may have looked, from our own books.

        Args:
            buyer: Who reads.
            awaited: The purchase that the reader's page tells of by itself.
        """
        if self.lago is None or buyer is None:
            return None
        try:
            return came_to_nothing(self._attempts, buyer, awaited)
        except StateUnavailableError as error:
            return error.problem

    def has_read(self, buyer: Buyer | None, attempt_id: str) -> Result[bool]:
        """Note that its buyer has read how a purchase ended, so that it is told no more."""
        if buyer is None:
            return Failed(subscribe.unknown())
        try:
            attempts = self._attempts.by(buyer.log_name)
            attempt = attempts.of(buyer, attempt_id)
            if attempt is None:
                return Failed(subscribe.unknown())
            attempts.note_step(attempt, READ_BY_BUYER)
        except StateUnavailableError as error:
            return Failed(error.problem)
        return _result(True, "POST read")

    def give_up(self, buyer: Buyer | None, attempt_id: str) -> Result[Progress]:
        """Give up the reader's own purchase, as long as Lago was not asked for it."""
        if self.lago is None:
            return self.no_lago
        if buyer is None:
            return Failed(subscribe.unknown())
        try:
            with self._doorway.click(NOT_GIVEN_UP) as busy:
                got = busy or give_up(self._till(self.lago, buyer), buyer, attempt_id)
        except StateUnavailableError as error:
            return Failed(error.problem)
        return _result(got, "POST give up")

    def checkout(self, buyer: Buyer | None, wanted: Wanted) -> Result[CheckoutAnswer]:
        """Do what "Select plan" asks for: start a free plan, or send the reader to Stripe. Takes no money itself."""
        if self.lago is None:
            return self.no_lago
        if buyer is None:
            return Failed(NO_CUSTOMER)
        if wanted.shown_customer not in (None, buyer.customer_id):
            return Failed(OTHER_CUSTOMER)
        try:
            with self._doorway.click(purchase.TITLE) as busy:
                got = busy or subscribe.select_plan(self._till(self.lago, buyer), buyer, wanted)
        except StateUnavailableError as error:
            return Failed(error.problem)
        return _result(got, "POST checkout")

    def _till(self, lago: LagoClient, buyer: Buyer) -> Till:
        return Till(lago, self.stripe, self._attempts.by(buyer.log_name), self._terms)

    def _finish(self, attempts: Attempts, attempt: Attempt) -> Problem | None:
        title = "The purchase could not be looked up"
        if self.lago is None:
            return Problem(Kind.CONFLICT, title, f"{self.no_lago.title}.", code="not_configured")
        with self._doorway.place(title) as busy:
            return busy or subscribe.sweep(Till(self.lago, self.stripe, attempts, self._terms), attempt)

    def returned(self, buyer: Buyer | None, session_id: str) -> Result[Progress]:
        """The reader is back from Stripe: note the saved card. Starts nothing; `progress` does."""
        if self.lago is None:
            return self.no_lago
        if self.stripe is None:
            return NO_STRIPE
        if buyer is None:
            return Failed(subscribe.unknown())
        try:
            with self._doorway.click("Your purchase could not be looked up") as busy:
                got = subscribe.came_back(self._till(self.lago, buyer), buyer, session_id, busy=busy)
        except StateUnavailableError as error:
            return Failed(error.problem)
        told = got if isinstance(got, Problem) else subscribe.for_whom(progress_of(got), got, buyer)
        return _result(told, "GET checkout session")

    def progress(self, buyer: Buyer | None, attempt_id: str | None) -> Result[Progress]:
        """Bring a purchase a step further and say how it stands.

        Args:
            buyer: Who asks; other people's purchases are not found.
            attempt_id: The purchase; None means the one that is open, if there is one.
        """
        now = utc_now()
        nothing = Empty("No purchase under way", "", Provenance("State", "open purchase", as_of=now, fetched_at=now))
        if self.lago is None:
            return nothing if attempt_id is None else self.no_lago
        if buyer is None:
            return nothing
        try:
            with self._doorway.click("Your purchase could not be looked up") as busy:
                waits = None if busy is None else replace(busy, detail="Lago or Stripe answers slowly just now.")
                got = subscribe.follow(self._till(self.lago, buyer), buyer, attempt_id, busy=waits)
        except StateUnavailableError as error:
            return Failed(error.problem)
        result = nothing if got is None else _result(got, "GET purchase")
        return replace(result, stale=result.value.held_up) if isinstance(result, Ready) else result


def _started_by(attempt: Attempt, one: Subscription) -> bool:
    same = (one.external_id, one.plan_code) == (attempt.subscription_id, attempt.plan_code)
    return one.status == "active" and same and attempt.lago_subscription_id in (None, one.lago_id)


def _result(got: T | Problem | NotConfigured, query: str) -> Result[T]:
    if isinstance(got, Problem):
        return Failed(got)
    if isinstance(got, NotConfigured):
        return got
    now = utc_now()
    return Ready(got, Provenance(SOURCE, query, as_of=now, fetched_at=now))
