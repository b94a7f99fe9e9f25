"""Lets a client that we did not write speak with our stand-in for Meta: pywa.

Called by tests/run as `python tests/clients.py PROGRAM`, with the Python that pywa is installed for. Starts
`PROGRAM emulator`, sends everything through it that a bot sends, and hands every webhook that it makes to pywa's own
checks and parsers. What pywa cannot send or does not understand, our server would get wrong as well, and nobody would
notice: it shares the emulator's idea of Meta.
"""

import contextlib
import http.server
import json
import logging
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pywa
from pywa import errors, types
from pywa.types import templates as t

SECRET = "app secret for tests"
TOKEN = "token for tests"
PHONE_ID = "100000000000001"
WABA_ID = "200000000000001"
ADA = "16505550101"
PNG = b"\x89PNG\r\n\x1a\nsome image"
OGG = b"OggS" + bytes(40)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(20)
WEBP = b"RIFF\0\0\0\0WEBPVP8 " + bytes(20)
PATIENCE_SECONDS = 15
API_VERSION = 22.0


class ToEmulator(httpx.BaseTransport):
    """Carries what is for Meta to the emulator, as it is."""

    def __init__(self, base: str) -> None:
        self.base = httpx.URL(base)
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "graph.facebook.com":
            request.url = request.url.copy_with(scheme="http", host=self.base.host, port=self.base.port)
            request.headers["host"] = f"{self.base.host}:{self.base.port}"
        return self.inner.handle_request(request)


class Emulator:
    """The emulator's own paths."""

    def __init__(self, base: str) -> None:
        self.base = base

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}{path}", data, {"content-type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def say(self, **what: object) -> str:
        return self.call("POST", "/emulator/say", {"from": ADA, "name": "Ada", **what})["wamid"]

    def sent(self) -> list[dict]:
        return [entry["body"] for entry in self.call("GET", "/emulator/sent")["sent"]]


