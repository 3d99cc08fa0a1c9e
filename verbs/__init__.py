"""The verbs of the `ops-center` command, a file for each kind; `cli.py` gathers them."""
