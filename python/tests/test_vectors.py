"""The whole vector table through Python: the same verdict and the same slug as in Rust.

The format is that of `tests/vectors/README.md`. A field that is not known here is a failure.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from conftest import VECTORS, Bench
from jwt.algorithms import HMACAlgorithm, get_default_algorithms

import idjag

# Counted, so that none gets lost.
CASES = 1037
Json = dict[str, Any]


def _table() -> dict[str, Json]:
    table = {}
    for path in sorted((VECTORS / "cases").glob("*.json")):
        for case in json.loads(path.read_text()):
            assert case["name"] not in table
            table[case["name"]] = case
    return table


TABLE = _table()


def expand(text: Any) -> str:
    """A text of the table that refers to no other case."""
    if isinstance(text, str):
        return text
    if isinstance(text, list):
        return "".join(expand(part) for part in text)
    match text:
        case {"repeat": part, "times": times, **rest} if not rest:
            return str(part * times)
        case {"base64url": parts, **rest} if not rest:
            encoded = base64.urlsafe_b64encode(expand(parts).encode("utf-8", "surrogatepass"))
            return encoded.decode().rstrip("=")
    raise AssertionError(f"unknown: {text}")


def text_of(text: Any) -> str:
    match text:
        case {"assertion_of": name, **rest} if not rest:
            return text_of(TABLE[name]["assertion"])
        case {"token_of": name, **rest} if not rest:
            return token_of(TABLE[name])
    return expand(text)


def bench_of(case: Json) -> Bench:
    first = next((step["now"] for step in case.get("before", [])[:1] if "now" in step), None)
    return Bench(case["world"], case.get("start", first if first is not None else case["now"]))


def token_of(case: Json) -> str:
    bench = bench_of(case)
    bench.now = case["now"]
    return bench.exchange.exchange(
        text_of(case["assertion"]),
        client_id=case["client_id"],
        resource=case.get("resource"),
        scopes=asked(case),
    ).access_token


def asked(step: Json) -> list[str] | None:
    """The `scope` parameter as the elements of which Python joins it."""
    return None if step.get("scope") is None else [step["scope"]]


STEP = {"assertion", "client_id", "resource", "scope", "verify", "expect", "now"}
CASE = STEP | {"name", "origin", "made_by", "world", "start", "before", "control", "differs"}


def check_granted(token: idjag.IssuedToken, wanted: Json, bench: Bench) -> None:
    assert wanted.keys() <= {"scope", "resource", "claims"}
    assert set(token.scopes) == set(wanted["scope"].split(" "))
    assert token.resource == wanted["resource"]
    assert token.token_type == "Bearer"
    config = bench.config
    ttl = config["tokens"].get("ttl_s", 3600)
    assert token.expires_in == ttl
    key = json.loads((VECTORS / "worlds" / config["tokens"]["keys"][0]).read_text())
    algorithm = get_default_algorithms()[key["alg"]]
    public = algorithm.from_jwk(json.dumps(key))
    if not isinstance(algorithm, HMACAlgorithm):
        public = public.public_key()
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    decoded = jwt.decode_complete(
        token.access_token,
        public,
        algorithms=[key["alg"]],
        audience=wanted["resource"],
        issuer=config["issuer"],
        options=options,  # type: ignore[arg-type]
    )
    assert decoded["header"]["typ"] == "at+jwt"
    claims = decoded["payload"]
    assert (claims["iat"], claims["exp"]) == (bench.now, bench.now + ttl)
    assert set(claims["scope"].split(" ")) == set(token.scopes)
    assert all(isinstance(claims[name], str) and claims[name] for name in ("sub", "client_id", "jti", "idp"))
    for name, value in wanted.get("claims", {}).items():
        found = claims.get(name)
        if name == "scope" and isinstance(value, str):
            assert set(found.split(" ")) == set(value.split(" "))
        elif name == "groups" and isinstance(value, list):
            assert set(found) == set(value)
        else:
            assert found == value, name


def check(step: Json, bench: Bench, batch: bool) -> None:
    """Does one step and compares. In a batch the same comes out."""
    (kind, wanted), *rest = step["expect"].items()
    assert not rest
    if "verify" in step:
        assert not {"assertion", "client_id", "resource", "scope"} & step.keys()
        shown = dict(step["verify"])
        token = text_of(shown.pop("token"))
        if "certificate" in shown:
            shown["client_certificate"] = shown.pop("certificate").encode()
        assert shown.keys() <= {"resource", "dpop", "method", "url", "client_certificate"}
        who = bench.exchange.verify(token, **shown)
        if kind == "invalid":
            assert who is None
            # Why is said to who answers the request.
            challenge = bench.exchange.verify_request(token, **shown)
            assert isinstance(challenge, idjag.Challenge)
            assert challenge.slug == wanted
            return
        assert kind == "valid"
        assert who is not None
        check_valid(who, wanted)
        return
    assertion = text_of(step["assertion"])
    arguments: Json = {
        "client_id": step["client_id"],
        "resource": step.get("resource"),
        "scopes": asked(step),
    }
    told = bench.exchange.explain(assertion, **arguments)
    answer: idjag.IssuedToken | idjag.ExchangeDenied | idjag.Unavailable
    if batch:
        (answer,) = bench.exchange.exchange_many([idjag.Request(assertion, **arguments)])
    else:
        try:
            answer = bench.exchange.exchange(assertion, **arguments)
        except (idjag.ExchangeDenied, idjag.Unavailable) as refusal:
            answer = refusal
    if kind == "granted":
        assert isinstance(answer, idjag.IssuedToken), answer
        assert (told.granted, told.slug) == (True, None)
        check_granted(answer, wanted, bench)
        return
    assert kind == "refused"
    assert wanted.keys() == {"slug", "error", "status"}
    assert isinstance(answer, (idjag.ExchangeDenied, idjag.Unavailable)), answer
    slugs = wanted["slug"] if isinstance(wanted["slug"], list) else [wanted["slug"]]
    assert answer.slug in slugs
    assert (told.granted, told.slug) == (False, answer.slug)
    assert answer.error == wanted["error"]
    assert isinstance(answer, idjag.Unavailable) == (wanted["status"] == 503)
    assert answer.error_description
    assert answer.slug not in str(answer) or answer.slug in answer.error


def check_valid(who: idjag.VerifiedToken, wanted: Json) -> None:
    known = {"sub", "client_id", "idp", "tenant", "resource", "scope", "groups", "act", "cnf", "token_type"}
    assert wanted.keys() <= known
    assert (who.subject, who.client_id, who.idp) == (wanted["sub"], wanted["client_id"], wanted["idp"])
    assert (who.tenant, who.resource, who.act) == (
        wanted.get("tenant"),
        wanted["resource"],
        wanted.get("act"),
    )
    assert set(who.scopes) == set(wanted["scope"].split(" "))
    assert set(who.groups) == set(wanted["groups"])
    assert who.cnf == wanted.get("cnf")
    if "token_type" in wanted:
        assert ("jkt" in (who.cnf or {})) == (wanted["token_type"] == "DPoP")
    assert who.claims["jti"] == who.jti
    assert (who.claims["iat"], who.claims["exp"]) == (who.issued_at, who.expires_at)


def run(case: Json, batch: bool) -> None:
    assert case.keys() <= CASE
    bench = bench_of(case)
    for step in case.get("before", []):
        assert step.keys() <= STEP
        bench.now = step.get("now", case["now"])
        check(step, bench, batch)
    bench.now = case["now"]
    check(case, bench, batch)


@pytest.mark.parametrize("name", TABLE)
def test_case(name: str) -> None:
    run(TABLE[name], batch=False)


def test_every_case_in_a_batch() -> None:
    for case in TABLE.values():
        if "verify" not in case:
            run(case, batch=True)


def test_none_is_lost() -> None:
    assert len(TABLE) == CASES


REQUESTS = {
    case["name"]: case
    for path in sorted((VECTORS / "requests").glob("*.json"))
    for case in json.loads(path.read_text())
}
REQUEST = {
    "name",
    "origin",
    "world",
    "now",
    "method",
    "target",
    "headers",
    "body",
    "certificate",
    "certificate_der",
    "peer",
    "endpoint",
    "token_of",
    "documents",
    "before",
    "control",
    "differs",
    "expect",
}


def send(case: Json, bench: Bench) -> None:
    assert case.keys() <= REQUEST
    certificate = case["certificate"].encode() if "certificate" in case else None
    if "certificate_der" in case:
        encoded = case["certificate_der"]
        certificate = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    bench.now = case["now"]
    bench.asked.clear()
    endpoints: dict[str, Callable[..., idjag.TokenResponse]] = {
        "token": bench.exchange.token_endpoint,
        "revoke": bench.exchange.revocation_endpoint,
        "introspect": bench.exchange.introspection_endpoint,
    }
    about = bench.tokens[case["token_of"]] if "token_of" in case else ""
    response = endpoints[case.get("endpoint", "token")](
        expand(case["body"]).encode() + about.encode(),
        method=case["method"],
        target=case["target"],
        # The table always says something of headers, and a request without any is one of its cases.
        headers=[(name, value) for name, value in case["headers"]] or [("x-none", "")],
        client_certificate=certificate,
        peer=case.get("peer"),
    )
    expect = case["expect"]
    assert expect.keys() <= {
        "status",
        "headers",
        "present",
        "absent",
        "token",
        "answer",
        "error",
        "slug",
        "fetched",
    }
    assert bench.asked == expect.get("fetched", [])
    assert response.status == expect["status"]
    names = [name for name, _ in response.headers]
    for name, value in expect["headers"].items():
        assert [text for other, text in response.headers if other == name] == [value]
    assert not set(names) & set(expect.get("absent", []))
    assert set(expect.get("present", [])) <= set(names)
    assert response.slug == expect.get("slug")
    if expect.get("answer") == {}:
        assert response.body == b""
        return
    body = json.loads(response.body)
    if "answer" in expect:
        assert isinstance(body.pop("jti", None), str) == body["active"]
        assert body == expect["answer"]
        return
    assert body.get("error") == expect.get("error")
    if "token" in expect:
        token = expect["token"]
        bench.tokens[case["name"]] = body["access_token"]
        assert set(body["scope"].split(" ")) == set(token["scope"].split(" "))
        assert body["resource"] == token["resource"]
        assert token.keys() <= {"scope", "resource", "token_type", "cnf", "authorization_details"}
        assert body["token_type"] == token.get("token_type", "Bearer")
        assert body.get("authorization_details") == token.get("authorization_details")
        claims = jwt.decode(body["access_token"], options={"verify_signature": False})
        assert claims.get("cnf") == token.get("cnf")
        bound_to_key = "jkt" in (token.get("cnf") or {})
        who = bench.exchange.verify(
            body["access_token"], resource=token["resource"], client_certificate=certificate
        )
        # A key is proven for a request, which these cases have none of.
        assert (who is None) == bound_to_key
        if who is not None:
            assert who.cnf == token.get("cnf")
            assert who.authorization_details == token.get("authorization_details")
    else:
        assert response.slug is not None
        assert expect["error"] == response.slug or response.slug.encode() not in response.body


@pytest.mark.parametrize("name", REQUESTS)
def test_request(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What does not answer raises, and nobody is there to catch it.
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: None)
    case = REQUESTS[name]
    first = REQUESTS[case["before"][0]] if case.get("before") else case
    bench = Bench(case["world"], first["now"], published=case.get("documents", {}))
    for before in case.get("before", []):
        send(REQUESTS[before], bench)
    send(case, bench)
