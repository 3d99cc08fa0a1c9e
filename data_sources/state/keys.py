"""Keys that the console makes for itself once and keeps in the data folder, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class KeyFolderError(Exception):
    """The data folder cannot hold keys. One line, fit to show."""


def ensure_folder(folder: Path) -> Path:
    """Make the data folder if need be and see that it can be written.

    Raises:
        KeyFolderError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".write-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise KeyFolderError(
            f"OPS_DATA_DIR: cannot write in {folder}: {error.strerror or type(error).__name__}"
        ) from None
    return folder


def ensure_key(folder: Path, name: str, *, prefix: str = "") -> str:
    """Read the key `name` from the folder, or make it.

    Args:
        folder: The data folder.
        name: File name, such as `secret_key`.
        prefix: Put before a new key, so that it can be recognised: `ops_in_`.

    Returns:
        The key, at least 43 characters.

    Raises:
        KeyFolderError: It can be neither read nor made.
    """
    path = ensure_folder(folder) / name
    made = prefix + secrets.token_urlsafe(32)
    try:
        # O_EXCL: of two processes that start at once one makes the key, the other reads it.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise KeyFolderError(f"OPS_DATA_DIR: cannot write {path}: {error.strerror}") from None
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(made + "\n")
        return made
    try:
        found = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KeyFolderError(f"OPS_DATA_DIR: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        found = ""
    if len(found) < 16 or not (found.isascii() and found.isprintable()):  # what no request could carry is no key
        raise KeyFolderError(f"OPS_DATA_DIR: {path} holds no key; delete it to have a new one made")
    return found
