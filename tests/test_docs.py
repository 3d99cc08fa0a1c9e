"""The documents say what is there: every setting, every command, and nothing of where they were written."""

import re
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner

import cli
from settings import Settings

ROOT = Path(__file__).parent.parent


def settings_table():
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "a folder of the user" if name == "data_dir" else "unset" if default is None else f"`{default}`"
        secret = " (secret)" if "SecretStr" in str(field.annotation) else ""
        lines.append(f"| `OPS_{name.upper()}`{secret} | {shown} | {field.description} |")
    return "\n".join(lines)


def test_the_readme_tells_every_setting_as_the_code_has_it():
    assert settings_table() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_has_help_and_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = cli.main.list_commands(Context(cli.main))
    assert set(commands) > {"serve", "import", "link", "doctor"}
    for name in commands:
        shown = CliRunner().invoke(cli.main, [name, "--help"])
        assert shown.exit_code == 0
        assert "Usage:" in shown.output
        assert f"ops-center {name}" in readme


def test_the_pictures_of_the_readme_are_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", readme)
    assert len(pictures) == 3
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_the_locks_hold_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|--index|--find-links", text)
    pins = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==", text, re.MULTILINE)
    assert len(pins) > 40
    assert text.count("--hash=sha256:") >= len(pins)


def test_the_runtime_and_the_test_lock_agree():
    def pins(name):
        found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        return {name: {version for other, version in found if other == name} for name, _ in found}

    runtime, test = pins("requirements.lock"), pins("requirements-test.lock")
    assert {name: versions for name, versions in runtime.items() if test.get(name) != versions} == {}


if __name__ == "__main__":
    print(settings_table())  # noqa: T201
