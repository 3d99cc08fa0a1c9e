"""Run every benchmark, one after another."""

import importlib
import pkgutil
import sys

import bench

NOT_A_FIGURE = {"__main__", "screenshots"}

for found in pkgutil.iter_modules(bench.__path__):
    module = importlib.import_module(f"bench.{found.name}") if found.name not in NOT_A_FIGURE else None
    if module is not None and hasattr(module, "main"):
        print(f"\n== {found.name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main()
sys.exit(0)
