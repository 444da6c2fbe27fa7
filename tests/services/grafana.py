"""A Grafana of the wire alone: a local HTTP server that answers as Grafana's HTTP API does, refusals included.

It keeps what it is sent, counts versions, and refuses where Grafana does: 401 without its token, 404 for what is not
there, 409 for the name of another data source, 412 for a version that is no longer the newest, an empty 204 for a
removal. No package of Debian has Grafana itself.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "glsa_a-token-of-tests"  # noqa: S105 - of tests
Answer = tuple[int, Any]
"""Status and body; None for an empty body."""


class Recorded:
    """What the server holds, and what it was asked."""

    def __init__(self) -> None:
        self.version = "12.4.0"
        self.anonymous = False
        self.folders: dict[str, dict[str, Any]] = {}
        self.permissions: dict[str, list[dict[str, Any]]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.boards: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.saved_meanwhile: list[str] = []
        """Uids of boards that somebody else saves just before the next save."""
        self.answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        """Answers in place of Grafana's, by method and path."""

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.requests if each[0] != "GET"]

    def answer(self, method: str, target: str, body: Any) -> Answer:  # noqa: PLR0911 - one for each path
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api")
        match (method, *path.strip("/").split("/")):
            case ("GET", "health"):
                return 200, {"commit": "5b85c4c2", "database": "ok", "version": self.version}
            case ("GET", "frontend", "settings"):
                return 200, {"anonymousEnabled": self.anonymous, "buildInfo": {"version": self.version}}
            case ("GET", "search"):
                return 200, self._search(parse_qs(parts.query))
            case (_, "folders", *rest):
                return self._folders(method, rest, body)
            case (_, "datasources", *rest):
                return self._sources(method, rest, body)
            case (_, "dashboards", *rest):
                return self._boards(method, rest, body)
        return 404, {"message": "Not found"}

    def _search(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        return [
            {"uid": uid, "title": kept["dashboard"]["title"], "folderUid": kept["folderUid"], "type": "dash-db"}
            for uid, kept in self.boards.items()
            if set(query.get("tag", ())) <= set(kept["dashboard"].get("tags", ()))
            and kept["folderUid"] in query["folderUIDs"]
        ]

    def _folders(self, method: str, rest: list[str], body: Any) -> Answer:
        if method == "POST" and not rest:
            if body["uid"] in self.folders:
                return 412, {"message": "the folder has been changed by someone else", "status": "version-mismatch"}
            self.folders[body["uid"]] = {"uid": body["uid"], "title": body["title"], "version": 1}
            self.permissions[body["uid"]] = [
                {"role": "Editor", "permission": 2, "inherited": False},
                {"role": "Viewer", "permission": 1, "inherited": False},
                {"userId": 7, "userLogin": "sa-officina", "permission": 4, "inherited": False},
            ]
            return 200, self.folders[body["uid"]]
        uid = rest[0]
        if uid not in self.folders:
            return 404, {"message": "folder not found", "status": "not-found"}
        if rest[1:] == ["permissions"]:
            if method == "POST":
                self.permissions[uid] = [{**each, "inherited": False} for each in body["items"]]
                return 200, {"message": "Dashboard permissions updated", "id": 3, "title": "Officina"}
            return 200, self.permissions[uid]
        if method == "PUT":
            self.folders[uid] |= {"title": body["title"], "version": self.folders[uid]["version"] + 1}
        return 200, self.folders[uid]

    def _sources(self, method: str, rest: list[str], body: Any) -> Answer:
        if method == "POST" and not rest:
            if any(each["name"] == body["name"] for each in self.sources.values()):
                return 409, {"message": "data source with the same name already exists", "traceID": ""}
            self.sources[body["uid"]] = body
            return 200, {"datasource": self._shown(body), "id": 1, "message": "Datasource added", "name": body["name"]}
        if rest[0] != "uid" or rest[1] not in self.sources:
            return 404, {"message": "Data source not found", "traceID": ""}
        uid = rest[1]
        if rest[2:] == ["health"]:
            return 200, {"message": "datasource is working", "status": "OK"}
        if method == "PUT":
            self.sources[uid] = body
            return 200, {"datasource": self._shown(body), "id": 1, "message": "Datasource updated"}
        return 200, self._shown(self.sources[uid])

    @staticmethod
    def _shown(source: dict[str, Any]) -> dict[str, Any]:
        visible = {key: value for key, value in source.items() if key != "secureJsonData"}
        fields = dict.fromkeys(source.get("secureJsonData", {}), True)
        return {"readOnly": False, **visible, "id": 1, "orgId": 1, "version": 1, "secureJsonFields": fields}

    def _boards(self, method: str, rest: list[str], body: Any) -> Answer:
        if method == "POST" and rest == ["db"]:
            return self._save(body)
        uid = rest[1]
        if uid not in self.boards:
            return 404, {"message": "Dashboard not found"}
        if method == "DELETE":
            del self.boards[uid]
            return 204, None
        kept = self.boards[uid]
        meta = {"folderUid": kept["folderUid"], "provisioned": kept.get("provisioned", False)}
        return 200, {"dashboard": kept["dashboard"], "meta": meta}

    def _save(self, body: dict[str, Any]) -> Answer:
        board, uid = body["dashboard"], body["dashboard"]["uid"]
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if uid in self.saved_meanwhile:
            self.saved_meanwhile.remove(uid)
            self.boards[uid]["dashboard"]["version"] += 1
        version = self.boards[uid]["dashboard"]["version"] if uid in self.boards else 0
        if board["version"] != version and not body["overwrite"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        # Grafana adds defaults of its own to what it keeps.
        kept = {**board, "id": 41, "version": version + 1, "fiscalYearStartMonth": 0, "preload": False}
        self.boards[uid] = {"dashboard": json.loads(json.dumps(kept)), "folderUid": body["folderUid"]}
        return 200, {"id": 41, "uid": uid, "status": "success", "version": version + 1, "url": f"/d/{uid}"}


@contextmanager
def recorded_grafana() -> Iterator[tuple[str, Recorded]]:
    """Serve until the block ends; yields the address and what the server holds."""
    held = Recorded()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            held.requests.append((self.command, self.path))
            given = held.answers.get((self.command, urlsplit(self.path).path))
            if given is not None:
                status, data = given
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, data = 401, b'{"message":"Invalid API key","messageId":"api-key.invalid","statusCode":401}'
            else:
                status, answer = held.answer(self.command, self.path, body)
                data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", data.decode())
                data = b""
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
