"""Probes over real HTTP: the bundle from its zip, the emulator, an origin."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route as StarletteRoute

from edge.build.bundle import read_bundle
from edge.build.environment import read_environment
from edge.build.routes_file import parse_routes
from edge.build.zip import build, write
from edge.check.checks import bundle as bundle_checks
from edge.check.checks import probes as probe_checks
from edge.check.finding import Failed, Outcome, Passed
from edge.check.probe import (
    Answered,
    NotAsked,
    Probe,
    Targets,
    Unanswered,
    path_of,
    probe,
)
from edge.check.snapshot import parse
from edge.check.subject import gather
from edge.emulator.distribution import NO_ORIGIN_REQUEST_POLICY, Behaviour
from edge.errors import Refused
from edge.runtime.routes import Route
from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from sample_origin.facilitator import BASE_PATH, create_app
from tests.edge.check import good
from tests.support.lambdas import emulated
from tests.support.running import serving
from tests.support.scripted_facilitator import ScriptedFacilitator

KEY_ID, SECRET = "2026-02", "0123456789-SIGNINGSECRET-abcdefghij"
ROUTE = {"path": "/api/joke", "network": "eip155:8453", "resource_id": "joke-endpoint"}


@pytest.fixture(scope="module")
def facilitator() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture(scope="module")
def zip_file(facilitator: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(facilitator + BASE_PATH, "nf_test_demo", tmp_path_factory)


def built(url: str, key: str, folders: pytest.TempPathFactory) -> Path:
    secrets = read_environment(
        {
            "NEXFLOW_FACILITATOR_URL": url,
            "NEXFLOW_API_KEY": key,
            "EDGE_SIGNING_SECRET": SECRET,
            "EDGE_SIGNING_KEY_ID": KEY_ID,
        }
    )
    output = folders.mktemp("gate") / "lambda-edge.zip"
    write(build(secrets, parse_routes({"route": [ROUTE]})), output)
    return output


def paid_api(executed: list[str], *, is_protected: bool = True) -> Starlette:
    async def joke(request: Request) -> JSONResponse:
        executed.append(request.headers.get("x-settlement-intent-id", ""))
        return JSONResponse({"joke": len(executed)})

    app = Starlette(routes=[StarletteRoute("/api/joke", joke)])
    if is_protected:
        policy, secrets = Policy(require_key=True), {KEY_ID: SECRET.encode()}
        app.add_middleware(
            IdempotencyMiddleware, store=MemoryStore(), policy=policy, secrets=secrets
        )
    return app


def outcomes(targets: Targets) -> dict[str, Outcome]:
    evidence = gather(parse(good.answers()), targets.bundle, None, probe(targets))
    checks = (*probe_checks.CHECKS, *bundle_checks.CHECKS)
    wanted = {"probes", "bundle.key-is-live"}
    return {
        check.name: check.examine(evidence)
        for check in checks
        if wanted & {check.name, check.name.partition(".")[0]}
    }


def wrong(found: dict[str, Outcome]) -> list[str]:
    return [name for name, outcome in found.items() if not isinstance(outcome, Passed)]


def test_every_probe_passes_on_a_chain_that_is_whole(
    tmp_path: Path, zip_file: Path, facilitator: str
) -> None:
    executed: list[str] = []
    before = billed(facilitator)
    with (
        serving(paid_api(executed)) as origin,
        emulated(tmp_path, zip_file, origin) as edge,
    ):
        found = outcomes(targets(zip_file, edge.url, origin, "stub-whole"))
    assert wrong(found) == []
    assert len(found) == 6
    # One payment, three requests: one execution, and one settlement.
    assert len(executed) == 1
    assert billed(facilitator) == before + 1


def test_an_origin_without_the_middleware_is_found_out(
    tmp_path: Path, zip_file: Path
) -> None:
    executed: list[str] = []
    with (
        serving(paid_api(executed, is_protected=False)) as origin,
        emulated(tmp_path, zip_file, origin) as edge,
    ):
        found = outcomes(targets(zip_file, edge.url, origin, "stub-bare"))
    assert wrong(found) == ["probes.replay", "probes.forged", "probes.direct"]
    assert executed[-1] == "forged-by-edge-check"


def test_a_behaviour_that_does_not_forward_the_headers_is_found_out(
    tmp_path: Path, zip_file: Path
) -> None:
    """The origin refuses what arrives without an intent."""
    behaviour = Behaviour(origin_request_policy=NO_ORIGIN_REQUEST_POLICY)
    with (
        serving(paid_api([])) as origin,
        emulated(tmp_path, zip_file, origin, behaviour) as edge,
    ):
        found = outcomes(targets(zip_file, edge.url, origin, "stub-lost"))
    assert wrong(found) == ["probes.paid", "probes.replay", "probes.forged"]


def test_a_behaviour_without_the_gate_is_found_out(
    tmp_path: Path, zip_file: Path
) -> None:
    free = Behaviour(viewer_request=False, origin_response=False)
    with (
        serving(paid_api([], is_protected=False)) as origin,
        emulated(tmp_path, zip_file, origin, free) as edge,
    ):
        found = outcomes(targets(zip_file, edge.url, origin, "stub-free"))
    unpaid = found["probes.unpaid"]
    assert isinstance(unpaid, Failed)
    assert "is 200, not 402" in unpaid.wrong


def test_an_intent_of_the_clients_own_that_gets_through_is_found_out(
    tmp_path: Path, zip_file: Path
) -> None:
    """An origin that answers each intent in one way, and nothing that removes one."""

    async def recorded(request: Request) -> JSONResponse:
        intent = request.headers.get("x-settlement-intent-id", "")
        return JSONResponse(intent, headers={"Idempotent-Replayed": "true"})

    origin = Starlette(routes=[StarletteRoute("/api/joke", recorded)])
    free = Behaviour(viewer_request=False, origin_response=False)
    with emulated(tmp_path, zip_file, origin, free) as edge:
        found = outcomes(targets(zip_file, edge.url, payment="stub-forged"))
    assert isinstance(found["probes.replay"], Passed)
    assert isinstance(found["probes.forged"], Failed)


def test_a_payment_that_is_refused_is_found_out(tmp_path: Path, zip_file: Path) -> None:
    with serving(paid_api([])) as origin, emulated(tmp_path, zip_file, origin) as edge:
        found = outcomes(targets(zip_file, edge.url, origin, "expired"))
    paid = found["probes.paid"]
    assert isinstance(paid, Failed)
    assert "is 402" in paid.wrong


def test_a_key_that_the_facilitator_does_not_know_is_found_out(
    facilitator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unknown = built(facilitator + BASE_PATH, "nf_live_revoked", tmp_path_factory)
    found = outcomes(targets(unknown))
    assert found["bundle.key-is-live"] == Failed(
        "The facilitator does not accept the key.",
        "Build with the key of the Developers page, and run python -m edge rotate.",
    )


def test_who_does_not_answer_is_found_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    nobody = "http://127.0.0.1:9"  # the discard port: nobody listens
    bundle = built(f"{nobody}/x402", "nf_test_demo", tmp_path_factory)
    found = outcomes(targets(bundle, nobody, nobody, "stub"))
    assert [each for each in found.values() if not isinstance(each, Failed)] == []
    assert len(found) == 6


def test_a_payment_that_is_no_header_is_found_out(zip_file: Path) -> None:
    with serving(paid_api([])) as origin:
        found = outcomes(targets(zip_file, origin, payment="two\nlines"))
    paid = found["probes.paid"]
    assert isinstance(paid, Failed)
    assert paid.wrong.startswith("the payment or the path has a character")


def test_https_wants_a_certificate_that_somebody_vouches_for(
    zip_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with ScriptedFacilitator(tls) as server:
        url = server.url.removesuffix("/x402")
        strange = probe(targets(zip_file, url))[Probe.UNPAID]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        known = probe(targets(zip_file, url))[Probe.UNPAID]
    assert isinstance(strange, Unanswered)
    assert "CERTIFICATE_VERIFY_FAILED" in strange.why
    assert isinstance(known, Answered)


def test_what_is_not_given_is_not_asked() -> None:
    route = Route("/premium/*", "eip155:8453", "premium")
    found = probe(Targets(route, path_of(route)))
    assert {*found} == {*Probe}
    assert all(isinstance(each, NotAsked) for each in found.values())


@pytest.mark.parametrize(
    ("route", "path"),
    [("/api/joke", "/api/joke"), ("/premium/*", "/premium"), ("/*", "/")],
)
def test_a_route_has_a_path_to_try(route: str, path: str) -> None:
    assert path_of(Route(route, "eip155:8453", "resource")) == path


def test_a_bundle_shows_none_of_its_secrets(zip_file: Path) -> None:
    shown = repr(read_bundle(zip_file))
    assert "nf_test_demo" not in shown
    assert SECRET not in shown


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "lambda-edge.zip"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Refused, match=r"lambda-edge\.zip"):
        read_bundle(file)


def targets(
    bundle: Path, url: str = "", origin_url: str = "", payment: str = ""
) -> Targets:
    found = read_bundle(bundle)
    [route] = found.settings.routes
    return Targets(route, path_of(route), url, origin_url, payment, found)


def billed(facilitator: str) -> int:
    count: int = httpx.get(f"{facilitator}/_ledger").json()["billed"]
    return count
