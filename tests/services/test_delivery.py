"""Messages on their way through a real mail server and a real webhook, which are killed and slowed."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller

from api.maintenance import outbox_records
from api.maintenance.alarms import Change, What
from api.maintenance.channels import Attachment, Channel, ChannelError, Channels, check_address
from api.maintenance.notifications import Message
from api.maintenance.outbox import Answer, Status
from api.maintenance.outbox_records import RecordsOutbox, short
from api.maintenance.postman import Letter, Postman
from api.maintenance.wording import Words
from api.records.database import open_records
from shopfloor.periods import HOUR, SECOND, parse_instant
from tests.services.records import new_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services
NOW = parse_instant("2026-11-23T09:00:00Z")
RAISED = Change(NOW, "m1", "spindle-hot", "spindle_temperature", What.RAISED, NOW - HOUR, "high", {"value": 81.5}, 0.0)
TIMEOUT = 1.0
WAIT = 30.0


def message(key: str, *channels: str, incident: str = "incident") -> Message:
    return Message(key, incident, "new", NOW, NOW, "anna", channels, (RAISED,), "high")


def letter(told: Message) -> Letter:
    plot = Attachment("evidence.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    return Letter(Words(f"subject of {told.key}", f"body of {told.key}"), (plot,))


class Mails:
    """What a mail server took in; it can refuse and be slow over the end of a message."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.reply = "250 kept"
        self.may_answer = threading.Event()
        self.may_answer.set()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.reply.startswith("250"):
            self.received.append(envelope.content.decode())
        await asyncio.to_thread(self.may_answer.wait, WAIT)
        return self.reply


