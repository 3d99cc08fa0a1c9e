"""How Lago is asked: one session, quoted paths, whole lists, and its errors as `Problem`s.

Plain `requests` on purpose: the Python client of Lago joins ids into its addresses unquoted and leaves the key out of
several calls.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

import requests

from data_sources import http
from data_sources.billing.side_by_side import side_by_side
from data_sources.result import Kind, Problem

Json: TypeAlias = dict[str, Any]

SOURCE = "Lago"
PER_PAGE = 100
# Some servers cap a page at a few rows: what ends a list is its end, the time it takes, or a number beyond all sense.
MAX_ROWS = 5000
MOST_PAGES_AT_ONCE = 50
LIST_PATIENCE_S = 20.0
# Each of those who may ask at once (`doorway.AT_ONCE`) asks up to three things side by side; no connection is thrown
# away after its answer.
POOL = 24
_NO_END = -1
PLANS = ("plans",)
_SENTENCES = {
    "no_linked_payment_provider": "Billing is not connected to Stripe for this customer in Lago.",
    "no_default_payment_method": "No card is on file yet.",
    "customer_has_no_linked_payment_provider": "Billing is not connected to Stripe for this customer in Lago.",
    "customer_has_no_default_payment_method": "No card is on file yet.",
    "payment_method_not_found": "The card on file was not found.",
    "subscription_incomplete": "A payment is still being confirmed for this subscription.",
    "value_already_exist": "This subscription already belongs to another customer in Lago.",
    "currencies_does_not_match": "This customer is billed in another currency.",
    "plan_not_found": "Lago does not know this plan any more.",
    "customer_not_found": "Lago does not know this customer.",
    "subscription_not_found": "Lago does not know this subscription.",
    "third_party_error": "A service behind Lago refused the request.",
    "provider_error": "The payment provider behind Lago refused the request.",
    "no_active_subscription": "This customer has no subscription that runs.",
    "invalid_date": "Lago does not take this date.",
    "invoice_not_found": "Lago does not know this invoice.",
    "feature_unavailable": "Lago's licence does not include this.",
    "too_many_provider_requests": "The payment provider behind Lago asks to slow down.",
}


class LagoHttp:
    """The way to Lago. What Lago or the network does comes back as a `Problem`, never raised."""

    def __init__(self, url: str, api_key: str, *, timeout_s: tuple[float, float] = (3.0, 8.0)) -> None:
        """Connect lazily.

        Args:
            url: Lago's address, with or without `/api/v1`.
            api_key: Lago's API key; it goes into one header and nowhere else.
            timeout_s: Connect and read time-out of one request, in seconds.
        """
        self._root = url.rstrip("/").removesuffix("/api/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._timeout_s = timeout_s
        self._session: requests.Session = http.session(pool=POOL)
        self._pages_seen: dict[tuple[str, ...], int] = {}

    def __repr__(self) -> str:
        return f"LagoClient({self._root!r})"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _list(self, parts: tuple[str, ...], key: str, what: str, params: list[tuple[str, str]]) -> list[Any] | Problem:
        """Every row of a list, page by page. Half a list is no list."""
        found: list[Any] = []
        page, began_s = 1, time.monotonic()

        def ask(number: int) -> Json | Problem:
            paged = [*params, ("page", str(number)), ("per_page", str(PER_PAGE))]
            return self._call("GET", parts, what, params=paged)

        def at_once(numbers: Sequence[int]) -> dict[int, Json | Problem]:
            return dict(zip(numbers, side_by_side([partial(ask, number) for number in numbers]), strict=True))

        # As many pages as there were the last time, side by side; what Lago tells now decides what counts.
        ahead = at_once(range(1, self._pages_seen.get(parts, 1) + 1))
        while True:
            got = ahead.pop(page) if page in ahead else ask(page)
            if page == 1 and not isinstance(got, Problem):
                pages = _pages_told(got)
                if parts == PLANS:
                    self._pages_seen[parts] = pages
                ahead |= at_once([number for number in range(2, pages + 1) if number not in ahead])
            if isinstance(got, Problem):
                return got
            rows, following = got.get(key), _next_page(got, page)
            if not isinstance(rows, list) or following is _NO_END:
                return unexpected(what)
            found += rows
            if following is None:
                return found
            if len(found) >= MAX_ROWS:
                return Problem(Kind.UPSTREAM, what, f"Lago lists more than {MAX_ROWS:,} of them.", code="too_many")
            if time.monotonic() - began_s > LIST_PATIENCE_S:
                told = f"Lago sent {len(found):,} rows on {page:,} pages in {LIST_PATIENCE_S:g} s, and there are more."
                return Problem(Kind.TIMEOUT, what, told, code="timeout", retry_after_s=60)
            page = following

    def _objects(
        self, parts: tuple[str, ...], key: str, what: str, params: list[tuple[str, str]]
    ) -> list[Json] | Problem:
        rows = self._list(parts, key, what, params)
        if isinstance(rows, Problem) or all(isinstance(one, dict) for one in rows):
            return rows
        return unexpected(what)

    def _found(self, parts: tuple[str, ...], key: str, what: str, status: str | None = None) -> Json | Problem | None:
        got = self._call("GET", parts, what, params={"status": status} if status else None)
        if isinstance(got, Problem):
            return None if got.kind is Kind.NOT_FOUND else got
        return object_of(got, key, what)

    def _call(
        self,
        method: str,
        parts: tuple[str, ...],
        what: str,
        *,
        params: Any = None,
        body: Any = None,
        may_be_silent: bool = False,
    ) -> Json | Problem:
        if any(part in ("", ".", "..") for part in parts):
            # quote() leaves dots as they are, and the HTTP library would then fold the path into another one.
            return Problem(Kind.BAD_QUERY, what, "This is not a name that Lago can have.", code="bad_name")
        path = "/".join(quote(part, safe="") for part in parts)
        got = http.call_json(
            self._session,
            method,
            f"{self._root}/api/v1/{path}",
            source=SOURCE,
            what=what,
            params=params,
            body=body,
            headers=self._headers,
            timeout_s=self._timeout_s,
            accept_errors=True,
        )
        if isinstance(got, Problem):
            return got
        if got.status >= 300:
            return _refused(got, what)
        if got.body is None and may_be_silent:
            return {}
        return got.body if isinstance(got.body, dict) else unexpected(what)


def _refused(answer: http.Answer, what: str) -> Problem:
    """Lago's error body as a problem, by its codes; its texts differ from version to version."""
    body: Json = answer.body
    codes = [code for code in (body.get("code"),) if isinstance(code, str)]
    details = body.get("error_details")
    if isinstance(details, dict):
        codes = [
            one
            for given in details.values()
            for one in (given if isinstance(given, list) else ())
            if isinstance(one, str)
        ] + codes
    named = next((code for code in codes if code in _SENTENCES), None)
    code = named or (codes[0] if codes else f"HTTP {answer.status}")
    wait_s = http.retry_after(answer.headers)
    if answer.status in (401, 403):
        detail = "Lago refused our key, or the key may not do this. An admin can check it in Lago."
        return Problem(Kind.UPSTREAM, what, detail, code=code, retry_after_s=wait_s)
    if answer.status == 404:
        return Problem(Kind.NOT_FOUND, what, _SENTENCES.get(code, "Lago does not know it."), code=code)
    if answer.status == 429:
        detail = "Lago asks us to slow down."
        return Problem(Kind.UPSTREAM, what, detail, code=code, retry_after_s=wait_s)
    if answer.status in (405, 422) or named:
        return Problem(Kind.CONFLICT, what, _SENTENCES.get(code, "Lago refused the request."), code=code)
    return Problem(Kind.UPSTREAM, what, "Lago answered with an error.", code=code, retry_after_s=wait_s)


