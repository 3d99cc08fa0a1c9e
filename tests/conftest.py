"""The whole suite's fixtures: a console on its own data folder, a signed-in client, a served console, one Chromium."""

from __future__ import annotations

import os
import shutil

import dash
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties

from app import create_app
from settings import load
from tests.console import Page, Served, SignedIn

# Selenium must never look for a driver on the network.
os.environ.setdefault("SE_OFFLINE", "true")
# A developer's own settings are not the suite's.
for _name in [name for name in os.environ if name.startswith("OPS_")]:
    del os.environ[_name]
# A busy machine makes examples slowly: that says nothing of the property.
properties.register_profile("ops-center", deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("ops-center")


LONG = ("tests/browser/", "tests/test_cli.py", "tests/test_sandbox.py")


def pytest_collection_modifyitems(items):
    """The long files first, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_setup_options():
    """Give dash.testing its Chrome options; it adds --headless, --no-sandbox and --disable-dev-shm-usage itself."""
    from selenium.webdriver.chrome.options import Options

    options = Options()
    names = ("chromium", "google-chrome", "chrome", "chromium-browser")
    options.binary_location = os.environ.get("CHROME_BIN") or next(filter(None, map(shutil.which, names)))
    for argument in (
        "--window-size=1280,900",
        "--lang=en-US",
        "--force-prefers-reduced-motion",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options


def _clear_pages():
    # Dash keeps pages in module globals: each console starts with none.
    dash._pages.PAGE_REGISTRY.clear()
    dash._pages.CONFIG.clear()
    dash._pages.CONFIG.__dict__.clear()


@pytest.fixture
def make_app(tmp_path):
    """Make consoles, each closed at the end: `make_app(lago_url=…)`; settings by attribute name."""
    made = []

    def make(**given):
        _clear_pages()
        given.setdefault("data_dir", tmp_path / f"data{len(made)}")
        app = create_app(load(**given))
        app.server.extensions["ops"].start()
        made.append(app)
        return app

    yield make
    for app in reversed(made):
        app.server.extensions["ops"].close()
    _clear_pages()


@pytest.fixture
def app(make_app):
    """A console with every setting unset."""
    return make_app()


@pytest.fixture
def sign_in():
    """Sign in to a console in process: `sign_in(app, role="member", org="ACME")`."""
    return SignedIn


@pytest.fixture
def serve():
    """Serve a console on a free loopback port: `served = serve(app)`, `served.url`, `served.stop()`."""
    running = []

    def start(app, port=0):
        served = Served(app, port)
        running.append(served)
        return served

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="session")
def _chromium(request, tmp_path_factory):
    """One Chromium for the whole session: a second a test instead of four."""
    from dash.testing.browser import Browser

    with Browser(
        browser="Chrome",
        headless=request.config.getoption("headless"),
        options=request.config.hook.pytest_setup_options(),
        download_path=str(tmp_path_factory.mktemp("downloads")),
        percy_run=False,
    ) as chromium:
        yield chromium


@pytest.fixture
def browser(_chromium, make_app, serve):
    """Chromium with an empty jar, no leftover page, and a console that is read at the end.

    Asks for `make_app` and `serve` so that it leaves the page before they stop: a live page would log their end.

    A test that breaks a source itself calls `browser.expect_log("part of the line")` for each network line it causes.
    """
    driver = _chromium.driver
    driver.get("about:blank")
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.set_window_size(1280, 900)
    driver.get_log("browser")
    helper = Page(_chromium)
    yield helper
    severe = [line["message"] for line in helper.console() if line["level"] == "SEVERE"]
    unexpected = [line for line in severe if not any(part in line for part in helper.expected)]
    driver.get("about:blank")
    assert unexpected == []
