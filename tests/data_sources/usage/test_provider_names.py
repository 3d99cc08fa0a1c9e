import pytest
from genai_prices.data_snapshot import get_snapshot

from data_sources.usage.provider_names import ALIASES, plain, table_provider
from tests.data_sources.usage.test_pricing import cost

USAGE = {"input_tokens": 1000, "output_tokens": 100}


@pytest.mark.parametrize(
    ("name", "model", "provider"),
    [
        ("x_ai", "grok-4", "x-ai"),
        ("xai", "grok-4", "x-ai"),
        ("gcp.gen_ai", "gemini-2.5-pro", "google"),
        ("gcp.vertex_ai", "gemini-2.5-pro", "google"),
        ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", "google"),
        ("gcp.gemini", "gemini-2.5-pro", "google"),
        ("azure.ai.inference", "gpt-4o", "azure"),
        ("azure.ai.openai", "gpt-4o", "azure"),
        ("az.ai.openai", "gpt-4o", "azure"),
        ("aws.bedrock", "amazon.nova-pro-v1:0", "aws"),
        ("bedrock_converse", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
        ("mistral_ai", "mistral-large-latest", "mistral"),
        ("Mistral AI", "mistral-large-latest", "mistral"),
        ("fireworks_ai", "accounts/fireworks/models/llama-v3p1-8b-instruct", "fireworks"),
        ("together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together"),
        ("OpenAI", "gpt-5-mini", "openai"),
        ("litellm", "anthropic/claude-sonnet-4-5", "anthropic"),
    ],
)
def test_what_senders_call_a_provider_is_priced_as_that_provider(name, model, provider):
    bare = model.removeprefix(f"{provider}/")
    assert cost(bare, provider, **USAGE) is not None
    assert cost(model, name, **USAGE) == cost(bare, provider, **USAGE)


@pytest.mark.parametrize(
    "name",
    ["custom_openai", "openai_compatible", "openai-like", "my-openai", "hosted_vllm", "gemini-clone", "not-amazon", ""],
)
def test_a_name_that_only_resembles_a_provider_has_no_price(name):
    assert table_provider(name) is None
    assert cost("gpt-4o", name or "-", **USAGE) is None
    assert cost("gemini-2.5-pro", name or "-", **USAGE) is None


def test_a_gateway_that_names_an_unknown_provider_has_no_price():
    assert cost("custom_openai/gpt-4o", "litellm", **USAGE) is None


def test_azure_is_not_priced_as_openai():
    assert table_provider("azure.ai.openai") == "azure"


def test_every_alias_leads_to_a_provider_of_the_table_and_hides_none():
    ids = {provider.id for provider in get_snapshot().providers}
    assert set(ALIASES.values()) <= ids
    assert all(plain(name) == name and name not in ids for name in ALIASES)
