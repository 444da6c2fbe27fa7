"""Pushes boards to a running Grafana 11 to 13 through its HTTP API: the only file that knows grafana-api.

Of that client, which has not followed Grafana since 2020, only the raw verbs are used: they reach every path under
`/api`. What is in Grafana is read, compared and written only where it differs, so that a second push changes nothing.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from grafana_api.grafana_api import GrafanaException
from grafana_api.grafana_face import GrafanaFace

from dashboards.panels import FOLDER_UID
from dashboards.provisioning import FOLDER_TITLE
from dashboards.words import TAG
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dashboards.panels import Json
    from dashboards.settings import GrafanaSettings

VERSIONS = range(11, 14)
"""Major versions of Grafana that the boards are made for."""
REASON_MAX = 300
"""Characters of Grafana's own words that are kept."""
OBSOLETE_MAX = 1000
"""Boards that one search returns; there are six."""
UNAUTHORISED, FORBIDDEN, NOT_FOUND, CONFLICT, PRECONDITION_FAILED = 401, 403, 404, 409, 412
_SUCCESS = range(200, 300)
_SHOWN_MAX = 80
_OURS_ALONE = frozenset({"id", "version", "secureJsonData"})


class GrafanaRefusedError(ExpectedError):
    """Grafana answered and did not do it; the sentence says the mend.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class GrafanaUnavailableError(ExpectedError):
    """Grafana did not answer, or something else did."""


class Change(NamedTuple):
    """One thing that is not in Grafana as it should be.

    Attributes:
        what: kind and uid.
        verb: `create`, `change` or `remove`.
        differences: where it differs: path, there, here.
        apply: does it.
    """

    what: str
    verb: str
    differences: Sequence[str]
    apply: Callable[[], object]


class Grafana:
    """A running Grafana.

    Raises:
        SettingsError: the login's file cannot be used.
    """

    def __init__(self, settings: GrafanaSettings) -> None:
        parts = urlsplit(settings.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        prefix = parts.path.strip("/")
        self.url = settings.url
        self._status = 0
        self._client: Any = GrafanaFace(
            auth=settings.secret(),
            host=host,
            port=parts.port,
            url_path_prefix=f"{prefix}/" if prefix else "",
            protocol=parts.scheme,
            verify=str(settings.ca_file) if settings.ca_file else True,
            timeout=settings.timeout_seconds,
        ).api
        self._client.s.max_redirects = 0  # a redirected POST would arrive as GET
        self._client.s.hooks["response"].append(self._note_status)
        if settings.organisation is not None:
            self._client.s.headers["X-Grafana-Org-Id"] = str(settings.organisation)

    def _note_status(self, response: Any, *_: Any, **__: Any) -> None:
        self._status = response.status_code

    def get(self, path: str) -> Any:
        """Read something.

        Returns:
            What Grafana answered; None where there is no such thing.

        Raises:
            GrafanaRefusedError: it may not be read.
            GrafanaUnavailableError: no answer of a Grafana.
        """
        try:
            return self.send("GET", path)
        except GrafanaRefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def send(self, verb: str, path: str, body: object = None) -> Any:
        """Send a request to a path under `/api`.

        Returns:
            What Grafana answered; an empty dictionary for an empty body.

        Raises:
            GrafanaRefusedError: Grafana does not do it.
            GrafanaUnavailableError: no answer of a Grafana.
        """
        self._status = 0
        try:
            with self._translated(verb, path):
                return getattr(self._client, verb)(path, json=body)
        except json.JSONDecodeError as error:
            if self._status in _SUCCESS and not error.doc.strip():
                return {}
            raise GrafanaUnavailableError(
                f"{self.url} answers {verb} {path} with something that is no JSON: is this the address of Grafana?",
            ) from error

    @contextmanager
    def _translated(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except GrafanaException as error:
            raise _refusal(error.status_code, str(error.message)[:REASON_MAX], f"{verb} {path}") from error
        except TypeError as error:  # the client cannot read a refusal that is no object
            raise _refusal(self._status, "without a reason", f"{verb} {path}") from error
        except json.JSONDecodeError:
            raise
        except (OSError, ValueError) as error:  # what requests raises is one or the other
            raise GrafanaUnavailableError(f"{self.url} does not answer: {error}"[:REASON_MAX]) from error

    def close(self) -> None:
        """Let go of the connections."""
        self._client.s.close()


def _refusal(status: int, reason: str, request: str) -> GrafanaRefusedError:
    mends = {
        UNAUTHORISED: "the token or password is not valid: make a new one in Grafana and put it into its file",
        FORBIDDEN: "the login may not do this: give the service account the role Admin in this organisation",
    }
    mend = mends.get(status, reason)
    return GrafanaRefusedError(status, f"Grafana refuses {request} with {status}: {mend}")


def check(grafana: Grafana) -> list[str]:
    """Look at the server before anything is compared.

    Returns:
        Warnings.

    Raises:
        GrafanaRefusedError: everybody may look in without signing in.
        GrafanaUnavailableError: no answer of a Grafana.
    """
    version = str((grafana.get("/health") or {}).get("version") or "")
    major = version.partition(".")[0]
    if (grafana.get("/frontend/settings") or {}).get("anonymousEnabled"):
        raise GrafanaRefusedError(
            FORBIDDEN,
            "this Grafana shows its boards to everybody who reaches it, and these show what every member does: set "
            "auth.anonymous.enabled = false in Grafana's configuration",
        )
    if not major.isdigit() or int(major) not in VERSIONS:
        return [f"Grafana {version or 'of a version that it does not tell'}: the boards are made for 11 to 13"]
    return []


def compare(
    grafana: Grafana,
    boards: Sequence[Json],
    sources: Sequence[Json],
    *,
    viewers_are_staff: bool = False,
    renew_secrets: bool = False,
) -> list[Change]:
    """Find what differs, in the order in which it has to be changed.

    Args:
        grafana: the server.
        boards: as they should be.
        sources: data sources as they should be, with their secrets.
        viewers_are_staff: leave the folder to the role Viewer as well.
        renew_secrets: send the data sources' secrets again, which cannot be compared.

    Raises:
        GrafanaRefusedError: something may not be read.
        GrafanaUnavailableError: no answer of a Grafana.
    """
    changes = _folder(grafana, viewers_are_staff=viewers_are_staff)
    for source in sources:
        changes += _source(grafana, source, renew=renew_secrets)
    for board in boards:
        changes += _board(grafana, board)
    return [*changes, *_obsolete(grafana, {board["uid"] for board in boards})]


def health(grafana: Grafana, sources: Sequence[Json]) -> list[str]:
    """Ask Grafana whether it reaches its data sources, and return what does not work."""
    troubles = []
    for source in sources:
        try:
            grafana.get(f"/datasources/uid/{source['uid']}/health")
        except GrafanaRefusedError as error:
            troubles.append(f"data source {source['uid']}: {error}")
    return troubles


def _folder(grafana: Grafana, *, viewers_are_staff: bool) -> list[Change]:
    what = f"folder {FOLDER_UID}"

    def restrict() -> None:
        if not viewers_are_staff and (rest := _without_viewers(grafana)) is not None:
            grafana.send("POST", f"/folders/{FOLDER_UID}/permissions", {"items": rest})

    def create() -> None:
        try:
            grafana.send("POST", "/folders", {"uid": FOLDER_UID, "title": FOLDER_TITLE})
        except GrafanaRefusedError as error:
            # Somebody else has just made it; a folder of ours under another title is renamed.
            if error.status not in (CONFLICT, PRECONDITION_FAILED) or grafana.get(f"/folders/{FOLDER_UID}") is None:
                raise
            rename()
        restrict()

    def rename() -> None:
        grafana.send("PUT", f"/folders/{FOLDER_UID}", {"title": FOLDER_TITLE, "overwrite": True})

    found = grafana.get(f"/folders/{FOLDER_UID}")
    if found is None:
        return [Change(what, "create", (), create)]
    changes = []
    if found.get("title") != FOLDER_TITLE:
        changes.append(Change(what, "change", differences(found, {"title": FOLDER_TITLE}), rename))
    if not viewers_are_staff and _without_viewers(grafana) is not None:
        changes.append(Change(f"{what}, permissions", "change", ["Viewer: may see it → may not"], restrict))
    return changes


def _without_viewers(grafana: Grafana) -> list[Json] | None:
    """Return the folder's permissions without those of all viewers; None when they have none."""
    found = grafana.get(f"/folders/{FOLDER_UID}/permissions") or []
    own = [each for each in found if not each.get("inherited")]
    if all(each.get("role") != "Viewer" for each in own):
        return None
    kept = []
    for each in own:
        whom = {key: each[key] for key in ("role", "teamId", "userId") if each.get(key)}
        if whom and whom.get("role") != "Viewer":
            kept.append({**whom, "permission": each["permission"]})
    return kept


