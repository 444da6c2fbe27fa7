"""`officina edge`: read machines over OPC UA and publish what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="The agent's configuration, a TOML file.")]
Thumbprint = Annotated[str, typer.Argument(help="SHA-256 thumbprint of the server's certificate, as list shows it.")]
app = typer.Typer(no_args_is_help=True, add_completion=False)
trust = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(trust, name="trust")


@app.callback()
def edge() -> None:
    """Read machines over OPC UA and publish what they say."""


@app.command("run")
def run(file: File) -> None:
    """Watch the machines of a configuration until told to stop."""
    from edge_agent.service import Agent
    from shopfloor.runtime import lifecycle, logs

    logs.configure(program="edge")
    agent = Agent(file)

    raise typer.Exit(lifecycle.run(agent.run))


@app.command("enroll")
def enroll(
    url: Annotated[str, typer.Argument(help="Address of the API: https://host.")],
    code: Annotated[str, typer.Argument(help="The one-time code that the administrator was shown.")],
    *,
    config: Annotated[Path, typer.Option(help="The agent's configuration; made when it is not there.")] = Path(
        "edge.toml"
    ),
    ca: Annotated[Path | None, typer.Option(help="Authority of the API's certificate, PEM.", exists=True)] = None,
) -> None:
    """Get the agent's login at the broker for a one-time code, and write it into the configuration."""
    from edge_agent.enroll import enroll as ask

    enrolled = ask(url, code, config, ca=ca)
    typer.echo(
        f"{enrolled.publisher} is enrolled at the broker {enrolled.host}:{enrolled.port}; {config} names it, and the "
        f"password is in password-{enrolled.publisher} beside it. Start it (again): officina edge run {config}"
    )


@app.command("init")
def init(
    endpoint: Annotated[str, typer.Argument(help="Address of an OPC UA server: opc.tcp://host:port/path.")],
) -> None:
    """Write a configuration to standard output, from what a server shows."""
    import asyncio

    from edge_agent import check as checks
    from shopfloor.runtime import clock, logs

    logs.configure(program="edge")
    typer.echo(asyncio.run(checks.init(endpoint, clock.now)), nl=False)


@app.command("check")
def check(file: File, *, json: Annotated[bool, typer.Option(help="As JSON, for programs.")] = False) -> None:
    """Validate a configuration, connect, and list every signal with its value and every refusal with its reason.

    Exits with 0 when all is well, 1 when something was refused or does not answer, 2 when the file is wrong.
    """
    import asyncio

    from edge_agent import check as checks
    from shopfloor.runtime import clock, logs

    logs.configure(program="edge")
    report = asyncio.run(checks.check(file, clock.now))
    typer.echo(report.json() if json else report.text())
    raise typer.Exit(report.exit_code)


@app.command("install")
def install(
    file: File,
    *,
    root: Annotated[Path, typer.Option(help="Where the system is, for an image that is made elsewhere.")] = Path("/"),
    name: Annotated[
        str, typer.Option(help="Of the service, its user, and its folder below /var/lib.")
    ] = "officina-edge",
) -> None:
    """Write the systemd unit of an agent, and have systemd judge it."""
    from edge_agent.install import install as write

    installed = write(file, root=root, name=name)
    typer.echo(f"written  {installed.unit}\nwritten  {installed.user}")
    if installed.exposure is not None:
        typer.echo(f"verified by systemd-analyze; exposure {installed.exposure} of 10", err=True)
    typer.echo("Next, as root:\n" + "".join(f"  {step}\n" for step in installed.next), err=True, nl=False)


@trust.callback()
def trusting() -> None:
    """Decide which servers the agent trusts: nothing is accepted by itself."""


@trust.command("list")
def trust_list(file: File) -> None:
    """Show the certificates that are trusted, and those that servers showed and nobody has accepted."""
    from edge_agent.trust import TrustList
    from edge_agent.trust_table import certificates_of, table
    from shopfloor.runtime import clock

    typer.echo(table(TrustList(certificates_of(file)).known(), clock.now()))


@trust.command("accept")
def trust_accept(file: File, thumbprint: Thumbprint) -> None:
    """Trust a certificate that was rejected, after you compared its thumbprint with what the machine shows."""
    from edge_agent.trust import TrustList
    from edge_agent.trust_table import certificates_of

    found = TrustList(certificates_of(file)).accept(thumbprint)
    typer.echo(f"{found.thumbprint} ({found.subject}) is trusted from now on; a running agent connects within 10 s.")


@trust.command("revoke")
def trust_revoke(file: File, thumbprint: Thumbprint) -> None:
    """Trust a certificate no longer; a running agent ends its sessions with that server within seconds."""
    from edge_agent.trust import TrustList
    from edge_agent.trust_table import certificates_of

    found = TrustList(certificates_of(file)).revoke(thumbprint)
    typer.echo(f"{found.thumbprint} ({found.subject}) is no longer trusted and lies in {found.file.parent}.")


@app.command("meter")
def meter(
    file: Annotated[Path, typer.Argument(help="The meters' configuration, a TOML file.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Validate the file and read nothing.")] = False,
) -> None:
    """Read Modbus TCP meters of equipment without a control, and publish what they say, until told to stop."""
    import asyncio

    from edge_agent.meter_config import load
    from edge_agent.meter_service import MeterAgent
    from shopfloor.runtime import lifecycle, logs

    logs.configure(program="meter")
    config = load(file)
    if check:
        typer.echo(f"{file}: {len(config.meters)} meters, all right")
        return

    async def program(stop: asyncio.Event) -> None:
        await MeterAgent(config).run(stop)

    raise typer.Exit(lifecycle.run(program))
