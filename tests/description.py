"""Holds the API against its own description (/openapi.json), by requests that schemathesis makes up.

Called by tests/run as `python tests/description.py SERVER`, with the Python that schemathesis is installed for. Starts
the server on SQLite in a temporary folder, with one of each thing in it, and asks in two rounds: with the ids of those
things, and with any ids, which mostly are of nothing. No answer may be a fault of the server, have a status or content
type that is not described, or differ from its schema. The seed is fixed, so a failure comes again.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SEED = 20_260
EXAMPLES = 15
SECONDS_MAX = 300
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "allow_header_conformance",
    "ignored_auth",
]
# One of each, in the order in which they are made; every id is 1 then.
THINGS = [
    ("/bots/", {"name": "Bot"}),
    ("/bots/flows/", {"bot_id": 1, "name": "Flow", "nodes": [
        {"type": "ask", "config": {"message_type": "text", "content": "Well?", "store_in": "state.a"}},
    ]}),
    ("/bots/templates/", {"name": "Template", "flow_id": 1}),
    ("/flows/contacts/", {"bot_id": 1, "phone": "16505550101"}),
    ("/triggers/", {"name": "Trigger", "bot_id": 1, "flow_id": 1, "trigger_type": "keyword", "keywords": ["hi"]}),
    ("/flows/execute", {"bot_id": 1, "flow_id": 1, "contact_phone": "16505550101"}),
]
IDS = ["bot_id", "flow_id", "node_id", "template_id", "contact_id", "trigger_id", "execution_id"]


def post(url: str, body: dict, token: str = "") -> dict:
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(base: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{base}/health/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("the server did not start")
            time.sleep(0.05)


def fill(base: str) -> str:
    """Makes the things, and returns the token of who owns them."""
    user = {"username": "owner", "email": "owner@example.com", "password": "correct horse"}
    post(f"{base}/auth/register", user)
    token = post(f"{base}/auth/token", user)["access_token"]
    for path, thing in THINGS:
        made = post(f"{base}{path}", thing, token)
        assert made["id"] == 1, made
    return token


def ask(name: str, base: str, token: str, folder: Path, config: str, more: list[str]) -> bool:
    settings = folder / f"{name}.toml"
    settings.write_text(config)
    print(f"\nRequests with {name}:", flush=True)
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program), "--config-file", str(settings), "run", f"{base}/openapi.json",
        "--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--seed", str(SEED),
        "--max-examples", str(EXAMPLES), "--suppress-health-check", "all", "--warnings", "off", "--no-color", *more,
    ]
    try:
        return subprocess.run(command, cwd=folder, timeout=SECONDS_MAX).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"schemathesis took longer than {SECONDS_MAX} s")
        return False


def main() -> None:
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="chatboost-description.") as name:
        folder = Path(name)
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": name,
            "DATABASE_URL": f"sqlite:{folder / 'chatboost.db'}",
            "PORT": str(port),
            "SECRET_KEY": "a secret key that is only for tests",
            # Nobody listens there: no made-up message may reach Meta.
            "WHATSAPP_API_BASE_URL": "http://127.0.0.1:9",
            "WHATSAPP_APP_SECRET": "secret",
        }
        base = f"http://127.0.0.1:{port}"
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([program], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_for(base, server)
            token = fill(base)
            ids = "[parameters]\n" + "".join(f'"path.{id}" = 1\n' for id in IDS) + '"query.bot_id" = 1\n'
            # The second round may by chance delete what the first one asks for.
            fine = ask("the-ids-of-things", base, token, folder, ids, ["--exclude-method", "DELETE"])
            fine &= ask("any-ids", base, token, folder, "", [])
            if server.poll() is not None:
                fine = False
                print("the server has ended")
        finally:
            server.terminate()
            server.wait(30)
        if not fine:
            sys.stdout.flush()
            faults = [line for line in (folder / "log").read_text(errors="replace").splitlines() if "ERROR" in line]
            print("\nFaults in the server's log:", *faults[-20:], sep="\n")
            sys.exit("the API and its description differ; see above.")


main()