def _source(grafana: Grafana, source: Json, *, renew: bool) -> list[Change]:
    what, path = f"data source {source['uid']}", f"/datasources/uid/{source['uid']}"
    found = grafana.get(path)
    if found is None:
        return [Change(what, "create", (), lambda: _create_source(grafana, source))]
    differing = differences(found, source)
    held = found.get("secureJsonFields") or {}
    missing = [name for name in source.get("secureJsonData", {}) if renew or not held.get(name)]
    differing += [f"secureJsonData.{name}: is sent again" for name in missing]
    if not differing:
        return []
    if found.get("readOnly"):
        raise GrafanaRefusedError(
            FORBIDDEN,
            f"{what} was provisioned from a file and cannot be pushed: render again and let Grafana read the files, or "
            f"take the file away",
        )
    return [Change(what, "change", differing, lambda: grafana.send("PUT", path, source))]


def _create_source(grafana: Grafana, source: Json) -> None:
    try:
        grafana.send("POST", "/datasources", source)
    except GrafanaRefusedError as error:
        if error.status != CONFLICT:
            raise
        raise GrafanaRefusedError(
            CONFLICT,
            f"another data source is called {source['name']!r}: rename it in Grafana, then push again",
        ) from error


def _board(grafana: Grafana, board: Json) -> list[Change]:
    what, path = f"board {board['uid']}", f"/dashboards/uid/{board['uid']}"

    def save(version: int) -> None:
        content = {**board, "id": None, "version": version}
        message = "officina dashboards push"
        body = {"dashboard": content, "folderUid": FOLDER_UID, "overwrite": False, "message": message}
        grafana.send("POST", "/dashboards/db", body)

    def push() -> None:
        try:
            save(version)
        except GrafanaRefusedError as error:
            if error.status != PRECONDITION_FAILED:
                raise
            now = grafana.get(path)  # somebody has saved it since it was read: what is in the code holds
            if now is None or now["dashboard"]["version"] == version:
                raise
            save(now["dashboard"]["version"])

    found = grafana.get(path)
    if found is None:
        version = 0
        return [Change(what, "create", (), push)]
    version = found["dashboard"].get("version", 0)
    differing = differences(found["dashboard"], board)
    if found["meta"].get("folderUid", FOLDER_UID) != FOLDER_UID:
        differing.append(f"folder: {found['meta']['folderUid']!r} → {FOLDER_UID!r}")
    if not differing:
        return []
    if found["meta"].get("provisioned"):
        raise GrafanaRefusedError(
            FORBIDDEN,
            f"{what} was provisioned from a file and cannot be pushed: render again and let Grafana read the files, or "
            f"take the file away",
        )
    return [Change(what, "change", differing, push)]


