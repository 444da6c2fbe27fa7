"""Preparing an InfluxDB 2.x server: organisation, buckets, and for each program a token that opens what it needs.

Safe to repeat: what is there and right stays, what is missing or wrong is made or mended.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from shopfloor.runtime import clock
from shopfloor.settings import SettingsError, read_secret, write_secret
from shopfloor.stores.influx_server import GAUGE_DAYS, GAUGE_SHARD_DAYS, RECORD_SHARD_DAYS, Version2
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shopfloor.signals import SignalClass

ADMINISTRATOR = "officina"
"""Name of the server's first user."""
DAY_SECONDS = 86_400
RECORD: SignalClass = "record"
GAUGE: SignalClass = "gauge"
READ, WRITE = "read", "write"
RIGHTS: Mapping[str, tuple[tuple[str, SignalClass], ...]] = {
    "api": ((READ, RECORD), (READ, GAUGE), (WRITE, RECORD)),
    "collector": ((READ, RECORD), (READ, GAUGE), (WRITE, RECORD), (WRITE, GAUGE)),
    "grafana": ((READ, RECORD), (READ, GAUGE)),
}
"""What each program's token opens: the API's watch writes roll-ups, which lie beside the records."""


class Wanted(NamedTuple):
    """How the server is to be.

    Attributes:
        url: its address.
        organisation: whose the buckets are.
        database: first part of the buckets' names.
        gauge_days: how long raw gauges are kept; 0 for ever.
    """

    url: str
    organisation: str = "officina"
    database: str = "officina"
    gauge_days: int = GAUGE_DAYS


class Done(NamedTuple):
    """One step.

    Attributes:
        verb: `made`, `mended` or `kept`.
        what: of the server.
    """

    verb: str
    what: str


def token_file(folder: Path, program: str) -> Path:
    """Return where a program's token is."""
    return folder / f"store-{program}-token"


def prepare(wanted: Wanted, folder: Path) -> list[Done]:
    """Bring a server to what is wanted.

    Args:
        wanted: how it is to be.
        folder: with `store-admin-password` and `store-admin-token`; the programs' tokens are written there.

    Returns:
        What was done, step by step.

    Raises:
        SettingsError: the administrator's password or token cannot be read.
        StoreUnavailableError: the server does not answer, or not now.
        StoreRefusedError: it does not take the administrator's token.
    """
    password, token = (read_secret(folder / f"store-admin-{name}") for name in ("password", "token"))
    with _connected(wanted, token) as client:
        done = [_onboard(client, wanted, password, token)]
        organisation = _organisation(client, wanted.organisation, done)
        buckets: dict[SignalClass, Any] = {
            RECORD: _bucket(client, organisation, f"{wanted.database}/{RECORD}", (0, RECORD_SHARD_DAYS), done),
            GAUGE: _bucket(
                client, organisation, f"{wanted.database}/{GAUGE}", (wanted.gauge_days, GAUGE_SHARD_DAYS), done
            ),
        }
        _map(wanted, token, done)
        for program, rights in RIGHTS.items():
            opened = {(action, buckets[bucket].id) for action, bucket in rights}
            done.append(_token(client, wanted, organisation, token_file(folder, program), opened))
    return done


def _library() -> Any:
    """Return the client's own names, which have no types."""
    import influxdb_client

    return influxdb_client


@contextmanager
def _connected(wanted: Wanted, token: str) -> Iterator[Any]:
    """Connect, and say errors in the words of the stores."""
    import urllib3
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.rest import ApiException

    client: Any = InfluxDBClient(wanted.url, token, org=wanted.organisation, timeout=30_000)
    try:
        yield client
    except ApiException as error:
        if error.status in (401, 403):
            raise StoreRefusedError(
                f"{wanted.url} does not take the administrator's token ({error.status}): put the one that the server "
                f"was set up with into store-admin-token"
            ) from error
        raise StoreUnavailableError(f"{wanted.url} answers {error.status}: {error.body or error.reason}") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailableError(f"{wanted.url} does not answer: {error}") from error
    finally:
        client.close()


