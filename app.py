"""The console as one Dash application. Puts the parts together; does no other work."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import dash

# numpy is imported by the first figure otherwise, and fails when two threads do it at once.
import pandas  # noqa: F401
from dash import html
from flask import Flask, current_app, g, redirect, render_template, request
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from components.shell import NavItem, shell
from data_sources.billing.stripe_checkout import is_live
from data_sources.principal import Permission, Principal
from pages.callbacks import on_error, register_shell
from routes import (
    auth,
    billing_account,
    billing_api,
    errors,
    ingest,
    metrics,
    otlp,
    refused,
    session_api,
    static_files,
    system_api,
    system_history,
    system_host,
    system_hosts,
    usage_api,
    usage_prices,
    usage_upkeep,
    visitor_pages,
    webhooks,
)
from routes.gate import Gate
from routes.own_command import own_command
from routes.server import Server, Sessions
from routes.sources import Sources
from settings import Settings, SettingsError, load

HOME = "/admin/llm/usage"
SESSION_LIFETIME = timedelta(days=7)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def create_app(settings: Settings | None = None) -> dash.Dash:
    """Make the console.

    Args:
        settings: Settings; read from the environment when None.

    Returns:
        The application; `.server` is the WSGI application, its sources are in `.server.extensions["ops"]`.

    Raises:
        SettingsError: A setting is set but wrong.
        KeyFolderError: The data folder cannot be written.
    """
    settings = settings or load()
    https = check_address(settings)
    sources = Sources(settings)
    server = Server(
        "app", root_path=str(static_files.ASSETS.parent), static_folder=None, template_folder="routes/templates"
    )
    server.extensions["ops"] = sources
    sheets, scripts = static_files.bundles()
    server.jinja_env.globals.update(
        asset=static_files.fingerprint,
        stylesheet=sheets.address,
        script=scripts.address,
        sandbox=settings.sandbox_url,
        command=own_command(),
    )
    _configure(server, settings, sources, https=https)

    app = _Console(
        __name__,
        server=server,
        use_pages=True,
        pages_folder=str(static_files.ASSETS.parent / "pages"),
        assets_folder=str(static_files.ASSETS),
        assets_path_ignore=["css", "js", "head", "vendor", "font", "licences", "system"],
        title="Ops Center",
        update_title=None,
        suppress_callback_exceptions=True,  # else the first request calls every page's layout and prints it for anyone
        use_async=False,
        csrf_token_name="ops_csrf",  # noqa: S106  the cookie's name
        csrf_header_name="X-CSRFToken",
        on_error=on_error,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        add_log_handler=False,
        include_pages_meta=False,
    )
    app.layout = _layout
    dash.dash_table._js_dist = []  # the old table, which no page has and every page would load
    register_shell()

    gate = Gate(
        sources.secret_key,
        sources.ingest_token,
        settings.read_token.get_secret_value() if settings.read_token else None,
        _page_needs,
        sources.state,
    )
    server.before_request(_without_slash)  # before the gate: a visitor's page is not to end at the sign-in
    gate.install(server)
    server.before_request(_home)
    server.before_request(lambda: _check_callback(app.callback_map))
    errors.install(server)
    refused.install(server, lambda: sources.usage_store.refused)
    token = settings.login_token
    server.register_blueprint(
        auth.blueprint(
            gate,
            sources.state,
            secret_key=sources.secret_key,
            login_token=token.get_secret_value() if token else None,
        )
    )
    taking: dict[str, Any] = {"max_body_mb": settings.max_ingest_mb, "prices": sources.prices}
    of_own_store = [
        ingest.blueprint(lambda: sources.writer, **taking),
        usage_upkeep.blueprint(lambda: sources.usage_store, lambda: sources.writer),
        usage_prices.blueprint(lambda: sources.usage_store, lambda: sources.writer, sources.prices),
    ]
    for blueprint in of_own_store:
        if settings.usage_api_url is not None:
            usage_upkeep.tell_apart(blueprint)
        server.register_blueprint(blueprint)
    server.short_way = ingest.ShortWay(lambda: sources.writer, ingest_token=sources.ingest_token, prices=sources.prices)
    server.register_blueprint(otlp.blueprint(lambda: sources.writer, **taking))
    server.register_blueprint(usage_api.blueprint(lambda: sources.usage, default_tz=settings.reporting_tz or "UTC"))
    server.register_blueprint(session_api.blueprint(sources))
    server.register_blueprint(system_api.blueprint(sources))
    server.register_blueprint(system_history.blueprint(lambda: sources.system, sources.host))
    server.register_blueprint(system_host.blueprint(lambda: sources.system))
    server.register_blueprint(system_hosts.blueprint(sources))
    server.register_blueprint(metrics.blueprint(sources))
    server.register_blueprint(billing_api.blueprint(lambda: sources.billing))
    server.register_blueprint(billing_account.blueprint(lambda: sources.billing))
    server.register_blueprint(webhooks.blueprint(lambda: sources.billing))
    server.register_blueprint(visitor_pages.blueprint(lambda: sources.billing))
    server.register_blueprint(static_files.stand_ins())
    server.register_blueprint(static_files.bundled([sheets, scripts]))
    server.after_request(_page_status)
    static_files.install(server, csp_hashes=lambda: list(app.csp_hashes()), https=https)
    return app


class _Console(dash.Dash):  # type: ignore[misc]
    """Dash with our page around it: the theme before the first paint, fonts and charts asked for early."""

    def interpolate_index(self, **kwargs: Any) -> str:
        page = _registered(request.path)
        with_charts = bool(page and page.get("charts", True))
        system = static_files.system_scripts()
        preloaded = system if page and page["module"] == "pages.system" else []
        names: dict[str, Any] = {"charts": with_charts, "system": system, "preloaded": preloaded}
        return render_template("index.html", plotly=static_files.PLOTLY_URL, **names, **kwargs)


def check_address(settings: Settings) -> bool:
    """See that a session cookie cannot travel in clear over a network, and that real money only meets https.

    Returns:
        Whether users come over https.

    Raises:
        SettingsError: The console would be reached over plain http from elsewhere, or with a live Stripe key.
    """
    address = urlsplit(settings.base_url)
    if settings.sandbox_url is not None and settings.stripe_api_base is None:
        raise SettingsError("OPS_SANDBOX_URL: a sandbox has a Stripe of its own, so OPS_STRIPE_API_BASE must be set")
    if address.scheme == "https":
        return True
    if settings.stripe_api_key is not None and is_live(settings.stripe_api_key.get_secret_value()):
        raise SettingsError(
            "OPS_STRIPE_API_KEY: a live key takes real money, so OPS_PUBLIC_URL must be the https:// address of users"
        )
    if settings.public_url is None and settings.host not in LOOPBACK:
        raise SettingsError(
            f"OPS_PUBLIC_URL: set the https:// address that users type, since OPS_HOST {settings.host} is not loopback"
        )
    if address.hostname not in LOOPBACK:
        raise SettingsError("OPS_PUBLIC_URL: must be https:// unless it is this machine's own address")
    return False


def _configure(server: Flask, settings: Settings, sources: Sources, *, https: bool) -> None:
    server.config.update(
        SECRET_KEY=sources.secret_key,
        SESSION_COOKIE_NAME="__Host-ops" if https else "ops",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # the return from a payment page is a cross-site GET
        SESSION_COOKIE_PATH="/",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
        # Else every answer sends the cookie again, and one that is on its way brings back a session just ended.
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=settings.max_ingest_mb * 10**6,
    )
    server.session_interface = Sessions()
    hops = settings.trusted_proxies
    if hops:
        server.wsgi_app = ProxyFix(server.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _pages() -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], list(dash.page_registry.values()))


def _registered(path: str) -> dict[str, Any] | None:
    return next((page for page in _pages() if page["path"] == path and page["module"] != "pages.not_found_404"), None)


def _page_needs() -> dict[str, Permission]:
    return {page["path"]: page.get("needs", "session") for page in _pages()}


def _layout() -> Any:
    who: Principal | None = g.get("principal")
    if who is None:  # Dash asks once before the gate, to check its ids; nobody sees this
        return html.Div(dash.page_container)
    items = [
        NavItem(page["name"], page["path"], page["icon"])
        for page in sorted(_pages(), key=lambda page: page.get("order") or 0)
        if page.get("icon") and who.may(page.get("needs", "session"))
    ]
    return shell(items, who=who.email or who.role, admin=who.role == "admin")


def _home() -> Response | None:
    return redirect(HOME, 302) if request.path == "/" else None


def _without_slash() -> Response | None:
    """A page's address with a slash at its end leads to the page: the browser shows it, the status would say 404."""
    plain = request.path.rstrip("/")
    if plain == request.path or request.method not in ("GET", "HEAD") or plain.startswith("/api/"):
        return None
    routes = (rule.rule for rule in current_app.url_map.iter_rules() if "GET" in (rule.methods or ()))
    if not _registered(plain) and plain not in routes:
        return None
    query = request.query_string.decode(errors="replace")
    return redirect(plain + (f"?{query}" if query else ""), 308)


def _check_callback(known: Collection[str]) -> None:
    """Refuse a callback's body that is none, before Dash stumbles over it."""
    if request.path == "/_dash-update-component" and request.method == "POST":
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or not {"output", "outputs", "inputs", "changedPropIds"} <= body.keys():
            raise BadRequest("This is not a callback of the page.")
        if body["output"] not in known:
            raise BadRequest("There is no such callback. The page is out of date; load it again.")


def _page_status(answer: Response) -> Response:
    """Dash answers any address with 200; one that is no page is a 404, with the page that says so."""
    unknown = request.endpoint == "/<path:path>" and answer.status_code == 200 and not _registered(request.path)
    if unknown and request.method == "GET":
        answer.status_code = 404
    return answer
