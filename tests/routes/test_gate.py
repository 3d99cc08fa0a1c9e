"""Deny by default: every address and every callback, unsigned and with every role."""

import pytest

from routes.own_command import own_command

PUBLIC_RULES = {
    "/login",
    "/healthz",
    "/plans",
    "/api/v1/billing/plans/public",
    # other services prove themselves by a signature there
    "/api/v1/webhooks/stripe",
    "/api/v1/webhooks/lago",
    "/assets/<path:filename>",
    "/assets/css/all.css",
    "/assets/js/all.js",
    "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>",
    "/_dash-component-suites/plotly/package_data/plotly.min.js",
    "/_dash-component-suites/dash/deps/polyfill@<path:fingerprint>",
    "/_favicon.ico",
}


def rules(app):
    app.server.test_client().get("/healthz")  # Dash adds its last rules at the first request
    for rule in app.server.url_map.iter_rules():
        values = dict.fromkeys(rule.arguments, "x")
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield rule.rule, method, app.server.url_map.bind("localhost").build(rule.endpoint, values, method=method)


def test_every_rule_is_closed_to_strangers_unless_it_is_listed_here(app):
    client = app.server.test_client()
    opened = []
    for rule, method, path in rules(app):
        answer = client.open(path, method=method, json={} if method != "GET" else None)
        redirected = answer.status_code == 302 and answer.headers["Location"].startswith("/login")
        if not (answer.status_code in (401, 403) or redirected):
            opened.append(rule)
    assert set(opened) - PUBLIC_RULES == set()
    assert "/login" in opened  # the walk can see an open door


def test_every_callback_is_closed_to_strangers(app, sign_in):
    signed = sign_in(app)
    signed.get("/admin/llm/usage")
    callbacks = signed.get("/_dash-dependencies").get_json()
    server_side = [each for each in callbacks if not each.get("clientside_function")]
    assert server_side
    client = app.server.test_client()
    for each in server_side:
        body = {"output": each["output"], "inputs": each["inputs"], "changedPropIds": [], "outputs": []}
        answer = client.post("/_dash-update-component", json=body)
        assert answer.status_code == 401, each["output"]
        assert answer.mimetype == "application/problem+json"


def test_nothing_of_the_layout_is_told_to_strangers(app):
    client = app.server.test_client()
    for path in ("/_dash-layout", "/_dash-dependencies"):
        assert client.get(path).status_code == 401
    page = client.get("/admin/llm/usage", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Location"]) == (302, "/login?next=%2Fadmin%2Fllm%2Fusage")


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("admin", "/admin/llm/usage", 200),
        ("admin", "/admin/system/monitoring", 200),
        ("analyst", "/admin/llm/usage", 200),
        ("analyst", "/admin/system/monitoring", 403),
        ("member", "/admin/llm/usage", 200),
        ("member", "/admin/system/monitoring", 403),
        ("member", "/admin/subscription/plan", 200),
        ("analyst", "/api/v1/sources", 403),
        ("admin", "/admin/subscription/attempts", 200),
        ("member", "/admin/subscription/attempts", 403),
    ],
)
def test_each_role_sees_its_own_pages(app, sign_in, role, path, status):
    assert sign_in(app, role, "ACME").get(path, headers={"Accept": "text/html"}).status_code == status


def test_a_session_post_needs_the_csrf_token(app, sign_in):
    signed = sign_in(app)
    assert signed.client.post("/logout").status_code == 403
    assert signed.client.post("/logout", headers={"X-CSRFToken": "f" * 64}).status_code == 403
    assert signed.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert signed.post("/logout", headers={"Origin": "https://evil.example"}).status_code == 403
    assert signed.post("/logout").status_code == 204
    assert signed.get("/api/v1/session").status_code == 401


def test_the_csrf_token_of_another_session_is_refused(app, sign_in):
    one, other = sign_in(app), sign_in(app)
    assert one.client.post("/logout", headers={"X-CSRFToken": other.csrf}).status_code == 403


def test_a_one_time_link_works_once(app):
    from tests.console import login_path

    path = login_path(app)
    assert app.server.test_client().get(path).status_code == 303
    again = app.server.test_client().get(path)
    assert again.status_code == 403
    assert "has been used" in again.get_data(as_text=True)
    assert f"<code>{own_command()} link</code>" in again.get_data(as_text=True)


def test_a_look_at_a_one_time_link_does_not_use_it_up(app):
    from tests.console import login_path

    client, path = app.server.test_client(), login_path(app)
    looked = client.head(path)
    assert (looked.status_code, client.get_cookie("ops")) == (200, None)
    assert client.get("/api/v1/session").status_code == 401
    assert client.get(path).status_code == 303


def test_a_link_signed_with_another_key_is_refused(app):
    from data_sources.state.links import make_link_token

    answer = app.server.test_client().get(f"/login?token={make_link_token('x' * 40, 'admin')}")
    assert answer.status_code == 403


