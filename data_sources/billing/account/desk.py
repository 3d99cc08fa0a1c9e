"""The customer's side of the subscription room: each question and each deed answers with a `Result`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar, cast

from data_sources.billing import attempts as book
from data_sources.billing import books
from data_sources.billing.account import card, links
from data_sources.billing.account.card_on_file import CardsOnFile, in_words
from data_sources.billing.account.manage import TITLE, manage
from data_sources.billing.account.read import (
    limits_of,
    read_invoices,
    read_usage,
    read_wallets,
)
from data_sources.billing.account.types import (
    CardView,
    FailedCharge,
    Invoice,
    Invoices,
    Link,
    Managed,
    StripesPart,
    Usage,
    UsageView,
    Wallet,
)
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.customers import collected_by_lago
from data_sources.billing.doorway import Doorway
from data_sources.billing.lago import SOURCE, Json, LagoClient
from data_sources.billing.lago_account import InvoiceRows
from data_sources.billing.money import major_units
from data_sources.billing.paid_invoices import given_back_of
from data_sources.billing.purchase import Terms, Till, untouched
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.stripe_checkout import SOURCE as AT_STRIPE
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.billing.stripe_subscriptions import GIVEN_UP, GivenBack, StripeSubscriptions
from data_sources.billing.types import Buyer, CheckoutAnswer, Progress
from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Provenance, Ready, Result, utc_now
from data_sources.state.store import StateUnavailableError

T = TypeVar("T")

KEPT = 256
NO_PORTAL = "Lago's portal could not be opened"
NOBODY = Problem(
    Kind.CONFLICT,
    "There is no customer",
    "You are signed in without an organization, so there is nothing of yours in Lago.",
    code="no_customer",
)


class AccountDesk:
    """What a customer has, and what it does with it.

    Args:
        lago: Lago, None when it is not configured.
        stripe: Stripe, None when it is not configured.
        attempts: Our record of purchases and the log.
        terms: How this console sells.
        doorway: Bounds how many questions are under way.
        no_lago: What is said without Lago.
        no_stripe: What is said without Stripe.
    """

    def __init__(
        self,
        lago: LagoClient | None,
        stripe: StripeGateway | None,
        attempts: Attempts,
        terms: Terms,
        doorway: Doorway,
        no_lago: NotConfigured,
        no_stripe: NotConfigured,
    ) -> None:
        self._lago = lago
        self._stripe = stripe
        self._attempts = attempts
        self._terms = terms
        self._doorway = doorway
        self._no_lago = no_lago
        self._no_stripe = no_stripe
        self._good: OrderedDict[tuple[str, str], Ready[object]] = OrderedDict()
        self._cards = CardsOnFile(attempts)

    @property
    def _by_lago(self) -> bool:
        return self._terms.collector == "lago"

    # ---- what there is

    def usage(self, buyer: Buyer | None) -> Result[UsageView]:
        """Usage of the running period against the limits of the plans that run and have some."""

        def ask(lago: LagoClient, who: Buyer) -> UsageView | Problem | None:
            found = _usages(lago, who)
            if isinstance(found, Problem) or not found:
                return found if isinstance(found, Problem) else None
            customer = lago.customer(who.customer_id)
            if isinstance(customer, Problem):
                return customer
            zone = (customer or {}).get("applicable_timezone")
            return UsageView(tuple(found), zone if isinstance(zone, str) else "UTC")

        nothing = ("No limits", "None of the plans that run has a limit.")
        return self._read(buyer, "GET /api/v1/customers/…/current_usage", "Usage could not be read", ask, nothing)

    def wallets(self, buyer: Buyer | None) -> Result[tuple[Wallet, ...]]:
        """Prepaid credits."""

        def ask(lago: LagoClient, who: Buyer) -> tuple[Wallet, ...] | Problem | None:
            rows = lago.wallets(who.customer_id)
            return rows if isinstance(rows, Problem) else read_wallets(rows) or None

        nothing = ("No credits", "Lago has no wallet of this customer.")
        return self._read(buyer, "GET /api/v1/wallets", "Credits could not be read", ask, nothing)

    def invoices(self, buyer: Buyer | None, page: int = 1) -> Result[Invoices]:
        """A page of invoices, from 1, the newest first."""

        def ask(lago: LagoClient, who: Buyer) -> Invoices | Problem | None:
            found = self._invoices(lago, who, partial(lago.invoices, who.customer_id, page=page))
            return self._with_backs(who, found) if isinstance(found, Invoices) else found

        nothing = ("No invoices yet", "Lago has none for this customer.")
        if page > 1:
            nothing = ("No older invoices", "Lago has none for this customer beyond those before.")
        query = f"GET /api/v1/customers/…/invoices?page={page}"
        return self._read(buyer, query, "Invoices could not be read", ask, nothing)

    def overdue(self, buyer: Buyer | None) -> Result[Invoices]:
        """Invoices that should have been paid by now, each with the subscriptions that it is for."""

        def ask(lago: LagoClient, who: Buyer) -> Invoices | Problem | None:
            def late() -> InvoiceRows | Problem | None:
                page = lago.invoices(who.customer_id, overdue=True)
                if not isinstance(page, InvoiceRows):
                    return page
                return replace(page, rows=side_by_side([partial(_whole, lago, row) for row in page.rows]))

            return self._invoices(lago, who, late)

        nothing = ("Nothing is overdue", "Lago has no overdue invoice for this customer.")
        query = "GET /api/v1/customers/…/invoices?payment_overdue=true"
        return self._read(buyer, query, "Invoices could not be read", ask, nothing)

    def _invoices(
        self, lago: LagoClient, who: Buyer, ask: Callable[[], InvoiceRows | Problem | None]
    ) -> Invoices | Problem | None:
        asks: list[Callable[[], Any]] = [ask, partial(self._collects, lago, who, self._attempts)]
        page, collects = side_by_side(asks)
        for one in (page, collects):
            if isinstance(one, Problem):
                return one
        read = None if page is None else read_invoices(page)
        if read is None or not read.rows:
            return None
        return replace(read, payable=collects == "lago", by_stripe=collects == "stripe")

    def _collects(self, lago: LagoClient, who: Buyer, mine: Attempts) -> Literal["lago", "stripe"] | Problem | None:
        """Who takes the money of this customer's invoices, whatever the setting is by now; None is nobody."""
        try:
            if mine.running(who.customer_id):
                return "stripe"
        except StateUnavailableError as error:
            return error.problem
        if self._by_lago:
            return "lago"
        customer = lago.customer(who.customer_id)
        if isinstance(customer, Problem):
            return customer
        return "lago" if customer is not None and collected_by_lago(customer) else None

    def _with_backs(self, who: Buyer, found: Invoices) -> Invoices:
        """The invoices, with what was given back of their payments at Stripe; asked only where Stripe was paid."""
        stripe, wanted = self._stripe, [one.paid_by for one in found.rows if one.paid_by is not None]
        if stripe is None or not wanted:
            return found
        try:
            payer = self._attempts.payer(who.customer_id, live=stripe.live)
            sold = [] if payer is None else self._attempts.with_stripe_customer(payer)
        except StateUnavailableError as error:
            return replace(found, backs_unread=error.problem)
        at_stripe = StripeSubscriptions(stripe)
        with in_words():
            asked = [at_stripe.paid(of) for one in sold if (of := one.stripe_subscription_id) is not None]
            payments = [one for told in asked if not isinstance(told, Problem) for one in told if one.id in wanted]
            back, unread = given_back_of(at_stripe, payer, payments)
        unread = next((told for told in asked if isinstance(told, Problem)), unread)
        rows = tuple(_with_back(one, back) for one in found.rows)
        return replace(found, rows=rows, backs_unread=unread)

    def failed_charges(self, buyer: Buyer | None) -> tuple[FailedCharge, ...] | Problem:
        """Plans with charges at Stripe that failed, running or ended by now, as far as Stripe still says so."""
        if buyer is None or self._stripe is None:
            return ()
        try:
            failed = self._attempts.unpaid(buyer.customer_id)
        except StateUnavailableError as error:
            return error.problem
        if not failed:
            return ()
        with self._doorway.place("What is open at Stripe could not be read") as busy:
            found = [_failed_charge(self._stripe, one, busy) for one in failed if _owes(one)]
        return (*(one for one in found if one is not None), *_to_put_right(failed))

    def card(self, buyer: Buyer | None) -> Result[CardView]:
        """The card that is charged, and whether another one can be saved here."""
        title, stripe = "The card could not be read", self._stripe
        try:
            running = [] if buyer is None else self._attempts.running(buyer.customer_id)
        except StateUnavailableError as error:
            return Failed(error.problem)
        if running and stripe is not None:
            return self._read(
                buyer,
                "GET /v1/subscriptions/…, GET /v1/payment_methods/…",
                title,
                lambda _, __: self._cards.at_stripe(stripe, running[-1]),
                ("No card on file", "Stripe names none for what it charges."),
                source=AT_STRIPE,
            )

        def ask(lago: LagoClient, who: Buyer) -> CardView | Problem | None:
            return self._cards.at_lago(lago, stripe, who, by_lago=self._by_lago)

        at = "saved" if self._by_lago else "given on Stripe's page"
        nothing = ("No card on file", f"A card is {at} when you choose a plan that costs something.")
        return self._read(buyer, "GET /api/v1/customers/…/payment_methods", title, ask, nothing)

    # ---- what is done

    def manage(self, buyer: Buyer | None, action: str, subscription_id: str, confirm: str | None) -> Result[Managed]:
        """Let a subscription end, let it go on, or take back a planned change."""

        def act(lago: LagoClient, who: Buyer, mine: Attempts) -> Managed | Problem:
            stopped = _over_at_stripe(self._stripe, mine.running(who.customer_id)) if action == "resume" else None
            if stopped is not None:
                return stopped
            part = partial(self._stripes_part, mine, who, subscription_id)
            done = manage(lago, mine, who, action, subscription_id, confirm, part)
            if isinstance(done, Managed) and done.status == "done":
                return self._at_stripe_too(self._till(lago, mine), who, done, action)
            return done

        return self._do(buyer, TITLE, act)

    def _stripes_part(self, mine: Attempts, who: Buyer, subscription_id: str) -> StripesPart | None:
        """What Stripe says of a plan that it collects for; None where it does not."""
        running = [one for one in mine.running(who.customer_id) if one.subscription_id == subscription_id]
        if not running or self._stripe is None:
            return None
        with in_words():
            held = StripeSubscriptions(self._stripe).read(str(running[0].stripe_subscription_id))
        if isinstance(held, Problem):
            return StripesPart(None, _owes(running[0]))
        return StripesPart(held.renews_at, held.failing)

    def _at_stripe_too(self, till: Till, who: Buyer, done: Managed, action: str) -> Managed:
        """Where Stripe collects, it ends or goes on with Lago; nothing is promised that Stripe has not confirmed."""
        running = till.attempts.running(who.customer_id)
        failed = [books.keep_end(till, one, resumed=action == "resume") for one in running]
        problem = next((one for one in failed if one is not None), None)
        if problem is None:
            return done
        risk = "charges at each renewal" if action == "cancel" else "may end it"
        detail = (
            f"Lago has noted it. Stripe, which takes the money, has not confirmed it yet: {problem.detail} It is tried "
            f"again every minute, and your admin sees it. Until Stripe confirms it, Stripe {risk}."
        )
        return replace(done, title=f"{done.title}, once Stripe confirms it", message=detail, good=None)

    def pdf(self, buyer: Buyer | None, invoice_id: str) -> Result[Link]:
        """The PDF of an invoice."""
        return self._do(buyer, "The PDF could not be read", lambda lago, who, _: links.pdf(lago, who, invoice_id))

    def pay(self, buyer: Buyer | None, invoice_id: str) -> Result[Link]:
        """A page to pay an invoice on."""
        title = "The payment page could not be opened"

        def act(lago: LagoClient, who: Buyer, mine: Attempts) -> Link | Problem:
            collects = self._collects(lago, who, mine)
            if isinstance(collects, Problem):
                return replace(collects, title=title)
            if collects != "lago":
                detail = "It cannot be paid here. Ask your admin how to pay it."
                if collects == "stripe":
                    detail = "Stripe collects for it. Paid in Lago as well, it would be paid twice. Ask your admin."
                return Problem(Kind.CONFLICT, title, detail, code="collector_mismatch")
            if self._stripe is None:
                return links.pay(lago, who, invoice_id)
            return links.pay(lago, who, invoice_id, self._stripe.may_open)

        return self._do(buyer, title, act)

    def portal(self, buyer: Buyer | None) -> Result[Link]:
        """Lago's own page of the customer."""
        return self._do(buyer, NO_PORTAL, lambda lago, who, _: links.portal(lago, who))

    def update_card(self, buyer: Buyer | None) -> Result[CheckoutAnswer]:
        """Open Stripe's page on which another card is saved."""
        stripe = self._stripe
        if stripe is None:
            return self._no_stripe
        return self._do(buyer, card.TITLE, lambda lago, who, mine: card.update(self._till(lago, mine), stripe, who))

    def card_progress(self, buyer: Buyer | None, session_id: str) -> Result[Progress]:
        """How far another card has come."""
        stripe = self._stripe
        if stripe is None:
            return self._no_stripe
        title = "Your card could not be looked up"

        def ask(lago: LagoClient, who: Buyer, mine: Attempts) -> Progress | Problem:
            return card.progress(self._till(lago, mine), stripe, who, session_id)

        return self._do(buyer, title, ask)

    def _till(self, lago: LagoClient, mine: Attempts) -> Till:
        return Till(lago, self._stripe, mine, self._terms)

    def _read(
        self,
        buyer: Buyer | None,
        query: str,
        title: str,
        ask: Callable[[LagoClient, Buyer], T | Problem | None],
        nothing: tuple[str, str],
        *,
        source: str = SOURCE,
    ) -> Result[T]:
        if self._lago is None:
            return self._no_lago
        now = utc_now()
        told = Provenance(source, query, as_of=now, fetched_at=now)
        if buyer is None:
            return Empty("No organization", NOBODY.detail, told)
        with self._doorway.place(title) as busy:
            found = busy or ask(self._lago, buyer)
        kept = (buyer.customer_id, query)
        if isinstance(found, Problem):
            old = self._good.get(kept)
            return Failed(found, told) if old is None else cast("Result[T]", replace(old, stale=found))
        if found is None:
            self._good.pop(kept, None)
            return Empty(*nothing, told)
        return cast("Result[T]", self._keep(kept, Ready(found, told)))

    def _keep(self, key: tuple[str, str], good: Ready[object]) -> Ready[object]:
        """The last good answer of each customer to each question, of as many as there is room for."""
        self._good[key] = good
        self._good.move_to_end(key)
        while len(self._good) > KEPT:
            self._good.popitem(last=False)
        return good

    def _do(
        self, buyer: Buyer | None, title: str, act: Callable[[LagoClient, Buyer, Attempts], T | Problem]
    ) -> Result[T]:
        if self._lago is None:
            return self._no_lago
        if buyer is None:
            return Failed(NOBODY)
        try:
            with self._doorway.click(title) as busy:
                done = busy or act(self._lago, buyer, self._attempts.by(buyer.log_name))
        except StateUnavailableError as error:
            return Failed(error.problem)
        now = utc_now()
        return Failed(done) if isinstance(done, Problem) else Ready(done, Provenance(SOURCE, title, now, now))


