"""Making a backup while everything runs, and putting it back into an empty installation, counted on both sides."""

from __future__ import annotations

import hashlib
import tarfile
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from api.backup import records as rows
from api.backup.records import RestoreError
from api.records import database
from shopfloor.errors import ExpectedError
from shopfloor.periods import INSTANT_MIN, format_instant
from shopfloor.stores.copy import copy, total
from shopfloor.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from api.records.database import Records
    from shopfloor.stores.port import Listed, Store

MANIFEST, RECORDS, TELEMETRY, KEYS = "manifest.json", "records.jsonl.gz", "telemetry.db", "installation.tar"
CHUNK = 1 << 20


class Manifest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a backup holds.

    Attributes:
        officina: version of the program that made it.
        made: when it was begun: what came later may be in it, what came before is.
        revision: of the records' tables.
        rows: of the records, by table.
        samples: of the telemetry, by machine.
        minutes: of the telemetry, by machine.
        digests: SHA-256 of each file.
    """

    officina: str
    made: str
    revision: str
    rows: dict[str, int]
    samples: dict[str, int]
    minutes: dict[str, int]
    digests: dict[str, str]


class Restored(msgspec.Struct, frozen=True):
    """What was put back, as it was counted where it is now.

    Attributes:
        rows: of the records, by table.
        samples: of the telemetry, by machine.
    """

    rows: dict[str, int]
    samples: dict[str, int]


def backup(
    folder: Path, records: Records, store: Listed, *, installation: Path | None, clock: Callable[[], int]
) -> Manifest:
    """Make a backup. The records are of one instant; the telemetry is at least as new as they are.

    Args:
        folder: a new one, for this backup alone.
        records: the records.
        store: the telemetry.
        installation: the folder of `officina init`, with secrets and certificates; None leaves it out.
        clock: the present.

    Raises:
        ExpectedError: the folder is there already, or cannot be written.
        RecordsUnavailableError, StoreUnavailableError: one of them does not answer; the folder is no backup then.
    """
    made = clock()
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise ExpectedError(
            f"{folder} cannot be made ({error.strerror}): name a folder that is not there yet"
        ) from error
    revision = database.version_of(records).found or ""
    counts = rows.dump(records, folder / RECORDS)
    with closing(SqliteStore(folder / TELEMETRY)) as kept:
        samples, minutes = _telemetry(store, kept, clock)
    if installation is not None:
        _keys(installation, folder / KEYS)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        path.chmod(0o600)
    digests = {path.name: _digest(path) for path in files}
    manifest = Manifest(version("officina"), format_instant(made), revision, counts, samples, minutes, digests)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def check(folder: Path) -> Manifest:
    """Read a backup's manifest, and compare every file with it.

    Raises:
        RestoreError: it is no backup, or a file of it was changed or is missing.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        wrong = [name for name, digest in manifest.digests.items() if _digest(folder / name) != digest]
    except (OSError, msgspec.DecodeError) as error:
        raise RestoreError(f"{folder} is no whole backup ({error}): take another one") from error
    if wrong:
        raise RestoreError(f"{', '.join(wrong)} in {folder} is not as it was written: take another backup")
    return manifest


def restore(folder: Path, records: Records, store: Store, *, clock: Callable[[], int]) -> Restored:
    """Put a backup back into an empty installation.

    Raises:
        RestoreError: the backup is damaged, the installation is not empty, or what was put back is not what was taken.
    """
    manifest = check(folder)
    if store.arrivals(INSTANT_MIN):
        raise RestoreError("the telemetry store is not empty: name an empty one as `store`, and restore again")
    counts = rows.load(records, folder / RECORDS, revision=manifest.revision)
    with closing(SqliteStore(folder / TELEMETRY)) as kept:
        samples, _ = _telemetry(kept, store, clock)
    differing = {name for name in manifest.rows if manifest.rows[name] != counts.get(name)}
    differing |= {name for name in manifest.samples if manifest.samples[name] != samples.get(name)}
    if differing:
        raise RestoreError(f"what was put back is not what was taken: {', '.join(sorted(differing))} differ")
    return Restored(counts, samples)


def unpack_keys(folder: Path, installation: Path) -> bool:
    """Put secrets, certificates and settings back into a new folder. Returns whether the backup holds them.

    Raises:
        RestoreError: the folder is there already.
    """
    if not (folder / KEYS).exists():
        return False
    if installation.exists():
        raise RestoreError(f"{installation} is there already: name a new folder for secrets and certificates")
    installation.mkdir(mode=0o700, parents=True)
    with tarfile.open(folder / KEYS) as archive:
        archive.extractall(installation, filter="data")
    return True


def _telemetry(source: Listed, target: Store, clock: Callable[[], int]) -> tuple[dict[str, int], dict[str, int]]:
    counted = total(copy(source, target, clock=clock))
    return (
        {machine: samples for machine, (samples, _, _) in counted.items()},
        {machine: minutes for machine, (_, minutes, _) in counted.items()},
    )


def _keys(installation: Path, file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        archive.add(installation, arcname=".")


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()
