"""Everything the page loads is ours, compressed, cached, of the right version and with its licence."""

import json
import re
from pathlib import Path

import brotli
import plotly.offline
import pytest

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets"


def test_the_vendored_plotly_is_the_version_that_plotly_draws_for():
    head = (ASSETS / "vendor" / "plotly-cartesian.min.js").read_text(encoding="utf-8")[:300]
    found = re.search(r"plotly\.js \(cartesian - minified\) v([\d.]+)", head)
    assert found is not None
    assert found[1] == plotly.offline.get_plotlyjs_version()


def test_the_packed_plotly_is_the_same_file():
    plain = ASSETS / "vendor" / "plotly-cartesian.min.js"
    assert brotli.decompress(plain.with_name(f"{plain.name}.br").read_bytes()) == plain.read_bytes()


def test_the_part_of_the_polyfill_that_dash_needs_stands_for_all_of_it(app, sign_in):
    page = sign_in(app).get("/admin/llm/usage").get_data(as_text=True)
    address = re.search(r'src="(/_dash-component-suites/dash/deps/polyfill@[^"]+)"', page)
    assert address is not None
    sent = app.server.test_client().get(address[1])
    assert sent.data == (ASSETS / "vendor" / "regenerator-runtime.js").read_bytes()
    assert b"regeneratorRuntime = runtime" in sent.data
    # what a script of Dash takes from the polyfill beyond that would be missing on every page
    used = set()
    for script in re.findall(r'src="(/_dash-component-suites/[^"]+)"', page):
        used |= set(
            re.findall(r"_babelPolyfill|\bcore-js\b", app.server.test_client().get(script).get_data(as_text=True))
        )
    assert used == set()


def test_the_vendored_bootstrap_is_5_3_with_no_address_in_it():
    sheet = (ASSETS / "css" / "0-bootstrap.min.css").read_text(encoding="utf-8")
    assert re.search(r"Bootstrap\s+v5\.3\.\d+", sheet)
    assert "@import" not in sheet
    assert "sourceMappingURL" not in sheet


@pytest.mark.parametrize("name", ["bootstrap", "ibm-plex", "lucide", "plotly.js", "regenerator-runtime"])
def test_each_vendored_part_has_its_licence(name):
    assert len((ASSETS / "licences" / f"{name}.txt").read_text(encoding="utf-8")) > 300


def test_no_stylesheet_or_script_of_ours_names_another_host():
    for file in [*ASSETS.glob("css/[1-9]*.css"), *ASSETS.glob("js/*.js"), *ASSETS.glob("head/*.js")]:
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), file.name


def test_chart_colours_are_those_of_the_stylesheet():
    text = (ASSETS / "js" / "plotly_templates.js").read_text(encoding="utf-8")
    charts = json.loads(text[text.index("{") :].rstrip().rstrip(";"))
    tokens = (ASSETS / "css" / "2-tokens.css").read_text(encoding="utf-8")
    light, dark = tokens.split('[data-bs-theme="dark"] {', 1)
    for theme, sheet in (("light", light), ("dark", dark)):
        for slot, value in enumerate(charts["tokens"][theme]["series"]):
            assert re.search(rf"--oc-s{slot}: {value};", sheet), (theme, slot)
        assert f"--oc-surface: {charts['tokens'][theme]['surface']};" in sheet


def test_no_axis_of_time_has_plotly_keep_the_size_of_each_label_at_each_place():
    text = (ASSETS / "js" / "plotly_templates.js").read_text(encoding="utf-8")
    for theme in json.loads(text[text.index("{") :].rstrip().rstrip(";"))["templates"].values():
        assert "standoff" not in theme["layout"]["xaxis"]["title"], "a page with live charts grows by megabytes an hour"


def test_files_are_compressed_once_and_cached_for_long(app):
    client = app.server.test_client()
    path = "/assets/css/4-components.css"
    with client.get(path) as answer:
        plain = answer.data
    with client.get(path + "?m=1", headers={"Accept-Encoding": "gzip, br"}) as packed:
        assert packed.headers["Content-Encoding"] == "br"
        assert brotli.decompress(packed.data) == plain
        assert packed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize("kind", ["css", "js"])
def test_our_stylesheets_and_scripts_come_as_one_file_each_whole_and_named_by_its_content(app, sign_in, kind):
    client = sign_in(app)
    for path in ("/admin/llm/usage", "/admin/subscription/plan"):
        page = client.get(path).get_data(as_text=True)
        found = re.findall(rf'"(/assets/{kind}/[^"]+)"', page)
        assert len(found) == 1, found
    sent = app.server.test_client().get(found[0])
    for file in sorted((ASSETS / kind).glob(f"*.{kind}")):
        assert file.read_bytes() in sent.data, file.name
    assert sent.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert sent.headers["ETag"].strip('"') == found[0].partition("?m=")[2]


def test_a_file_sent_from_memory_leaves_no_file_open(app):
    client = app.server.test_client()
    opened = []
    app.server.after_request_funcs[None].append(lambda answer: opened.append(answer.response) or answer)
    for _ in range(2):  # Flask calls the last one first, so it sees the file before it is replaced
        client.get("/assets/css/6-system.css?m=2", headers={"Accept-Encoding": "br"}).close()
    assert [file.file.closed for file in opened] == [True, True]


def test_the_plotly_bundle_answers_304_to_who_has_it(app):
    client = app.server.test_client()
    path = "/_dash-component-suites/plotly/package_data/plotly.min.js"
    first = client.get(path, headers={"Accept-Encoding": "br"})
    assert b"cartesian" in brotli.decompress(first.data)[:200]
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_an_answer_with_figures_is_never_kept_and_never_cached(app, sign_in):
    answer = sign_in(app).get("/_dash-layout", headers={"Accept-Encoding": "br"})
    assert answer.headers["Content-Encoding"] == "br"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_is_locked_down(app, sign_in):
    signed = sign_in(app)
    for _ in range(2):  # Dash registers its title script at the first page only
        answer = signed.get("/admin/llm/usage", headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        assert policy.count("'sha256-") == 2
        script = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in script
    for header, value in (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin")):
        assert answer.headers[header] == value


def test_no_graph_of_ours_offers_to_send_its_data_away():
    from components.chart import CONFIG

    assert CONFIG["showSendToCloud"] is False
    for file in [*ROOT.glob("pages/*.py"), *ROOT.glob("components/*.py")]:
        text = file.read_text(encoding="utf-8")
        assert text.count("dcc.Graph(") <= text.count("config=CONFIG") + text.count("config={**CONFIG"), file.name


def test_the_system_pages_scripts_come_with_that_page_only_and_all_of_them_are_served(app, sign_in):
    client = sign_in(app)
    page = client.get("/admin/system/monitoring").get_data(as_text=True)
    asked_early = re.findall(r'<link rel="modulepreload" href="([^"]+)"', page)
    imported = {
        f"/assets/system/{name}"
        for file in (ASSETS / "system").glob("*.js")
        for name in re.findall(r'from "\./([^"]+)"', file.read_text(encoding="utf-8"))
    }
    assert {address.split("?")[0] for address in asked_early} == imported | {"/assets/system/page.js"}
    for address in asked_early:
        with client.get(address) as answer:
            assert answer.status_code == 200
    assert "modulepreload" not in client.get("/admin/llm/usage").get_data(as_text=True)
