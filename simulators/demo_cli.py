"""`officina demo`: a workshop at work on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(envvar="DEMO_DIR", help="Keeps everything.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="Of the pages and the API.")] = 8000,
    seconds: Annotated[float | None, typer.Option(envvar="DEMO_SECONDS", help="End by itself after so long.")] = None,
) -> None:
    """Start a consortium of two sites, seven machines and twelve firms; live first, then three months of history."""
    from simulators.demo import main

    raise typer.Exit(main(folder, port=port, seconds=seconds))