def _over_at_stripe(stripe: StripeGateway | None, running: list[Attempt]) -> Problem | None:
    """Why a plan that ends cannot go on: Stripe's part of it has ended already, so nobody would pay for it."""
    if stripe is None:
        return None
    for one in running:
        held = StripeSubscriptions(stripe).read(str(one.stripe_subscription_id))
        if isinstance(held, Problem):
            return untouched(held, "Nothing was changed.")
        if held.over:
            detail = (
                f"What Stripe charges for {one.plan_name} has ended already. When the plan has ended, choose again."
            )
            return Problem(Kind.CONFLICT, TITLE, detail, code="ended_at_stripe")
    return None


def _owes(attempt: Attempt) -> bool:
    return any(words in str(attempt.note) for words in (book.UNPAID, book.OWED))


def _with_back(one: Invoice, back: dict[str, GivenBack]) -> Invoice:
    known = back.get(one.paid_by or "")
    if known is None:
        return one
    given, coming = (major_units(cents or None, one.currency) for cents in (known.cents, known.pending_cents))
    return replace(one, given_back=given, coming_back=coming)


def _to_put_right(noted: list[Attempt]) -> Iterator[FailedCharge]:
    """Payments that fit no invoice of Lago's, as last seen."""
    states: dict[str, Any] = {book.GIVE_BACK: "to_put_right", book.OTHER_SUM: "other_sum"}
    for one in noted:
        for words, state in states.items():
            if words in str(one.note):
                yield FailedCharge(one.plan_name, None, None, None, one.subscription_id, state=state)