def _next_page(got: Json, page: int) -> int | None:
    """The page after this one, None after the last; `_NO_END` when nobody can tell whether there is one."""
    meta = got.get("meta")
    following = meta.get("next_page", _NO_END) if isinstance(meta, dict) else _NO_END
    if following is None:
        return None
    return following if isinstance(following, int) and following > page else _NO_END


def _pages_told(got: Json) -> int:
    """How many pages there are in all, as far as it is worth to ask for them at once; 1 when Lago does not say."""
    meta = got.get("meta")
    told = meta.get("total_pages") if isinstance(meta, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told <= MOST_PAGES_AT_ONCE else 1


def object_of(got: Json, key: str, what: str) -> Json | Problem:
    """The object under a key of an answer."""
    value = got.get(key)
    return value if isinstance(value, dict) else unexpected(what)


def perhaps_done(problem: Problem) -> bool:
    """Whether what Lago was asked to do may be done all the same: the answer got lost, or Lago failed on the way."""
    code = problem.code or ""
    lost = code in ("", "connection", "unexpected") or code.startswith("HTTP 5") or code.endswith("Error")
    return problem.kind is Kind.TIMEOUT or (problem.kind is Kind.UPSTREAM and lost)


def unexpected(what: str) -> Problem:
    """The problem of an answer that is not what Lago documents."""
    return Problem(Kind.UPSTREAM, what, "Lago's answer does not have the form that it documents.", code="unexpected")
