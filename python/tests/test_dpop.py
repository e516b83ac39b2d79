"""Tokens that are bound to a key, through Python: the proof at the token endpoint, and at the resource (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from urllib.parse import urlencode

import jwt
from company import ACME, GRANT_TYPE, basic, configuration
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

import idjag

ISSUER, RESOURCE = "https://auth.chat.example", "https://mcp.chat.example/mcp"


def encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def proof(
    key: ec.EllipticCurvePrivateKey, method: str, url: str, token: str | None = None, **more: str
) -> str:
    claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(time.time())} | more
    if token is not None:
        claims["ath"] = encoded(hashlib.sha256(token.encode()).digest())
    jwk = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return jwt.encode(claims, key, "ES256", headers={"typ": "dpop+jwt", "jwk": jwk})


def test_a_token_that_is_bound_to_a_key_needs_a_proof_each_time() -> None:
    exchange = idjag.Exchange(configuration(ISSUER, RESOURCE))
    key = ec.generate_private_key(ec.SECP256R1())
    form = urlencode({"grant_type": GRANT_TYPE, "assertion": ACME.id_jag(ISSUER, RESOURCE)}).encode()
    answer = exchange.token_endpoint(
        form, authorization=basic(), dpop=proof(key, "POST", f"{ISSUER}/token"), peer="192.0.2.1"
    )
    assert answer.status == 200, answer.slug
    body = json.loads(answer.body)
    assert body["token_type"] == "DPoP"
    token = body["access_token"]

    def verified(dpop: str | None, method: str = "POST", url: str = RESOURCE) -> bool:
        return exchange.verify(token, resource=RESOURCE, dpop=dpop, method=method, url=url) is not None

    good = proof(key, "POST", RESOURCE, token)
    assert not verified(None)
    assert not verified(good, method="GET")
    assert not verified(good, url="https://mcp.chat.example/other")
    assert not verified(proof(ec.generate_private_key(ec.SECP256R1()), "POST", RESOURCE, token))
    assert not verified(proof(key, "POST", RESOURCE))
    assert not verified("\ud800")
    assert verified(good)
    assert not verified(good), "a proof is used once"
    assert exchange.verify(token, resource=RESOURCE) is None
    assert exchange.dpop_nonce() is None
