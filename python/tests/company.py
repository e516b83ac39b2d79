"""A company for tests over HTTP: two customers with an IdP each, clients, connectors, people, in real time.

The IdP is a stand-in: it signs ID-JAGs as PyJWT does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT, SECRET = "f53f191f9311af35", "a-secret-of-a-test-only"
POSTING, POSTING_SECRET = "client-that-posts", "another-secret-of-a-test-only"
SUBJECT = "1001"


@dataclass
class Idp:
    """An IdP that vouches for whomever the test says."""

    issuer: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwks(self) -> dict[str, Any]:
        jwk = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [jwk | {"kid": "one", "alg": "ES256", "use": "sig"}]}

    def id_jag(
        self,
        audience: str,
        resource: str,
        *,
        subject: str = SUBJECT,
        groups: Sequence[str] = ("eng",),
        client_id: str = CLIENT,
        **claims: Any,
    ) -> str:
        now = int(time.time())
        payload = {
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "client_id": client_id,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 300,
            "resource": resource,
            "groups": list(groups),
        }
        headers = {"typ": "oauth-id-jag+jwt", "kid": "one"}
        return jwt.encode(payload | claims, self.key, "ES256", headers=headers)


ACME = Idp("https://acme.idp.example")
GLOBEX = Idp("https://globex.idp.example")


def configuration(origin: str, resource: str, **more: Any) -> dict[str, Any]:
    """A server at `origin` whose one connector is `resource`."""
    return {
        "issuer": origin,
        "audit": "off",
        "tokens": {"keys": "ephemeral"},
        "replay": {"cold_start": "accept"},
        "idps": [
            {
                "issuer": idp.issuer,
                "jwks": idp.jwks,
                "algorithms": ["ES256"],
                "groups": {"claim": "groups"},
            }
            for idp in (ACME, GLOBEX)
        ],
        "clients": [
            {
                "id": name,
                "auth": method,
                "secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
                "connectors": ["chat"],
                "idps": ["*"],
            }
            for name, secret, method in (
                (CLIENT, SECRET, "client_secret_basic"),
                (POSTING, POSTING_SECRET, "client_secret_post"),
            )
        ],
        "connectors": [connector(resource)],
    } | more


def connector(resource: str, state: str = "enabled") -> dict[str, Any]:
    return {
        "id": "chat",
        "resource": resource,
        "scopes": ["chat.read", "chat.history"],
        "state": state,
        "owner": "chat-platform@acme.example",
        "review_by": "2999-01-01",
        "grants": [
            {"groups": ["eng"], "any_issuer": True, "scopes": ["chat.read", "chat.history"]},
            {"groups": ["sales"], "any_issuer": True, "scopes": ["chat.read"]},
        ],
    }


def basic(client: str = CLIENT, secret: str = SECRET) -> str:
    pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
