"""Unset means not configured; set but wrong stops the start with one line that names the setting."""

import os

import pytest

import settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("OPS_"):
            monkeypatch.delenv(name)


def test_everything_has_a_default_that_needs_no_account_or_key():
    loaded = settings.load()
    assert (loaded.host, loaded.port) == ("127.0.0.1", 8050)
    assert loaded.lago_url is None
    assert settings.load(host="::1").base_url == "http://[::1]:8050"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPS_PORT", "eighty", "OPS_PORT: "),
        ("OPS_PORT", "70000", "OPS_PORT: "),
        ("OPS_REPORTING_TZ", "Mars/Olympus", "OPS_REPORTING_TZ: is not an IANA time zone"),
        ("OPS_LAGO_URL", "lago.internal", "OPS_LAGO_URL: must be an http:// or https:// address"),
        ("OPS_LAGO_URL", "https://u:hidden@h", "OPS_LAGO_URL: must not carry a user or password"),
        ("OPS_LAGO_URL", "https://u:x/hidden@hidden@h", "OPS_LAGO_URL: must be an http:// or https:// address (it"),
        ("OPS_LAGO_URL", "https://u:hidden℀@h", "OPS_LAGO_URL: must be an http:// or https:// address (it"),
        ("OPS_SANDBOX_URL", "u:hidden@h", "OPS_SANDBOX_URL: must be an http:// or https:// address (it is '…@h')"),
        ("OPS_HOST", "http://u:hidden@h", "OPS_HOST: must be a name or address alone"),
        ("OPS_USAGE_MEMORY", "9 hidden@h", "OPS_USAGE_MEMORY: is not a size"),
        ("OPS_PUBLIC_URL", "https://ops.example.com/sub", "OPS_PUBLIC_URL: must have no path: give the console a host"),
        ("OPS_PUBLIC_URL", "https://ops.example.com?x", "OPS_PUBLIC_URL: must have no path"),
        ("OPS_USAGE_MEMORY", "a lot", "OPS_USAGE_MEMORY: is not a size such as 400MB (it is 'a lot')"),
        ("OPS_USAGE_MEMORY", "1B", "OPS_USAGE_MEMORY: must be at least 100MB (it is '1B')"),
        ("OPS_STRIPE_API_KEY", "x-hidden", "OPS_STRIPE_API_KEY: must be a secret or restricted key: sk_test_…"),
        ("OPS_STRIPE_API_KEY", "pk_test_hidden", "OPS_STRIPE_API_KEY: must be a secret or restricted key: sk_test_…"),
        ("OPS_BILLING_COLLECTOR", "paypal", "OPS_BILLING_COLLECTOR: "),
        ("OPS_STATE_URL", "nonsense", "OPS_STATE_URL: is not a database address"),
        ("OPS_STATE_URL", "postgresql+psycopg://u:hidden@h/x", "OPS_STATE_URL: its driver is not installed (psycopg)"),
        ("OPS_READ_TOKEN", "short", "OPS_READ_TOKEN: must have at least 16 characters"),
        ("OPS_LAGO_ULR", "http://x", "OPS_LAGO_ULR is not a setting"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(settings.SettingsError) as error:
        settings.load()
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)
    assert "hidden" not in str(error.value)


def test_a_wrong_secret_is_never_shown(monkeypatch):
    monkeypatch.setenv("OPS_SECRET_KEY", "short-but-secret")
    with pytest.raises(settings.SettingsError) as error:
        settings.load()
    assert "OPS_SECRET_KEY" in str(error.value)
    assert "short-but-secret" not in str(error.value)


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    path = tmp_path / "key"
    path.write_text("sk_test_from_a_file\n")
    monkeypatch.setenv("OPS_STRIPE_API_KEY_FILE", str(path))
    key = settings.load().stripe_api_key
    assert key is not None
    assert key.get_secret_value() == "sk_test_from_a_file"


def test_a_missing_secret_file_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("OPS_STRIPE_API_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(settings.SettingsError, match="OPS_STRIPE_API_KEY_FILE: cannot read"):
        settings.load()


def test_plan_codes_are_a_list(monkeypatch):
    monkeypatch.setenv("OPS_BILLING_PLANS", "starter, team,,business")
    assert settings.load().billing_plans == ("starter", "team", "business")


def test_sizes_are_decimal():
    assert settings.parse_size("400MB") == 400_000_000
    assert settings.parse_size("1.5 GB") == 1_500_000_000
