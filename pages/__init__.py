"""One file a page: `register_page`, `layout(**_)` without input or output, and its callbacks."""
