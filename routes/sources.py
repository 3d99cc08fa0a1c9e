"""The data sources of one server, opened at first use and closed in order."""

from __future__ import annotations

import platform
from functools import cached_property
from typing import Any

from pydantic import SecretStr

from components.plan_words import price_words
from data_sources.billing.lago import LagoClient
from data_sources.billing.source import BillingSource
from data_sources.billing.stripe_checkout import StripeGateway
from data_sources.console.own import OwnWatch
from data_sources.result import Failed, NotConfigured, Problem, Result
from data_sources.state.keys import ensure_folder, ensure_key
from data_sources.state.store import State
from data_sources.system.prometheus import UNSET, PrometheusSource, host_list
from data_sources.system.prometheus_follow import RemoteHost
from data_sources.system.prometheus_wire import PrometheusClient
from data_sources.system.source import SystemSource
from data_sources.system.types import HostList
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.price_file import PriceFileError, read_price_file
from data_sources.usage.pricing import BUNDLED, PriceBook
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.store import UsageStore
from data_sources.usage.writer import Writer
from settings import Settings, SettingsError

USAGE_FILE = "usage.duckdb"


def read_prices(settings: Settings) -> PriceBook:
    """The bundled price table, and the operator's prices above it.

    Raises:
        SettingsError: The price file is wrong; the text names its line and field.
    """
    if settings.prices_file is None:
        return BUNDLED
    try:
        return PriceBook(read_price_file(settings.prices_file))
    except PriceFileError as error:
        raise SettingsError(f"OPS_PRICES_FILE: {error}") from None


class Sources:
    """Everything that is measured, fetched or stored; in `server.extensions["ops"]`, never in a module global.

    Args:
        settings: The settings of this server.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        ensure_folder(settings.data_dir)
        self._closers: list[Any] = []

    @cached_property
    def secret_key(self) -> str:
        """Signs sessions and links."""
        given = self.settings.secret_key
        return given.get_secret_value() if given else ensure_key(self.settings.data_dir, "secret_key")

    @cached_property
    def ingest_token(self) -> str:
        """Bearer key of senders."""
        given = self.settings.ingest_token
        if given:
            return given.get_secret_value()
        return ensure_key(self.settings.data_dir, "ingest_token", prefix="ops_in_")

    @cached_property
    def state(self) -> State:
        """What the console must remember."""
        given = self.settings.state_url
        made = State(given.get_secret_value() if given else f"sqlite:///{self.settings.data_dir / 'state.db'}")
        self._closers.append(made)
        return made

    @cached_property
    def prices(self) -> PriceBook:
        """What usage is priced with where its source reports no cost.

        Raises:
            SettingsError: The operator's price file is wrong.
        """
        return read_prices(self.settings)

    @cached_property
    def usage_store(self) -> UsageStore:
        """The embedded usage store; the file is opened at the first question."""
        made = UsageStore(
            self.settings.data_dir / USAGE_FILE,
            memory_bytes=self.settings.usage_memory_bytes,
            min_free_bytes=self.settings.min_free_bytes,
        )
        self._closers.append(made)
        return made

    @cached_property
    def writer(self) -> Writer:
        """The one thread that changes the usage store."""
        made = Writer(self.usage_store, keep_days=self.settings.usage_keep_days)
        made.start()
        self._closers.append(made)
        return made

    @cached_property
    def usage(self) -> EmbeddedUsage | RemoteUsage:
        """What is asked about usage: a usage API where one is set, else the store that events come into."""
        settings = self.settings
        if settings.usage_api_url is None:
            return EmbeddedUsage(self.usage_store, prices=self.prices)
        token = settings.usage_api_token
        made = RemoteUsage(settings.usage_api_url, token.get_secret_value() if token else None)
        self._closers.append(made)
        return made

    @cached_property
    def system(self) -> SystemSource:
        """This machine."""
        made = SystemSource.of_this_machine(self.settings.data_dir, min_free_bytes=self.settings.min_free_bytes)
        self._closers.append(made)
        made.open()
        return made

    @cached_property
    def own(self) -> OwnWatch:
        """The console's own process."""
        made = OwnWatch(lambda: self.writer.accepted)
        made.start()
        self._closers.append(made)
        return made

    @cached_property
    def prometheus(self) -> PrometheusSource | None:
        """The hosts that a Prometheus watches; None where none is set."""
        settings = self.settings
        if settings.prometheus_url is None:
            return None
        made = PrometheusSource(PrometheusClient(settings.prometheus_url, _plain(settings.prometheus_token)))
        self._closers.append(made)
        return made

    def hosts(self) -> Result[HostList]:
        """This machine, and the hosts that Prometheus watches."""
        return host_list(self.system, platform.node() or "this machine", self.prometheus)

    def host(self, host_id: str) -> RemoteHost | Failed | NotConfigured:
        """One of the hosts that Prometheus watches, to be asked like this machine.

        Args:
            host_id: As the list of hosts names it.
        """
        if self.prometheus is None:
            return UNSET
        found = self.prometheus.host(host_id)
        return Failed(found) if isinstance(found, Problem) else found

    @cached_property
    def billing(self) -> BillingSource:
        """Plans, subscriptions and purchases."""
        settings = self.settings
        lago = stripe = None
        of_lago = {"OPS_LAGO_URL": settings.lago_url, "OPS_LAGO_API_KEY": settings.lago_api_key}
        if settings.lago_url and settings.lago_api_key:
            lago = LagoClient(settings.lago_url, settings.lago_api_key.get_secret_value())
        if settings.stripe_api_key:
            stripe = StripeGateway(settings.stripe_api_key.get_secret_value(), api_base=settings.stripe_api_base)
        made = BillingSource(
            lago,
            stripe,
            self.state,
            price_words=price_words,
            plan_codes=settings.billing_plans,
            collector=settings.billing_collector,
            only_customer=settings.lago_customer,
            sales_email=settings.sales_email,
            base_url=settings.base_url,
            stripe_webhook_secret=_plain(settings.stripe_webhook_secret),
            lago_hmac_key=_plain(settings.lago_hmac_key),
            lago_missing=tuple(name for name, value in of_lago.items() if not value),
        )
        self._closers.append(made)
        return made

    def start(self) -> None:
        """Begin what must run before the first page is asked for: listening for usage, sampling the machine.

        Called once by the serving process, never at import: threads do not survive a fork.
        """
        _ = self.writer, self.usage, self.system, self.own
        self.billing.start()

    def close(self) -> None:
        """Stop everything in the reverse order of its start; what was accepted is committed first."""
        while self._closers:
            self._closers.pop().close()


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
