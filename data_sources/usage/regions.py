"""Where a call was answered, as far as its price depends on that.

The bundled table has one price for a model: that of its provider's default, which answers from anywhere. Most names of
a region change nothing about it: the region of the cloud that a sender runs in, one of Bedrock (what that adds for a
geography goes by the model's name, `us.` or `eu.`, which the table knows), one of a resource of Azure (which says
nothing of its deployment). The rest is listed here, with who says so.
"""

from __future__ import annotations

import re

_ANYWHERE = frozenset({"", "global", "not_available"})
# us, eu, ca: the word of an API for a geography. What is longer is a cloud's region, or a sender's own word.
_GEOGRAPHY = re.compile(r"[a-z]{2}")
# Azure: the table's prices are of Global deployments, a data zone costs more. docs.x.ai, Regional Endpoints: 10 % more.
# docs.together.ai, Geo-specific inference: 1.25 times as much.
_BY_GEOGRAPHY = frozenset({"azure", "together", "x-ai"})
# platform.claude.com, Data residency: `us` costs 1.1 times as much from Claude Opus 4.6 on. These have no such choice.
_ANTHROPIC_BEFORE = re.compile(r"claude-(v?[123]|(opus|sonnet|haiku)-4-[015]$)")
# developers.openai.com, Data residency: 10 % more for models released from 5 March 2026 on. These came before.
_OPENAI_BEFORE = re.compile(
    r"(ft:)?(gpt-3|gpt-4|gpt-5(?!\.[4-9])|gpt-oss|o[134](-|$)|chatgpt-4o|codex-mini|computer-use|moderation|ada|babbage"
    r"|curie|davinci|text-davinci|text-embedding-(3|ada)|tts-1|whisper-1)"
    r"|gpt-(audio|realtime)(-mini)?$|gpt-image-1(-mini|\.5)?$"
)
# Vertex AI: every location but `global` costs 10 % more, of Claude from 4.5 on (cloud.google.com, pricing of partner
# models) and of Gemini from 3 on (LiteLLM #37543).
_GOOGLE_BEFORE = re.compile(r"claude-(3|4-)|gemini-(1|2|pro|flash-1|embedding-001|live-2)|gemma-")
_BEFORE = {"anthropic": _ANTHROPIC_BEFORE, "openai": _OPENAI_BEFORE, "google": _GOOGLE_BEFORE}


def has_its_own_price(provider: str, model: str, region: str) -> bool:
    """Whether a provider bills a region otherwise than its default, at a price that the table does not have.

    Args:
        provider: The table's id, such as `anthropic`.
        model: The table's id.
        region: As the sender names it.
    """
    name = region.strip().lower()
    if name in _ANYWHERE:
        return False
    if provider == "aws":
        return name.startswith("us-gov-")  # GovCloud has a price list of its own
    before = _BEFORE.get(provider)
    named = provider == "google" or _GEOGRAPHY.fullmatch(name) is not None
    return named and (provider in _BY_GEOGRAPHY or (before is not None and before.match(model) is None))
