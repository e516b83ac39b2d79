"""A stand-in for the company's IdP: signs an ID-JAG for whoever is logged in (RFC 8693). Never a real IdP.

Who is logged in is what `subject_token` says, which a real IdP would have signed and would verify.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"


class StandIn:
    """An IdP at `issuer` for the `people` and their groups."""

    def __init__(self, issuer: str, people: dict[str, list[str]]) -> None:
        self.issuer = issuer
        self._people = people
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key, as whoever trusts this IdP configures it."""
        jwk = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [jwk | {"kid": "stand-in", "alg": "ES256", "use": "sig"}]}

    def application(self) -> Starlette:
        """The token endpoint."""
        return Starlette(routes=[Route("/token", self._exchange, methods=["POST"])])

    async def _exchange(self, request: Request) -> JSONResponse:
        form = {name: str(value) for name, value in (await request.form()).items()}
        person = form["subject_token"]
        if person not in self._people or form["requested_token_type"] != ID_JAG:
            return JSONResponse({"error": "invalid_request"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": person,
            "aud": form["audience"],
            "resource": form["resource"],
            "client_id": form["client_id"],
            "groups": self._people[person],
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 300,
        }
        headers = {"typ": "oauth-id-jag+jwt", "kid": "stand-in"}
        id_jag = jwt.encode(claims, self._key, "ES256", headers=headers)
        answer = {"access_token": id_jag, "issued_token_type": ID_JAG, "token_type": "N_A", "expires_in": 300}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})
