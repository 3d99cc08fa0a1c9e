"""What senders call a provider, and what the price table calls it.

OpenTelemetry, LiteLLM and the instrumentation libraries each have names of their own. Only names known to mean a
provider are taken for it: `custom_openai` and `openai_compatible` say which protocol an endpoint speaks, not whose it
is, and `azure.ai.openai` is Azure, not OpenAI. A name that is not known here has no prices.
"""

from __future__ import annotations

import re
from functools import lru_cache

from genai_prices import data_snapshot

# As `plain` writes them. A name that is one of the table's own ids needs no line.
ALIASES = {
    # OpenTelemetry's well-known values of gen_ai.provider.name and, before it, gen_ai.system
    "aws-bedrock": "aws",
    "azure-ai-inference": "azure",
    "azure-ai-openai": "azure",
    "az-ai-inference": "azure",
    "az-ai-openai": "azure",
    "gcp-gemini": "google",
    "gcp-gen-ai": "google",
    "gcp-vertex-ai": "google",
    "mistral-ai": "mistral",
    "moonshot-ai": "moonshotai",
    "xai": "x-ai",
    # LiteLLM's custom_llm_provider
    "amazon-nova": "aws",
    "anthropic-text": "anthropic",
    "azure-ai": "azure",
    "azure-text": "azure",
    "bedrock": "aws",
    "bedrock-converse": "aws",
    "cohere-chat": "cohere",
    "fireworks-ai": "fireworks",
    "gemini": "google",
    "moonshot": "moonshotai",
    "text-completion-openai": "openai",
    "together-ai": "together",
    "vertex-ai": "google",
    "vertex-ai-beta": "google",
    "voyage": "voyageai",
    # instrumentation libraries
    "amazon": "aws",
    "amazon-bedrock": "aws",
    "azure-openai": "azure",
    "azureopenai": "azure",
    "google-genai": "google",
    "google-generativeai": "google",
    "google-vertexai": "google",
    "microsoft-azure": "azure",
    "mistralai": "mistral",
    "openai-responses": "openai",
    "perplexity-ai": "perplexity",
    "togetherai": "together",
    "vertexai": "google",
    "z-ai": "zai",
}
# Gateways that pass a model's provider on in its name.
GATEWAYS = frozenset({"litellm", "litellm-proxy"})
_SEPARATORS = re.compile(r"[\s._/]+")


def plain(name: str) -> str:
    """A name without the differences that mean nothing: case, and what separates its words."""
    return _SEPARATORS.sub("-", name.strip().lower())


@lru_cache(maxsize=1)
def _table_ids() -> dict[str, str]:
    return {plain(provider.id): provider.id for provider in data_snapshot.get_snapshot().providers}


@lru_cache(maxsize=4096)
def table_provider(name: str) -> str | None:
    """The price table's id of a provider.

    Args:
        name: As the sender writes it, such as `gcp.vertex_ai`, `x_ai` or `bedrock_converse`.

    Returns:
        Such as `google`, `x-ai` or `aws`; None for a name that is not known to mean one of the table's providers.
    """
    key = plain(name)
    return _table_ids().get(ALIASES.get(key, key))