class MailServer(Controller):
    """A mail server on a free port, which it keeps when it is started again."""

    def __init__(self, mails: Mails, port: int) -> None:
        super().__init__(mails, hostname="127.0.0.1", port=port)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Webhook:
    """A receiver on a port of its own; it keeps one request of each key, as its documentation would promise."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.status = 204
        self.hangs_up = False
        self.leads_to = ""
        self.may_answer = threading.Event()
        self.may_answer.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.status < 300:
                    outer.requests.append((self.headers["Idempotency-Key"], body))
                outer.may_answer.wait(WAIT)
                if not outer.hangs_up:
                    self.send_response(outer.status)
                    if outer.leads_to:
                        self.send_header("Location", outer.leads_to)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def kept(self) -> list[str]:
        return list(dict.fromkeys(key for key, _ in self.requests))

    def stop(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.stop()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[RecordsOutbox]:
    records = open_records(new_records(tmp_path))
    yield RecordsOutbox(records)
    records.close()


def hook(port: int, *, drops_repeats: bool = True) -> Channel:
    return Channel(f"json://reader:very-secret@127.0.0.1:{port}/hidden-path?-token=hush-hush", drops_repeats)


def mail(port: int) -> Channel:
    return Channel(
        f"mailto://anna:very-secret@127.0.0.1:{port}?smtp=127.0.0.1&from=o@example.org&to=anna@example.org&mode=insecure"
    )


def round_of(postman: Postman, now: int) -> int:
    """Send all that is due, one after another on each channel."""
    count = 0
    while sent := postman.run(now):
        count += sent
        assert postman.wait(WAIT)
    return count


def statuses(outbox: RecordsOutbox) -> list[Status]:
    return [each.status for each in outbox.of_incident(short("incident"))]


def mail_server(mails: Mails, port: int) -> MailServer:
    server = MailServer(mails, port)
    server.start()
    return server


def test_a_mail_carries_subject_body_plot_and_key(outbox: RecordsOutbox) -> None:
    mails, port = Mails(), free_port()
    channels = Channels({"anna": Channel(f"mailto://127.0.0.1:{port}?from=o@example.org&to=anna@example.org")})
    outbox.add([message("k1", "anna")])
    server = mail_server(mails, port)
    try:
        postman = Postman(outbox, channels, letter)
        assert round_of(postman, NOW) == 1
        postman.close()
    finally:
        server.stop()
    assert statuses(outbox) == [Status.SENT]
    [text] = mails.received
    assert "Subject: subject of k1" in text
    assert base64.b64encode(b"body of k1").decode() in text or "body of k1" in text
    assert "evidence.svg" in text
    assert "Idempotency-Key: k1|anna" in text


def test_a_mail_server_that_is_down_refuses_or_comes_back_loses_nothing_and_gets_nothing_twice(
    outbox: RecordsOutbox,
) -> None:
    mails, port = Mails(), free_port()
    channels = Channels({"anna": Channel(f"mailto://127.0.0.1:{port}?from=o@example.org&to=anna@example.org")})
    outbox.add([message("k1", "anna"), message("k2", "anna")])
    postman = Postman(outbox, channels, letter)
    assert round_of(postman, NOW) == 2  # nobody listens
    assert statuses(outbox) == [Status.QUEUED, Status.QUEUED]
    mails.reply = "451 try again later"
    server = mail_server(mails, port)
    assert round_of(postman, NOW + 15 * SECOND) == 2
    assert mails.received == []
    mails.reply = "250 kept"
    assert round_of(postman, NOW + HOUR) == 2
    server.stop()
    assert round_of(postman, NOW + 9 * HOUR) == 0
    postman.close()
    assert len(mails.received) == 2
    tried = outbox.of_incident(short("incident"))[0].attempts
    assert [each.answer for each in tried] == [Answer.REFUSED, Answer.REFUSED, Answer.ACCEPTED]
    assert "refused" in tried[0].words
    assert "451" in tried[1].words


def test_a_mail_whose_end_is_not_answered_in_time_is_unknown_and_not_sent_again(outbox: RecordsOutbox) -> None:
    mails, port = Mails(), free_port()
    channels = Channels(
        {"anna": Channel(f"mailto://127.0.0.1:{port}?from=o@example.org&to=anna@example.org")}, timeout_seconds=TIMEOUT
    )
    outbox.add([message("k1", "anna")])
    server = mail_server(mails, port)
    mails.may_answer.clear()
    postman = Postman(outbox, channels, letter)
    round_of(postman, NOW)
    mails.may_answer.set()
    assert statuses(outbox) == [Status.UNKNOWN]
    assert round_of(postman, NOW + 9 * HOUR) == 0
    postman.close()
    server.stop()
    assert len(mails.received) == 1


def test_a_webhook_that_fails_hangs_up_or_is_slow_keeps_each_key_once(outbox: RecordsOutbox, webhook: Webhook) -> None:
    channels = Channels({"hook": hook(webhook.port)}, timeout_seconds=TIMEOUT)
    outbox.add([message("k1", "hook")])
    postman = Postman(outbox, channels, letter)
    webhook.status = 503
    round_of(postman, NOW)
    webhook.status, webhook.hangs_up = 204, True
    round_of(postman, NOW + HOUR)
    webhook.hangs_up = False
    webhook.may_answer.clear()
    round_of(postman, NOW + 2 * HOUR)
    webhook.may_answer.set()
    round_of(postman, NOW + 3 * HOUR)
    round_of(postman, NOW + 9 * HOUR)
    postman.close()
    [delivery] = outbox.of_incident(short("incident"))
    assert [each.answer for each in delivery.attempts] == [
        Answer.REFUSED, Answer.NO_ANSWER, Answer.NO_ANSWER, Answer.ACCEPTED,
    ]  # fmt: skip
    assert "503" in delivery.attempts[0].words
    assert len(webhook.requests) == 3
    assert webhook.kept == ["k1|hook"]
    assert webhook.requests[0][1]["title"] == "subject of k1"


def test_a_webhook_that_does_not_drop_repeats_is_not_asked_again(outbox: RecordsOutbox, webhook: Webhook) -> None:
    channels = Channels({"hook": hook(webhook.port, drops_repeats=False)}, timeout_seconds=TIMEOUT)
    outbox.add([message("k1", "hook")])
    webhook.hangs_up = True
    postman = Postman(outbox, channels, letter)
    round_of(postman, NOW)
    round_of(postman, NOW + 9 * HOUR)
    postman.close()
    assert statuses(outbox) == [Status.UNKNOWN]
    assert len(webhook.requests) == 1


def test_a_slow_channel_holds_up_only_itself(outbox: RecordsOutbox, webhook: Webhook) -> None:
    other = Webhook()
    channels = Channels({"slow": hook(webhook.port), "fast": hook(other.port)})
    outbox.add([message("k1", "slow", "fast"), message("k2", "slow", "fast")])
    webhook.may_answer.clear()
    postman = Postman(outbox, channels, letter)
    assert postman.run(NOW) == 2
    deadline = threading.Event()
    while other.kept != ["k1|fast", "k2|fast"]:
        postman.run(NOW)
        deadline.wait(0.02)
    webhook.may_answer.set()
    assert postman.wait(WAIT)
    round_of(postman, NOW)
    postman.close()
    other.stop()
    assert webhook.kept == ["k1|slow", "k2|slow"]
    assert outbox.counts() == {"sent": 4}


def test_a_program_that_died_while_sending_knows_which_answers_it_has_not(tmp_path: Path, webhook: Webhook) -> None:
    records = open_records(new_records(tmp_path))
    before = RecordsOutbox(records)
    before.add([message("k1", "dropping"), message("k2", "plain"), message("k3", "plain")])
    for delivery in before.due(NOW, 2):
        assert before.begin(delivery, NOW)
        assert not before.begin(delivery, NOW)
    after = RecordsOutbox(records)  # the answers were never noted
    assert after.add([message("k1", "dropping")]) == 0
    channels = Channels({"dropping": hook(webhook.port), "plain": hook(webhook.port, drops_repeats=False)})
    postman = Postman(after, channels, letter)
    round_of(postman, NOW + HOUR)
    postman.close()
    assert {each.key: each.status for each in after.of_incident(short("incident"))} == {
        "k1|dropping": Status.SENT, "k2|plain": Status.UNKNOWN, "k3|plain": Status.SENT,
    }  # fmt: skip
    assert sorted(webhook.kept) == ["k1|dropping", "k3|plain"]
    records.close()


class Lines(logging.Handler):
    """What the program's own log would get."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()}")