def _obsolete(grafana: Grafana, uids: set[str]) -> list[Change]:
    """Find boards of ours that no longer exist."""
    path = f"/search?type=dash-db&tag={quote(TAG)}&folderUIDs={FOLDER_UID}&limit={OBSOLETE_MAX}"
    changes = []
    for found in grafana.get(path) or []:
        uid = found["uid"]
        if uid not in uids and found.get("folderUid") == FOLDER_UID:
            remove = _removal(grafana, f"/dashboards/uid/{quote(uid, safe='')}")
            changes.append(Change(f"board {uid}", "remove", (), remove))
    return changes


def _removal(grafana: Grafana, path: str) -> Callable[[], object]:
    return lambda: grafana.send("DELETE", path)


def differences(there: Any, here: Any, at: str = "") -> list[str]:
    """Compare what Grafana has with what it should have; what Grafana adds of its own does not count.

    Returns:
        One line for each difference: where, what is there, what should be.
    """
    if isinstance(here, dict) and isinstance(there, dict):
        return [
            line
            for key, value in here.items()
            if at or key not in _OURS_ALONE
            for line in differences(there.get(key), value, f"{at}.{key}" if at else key)
        ]
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        return [
            line
            for number, (old, new) in enumerate(zip(there, here, strict=True))
            for line in differences(old, new, f"{at}[{number}]")
        ]
    return [] if there == here else [f"{at}: {_short(there)} → {_short(here)}"]


def _short(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{len(value)} entries"
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _SHOWN_MAX else shown[:_SHOWN_MAX] + "…"
