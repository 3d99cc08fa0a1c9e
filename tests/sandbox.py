"""`make sandbox`: a console with stand-ins for Lago and Stripe, to click a whole purchase through on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.fakes.sandbox import Sandbox

OPS_CENTER = Path(sys.executable).parent / "ops-center"


@click.command()
@click.option("--port", type=int, default=8050, show_default=True, help="Where the console listens.")
@click.option("--collector", type=click.Choice(["lago", "stripe"]), default="lago", show_default=True)
def main(port: int, collector: str) -> None:
    """Serve until Ctrl-C; everything is forgotten then."""
    sandbox = Sandbox(port=port, collector=collector)
    with TemporaryDirectory(prefix="ops-center-sandbox-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
        environment |= {f"OPS_{name.upper()}": str(value) for name, value in sandbox.settings().items()}
        environment["OPS_DATA_DIR"] = folder
        click.echo(f"Sandbox (collector {collector}). Start here: {sandbox.url}", file=sys.stdout)
        sys.stdout.flush()
        console = subprocess.Popen([OPS_CENTER, "serve"], env=environment)
        signal.signal(signal.SIGTERM, lambda *_: console.send_signal(signal.SIGTERM))
        try:
            code = console.wait()
        except KeyboardInterrupt:
            code = console.wait()
        finally:
            sandbox.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
