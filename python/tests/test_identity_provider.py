"""The identity provider: its table with the same verdicts and slugs, and from an ID token to an access token."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from conftest import ROOT
from test_vectors import expand

import idjag

IDP = ROOT / "tests" / "vectors" / "idp"
WORLDS = ROOT / "tests" / "vectors" / "worlds"
CASES: dict[str, dict[str, Any]] = {
    case["name"]: case for case in json.loads((IDP / "token_exchange.json").read_text())
}
KNOWN = {"status", "headers", "absent", "error", "slug", "id_jag", "token"}


def test_none_is_lost() -> None:
    assert len(CASES) == 200


def send(case: dict[str, Any], provider: idjag.IdentityProvider) -> None:
    response = provider.token_endpoint(
        expand(case["body"]).encode(),
        method=case["method"],
        target=case["target"],
        headers=[(name, value) for name, value in case["headers"]] or [("x-none", "")],
        peer=case.get("peer"),
    )
    expect = case["expect"]
    assert expect.keys() <= KNOWN
    assert (response.status, response.slug) == (expect["status"], expect.get("slug"))
    for name, value in expect["headers"].items():
        assert [text for other, text in response.headers if other == name] == [value]
    assert not {name for name, _ in response.headers} & set(expect.get("absent", []))
    body = json.loads(response.body)
    assert body.get("error") == expect.get("error")
    if "id_jag" in expect:
        assert (body["token_type"], body["expires_in"]) == ("N_A", 300)
        claims = jwt.decode(body["access_token"], options={"verify_signature": False})
        assert claims.pop("jti")
        assert claims == expect["id_jag"]
    if "token" in expect:
        server = idjag.Exchange(WORLDS / "requests.json", clock=lambda: case["now"])
        issued = server.exchange(body["access_token"], client_id=expect["id_jag"]["client_id"])
        assert " ".join(issued.scopes) == expect["token"]["scope"]
        who = server.verify(issued.access_token, resource=expect["token"]["resource"])
        assert who is not None
        assert (who.subject, who.idp) == (expect["id_jag"]["sub"], provider.issuer)


@pytest.mark.parametrize("name", CASES)
def test_token_exchange(name: str) -> None:
    case = CASES[name]
    steps = [*(CASES[before] for before in case.get("before", [])), case]
    now = [steps[0]["now"]]
    provider = idjag.IdentityProvider(IDP / "worlds" / f"{case['world']}.json", clock=lambda: now[0])
    for step in steps:
        now[0] = step["now"]
        send(step, provider)


def test_faults_and_documents() -> None:
    with pytest.raises(idjag.ConfigError, match="issuer"):
        idjag.IdentityProvider({})
    with pytest.raises(TypeError):
        idjag.IdentityProvider(IDP / "worlds" / "idp.json", clock=1)  # type: ignore[arg-type]
    provider = idjag.IdentityProvider(IDP / "worlds" / "idp.json")
    assert json.loads(provider.metadata())["issuer"] == provider.issuer
    assert json.loads(provider.jwks())["keys"]
    token = provider.id_token("ada", client_id="agent", groups=["eng"], email="ada@acme.example")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"], claims["groups"], claims["iss"]) == (
        "ada",
        "agent",
        ["eng"],
        provider.issuer,
    )
    assert claims["exp"] - claims["iat"] == 3600
