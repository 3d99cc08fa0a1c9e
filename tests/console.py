"""What the tests do with a console: sign in, serve it, look at it with a browser."""

from __future__ import annotations

import threading
from pathlib import Path

from werkzeug.serving import make_server

from data_sources.state.links import make_link_token


def login_path(app, role="admin", org=None, email=None):
    """The path of a fresh one-time sign-in link."""
    key = app.server.extensions["ops"].secret_key
    return f"/login?token={make_link_token(key, role, organization_id=org, email=email)}"


class SignedIn:
    """A test client with a session that sends the CSRF token as the page does."""

    def __init__(self, app, role="admin", org=None, email=None):
        self.client = app.server.test_client()
        answer = self.client.get(login_path(app, role, org, email))
        assert answer.status_code == 303, answer.get_data(as_text=True)
        self.csrf = self.client.get_cookie("ops_csrf").value

    def get(self, path, **named):
        return self.client.get(path, **named)

    def post(self, path, **named):
        headers = {"X-CSRFToken": self.csrf, **named.pop("headers", {})}
        return self.client.post(path, headers=headers, **named)


class Served:
    """A console behind a real port, that can be stopped and started again on the same port."""

    def __init__(self, app, port=0):
        self.app = app
        self.port = port
        self._server = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._server = make_server("127.0.0.1", self.port, self.app.server, threaded=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(timeout=10)
            self._server = None


class Page:
    """What a test does with the browser; everything waits for something to see."""

    AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")

    def __init__(self, chromium):
        self.chromium = chromium
        self.driver = chromium.driver
        self.expected = []
        self._lines = []

    def expect_log(self, part):
        self.expected.append(part)

    def console(self):
        self._lines += self.driver.get_log("browser")
        return self._lines

    def sign_in(self, served, role="admin", org=None, path="/"):
        self.driver.get(served.url + login_path(served.app, role, org) + f"&next={path}")

    def go(self, served, path):
        self.driver.get(served.url + path)

    def find(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
            WebDriverException,
        )

        try:
            return self.find(selector).text
        except (NoSuchElementException, StaleElementReferenceException):
            return ""
        except WebDriverException as error:
            if "unhandled inspector error" in str(error):  # the page is just leaving
                return ""
            raise

    def wait_for(self, condition, what, timeout_s=60):
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, timeout_s, 0.05).until(lambda _driver: condition(), what)

    def wait_for_text(self, selector, text, timeout_s=60):
        self.wait_for(lambda: text in self.text(selector), f"{text!r} never stood in {selector}", timeout_s)

    def wait_gone(self, selector, timeout_s=60):
        self.wait_for(lambda: not self.find_all(selector), f"{selector} never went away", timeout_s)

    def press(self, key):
        """Press a key where the focus is: "Tab", "Escape"."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        ActionChains(self.driver).send_keys(getattr(Keys, key.upper())).perform()

    def theme(self, name):
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]}
        )

    def phone(self):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
        )

    def axe(self):
        """Serious and critical findings of axe-core on the page as it is now."""
        self.driver.execute_script(self.AXE)
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done)"
        )
        return [
            (finding["id"], finding["impact"], [node["html"][:160] for node in finding["nodes"]][:3])
            for finding in found["violations"]
            if finding["impact"] in ("serious", "critical")
        ]

    def foreign_requests(self):
        """Addresses of other hosts that the page asked or names for loading."""
        return self.driver.execute_script(
            "return performance.getEntriesByType('resource').map(e => e.name)"
            ".filter(name => new URL(name).host !== location.host && !name.startsWith('data:'))"
        )
