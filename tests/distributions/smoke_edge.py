"""What is installed builds, emulates and checks. It runs in an empty folder, with the
standard library and the wheel of the gate: nothing of this repository can be imported.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMANDS = ("build", "deploy", "check", "rotate", "rollback", "emulate")
SIGNING = {
    "EDGE_SIGNING_SECRET": "0123456789abcdef0123456789abcdef",
    "EDGE_SIGNING_KEY_ID": "2026-02",
}
SETTINGS = {
    "NEXFLOW_FACILITATOR_URL": "https://facilitator.example.org/x402",
    "NEXFLOW_API_KEY": "nf_live_SECRETKEY",
    **SIGNING,
}
PAYMENT = {"x402-payment": "proof"}
INTENT = "x-settlement-intent-id"


class Answers(BaseHTTPRequestHandler):
    """Facilitator and origin in one: which of the two a path says."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"origin {self.path} {self.headers[INTENT]}")
        self._answer({"joke": "ha"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.asked.append(self.path)
        if self.path.endswith("/verify"):
            expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            body = {"valid": True, "settlementIntentId": "pi_1", "expiresAt": expires}
            self._answer(body | {"reason": None})
        else:
            self._answer({"ok": True, "settledAt": "2026-01-01T00:00:00Z"})

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
        pass


def command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def run(*arguments: str, **settings: str) -> str:
    done = subprocess.run(
        [command("x402-edge"), *arguments],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def lists_its_commands() -> None:
    said = run("--help")
    assert said.startswith("usage: x402-edge "), said
    assert all(f"\n    {name} " in said for name in COMMANDS), said
    other = subprocess.check_output([command("origin-middleware-edge"), "--help"])
    assert other.decode() == said
    for name in COMMANDS:
        assert run(name, "--help").startswith(f"usage: x402-edge {name} ")


def builds_the_zip_of_the_checkout() -> None:
    run("build", **SETTINGS)
    built, expected = Path("lambda-edge.zip"), Path("from-checkout.zip")
    assert built.read_bytes() == expected.read_bytes()


def checks_a_saved_configuration() -> None:
    said = run("check", "--from-file", "saved.json", "--no-probes")
    assert "\n0 failed, " in said, said


def emulates() -> None:
    asked: list[str] = []
    with serving(asked) as url:
        settings = SIGNING | {
            "NEXFLOW_FACILITATOR_URL": f"{url}/x402",
            "NEXFLOW_API_KEY": "nf_test_demo",
        }
        run("build", "--output", "local.zip", **settings)
        with emulating("--bundle", "local.zip", "--origin", url) as address:
            assert get(address, "/free", {}) == 200
            assert get(address, "/api/joke", PAYMENT) == 200
    assert asked == [
        "origin /free None",
        "/x402/verify",
        "origin /api/joke pi_1",
        "/x402/settle",
    ], asked


@contextmanager
def serving(asked: list[str]) -> Iterator[str]:
    handler = type("Handler", (Answers,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def emulating(*arguments: str) -> Iterator[str]:
    emulator = subprocess.Popen(
        [command("x402-edge"), "emulate", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert emulator.stdout is not None
        yield emulator.stdout.readline().strip()
    finally:
        emulator.terminate()
        emulator.wait()


def get(address: str, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


if __name__ == "__main__":
    for step in (
        lists_its_commands,
        builds_the_zip_of_the_checkout,
        checks_a_saved_configuration,
        emulates,
    ):
        step()
        print(f"origin-middleware-edge {step.__name__.replace('_', ' ')}")
