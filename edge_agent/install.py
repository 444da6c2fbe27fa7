"""`officina edge install`: write the systemd unit of an agent, and have systemd judge it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.config import load
from edge_agent.unit import EXPOSURE_MAX, unit, user_of
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import EdgeConfig

NAME = "officina-edge"
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")


class InstallError(ExpectedError):
    """The agent cannot be installed so; the sentence says what to do."""


class Installed(NamedTuple):
    """What was written, and what systemd says of it.

    Attributes:
        unit: the unit's file.
        user: the file that makes its user.
        exposure: of 10, by `systemd-analyze security`; None where that program is not at hand.
        next: what an administrator types next.
    """

    unit: Path
    user: Path
    exposure: float | None
    next: list[str]


def install(config_file: Path, *, root: Path = Path("/"), name: str = NAME) -> Installed:
    """Write unit and user of an agent.

    Args:
        config_file: its configuration, in a folder of its own, `/var/lib/<name>`.
        root: where the system is, for images that are made elsewhere.
        name: of unit, user and folder.

    Raises:
        ConfigError: the configuration cannot be used.
        InstallError: it is in another folder, a file cannot be written, or systemd finds fault with the unit.
    """
    root, config_file = root.absolute(), config_file.absolute()
    home = root / "var" / "lib" / name
    if config_file.parent != home:
        raise InstallError(
            f"the agent may write in {home} alone, and keeps spool and certificates beside its configuration: move "
            f"{config_file.parent} there, then install {home / config_file.name}"
        )
    config = load(config_file)
    inside = PurePosixPath("/") / config_file.relative_to(root)
    secrets = [PurePosixPath("/") / path.relative_to(root) for path in _secrets(config)]
    text = unit(publisher=config.publisher, user=name, program=_program(), config=inside, secrets=secrets)
    unit_file = root / "etc" / "systemd" / "system" / f"{name}.service"
    user_file = root / "etc" / "sysusers.d" / f"{name}.conf"
    try:
        for file, content in ((unit_file, text), (user_file, user_of(name, inside.parent))):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
            file.chmod(0o644)
    except OSError as error:
        raise InstallError(f"{error.filename} cannot be written ({error.strerror}): run this as root") from error
    exposure = _judged(unit_file)
    steps = [f"systemd-sysusers {user_file}", f"chown -R {name}:{name} {home}", "systemctl daemon-reload",
             f"systemctl enable --now {name}", f"journalctl -u {name} -f"]  # fmt: skip
    return Installed(unit_file, user_file, exposure, steps)


def _program() -> str:
    """Return where the command is that runs now, which the service shall run too."""
    return str(Path(sys.executable).with_name("officina"))


def _secrets(config: EdgeConfig) -> Iterator[Path]:
    """Yield every file that holds a secret, once."""
    found = [config.broker.password_file, config.broker.key]
    found += [server.password_file for server in config.servers]
    yield from dict.fromkeys(path for path in found if path is not None)


def _judged(unit_file: Path) -> float | None:
    """Have systemd verify a unit and say how exposed it is.

    Raises:
        InstallError: it finds fault with it.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        return None
    verified = _run(program, "verify", str(unit_file))
    faults = [line for line in verified.stderr.splitlines() if unit_file.name in line]
    if faults:
        raise InstallError(f"systemd finds fault with {unit_file}: {'; '.join(faults)}")
    judged = _run(program, "security", "--offline=yes", "--no-pager", str(unit_file))
    level = _EXPOSURE.search(judged.stdout)
    if level is None:
        return None
    exposure = float(level[1])
    if exposure > EXPOSURE_MAX:
        raise InstallError(f"systemd gives {unit_file} an exposure of {exposure}, {EXPOSURE_MAX} is allowed")
    return exposure


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
