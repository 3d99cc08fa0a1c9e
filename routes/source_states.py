"""How each source is right now, in one word for the rail and one sentence for `ops-center doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from data_sources.result import Failed, NotConfigured, Problem, Ready, Result, utc_now
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.store import StoreError
from data_sources.usage.types import UsageQuery
from routes.sources import Sources

Dot: TypeAlias = Literal["ok", "warn", "danger", "none"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source is.

    Attributes:
        name: "Usage store", "Lago", …
        dot: The shape beside it; "none" is not set, or not asked yet.
        word: One word or a time.
        detail: One sentence.
    """

    name: str
    dot: Dot
    word: str
    detail: str


def states(sources: Sources, *, probe: bool = False) -> list[SourceState]:
    """Every source.

    Args:
        sources: The sources of this server.
        probe: Ask each one now (`ops-center doctor`); else only what is known without asking anyone outside, so that
            a slow Lago cannot make the console look dead.
    """
    told = [_usage(sources, probe=probe), _lago(sources, probe=probe), _stripe(sources, probe=probe), _sampler(sources)]
    if sources.prometheus is not None:
        told.append(_answered("Prometheus", sources.prometheus.hosts() if probe else sources.prometheus.seen))
    return [*told, _state_database(sources)] if probe else told


def _usage(sources: Sources, *, probe: bool) -> SourceState:
    name, usage = "Usage store", sources.usage
    if isinstance(usage, RemoteUsage):
        return _answered("Usage API", usage.summary(UsageQuery(range="today")) if probe else usage.seen)
    found = usage.version()
    if isinstance(found, Failed):
        return SourceState(name, "danger", "failed", found.problem.detail)
    try:
        sources.usage_store.check_space()
    except StoreError as error:
        return SourceState(name, "danger", "full", f"{error.problem.title}. {error.problem.detail}")
    if not isinstance(found, Ready) or not found.value.ever_collected:
        return SourceState(name, "ok", "empty", "Ready. No event has been received yet.")
    if found.provenance.notes:  # what starts of the console found missing; how much, a member must not read
        words = "An earlier start found events missing; `ops-center verify` and the coverage page say how many."
        return SourceState(name, "warn", "damaged", words)
    at = found.value.last_event_at
    if at is None:
        return SourceState(name, "ok", "ready", "Ready. No event since the console started.")
    told = f"{at:%H:%M:%S} UTC"  # the rail stands on pages of every zone
    return SourceState(name, "ok", told, f"The newest event was received at {told}.")


def _lago(sources: Sources, *, probe: bool) -> SourceState:
    billing = sources.billing
    if billing.lago is None:
        return SourceState("Lago", "none", "not set", f"Plans need {' and '.join(billing.no_lago.settings)}.")
    return _answered("Lago", billing.plans() if probe else billing.seen)


def _answered(name: str, found: Result[Any] | None) -> SourceState:
    if found is None:
        return SourceState(name, "none", "not asked yet", "It is asked when a page needs it.")
    if isinstance(found, Failed):
        return SourceState(name, "danger", "failed", found.problem.detail)
    if isinstance(found, NotConfigured):
        return SourceState(name, "none", "not set", found.detail)
    if isinstance(found, Ready) and found.stale is not None:
        return SourceState(name, "warn", "stale", found.stale.detail)
    at = found.provenance.fetched_at
    told = f"{at:%H:%M:%S} UTC"
    return SourceState(name, "ok", told, f"It answered at {told}.")


def _stripe(sources: Sources, *, probe: bool) -> SourceState:
    gateway = sources.billing.stripe
    if gateway is None:
        return SourceState("Stripe", "none", "not set", "Checkout needs OPS_STRIPE_API_KEY.")
    if not probe and gateway.seen is not None:
        return _answered("Stripe", gateway.seen)
    if not probe:
        return SourceState("Stripe", "none", "set", "A key is set. It is asked when somebody buys.")
    # A session that does not exist: any answer but a refusal shows that Stripe is there and takes the key.
    found = gateway.session("cs_test_ops_center_doctor")
    if isinstance(found, Problem):
        return SourceState("Stripe", "danger", "failed", found.detail)
    return SourceState("Stripe", "ok", "live key" if gateway.live else "test key", "It answers and takes the key.")


def _sampler(sources: Sources) -> SourceState:
    found = sources.system.network()
    if isinstance(found, Failed):
        return SourceState("Sampler", "danger", "failed", found.problem.detail)
    if isinstance(found, Ready) and found.stale is not None:
        as_of = found.provenance.as_of
        word = "stale" if as_of is None else f"{(utc_now() - as_of).total_seconds():.0f} s old"
        return SourceState("Sampler", "warn", word, found.stale.detail)
    if isinstance(found, Ready):
        return SourceState("Sampler", "ok", "live", "The machine is measured every 2 seconds.")
    return SourceState("Sampler", "warn", "measuring", "The first sample has not been taken yet.")


def _state_database(sources: Sources) -> SourceState:
    problem = sources.state.check()
    if problem:
        return SourceState("State", "danger", "failed", problem.detail)
    return SourceState("State", "ok", "ready", "Sign-in links and purchases under way are kept.")