def _onboard(client: Any, wanted: Wanted, password: str, token: str) -> Done:
    """Give a new server its first user, organisation and bucket."""
    library = _library()
    service = library.SetupService(client.api_client)
    if not service.get_setup().allowed:
        return Done("kept", "the first user")
    request = library.OnboardingRequest(
        username=ADMINISTRATOR,
        password=password,
        org=wanted.organisation,
        bucket=f"{wanted.database}/{RECORD}",
        retention_period_seconds=0,
        token=token,
    )
    service.post_setup(onboarding_request=request)
    return Done("made", f"the first user, {ADMINISTRATOR}")


def _organisation(client: Any, name: str, done: list[Done]) -> Any:
    organisations = client.organizations_api()
    found = [each for each in organisations.find_organizations(limit=100) if each.name == name]
    done.append(Done("kept" if found else "made", f"the organisation {name}"))
    return found[0] if found else organisations.create_organization(name=name)


def _bucket(client: Any, organisation: Any, name: str, kept: tuple[int, int], done: list[Done]) -> Any:
    """Make a bucket, or mend how long it keeps what is in it."""
    days, shard_days = kept
    seconds, shard_seconds = days * DAY_SECONDS, shard_days * DAY_SECONDS
    rule = _library().BucketRetentionRules(
        type="expire", every_seconds=seconds, shard_group_duration_seconds=shard_seconds
    )
    buckets = client.buckets_api()
    found = [each for each in buckets.find_buckets(org=organisation.name, limit=100).buckets if each.name == name]
    what = f"the bucket {name}, kept {f'{days} days' if days else 'for ever'}"
    if not found:
        done.append(Done("made", what))
        return buckets.create_bucket(bucket_name=name, retention_rules=[rule], org=organisation.name)
    (bucket,) = found
    present = bucket.retention_rules[0] if bucket.retention_rules else None
    held = (present.every_seconds or 0, present.shard_group_duration_seconds) if present else (0, shard_seconds)
    if held == (seconds, shard_seconds):
        done.append(Done("kept", what))
        return bucket
    bucket.retention_rules = [rule]
    done.append(Done("mended", what))
    return buckets.update_bucket(bucket)


def _map(wanted: Wanted, token: str, done: list[Done]) -> None:
    """Have both buckets answer InfluxQL under their database."""
    server = Version2(wanted.url, wanted.database, org=wanted.organisation, token=token)
    try:
        server.setup()
    finally:
        server.close()
    done.append(Done("kept", f"InfluxQL for {wanted.database}"))


def _token(client: Any, wanted: Wanted, organisation: Any, file: Path, opened: set[tuple[str, str]]) -> Done:
    """Give a program a token that opens this and nothing else; one that does so already stays."""
    name = f"{file.name} ({wanted.database})"
    tokens = client.authorizations_api()
    held = [each for each in tokens.find_authorizations(org_id=organisation.id) or () if each.description == name]
    is_right = len(held) == 1 and {(each.action, each.resource.id) for each in held[0].permissions} == opened
    if is_right and held[0].status == "active" and _opens(wanted, file):
        return Done("kept", file.name)
    for each in held:
        tokens.delete_authorization(each)
    library = _library()
    permissions = [
        library.Permission(
            action=action, resource=library.PermissionResource(type="buckets", id=bucket, org_id=organisation.id)
        )
        for action, bucket in sorted(opened)
    ]
    made = tokens.create_authorization(
        authorization=library.Authorization(org_id=organisation.id, permissions=permissions, description=name)
    )
    write_secret(file, made.token)
    return Done("mended" if held else "made", file.name)


def _opens(wanted: Wanted, file: Path) -> bool:
    """Tell whether the token in a file is let in."""
    try:
        token = read_secret(file)
    except SettingsError:
        return False
    server = Version2(wanted.url, wanted.database, org=wanted.organisation, token=token)
    try:
        list(server.query(RECORD, "SHOW MEASUREMENTS LIMIT 1"))
    except StoreRefusedError:
        return False
    finally:
        server.close()
    return True


def wait_until_it_answers(wanted: Wanted, folder: Path, *, seconds: float) -> list[Done]:
    """Prepare a server that may only just be starting.

    Raises:
        StoreUnavailableError: it does not answer in this time.
        StoreRefusedError, SettingsError: see `prepare`.
    """
    deadline = clock.monotonic_seconds() + seconds
    while True:
        try:
            return prepare(wanted, folder)
        except StoreUnavailableError:
            if clock.monotonic_seconds() > deadline:
                raise
        time.sleep(1)
