r"""What common JSON writers write and JSON has not: half a character, numbers that are none, a mark at the beginning.

Python's `json.dumps` writes an emoji that was cut in two as `\ud83d`, and a missing log probability as `NaN`. Both
stand in prompts and answers, which are not read: the events around them must not be lost for it.
"""

from __future__ import annotations

import re

# A string, up to the end where it is not closed: so that nothing is looked at twice.
_PLACE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|-?\bInfinity\b|\bNaN\b', re.DOTALL)
_ESCAPE = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


# Whether there may be one, told without making anything of each escape: a text may be written in nothing else.
_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)


_MARK = b"\xef\xbb\xbf"


def unmarked(text: bytes) -> bytes:
    """The text without the mark that Windows programs put before UTF-8."""
    return text[len(_MARK) :] if text.startswith(_MARK) else text


def mended(text: bytes) -> bytes | None:
    """The same text as JSON: half a character is U+FFFD, a number that is none is null.

    Args:
        text: That a decoder refused.

    Returns:
        The text; None where nothing of that kind is in it.
    """
    if b"NaN" not in text and b"Infinity" not in text and not _HALF.search(text):
        return None
    made = _PLACE.sub(_place, text)
    return None if made == text else made


def _place(found: re.Match[bytes]) -> bytes:
    whole = found.group()
    if not whole.startswith(b'"'):
        return b"null"
    return _ESCAPE.sub(_escape, whole) if _HALF.search(whole) else whole


def _escape(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if found.lastgroup == "half" else found.group()
