"""One command per figure; each prints a table beside a reference measured in the same run.

`python -m bench` runs all of them, `python -m bench.page_load` one. Machines are noisy: ratios hold, digits do not.
"""
