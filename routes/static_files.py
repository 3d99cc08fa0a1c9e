"""Files of the page: compressed once, cached long; and the headers that lock the page down."""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import brotli
from flask import Blueprint, Response, request

from routes.gate import public
from routes.server import Server

ASSETS = Path(__file__).resolve().parent.parent / "assets"
PLOTLY = ASSETS / "vendor" / "plotly-cartesian.min.js"
PLOTLY_URL = "/_dash-component-suites/plotly/package_data/plotly.min.js"
REGENERATOR = ASSETS / "vendor" / "regenerator-runtime.js"
_POLYFILL_URLS = "/_dash-component-suites/dash/deps/polyfill@<path:fingerprint>"
_STATIC = ("/assets/", "/_dash-component-suites/")
_TEXT = re.compile(r"^(text/|application/(json|problem\+json|javascript|manifest\+json)|image/svg)")
_YEAR = "public, max-age=31536000, immutable"
_PAGES = ("/", "/<path:path>")  # Dash's own pages, the only ones with inline scripts
_POLICY = (
    "default-src 'self'; script-src 'self'{}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
BEST_QUALITY, STATIC_QUALITY, ANSWER_QUALITY = 11, 10, 4
_SMALL_BYTES = 1024


def fingerprint(path: str) -> str:
    """The address of one of our files with its modification time, as Dash writes it, so that it is cached for long."""
    return f"/assets/{path}?m={(ASSETS / path).stat().st_mtime}"


class Bundle:
    """Our stylesheets, or our scripts, as one file: twenty small ones cost a page twenty questions and pack worse.

    Attributes:
        body: The files one after another, by name: that is the order in which stylesheets build on each other.
        path: Where it is served; beside the files, so that what they name by a relative address is found.
        address: The same with a tag of the content, so that it is cached for long.
    """

    def __init__(self, kind: Literal["css", "js"]) -> None:
        files = sorted((ASSETS / kind).glob(f"*.{kind}"))
        self.body = b"\n".join(file.read_bytes() for file in files)
        self.mimetype = {"css": "text/css", "js": "text/javascript"}[kind]
        self.tag = hashlib.sha256(self.body).hexdigest()[:20]
        self.path = f"/assets/{kind}/all.{kind}"
        self.address = f"{self.path}?m={self.tag}"

    def view(self) -> Callable[[], Response]:
        """A view that sends it."""

        @public
        def send() -> Response:
            """Our stylesheets, or our scripts."""
            answer = Response(self.body, mimetype=self.mimetype)
            answer.set_etag(self.tag)
            answer.make_conditional(request)
            return answer

        return send


def bundles() -> tuple[Bundle, Bundle]:
    """Stylesheets and scripts."""
    return Bundle("css"), Bundle("js")


def bundled(made: Sequence[Bundle]) -> Blueprint:
    """Serve the bundles to everyone: they hold nobody's figures."""
    blueprint = Blueprint("bundles", __name__)
    for bundle in made:
        blueprint.add_url_rule(bundle.path, endpoint=bundle.path.rpartition(".")[2], view_func=bundle.view())
    return blueprint


def system_scripts() -> list[str]:
    """The scripts of the system page, the one that imports the others first; they are loaded with that page only."""
    others = sorted(file.name for file in (ASSETS / "system").glob("*.js") if file.name != "page.js")
    # Imported by name, so without the time: the browser asks by their tag whether they changed.
    return [fingerprint("system/page.js"), *(f"/assets/system/{name}" for name in others)]


def stand_ins() -> Blueprint:
    """Serve smaller files where Dash's page looks for its own.

    Instead of plotly whole its cartesian bundle (1.5 MB instead of 4.8), packed at its best beforehand; instead of
    Babel's polyfill for browsers of long ago the one part of it that Dash's scripts call (25 kB instead of 99).
    """
    made = Blueprint("stand_ins", __name__)
    for rule, file in ((PLOTLY_URL, PLOTLY), (_POLYFILL_URLS, REGENERATOR)):
        made.add_url_rule(rule, endpoint=file.stem.partition(".")[0], view_func=_stand_in(file))
    return made


def _stand_in(file: Path) -> Callable[..., Response]:
    body = file.read_bytes()
    packed = file.with_name(f"{file.name}.br")
    best = packed.read_bytes() if packed.exists() else None
    tag = hashlib.sha256(body).hexdigest()[:20]

    @public
    def send(**_: str) -> Response:
        """A file that stands in for one of Dash's."""
        if best is not None and "br" in request.headers.get("Accept-Encoding", ""):
            answer = Response(best, mimetype="text/javascript", headers={"Content-Encoding": "br"})
        else:
            answer = Response(body, mimetype="text/javascript")
        answer.set_etag(tag)
        # The address carries no version of ours: a day, then it is asked again by its tag.
        answer.headers["Cache-Control"] = "public, max-age=86400"
        answer.make_conditional(request)
        return answer

    return send


class Compression:
    """Brotli for whoever takes it: files once and kept, answers on the fly.

    Only public files are kept, by path and entity tag: an answer with somebody's figures is never kept. A file is sent
    at once with good compression; a thread then makes the best one for everyone after, which takes seconds for plotly.
    So there is one for the process, however many consoles it makes: their files are the same.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._better: queue.SimpleQueue[tuple[tuple[str, str], bytes]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, answer: Response) -> Response:
        """Compress an answer where that helps."""
        static = request.path.startswith(_STATIC)
        if request.method != "GET" and not request.path.startswith("/_dash-update-component"):
            return answer
        answer.headers.add("Vary", "Accept-Encoding")
        if not self._worth_it(answer, static=static):
            return answer
        if static:
            return self._file(answer)
        if (answer.content_length is None) or answer.content_length < _SMALL_BYTES:
            return answer
        return _replace(answer, brotli.compress(answer.get_data(), quality=ANSWER_QUALITY))

    @staticmethod
    def _worth_it(answer: Response, *, static: bool) -> bool:
        return bool(
            answer.status_code == 200
            and "Content-Encoding" not in answer.headers
            and "br" in request.headers.get("Accept-Encoding", "")
            and _TEXT.match(answer.mimetype or "")
            and (static or not answer.is_streamed)
        )

    def _file(self, answer: Response) -> Response:
        answer.direct_passthrough = False
        # Dash's fingerprinted bundles carry no tag: their address changes with their content.
        fixed = "fingerprinted" if answer.cache_control.max_age else ""
        tag = answer.get_etag()[0] or answer.headers.get("Last-Modified") or fixed
        key = (request.full_path, tag)
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            raw = answer.get_data()
            kept = brotli.compress(raw, quality=STATIC_QUALITY) if len(raw) >= _SMALL_BYTES else b""
            if tag:
                with self._lock:
                    if len(self._kept) > 400:
                        self._kept.clear()
                    self._kept[key] = kept
                    self._improve(key, raw)
        return _replace(answer, kept) if kept else answer

    def _improve(self, key: tuple[str, str], raw: bytes) -> None:
        self._better.put((key, raw))
        if self._thread is None:
            # Started by the first file, not at import: threads do not survive a fork.
            self._thread = threading.Thread(target=self._work, name="compression", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            key, raw = self._better.get()
            best = brotli.compress(raw, quality=BEST_QUALITY)
            with self._lock:
                if self._kept.get(key):
                    self._kept[key] = best


_compression = Compression()


def _replace(answer: Response, body: bytes) -> Response:
    close = getattr(answer.response, "close", None)
    if close is not None:  # the file that was opened for an answer we have kept
        answer.call_on_close(close)
    answer.set_data(body)
    answer.headers["Content-Encoding"] = "br"
    # The tag stays strong: Dash compares it to the letter, and Vary keeps the encodings apart.
    return answer


def install(server: Server, *, csp_hashes: Callable[[], list[str]], https: bool) -> None:
    """Register caching, compression and the security headers.

    Args:
        server: The Flask server.
        csp_hashes: Hashes of Dash's inline scripts, asked at the first page because the title script is registered
            on the first request only.
        https: Whether users come over https; then browsers are told to stay there.
    """
    for_pages: list[str] = []

    def policy() -> str:
        if not for_pages:
            for_pages.append(_POLICY.format("".join(f" {each}" for each in csp_hashes())))
        return for_pages[0]

    @server.after_request
    def _cache(answer: Response) -> Response:
        if answer.status_code == 200 and request.path.startswith("/assets/"):
            fixed = request.args.get("m") or request.path.startswith("/assets/font/")
            answer.headers["Cache-Control"] = _YEAR if fixed else "no-cache"
        return answer

    @server.after_request
    def _page_policy(answer: Response) -> Response:
        if request.endpoint in _PAGES:
            answer.headers["Content-Security-Policy"] = policy()
        return answer

    server.fixed_headers = {
        "Content-Security-Policy": _POLICY.format(""),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        **({"Strict-Transport-Security": "max-age=31536000"} if https else {}),
    }
    server.uncached_headers = {"Cache-Control": "no-store"}
    server.cacheable = _STATIC

    server.after_request(_compression)