class Receiver:
    """Takes webhooks in, and has pywa check and parse them."""

    def __init__(self) -> None:
        self.client: pywa.WhatsApp | None = None
        self.updates: queue.Queue = queue.Queue()
        self.faults: list[str] = []
        receiver = self

        class Complaints(logging.Handler):
            """pywa only logs what it cannot parse."""

            def emit(self, record: logging.LogRecord) -> None:
                receiver.faults.append(self.format(record))

        logging.getLogger("pywa").addHandler(Complaints(logging.WARNING))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                refusal = receiver.client.webhook_update_validator(body, self.headers.get("X-Hub-Signature-256"))
                if refusal:
                    receiver.faults.append(f"refused {refusal}: {body[:200]!r}")
                    answer = refusal
                else:
                    answer = receiver.client.webhook_update_handler(body)
                self.send_response(answer[1])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def listen(self, client: pywa.WhatsApp) -> None:
        self.client = client
        kinds = [
            "message", "callback_button", "callback_selection", "message_status", "template_status_update",
            "template_quality_update", "template_category_update", "user_marketing_preferences", "phone_number_change",
            "identity_change", "account_update",
        ]
        for kind in kinds:
            def note(_: pywa.WhatsApp, update: object, kind: str = kind) -> None:
                self.updates.put((kind, update))
            getattr(client, f"on_{kind}")(note)

    def next(self, kind: str):
        """The next update of a kind; those of other kinds before it are dropped."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert not self.faults, self.faults
            try:
                got, update = self.updates.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"pywa was told of no {kind}") from None
            if got == kind:
                return update


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(program: Path, callback: str):
    port = free_port()
    command = [
        str(program), "emulator", "--port", str(port), "--callback", callback, "--app-secret", SECRET, "--token", TOKEN,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    emulator = Emulator(f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                emulator.call("GET", "/emulator/sent")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None and time.monotonic() < deadline, "the emulator did not start"
                time.sleep(0.05)
        yield emulator
    finally:
        process.terminate()
        process.wait(30)


def refused(kind: type[errors.WhatsAppError], code: int, send) -> None:
    """Asserts that pywa understands a refusal as the error it is."""
    try:
        send()
    except errors.WhatsAppError as error:
        assert isinstance(error, kind) and error.code == code, repr(error)
        return
    raise AssertionError(f"was not refused with {code}")


def sends(wa: pywa.WhatsApp, emulator: Emulator, receiver: Receiver) -> None:
    """Everything a bot sends, and what comes back of it."""
    heard = emulator.say(text="hello")
    receiver.next("message")

    sent = wa.send_message(ADA, "Hällo 👍 https://example.com", preview_url=True, tracker="row-7")
    assert sent.id.startswith("wamid."), sent
    body = emulator.sent()[-1]
    assert body["text"]["body"].startswith("Hällo 👍") and body["text"]["preview_url"] is True, body
    for word in ["sent", "delivered", "read"]:
        status = receiver.next("message_status")
        assert (status.id, status.status.value, status.tracker) == (sent.id, word, "row-7"), status
        assert status.pricing is not None and status.pricing.category.value == "service", status

    wa.send_message(ADA, "Yes?", buttons=[types.Button("Yes", "y"), types.Button("No", "n")], footer="f", header="h")
    interactive = emulator.sent()[-1]["interactive"]
    assert [button["reply"]["id"] for button in interactive["action"]["buttons"]] == ["y", "n"], interactive
    rows = [types.SectionRow("One", "1", "first"), types.SectionRow("Two", "2")]
    wa.send_message(ADA, "Which?", buttons=types.SectionList("Choose", [types.Section("All", rows)]))
    assert emulator.sent()[-1]["interactive"]["type"] == "list"
    wa.send_message(ADA, "Go", buttons=types.URLButton("There", "https://example.com"))
    assert emulator.sent()[-1]["interactive"]["type"] == "cta_url"

    # pywa uploads these first, and sends their ids.
    wa.send_image(ADA, PNG, caption="look", mime_type="image/png")
    wa.send_audio(ADA, OGG, mime_type="audio/ogg")
    wa.send_video(ADA, MP4, mime_type="video/mp4")
    wa.send_sticker(ADA, WEBP, mime_type="image/webp")
    wa.send_document(ADA, b"%PDF-1.7", filename="a.pdf", mime_type="application/pdf")
    kinds = [body["type"] for body in emulator.sent()[-5:]]
    assert kinds == ["image", "audio", "video", "sticker", "document"], kinds
    assert all(body[body["type"]]["id"].isdigit() for body in emulator.sent()[-5:])
    wa.send_document(ADA, "https://example.com/a.pdf", filename="a.pdf")
    assert emulator.sent()[-1]["document"]["link"] == "https://example.com/a.pdf"
    wa.send_location(ADA, 1.5, -2.5, name="here", address="street")
    wa.send_contact(ADA, types.Contact(
        name=types.Contact.Name(formatted_name="Bob B", first_name="Bob"),
        phones=[types.Contact.Phone(phone="16505550202", type="CELL")],
    ))
    assert [body["type"] for body in emulator.sent()[-2:]] == ["location", "contacts"]
    wa.send_reaction(ADA, "👍", heard)
    assert emulator.sent()[-1]["reaction"] == {"message_id": heard, "emoji": "👍"}
    wa.send_message(ADA, "quoted", reply_to_message_id=heard)
    assert emulator.sent()[-1]["context"] == {"message_id": heard}
    assert wa.mark_message_as_read(heard) and wa.indicate_typing(heard)

    refused(errors.WhatsAppError, 100, lambda: wa.send_message(ADA, "x" * 5_000))
    plan = {"next": [{"kind": "code", "code": 131_056}, {"kind": "fail_later", "code": 131_047}]}
    emulator.call("POST", "/emulator/faults", plan)
    refused(errors.TooManyMessages, 131_056, lambda: wa.send_message(ADA, "too fast"))
    late = wa.send_message(ADA, "too late")
    while True:
        status = receiver.next("message_status")
        if status.id == late.id:
            break
    assert status.status.value == "failed" and isinstance(status.error, errors.ReEngagementMessage), status


def files(wa: pywa.WhatsApp, emulator: Emulator, receiver: Receiver) -> None:
    """Files in both directions."""
    media = wa.upload_media(PNG, mime_type="image/png", filename="a.png")
    info = wa.get_media_url(media.id)
    assert info.mime_type == "image/png" and int(info.file_size) == len(PNG), info
    assert wa.get_media_bytes(info.url) == PNG
    assert wa.delete_media(media.id)
    refused(errors.WhatsAppError, 100, lambda: wa.get_media_url(media.id))

    for kind, mime_type, content in [
        ("image", "image/png", PNG), ("audio", "audio/ogg", OGG), ("video", "video/mp4", MP4),
        ("sticker", "image/webp", WEBP), ("document", "application/pdf", b"%PDF-1.7"),
    ]:
        file = emulator.call("POST", "/emulator/files", content, mime_type)
        said = {"id": file["id"], "mime_type": mime_type, "sha256": file["sha256"]}
        said |= {"image": {"caption": "look"}, "audio": {"voice": True}, "sticker": {"animated": False},
                 "document": {"filename": "a.pdf"}}.get(kind, {})
        emulator.say(type=kind, content=said)
        message = receiver.next("message")
        assert message.type.value == kind and message.media.mime_type == mime_type, message
        assert message.media.get_bytes() == content


def hears(emulator: Emulator, receiver: Receiver) -> None:
    """Everything a person says."""
    wamid = emulator.say(text="zwölf 👍", username="ada", bsuid="US.13491208655302741918")
    message = receiver.next("message")
    assert (message.id, message.text, message.from_user.name) == (wamid, "zwölf 👍", "Ada"), message
    assert (message.from_user.wa_id, message.metadata.phone_number_id) == (ADA, PHONE_ID), message
    assert message.from_user.bsuid == "US.13491208655302741918", message

    emulator.say(text="and", context=wamid)
    assert receiver.next("message").reply_to_message.id == wamid
    emulator.say(type="location", content={"latitude": 1.5, "longitude": -2.5, "name": "here"})
    assert receiver.next("message").location.latitude == 1.5
    contact = {"name": {"formatted_name": "Bob B", "first_name": "Bob"}, "phones": [{"phone": "1", "wa_id": "1", "type": "CELL"}]}
    emulator.say(type="contacts", content=[contact])
    assert receiver.next("message").contacts[0].name.formatted_name == "Bob B"
    emulator.say(type="reaction", content={"message_id": wamid, "emoji": "👍"})
    assert receiver.next("message").reaction.emoji == "👍"
    emulator.say(type="reaction", content={"message_id": wamid})
    assert receiver.next("message").reaction.is_removed
    item = {"product_retailer_id": "p", "quantity": 2, "item_price": 1.5, "currency": "EUR"}
    emulator.say(type="order", content={"catalog_id": "c", "text": "please", "product_items": [item]})
    assert receiver.next("message").order.products[0].quantity == 2
    emulator.say(type="interactive", content={"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}}, context=wamid)
    button = receiver.next("callback_button")
    assert (button.data, button.title) == ("y", "Yes"), button
    emulator.say(type="button", content={"payload": "p", "text": "Stop"}, context=wamid)
    button = receiver.next("callback_button")
    assert (button.data, button.title) == ("p", "Stop"), button
    emulator.say(type="interactive", content={"type": "list_reply", "list_reply": {"id": "1", "title": "One", "description": "first"}}, context=wamid)
    chosen = receiver.next("callback_selection")
    assert (chosen.data, chosen.title) == ("1", "One"), chosen


def templates(wa: pywa.WhatsApp, emulator: Emulator, receiver: Receiver) -> None:
    """The list of templates, sends of them, and what is told about them."""
    created = wa.create_template(t.Template(
        name="order", language=t.TemplateLanguage.ENGLISH_US, category=t.TemplateCategory.UTILITY,
        parameter_format=t.ParamFormat.POSITIONAL,
        components=[t.BodyText("Hi {{1}}, your order {{2}} is on its way.", "Ada", "7"), t.FooterText(text="Bye")],
    ))
    assert created.status.value == "PENDING", created
    english = t.TemplateLanguage.ENGLISH_US

    def send(*values: str, name: str = "order"):
        return wa.send_template(ADA, name, english, [t.BodyText.params(*values)])

    refused(errors.WhatsAppError, 132_001, lambda: send("Ada", "7"))
    change = {"name": "order", "language": "en_US", "status": "APPROVED"}
    emulator.call("POST", "/emulator/templates/change", change)
    update = receiver.next("template_status_update")
    assert (update.new_status.value, update.template_name) == ("APPROVED", "order"), update
    assert str(update.template_id) == created.id, update
    sent = send("Ada", "7")
    assert sent.id.startswith("wamid.") and emulator.sent()[-1]["template"]["name"] == "order"
    refused(errors.WhatsAppError, 132_000, lambda: send("Ada"))
    refused(errors.WhatsAppError, 132_001, lambda: send("Ada", "7", name="other"))

    emulator.call("POST", "/emulator/templates", {
        "name": "sale", "category": "MARKETING", "parameter_format": "NAMED",
        "components": [{"type": "BODY", "text": "{{what}} until {{day}}", "example": {"body_text_named_params": [
            {"param_name": "what", "example": "Shoes"}, {"param_name": "day", "example": "Friday"}]}}],
    })
    wa.send_template(ADA, "sale", english, [t.BodyText.params(what="Shoes", day="Friday")])
    refused(errors.WhatsAppError, 132_000, lambda: wa.send_template(ADA, "sale", english, [t.BodyText.params(what="Shoes")]))
    for n in range(30):
        emulator.call("POST", "/emulator/templates", {"name": f"many_{n:02}"})
    listed = wa.get_templates(pagination=types.Pagination(limit=25))
    names = [template.name for template in listed]
    assert len(names) == 25 and listed.has_next and listed.total_count == 32, names
    names += [template.name for template in wa.get_templates(pagination=types.Pagination(limit=25, after=listed.after))]
    assert len(set(names)) == 32 and {"order", "sale"} <= set(names), names
    assert wa.get_template(created.id).name == "order"

    emulator.call("POST", "/emulator/templates/change", change | {"status": "PAUSED", "reason": "NONE"})
    assert receiver.next("template_status_update").new_status.value == "PAUSED"
    refused(errors.WhatsAppError, 132_015, lambda: send("Ada", "7"))
    place = {"name": "sale", "language": "en_US"}
    emulator.call("POST", "/emulator/templates/change", place | {"quality": "RED"})
    assert receiver.next("template_quality_update").new_quality_score.value == "RED"
    emulator.call("POST", "/emulator/templates/change", place | {"category": "UTILITY"})
    assert receiver.next("template_category_update").new_category.value == "UTILITY"
    assert wa.delete_template("order")


def main() -> None:
    program = Path(sys.argv[1]).resolve()
    receiver = Receiver()
    with running(program, receiver.url) as emulator:
        session = httpx.Client(transport=ToEmulator(emulator.base), timeout=PATIENCE_SECONDS)
        wa = pywa.WhatsApp(
            PHONE_ID, TOKEN, session=session, server=None, waba_id=WABA_ID, app_secret=SECRET, api_version=API_VERSION,
            continue_handling=True,
        )
        receiver.listen(wa)
        sends(wa, emulator, receiver)
        files(wa, emulator, receiver)
        hears(emulator, receiver)
        templates(wa, emulator, receiver)
        deliveries = emulator.call("GET", "/emulator/deliveries")
    assert not receiver.faults, receiver.faults
    print(f"pywa {pywa.__version__} has sent everything and understood {len(deliveries['deliveries'])} webhooks")


main()
