"""How the console's own command is typed on the machine it runs on: what its pages show must work when pasted."""

from __future__ import annotations

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "ops-center"
_CHECKOUT = Path(__file__).resolve().parent.parent


@cache
def own_command() -> str:
    """The name where it is on the PATH, else its path from the checkout: `.venv/bin/ops-center` after `make run`.

    Never a path from the root: the sign-in page is anyone's to read.
    """
    environment = Path(sys.prefix)
    script = environment.parent.resolve() / environment.name / "bin" / NAME  # an environment may itself be a link
    if shutil.which(NAME) or not script.is_file() or not script.is_relative_to(_CHECKOUT):
        return NAME
    return shlex.quote(str(script.relative_to(_CHECKOUT)))
