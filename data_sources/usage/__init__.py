"""LLM usage: what comes in, what it costs, where it is kept, what is asked of it."""
