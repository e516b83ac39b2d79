"""What FastMCP and the SDK ask of whoever takes an ID-JAG, as tests of ours, beside FastMCP's own validator.

An assertion that breaks one of their rules is refused by both. Where they are more lenient than we are, it says so.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import jwt
import pytest
from company import ACME, CLIENT, SECRET, Idp, configuration
from cryptography.hazmat.primitives import serialization
from fastmcp.server.auth.identity_assertion import (
    IdentityAssertion,
    IdentityAssertionError,
    IdentityAssertionValidator,
)
from fastmcp.server.auth.providers.jwt import JWTVerifier
from mcp.server.auth.provider import IdentityAssertionParams, TokenError

import idjag
from idjag.mcp import AuthorizationServer

ISSUER, RESOURCE = "https://auth.chat.example/", "https://mcp.chat.example/mcp"


def theirs() -> IdentityAssertionValidator:
    """FastMCP's validator, with the IdP's key at hand instead of a `jwks_uri`."""
    config = IdentityAssertion(trusted_issuers=[ACME.issuer], algorithm="ES256")
    validator = IdentityAssertionValidator(config, audience=ISSUER)
    public = ACME.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    validator._verifiers[ACME.issuer] = JWTVerifier(
        public_key=public.decode(), issuer=ACME.issuer, audience=validator.audience, algorithm="ES256"
    )
    return validator


async def accepted_by_theirs(validator: IdentityAssertionValidator, id_jag: str) -> bool:
    try:
        await validator.validate(id_jag, client_id=CLIENT, resource_url=RESOURCE)
    except IdentityAssertionError:
        return False
    return True


def ours() -> idjag.Exchange:
    return idjag.Exchange(configuration(ISSUER, RESOURCE))


def slug(exchange: idjag.Exchange, id_jag: str) -> str | None:
    """Why it is refused; `None` where it is not."""
    try:
        exchange.exchange(id_jag, client_id=CLIENT)
    except idjag.ExchangeDenied as refusal:
        return refusal.slug
    return None


def signed(header: dict[str, Any] | None = None, idp: Idp = ACME, **claims: Any) -> str:
    """An ID-JAG, with other members; `None`: without it."""
    payload = jwt.decode(idp.id_jag(ISSUER, RESOURCE), options={"verify_signature": False})
    payload = {name: value for name, value in (payload | claims).items() if value is not None}
    return jwt.encode(
        payload, idp.key, "ES256", headers={"typ": "oauth-id-jag+jwt", "kid": "one"} | (header or {})
    )


def now(seconds: int) -> int:
    return int(time.time()) + seconds


async def test_the_control() -> None:
    id_jag = signed()
    assert await accepted_by_theirs(theirs(), id_jag)
    assert slug(ours(), id_jag) is None


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "typ is that of an ID-JAG": ({"header": {"typ": "JWT"}}, "typ_invalid"),
    "the issuer is trusted": ({"iss": "https://evil.example"}, "issuer_untrusted"),
    "the signature is the issuer's": ({"idp": Idp(ACME.issuer)}, "signature_invalid"),
    "it is for this server": ({"aud": "https://else.example/"}, "audience_mismatch"),
    "it has not expired": ({"exp": now(-60), "iat": now(-120)}, "expired"),
    "it says when it expires": ({"exp": None}, "exp_malformed"),
    "it is valid already": ({"nbf": now(120)}, "not_yet_valid"),
    "it was not issued in the future": ({"iat": now(120), "exp": now(300)}, "issued_in_future"),
    "it does not live too long": ({"exp": now(3600)}, "lifetime_exceeded"),
    "it says who": ({"sub": None}, "subject_malformed"),
    "it says who, and not nobody": ({"sub": ""}, "subject_malformed"),
    "it is this client's": ({"client_id": "another"}, "client_mismatch"),
    "it names a client": ({"client_id": None}, "client_id_malformed"),
    "it is for this resource": ({"resource": "https://else.example/mcp"}, "resource_unknown"),
    "it has a name": ({"jti": None}, "jti_malformed"),
}


@pytest.mark.parametrize("rule", RULES)
async def test_a_rule(rule: str) -> None:
    changes, expected = RULES[rule]
    id_jag = signed(**changes)
    exchange = ours()
    assert not await accepted_by_theirs(theirs(), id_jag)
    assert slug(exchange, id_jag) == expected
    # A refusal spends nothing: what is right about it still works.
    assert slug(exchange, signed()) is None


@pytest.mark.parametrize("rule", RULES)
async def test_a_rule_through_the_hook_of_the_sdk(rule: str) -> None:
    """What the SDK leaves to whoever implements `exchange_identity_assertion`."""
    changes, _ = RULES[rule]
    exchange = ours()
    provider = AuthorizationServer(exchange, resource=RESOURCE, secrets={CLIENT: SECRET})
    client = await provider.get_client(CLIENT)
    assert client is not None
    with pytest.raises(TokenError) as refused:
        await provider.exchange_identity_assertion(
            client, IdentityAssertionParams(assertion=signed(**changes))
        )
    assert refused.value.error == "invalid_grant"
    # The control; its token is for this resource, once, and for what was asked of what is granted.
    good = IdentityAssertionParams(assertion=signed(), scopes=["chat.read"], resource=RESOURCE)
    tokens = await provider.exchange_identity_assertion(client, good)
    assert tokens.scope == "chat.read"
    assert jwt.decode(tokens.access_token, options={"verify_signature": False})["aud"] == RESOURCE
    with pytest.raises(TokenError):
        await provider.exchange_identity_assertion(client, good)


async def test_what_only_we_refuse() -> None:
    for changes, expected in (
        ({"groups": ["guests"]}, "group_required"),
        ({"cnf": {"jkt": "A" * 43}}, "proof_required"),
        ({"aud": ISSUER.rstrip("/")}, "audience_mismatch"),
        ({"resource": RESOURCE + "/"}, "resource_unknown"),
    ):
        id_jag = signed(**changes)
        assert await accepted_by_theirs(theirs(), id_jag), changes
        assert slug(ours(), id_jag) == expected


async def test_used_once() -> None:
    validator, exchange, id_jag = theirs(), ours(), signed()
    assert await accepted_by_theirs(validator, id_jag)
    assert not await accepted_by_theirs(validator, id_jag)
    assert (slug(exchange, id_jag), slug(exchange, id_jag)) == (None, "replayed")


async def test_a_wave_has_no_ceiling() -> None:
    """FastMCP's table of names takes 10,000 and refuses the next person."""
    validator, exchange = theirs(), ours()
    validator._jti_cache = {str(number): time.time() + 300 for number in range(10_000)}
    id_jag = signed()
    assert not await accepted_by_theirs(validator, id_jag)
    count = 10_500
    first = await asyncio.to_thread(lambda: [signed() for _ in range(count)])
    answers = exchange.exchange_many([idjag.Request(text, client_id=CLIENT) for text in first])
    assert sum(isinstance(answer, idjag.IssuedToken) for answer in answers) == count
    assert exchange.stats()["granted"] == count
    assert json.loads(exchange.metadata())["issuer"] == ISSUER
