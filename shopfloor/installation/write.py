"""Writing an installation's folder: what is missing is made, what is there stays, what is unsafe is refused."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from shopfloor import broker_files
from shopfloor.broker_files import Login, hash_password
from shopfloor.installation import plan as plans
from shopfloor.installation.certificates import issue, make_authority
from shopfloor.settings import SettingsError, load, read_secret, write_secret
from shopfloor.wire.rights import Kind, Principal

if TYPE_CHECKING:
    from pathlib import Path

    from shopfloor.installation.plan import Plan

CHOICES = "installation.toml"
ROOT = 0
PRIVATE = 0o600


class Written(NamedTuple):
    """What was done with a file.

    Attributes:
        verb: `made`, `kept` or `renewed`.
        path: below the folder.
    """

    verb: str
    path: str


def stored_plan(folder: Path) -> Plan | None:
    """Return the choices that a folder was made with, None where there is no installation.

    Raises:
        SettingsError: they cannot be read.
    """
    file = folder / CHOICES
    return load(file, plans.Plan) if file.exists() else None


def write(folder: Path, plan: Plan, *, owner: tuple[int, int], now: int) -> list[Written]:
    """Write an installation; a second time changes nothing but certificates that end soon.

    Args:
        folder: where; made when it is missing.
        plan: the choices.
        owner: user and group that the programs run as; the files are given to them when this runs as root.
        now: the present.

    Returns:
        What was done with each file.

    Raises:
        SettingsError: a secret that is there is a sample, empty or open to everybody; or the folder cannot be written.
    """
    if ROOT in owner:
        raise SettingsError(
            "the programs may not run as root: name the user and group that they run as, --owner 10001:10001"
        )
    present = stored_plan(folder)
    if present is not None and present != plan:
        raise SettingsError(
            f"{folder} was made with other choices: change its settings by hand, or remove {folder / CHOICES} "
            f"and what shall be made anew"
        )
    try:
        for name in ("", "secrets", "certificates", "broker", *(("state",) if plan.layout == "machine" else ())):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        done = _secrets(folder, plan) + _certificates(folder, plan, now)
        files = [
            *plans.files(plan, folder, owner=owner, version=version("officina")),
            plans.File(CHOICES, plan.written(), "what was chosen; read by the next run"),
        ]
        for file in files:
            done.append(_once(folder, file.path, file.text, PRIVATE))
        done.append(_logins(folder))
        write_secret(folder / "README.md", _explained(files, plan), mode=PRIVATE)
        _give(folder, owner)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be written ({error}): choose another folder, or let Officina write there"
        ) from error
    return done


def _secrets(folder: Path, plan: Plan) -> list[Written]:
    done = []
    for name in plans.SECRETS:
        path = folder / "secrets" / name
        if path.exists():
            read_secret(path)  # refuses what nobody should rely on
        done.append(_once(folder, f"secrets/{name}", broker_files.make_password(), PRIVATE))
    if not plan.store:  # empty until the store answers: a container cannot be given a file that is not there
        done += [_once(folder, f"secrets/{name}", "", PRIVATE) for name in plans.STORE_TOKENS]
    return done


def _certificates(folder: Path, plan: Plan, now: int) -> list[Written]:
    place = folder / "certificates"
    authority = (place / "ca.pem", place / "ca.key")
    made = make_authority(*authority, f"Officina at {plan.host}", now=now)
    done = [Written("made" if made else "kept", "certificates/ca.pem")]
    for server, names in plans.names(plan).items():
        was_there = (place / f"{server}.pem").exists()
        issued = issue(place / f"{server}.pem", place / f"{server}.key", names, authority=authority, now=now)
        verb = "kept" if not issued else "renewed" if was_there else "made"
        done.append(Written(verb, f"certificates/{server}.pem"))
    return done


def _logins(folder: Path) -> Written:
    """Write the broker's first logins, so that it can start before the API does, which owns them from then on."""
    place = folder / "broker"
    if (place / broker_files.RIGHTS).exists():
        return Written("kept", "broker/")
    kinds = {"api": Kind.API, "collector": Kind.COLLECTOR}
    passwords = {name: read_secret(folder / "secrets" / f"{name}-password") for name in kinds}
    broker_files.write_files(
        place, [Login(Principal(name, kind), hash_password(passwords[name])) for name, kind in kinds.items()]
    )
    return Written("made", "broker/")


def _once(folder: Path, name: str, text: str, mode: int) -> Written:
    path = folder / name
    if path.exists():
        return Written("kept", name)
    write_secret(path, text, mode=mode)
    return Written("made", name)


def _give(folder: Path, owner: tuple[int, int]) -> None:
    """Give everything to who runs the programs, where this may."""
    if os.geteuid() == ROOT:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *owner, follow_symlinks=False)


def _explained(files: list[plans.File], plan: Plan) -> str:
    """Explain each file."""
    rows = [(f"`{file.path}`", file.purpose) for file in files]
    rows += [(f"`secrets/{name}`", purpose) for name, purpose in plans.SECRETS.items()]
    if not plan.store:
        rows += [(f"`secrets/{name}`", f"{purpose}; empty until then") for name, purpose in plans.STORE_TOKENS.items()]
    rows += [
        ("`certificates/ca.pem`", "authority of this installation: give it to agents and browsers that shall trust it"),
        ("`certificates/ca.key`", "its key: keep a copy elsewhere, and nobody else may read it"),
        *((f"`certificates/{name}.pem`, `.key`", purpose) for name, purpose in plans.CERTIFICATES.items()),
        ("`broker/`", "logins and rights that the broker reads; the API writes them"),
    ]
    table = "".join(f"| {name} | {purpose} |\n" for name, purpose in rows)
    return (
        f"# Officina at {plan.host}\n\n"
        "Made by `officina init`. Run it again at any time: it makes what is missing, renews certificates of its own "
        "that end within 30 days, and leaves all else as it is. To have a file made anew, remove it first.\n\n"
        f"| File | What it is for |\n|---|---|\n{table}\n"
        "Back up this folder: without `secrets/` and `certificates/ca.key` every password and certificate has to be "
        "made anew.\n"
    )