def test_what_is_on_record_and_in_the_log_holds_no_secret(
    outbox: RecordsOutbox, webhook: Webhook, tmp_path: Path
) -> None:
    log = Lines()
    logging.getLogger().addHandler(log)
    addresses = {"hook": hook(webhook.port), "gone": hook(free_port()), "mail": mail(free_port())}
    postman = Postman(outbox, Channels(addresses, timeout_seconds=TIMEOUT), letter)
    webhook.status = 500
    outbox.add([message("k1", "hook", "gone", "mail")])
    round_of(postman, NOW)
    postman.close()
    logging.getLogger().removeHandler(log)
    said = [each.attempts[0].words for each in outbox.of_incident(short("incident"))]
    assert len(said) == 3
    assert all(said)
    assert [each for each in log.lines if each.startswith("apprise")] == []
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in ("very-secret", "hidden-path", "hush-hush", "anna@example.org"):
        assert secret not in "\n".join([*said, *log.lines])
        assert secret.encode() not in files


def test_what_somebody_has_taken_is_not_sent_and_a_link_works_once(tmp_path: Path) -> None:
    records = open_records(new_records(tmp_path))
    outbox = RecordsOutbox(records)
    outbox.add([message("k1", "a"), message("k2", "a", incident="other")])
    assert outbox.cancel("incident") == 1
    assert [each.key for each in outbox.due(NOW, 9)] == ["k2|a"]
    with records.writing() as session:
        assert outbox_records.use_link(session, "id", NOW + HOUR)
        assert not outbox_records.use_link(session, "id", NOW + HOUR)
        assert outbox_records.forget(session, NOW + SECOND) == 1  # what is queued stays
    assert outbox.counts() == {"queued": 1}
    records.close()


def test_an_address_that_cannot_be_read_is_named_and_not_shown() -> None:
    with pytest.raises(ChannelError, match="channel anna") as refused:
        Channels({"anna": Channel("nonsense://very-secret")})
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "nonsense://x", "syslog://", "dbus://", "no address", "mqtt://127.0.0.1/officina/stored/north-1",
        "workflows://example.org/w/s?template=/etc/passwd", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?Template=x",
        "mailtos://u:p@example.org?pgppub=/etc/passwd",
    ],
)  # fmt: skip
def test_an_address_that_no_service_knows_or_that_acts_on_the_server_is_refused(address: str) -> None:
    with pytest.raises(ChannelError, match="form of its service"):
        check_address(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "localhost", "10.0.0.8", "169.254.169.254", "[::ffff:127.0.0.1]"]
)
@pytest.mark.parametrize("form", ["json://{}/x", "mailto://u:p@example.org?smtp={}&to=a@example.org", "ntfy://{}/x"])
def test_what_people_type_does_not_make_the_server_call_its_neighbours(host: str, form: str) -> None:
    channels = Channels({"anna": Channel(form.format(host))}, inside=("officina.example",))

    reply = channels.send("anna", Words("Officina", "alive"), key="k")

    assert reply.answer is Answer.REFUSED
    assert "message_hosts" in reply.words or "cannot be read" in reply.words
    assert host.strip("[]") not in reply.words


def test_who_answers_does_not_choose_where_is_called_next(webhook: Webhook) -> None:
    other = Webhook()
    webhook.status, webhook.leads_to = 307, f"http://127.0.0.1:{other.port}/"
    address = f"json://127.0.0.1:{webhook.port}/x?redirect=yes"
    channels = Channels({"anna": Channel(address)}, inside=("127.0.0.1",))

    reply = channels.send("anna", Words("Officina", "alive"), key="k")
    other.stop()

    assert (reply.answer, other.requests) == (Answer.REFUSED, [])
