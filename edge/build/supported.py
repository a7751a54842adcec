"""Asks a standard facilitator what it settles, so that nothing is offered in vain."""

import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..errors import Refused
from ..runtime.settings import Settings, endpoint
from ..runtime.x402.cdp import Tokens
from ..runtime.x402.terms import Accept, Offer, Terms
from .environment import X402_URL, Secrets
from .x402_file import X402File, is_address

# What only the facilitator knows of a payment to it.
_BAKED = {"svm": "feePayer", "upto": "facilitatorAddress"}
_PATIENCE = 10.0
_LARGEST = 2**20

Ask = Callable[[str, Mapping[str, str]], Any]


def complete(file: X402File, secrets: Secrets, now: float, ask: Ask | None) -> X402File:
    """With the addresses that the facilitator names. `ask` None: it is not asked.
    Raises Refused for what cannot be paid."""
    found = None
    if ask is not None:
        terms = Terms(file.auth, secrets.key_id, file.unknown, file.used, {})
        where = endpoint(secrets.url)
        settings = Settings(where, secrets.key, (), "delivered", (), x402=terms)
        found = kinds(settings, now, ask)
    offers = {path: _offer(path, each, found) for path, each in file.offers.items()}
    return file._replace(offers=offers)


def unsupported(offers: Mapping[str, Offer], kinds: Any) -> Iterator[str]:
    for path, offer in offers.items():
        for accept in offer.accepts:
            if _kind(accept, kinds) is None:
                scheme, network = accept.entry["scheme"], accept.entry["network"]
                yield f"{path}: the facilitator does not settle {scheme} on {network}"


class _Stay(HTTPRedirectHandler):
    """urllib would take the token along, to any host that an answer names."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, headers: Mapping[str, str]) -> Any:
    """Raises Refused."""
    request = Request(url, headers=dict(headers))  # noqa: S310 - endpoint() allows http(s)
    try:
        with build_opener(_Stay).open(request, timeout=_PATIENCE) as answer:
            body = answer.read(_LARGEST + 1)
            if len(body) > _LARGEST:
                raise Refused(
                    f"the facilitator's answer to /supported has more than {_LARGEST:,}"
                    f" bytes. Is {X402_URL} right? --offline builds without asking."
                )
            return json.loads(body)
    except HTTPError as refused:
        with refused:
            raise Refused(
                f"the facilitator answered {refused.code} to /supported."
                f" {_advice(refused.code)} --offline builds without asking."
            ) from refused
    # What is no HTTP, or no JSON, or ends before its end.
    except (OSError, ValueError, HTTPException, RecursionError) as failure:
        raise Refused(
            f"the facilitator cannot be asked what it settles:"
            f" {type(failure).__name__}. Is {X402_URL} right, and does it answer?"
            " --offline builds without asking."
        ) from failure


def _advice(status: int) -> str:
    if status < 400:
        return f"It sends us elsewhere: set {X402_URL} to the final address."
    if status in (401, 403):
        return "Is the key right?"
    if status == 429 or status >= 500:
        return "Repeat the command in a minute."
    return f"Is {X402_URL} right?"


def kinds(settings: Settings, now: float, ask: Ask) -> list[Any]:
    """What it settles. Raises Refused."""
    where, terms = settings.facilitator, settings.x402
    path = f"{where.path}/supported"
    headers = {"accept": "application/json", "user-agent": "origin-middleware"}
    if terms is not None and terms.auth == "cdp":
        tokens = Tokens(terms.key_id, settings.api_key, where.host, lambda: now)
        headers["authorization"] = f"Bearer {tokens.token(path, 'GET')}"
    elif settings.api_key:
        headers["authorization"] = f"Bearer {settings.api_key}"
    scheme = "https" if where.secure else "http"
    match ask(f"{scheme}://{where.authority}{path}", headers):
        case {"kinds": [*found]}:
            return found
    raise Refused("the facilitator's answer to /supported has no kinds in it.")


def _offer(path: str, offer: Offer, kinds: list[Any] | None) -> Offer:
    accepts = tuple(_accept(path, each, kinds) for each in offer.accepts)
    return offer._replace(accepts=accepts)


def _accept(path: str, accept: Accept, kinds: list[Any] | None) -> Accept:
    scheme, network = accept.entry["scheme"], accept.entry["network"]
    is_evm = not network.startswith("solana:")
    name = _BAKED.get(scheme if is_evm else "svm")
    if kinds is None:
        if name:
            raise Refused(
                f"{path}: {scheme} on {network} needs the facilitator's {name}. Build"
                " without --offline."
            )
        return accept
    kind = _kind(accept, kinds)
    if kind is None:
        raise Refused(
            f"{path}: the facilitator does not settle {scheme} on {network}, so nobody"
            " could pay. Choose another network, scheme or facilitator."
        )
    if not name:
        return accept
    extra = kind.get("extra")
    value = extra.get(name) if isinstance(extra, dict) else None
    if not isinstance(value, str) or not is_address(value, is_evm):
        raise Refused(
            f"{path}: the facilitator does not name its {name} for {scheme} on"
            f" {network}, or not as an address. Ask its operator."
        )
    extra = {**accept.entry["extra"], name: value}
    return accept._replace(entry={**accept.entry, "extra": extra})


def _kind(accept: Accept, kinds: list[Any]) -> Any:
    for kind in kinds:
        match kind:
            case {"x402Version": 2, "scheme": scheme, "network": str(network)} if (
                scheme == accept.entry["scheme"]
                and fnmatchcase(accept.entry["network"], network)
            ):
                return kind
    return None