def test_a_fixed_login_token_can_be_used_again(make_app):
    app = make_app(login_token="a-token-of-the-operator")
    for _ in range(2):
        answer = app.server.test_client().post("/login", data={"token": "a-token-of-the-operator"})
        assert answer.status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
def test_sign_in_never_leads_to_another_site(app, target):
    from tests.console import login_path

    answer = app.server.test_client().get(login_path(app), query_string=None)
    assert answer.headers["Location"] == "/"
    from routes.auth import safe_next

    assert safe_next(target) == "/"


def test_bearer_keys_open_what_they_are_for_and_nothing_else(make_app):
    app = make_app(read_token="a-reading-key-of-ours", ingest_token="an-ingest-key-of-ours")
    client = app.server.test_client()

    def get(path, key):
        return client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code

    assert get("/api/v1/sources", "a-reading-key-of-ours") == 200
    assert get("/api/v1/sources", "an-ingest-key-of-ours") == 403
    assert get("/api/v1/sources", "a-reading-key-of-our") == 401
    assert get("/api/v1/sources", "ключ") == 401
    assert get("/admin/llm/usage", "a-reading-key-of-ours") == 403


def test_the_cookie_is_locked_over_https(make_app):
    app = make_app(public_url="https://ops.example.com")
    from tests.console import login_path

    answer = app.server.test_client().get(login_path(app), base_url="https://ops.example.com")
    cookies = answer.headers.getlist("Set-Cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("__Host-ops="))
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in session
    assert "Domain" not in session


def test_plain_http_from_elsewhere_stops_the_start(make_app):
    from settings import SettingsError

    with pytest.raises(SettingsError, match="OPS_PUBLIC_URL"):
        make_app(host="0.0.0.0")
    with pytest.raises(SettingsError, match="must be https"):
        make_app(public_url="http://ops.example.com")


def call(signed, dependency):
    """Call a callback as any client may, whatever page its browser shows."""
    output = dependency["output"]
    names = output.strip(".").split("...") if output.startswith("..") else [output]
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
    body = {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": [{**each, "value": None} for each in dependency["inputs"]],
        "state": [{**each, "value": None} for each in dependency["state"]],
        "changedPropIds": [f"{each['id']}.{each['property']}" for each in dependency["inputs"]],
    }
    return signed.post("/_dash-update-component", json=body)


@pytest.mark.parametrize(
    ("role", "foreign", "least"), [("member", "system-", 4), ("analyst", "system-", 4), ("analyst", "subscription-", 1)]
)
def test_a_callback_refuses_a_role_that_may_not_see_its_page(app, sign_in, role, foreign, least):
    signed = sign_in(app, role, "ACME")
    signed.get("/admin/llm/usage")
    dependencies = signed.get("/_dash-dependencies").get_json()
    panels = [each for each in dependencies if foreign in each["output"] and "-body.children" in each["output"]]
    panels = [each for each in panels if not each.get("clientside_function")]
    assert len(panels) >= least
    for each in panels:
        answer = call(signed, each)
        assert answer.status_code == 200
        assert "This is not yours to see" in answer.get_data(as_text=True), each["output"]


def test_a_copy_of_the_cookie_is_worth_nothing_after_sign_out(app, sign_in):
    signed = sign_in(app)
    copied = signed.client.get_cookie("ops").value
    assert signed.post("/logout").status_code == 204
    other = app.server.test_client()
    other.set_cookie("ops", copied)
    assert other.get("/api/v1/session").status_code == 401


def test_a_sign_out_is_remembered_over_a_restart(make_app, sign_in, tmp_path):
    folder = tmp_path / "kept"
    signed = sign_in(make_app(data_dir=folder))
    copied = signed.client.get_cookie("ops").value
    signed.post("/logout")
    signed.client.application.extensions["ops"].close()
    other = make_app(data_dir=folder).server.test_client()
    other.set_cookie("ops", copied)
    assert other.get("/api/v1/session").status_code == 401


def test_answers_on_their_way_cannot_bring_an_ended_session_back(app, sign_in):
    answer = sign_in(app).get("/api/v1/session")
    assert not [cookie for cookie in answer.headers.getlist("Set-Cookie") if cookie.startswith("ops=")]


def test_a_callback_body_that_is_none_is_refused(app, sign_in):
    signed = sign_in(app)
    assert signed.post("/_dash-update-component", json={}).status_code == 400
    unknown = {"output": "no.such", "outputs": [], "inputs": [], "changedPropIds": []}
    assert signed.post("/_dash-update-component", json=unknown).status_code == 400


def test_a_component_file_that_is_not_there_is_a_404_for_strangers_too(app, caplog):
    answer = app.server.test_client().get("/_dash-component-suites/dash/../../x")
    assert answer.status_code == 404
    assert "Traceback" not in caplog.text


def test_an_unknown_api_address_is_a_404_for_a_key_as_well(make_app):
    client = make_app(read_token="a-reading-key-of-ours").server.test_client()
    answer = client.get("/api/v1/nope", headers={"Authorization": "Bearer a-reading-key-of-ours"})
    assert answer.status_code == 404