def _failed_charge(stripe: StripeGateway, attempt: Attempt, busy: Problem | None) -> FailedCharge | None:
    """What is open of it by now, None when nothing is; a Stripe that does not tell leaves what was noted."""
    at_stripe, of = StripeSubscriptions(stripe), str(attempt.stripe_subscription_id)
    asks: list[Callable[[], Any]] = [partial(at_stripe.owed, of), partial(at_stripe.read, of)]
    owed, held = (busy, busy) if busy is not None else side_by_side(asks)
    if owed is None:
        return None
    over = attempt.state == book.ENDED if isinstance(held, Problem) else held.over
    for_that = over and not isinstance(held, Problem) and held.ended_unpaid
    given_up = not isinstance(held, Problem) and held.status == GIVEN_UP
    state: Any = "ended_unpaid" if for_that else "ended" if over else "given_up" if given_up else "failing"
    name, ours = attempt.plan_name, attempt.subscription_id
    if isinstance(owed, Problem):
        return FailedCharge(name, None, None, None, ours, state=state)
    due = major_units(owed.amount_cents, owed.currency)
    return FailedCharge(name, due, owed.currency, owed.page, ours, owed.count, state)


def _whole(lago: LagoClient, row: Json) -> Json:
    """The invoice with its subscriptions; as it was listed where Lago does not tell them."""
    whole = lago.whole_invoice(str(row.get("lago_id")))
    return row if isinstance(whole, Problem) else row | {"subscriptions": whole.get("subscriptions")}


def _usages(lago: LagoClient, buyer: Buyer) -> list[Usage] | Problem:
    rows = lago.subscriptions(buyer.customer_id)
    if isinstance(rows, Problem):
        return rows
    found = []
    for row in rows:
        if row.get("status") != "active":
            continue
        plan = lago.plan(str(row.get("plan_code")))
        if isinstance(plan, Problem):
            return plan
        limits = limits_of(plan)
        if not limits:
            continue
        raw = lago.current_usage(buyer.customer_id, str(row.get("external_id")))
        if isinstance(raw, Problem):
            return raw
        usage = read_usage(raw, plan, limits) if raw is not None else None
        if usage is not None and usage.lines:
            found.append(usage)
    return found
