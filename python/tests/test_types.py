"""Wrong types are TypeErrors; whatever a str holds is an answer."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from conftest import VECTORS, Good

import idjag

SURROGATE, NUL = "\ud800", "\0"


@pytest.mark.parametrize(
    "change",
    [
        {"assertion": b"eyJ"},
        {"assertion": None},
        {"client_id": 7},
        {"resource": 7},
        {"resource": b"https://mcp.chat.example/"},
        {"resource": [b"https://mcp.chat.example/"]},
        {"scopes": "chat.read"},
        {"scopes": 7},
        {"scopes": [None]},
        {"authorization_details": object()},
    ],
    ids=str,
)
def test_a_wrong_type_is_a_type_error_and_spends_nothing(good: Good, change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"assertion": good.assertion, "client_id": good.client_id} | change
    assertion = arguments.pop("assertion")
    with pytest.raises(TypeError):
        good.exchange.exchange(assertion, **arguments)
    with pytest.raises(TypeError):
        idjag.Request(assertion, **arguments)
    assert good.exchange.exchange(good.assertion, client_id=good.client_id).token_type == "Bearer"


@pytest.mark.parametrize("odd", [SURROGATE, NUL, "", "\ufffd", "ä", "x" * 100_000, "\udcff" * 3])
@pytest.mark.parametrize("where", ["assertion", "client_id", "resource", "resources", "scopes"])
def test_any_content_of_a_str_is_an_answer(good: Good, where: str, odd: str) -> None:
    assertion = odd if where == "assertion" else good.assertion
    arguments: dict[str, Any] = {"client_id": odd if where == "client_id" else good.client_id}
    if where.startswith("resource"):
        arguments["resource"] = odd if where == "resource" else [good.resource, odd]
    if where == "scopes":
        arguments["scopes"] = [odd]
    (answer,) = good.exchange.exchange_many([idjag.Request(assertion, **arguments)])
    if (where, odd) == ("scopes", ""):
        assert isinstance(answer, idjag.IssuedToken)
        return
    assert isinstance(answer, idjag.ExchangeDenied)
    with pytest.raises(idjag.ExchangeDenied) as refused:
        good.exchange.exchange(assertion, **arguments)
    assert refused.value.slug == answer.slug
    # Nothing was spent.
    assert good.exchange.exchange(good.assertion, client_id=good.client_id)


def test_not_asked(good: Good) -> None:
    for scopes in (None, [], (), [""], iter([""]), frozenset[str]()):
        assert good.exchange.explain(good.assertion, client_id=good.client_id, scopes=scopes).granted
    nothing: tuple[Iterable[str] | None, ...] = (None, [], (), iter(()))
    for resource in nothing:
        assert good.exchange.explain(good.assertion, client_id=good.client_id, resource=resource).granted


def test_what_is_issued_is_verified(good: Good) -> None:
    token = good.exchange.exchange(good.assertion, client_id=good.client_id)
    assert isinstance(token.access_token, str)
    assert isinstance(token.scopes, list)
    assert token.resource == good.resource
    who = good.exchange.verify(token.access_token, resource=token.resource)
    assert who is not None
    assert who.scopes == token.scopes
    assert who.expires_at == who.issued_at + token.expires_in
    assert who.claims["sub"] == who.subject
    for other in ("https://elsewhere.example/", "", SURROGATE, NUL):
        assert good.exchange.verify(token.access_token, resource=other) is None
    for odd in ("", SURROGATE, NUL, token.access_token + SURROGATE, token.access_token[:-1], "a.b.c"):
        assert good.exchange.verify(odd, resource=token.resource) is None
    # A proof of possession for a token that is bound to nothing.
    assert good.exchange.verify(token.access_token, resource=token.resource, dpop="eyJ") is None
    with pytest.raises(TypeError):
        good.exchange.verify(token.access_token.encode(), resource=token.resource)  # type: ignore[arg-type]
    for secret in (repr(token), repr(who), repr(idjag.Request(good.assertion, client_id="c"))):
        assert token.access_token not in secret
        assert good.assertion not in secret


def test_refusals_are_plain_classes(good: Good) -> None:
    with pytest.raises(idjag.ExchangeDenied) as refused:
        good.exchange.exchange("", client_id=good.client_id)
    error = refused.value
    assert isinstance(error, idjag.IdjagError)
    assert (error.error, error.slug) == ("invalid_grant", "assertion_malformed")
    assert str(error) == f"{error.error}: {error.error_description}"
    error.with_traceback(None)  # A frozen dataclass would not let go.
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.error, copy.error_description, copy.slug) == (
        error.error,
        error.error_description,
        error.slug,
    )
    unavailable = idjag.Unavailable("temporarily_unavailable", "later", "keys_unavailable", 5)
    assert pickle.loads(pickle.dumps(unavailable)).retry_after == 5
    assert not issubclass(idjag.Unavailable, idjag.ExchangeDenied)


def test_a_batch_takes_requests_and_nothing_else(good: Good) -> None:
    assert good.exchange.exchange_many([]) == []
    with pytest.raises(TypeError):
        good.exchange.exchange_many(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        good.exchange.exchange_many([good.assertion])  # type: ignore[list-item]
    request = idjag.Request(good.assertion, client_id=good.client_id)
    first, second = good.exchange.exchange_many(request for _ in range(2))
    assert isinstance(first, idjag.IssuedToken)
    assert isinstance(second, idjag.ExchangeDenied)
    assert second.slug == "replayed"


async def test_the_doors_for_await_do_the_same(good: Good) -> None:
    assert inspect.iscoroutinefunction(good.exchange.exchange_async)
    waiting = asyncio.create_task(good.exchange.exchange_async(good.assertion, client_id=good.client_id))
    token = await waiting
    assert good.exchange.verify(token.access_token, resource=good.resource)
    with pytest.raises(idjag.ExchangeDenied, match="invalid_grant"):
        await good.exchange.exchange_async(good.assertion, client_id=good.client_id)
    assert (await good.exchange.token_endpoint_async(b"", method="GET")).status == 405


def test_the_endpoint_takes_what_frameworks_have(good: Good) -> None:
    form = b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x"
    content_type = (b"content-type", b"application/x-www-form-urlencoded")
    plain = good.exchange.token_endpoint(form)
    assert (plain.status, plain.slug) == (401, "client_auth_missing")
    assert isinstance(plain.body, bytes)
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in plain.headers)
    for headers in ([content_type], (("Content-Type", "application/x-www-form-urlencoded"),)):
        assert good.exchange.token_endpoint(form, headers=headers).slug == "client_auth_missing"
    assert good.exchange.token_endpoint(form, headers=[content_type] * 2).slug == "header_repeated"
    assert good.exchange.token_endpoint(form, headers=[("host", "a")]).slug == "content_type_invalid"
    assert good.exchange.token_endpoint(form, authorization=SURROGATE).status in (400, 401)
    assert good.exchange.token_endpoint(form, peer="192.0.2.1").status == 401
    assert good.exchange.token_endpoint(b"\xff\0").status == 400
    assert good.exchange.revocation_endpoint(b"token=x").slug == "client_auth_missing"
    assert good.exchange.introspection_endpoint(b"token=x").slug == "client_auth_missing"
    several: list[Any] = [{"content-type": "a"}, "ab", [("a",)], [("a", "b", "c")], [7], [(7, "a")]]
    for wrong in several:
        with pytest.raises(TypeError):
            good.exchange.token_endpoint(form, headers=wrong)
    with pytest.raises(TypeError):
        good.exchange.token_endpoint(form.decode())  # type: ignore[arg-type]


def test_documents(good: Good) -> None:
    metadata = json.loads(good.exchange.metadata())
    assert metadata["issuer"] == good.bench.config["issuer"]
    assert all("d" not in key for key in json.loads(good.exchange.jwks())["keys"])
    document = good.exchange.protected_resource_metadata(good.resource)
    assert document is not None
    assert json.loads(document)["resource"] == good.resource
    assert good.exchange.protected_resource_metadata(SURROGATE) is None
    assert good.exchange.challenge(good.resource).startswith("Bearer")
    assert "invalid_token" in good.exchange.challenge(good.resource, invalid_token=True)
    assert 'scope="a b"' in good.exchange.challenge(good.resource, insufficient_scope="a b")


def test_a_mapping_is_a_configuration(good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    config = good.bench.config
    monkeypatch.chdir(VECTORS / "worlds")
    config["tokens"]["keys"] = [Path(key) for key in config["tokens"]["keys"]]
    connectors = config.get("connectors", [])
    for connector in connectors:
        if "review_by" in connector:
            connector["review_by"] = datetime.date.fromisoformat(connector["review_by"])
    exchange = idjag.Exchange(MappingProxyType(config), clock=lambda: good.bench.now)
    assert exchange.exchange(good.assertion, client_id=good.client_id).resource == good.resource


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"isuer": "x"}, "isuer"),
        ({"issuer": SURROGATE}, ""),
        ({"issuer": float("nan")}, ""),
        ({"issuer": 7}, "`issuer`: "),
    ],
    ids=str,
)
def test_a_mapping_with_a_fault(good: Good, change: dict[str, Any], says: str) -> None:
    with pytest.raises(idjag.ConfigError) as fault:
        idjag.Exchange(good.bench.config | change)
    assert says in str(fault.value)
    assert "config:1" not in str(fault.value)


def test_what_is_no_configuration(good: Good, tmp_path: Path) -> None:
    wrong: object
    for wrong in (7, None, [], b"{}"):
        with pytest.raises(TypeError):
            idjag.Exchange(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        idjag.Exchange({"issuer": object()})
    with pytest.raises(TypeError):
        idjag.Exchange(good.bench.config, clock=7)  # type: ignore[arg-type]
    for path in (tmp_path / "none.toml", "a\0b", str(tmp_path)):
        with pytest.raises(idjag.ConfigError, match="cannot read"):
            idjag.Exchange(path)
    file = tmp_path / "idjag.toml"
    file.write_text(
        'issuer = "https://auth.example/"\npolicy = "policy.toml"\naudit = "off"\n[tokens]\nkeys = "ephemeral"\n'
    )
    (tmp_path / "policy.toml").write_text('[[connectors]]\nid = "a"\nresource = 7\n')
    with pytest.raises(idjag.ConfigError) as fault:
        idjag.Exchange(file)
    assert str(fault.value).startswith(f"{tmp_path}/policy.toml:3: ")
    assert (fault.value.line, fault.value.key) == (3, "connectors[0].resource")


def test_what_is_put_is_validated_whole(good: Good) -> None:
    exchange, config = good.exchange, good.bench.config
    generation = exchange.stats()["generation"]
    with pytest.raises(idjag.ConfigError):
        exchange.put_policy("[[connectors]]\nid = 7\n")
    with pytest.raises(idjag.ConfigError):
        exchange.put_directory({"version": 1, "people": [{}]})
    with pytest.raises(idjag.ConfigError):
        exchange.put_jwks(config["idps"][0]["issuer"], {"keys": []})
    with pytest.raises(idjag.ConfigError):
        exchange.put_jwks(SURROGATE, {"keys": []})
    with pytest.raises(idjag.ConfigError):
        exchange.reload(config | {"isuer": 1})
    assert exchange.stats()["generation"] == generation
    exchange.put_directory({"version": 1, "people": []})
    exchange.put_directory("issuer,tenant,subject,active,group\n")
    exchange.put_directory(b'{"version": 1, "people": []}')
    exchange.reload(VECTORS / "worlds" / f"{good.bench.world}.json")
    assert exchange.stats()["generation"] == generation + 4
    assert isinstance(exchange.warnings, list)


def test_the_five_kinds_of_revocation(good: Good) -> None:
    exchange = good.exchange
    token = exchange.exchange(good.assertion, client_id=good.client_id)
    who = exchange.verify(token.access_token, resource=token.resource)
    assert who is not None
    connector = next(
        connector["id"]
        for connector in good.bench.config["connectors"]
        if token.resource in connector["resource"]
    )
    for revocation in (
        idjag.Revocation.client(who.client_id),
        idjag.Revocation.connector(connector),
        idjag.Revocation.issuer(who.idp),
        idjag.Revocation.person(who.subject, issuer=who.idp, tenant=who.tenant),
        idjag.Revocation.token(who.jti, expires_at=who.expires_at),
    ):
        good.bench.exchange = exchange = idjag.Exchange(
            VECTORS / "worlds" / f"{good.bench.world}.json", clock=lambda: good.bench.now
        )
        token = exchange.exchange(good.assertion, client_id=good.client_id)
        who_now = exchange.verify(token.access_token, resource=token.resource)
        assert who_now is not None
        if "Token" in repr(revocation):
            revocation = idjag.Revocation.token(who_now.jti, expires_at=who_now.expires_at)
        exchange.revoke(revocation)
        assert exchange.verify(token.access_token, resource=token.resource) is None
        exchange.lift(revocation)
        assert exchange.verify(token.access_token, resource=token.resource) is None
    other = idjag.Revocation.person("somebody", issuer="https://else.example", tenant=SURROGATE)
    exchange.revoke(other)


def test_a_clock_is_asked_once_and_may_fail(good: Good) -> None:
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return good.bench.now + 0.9

    exchange = idjag.Exchange(VECTORS / "worlds" / f"{good.bench.world}.json", clock=clock)
    asked = 0
    exchange.exchange_many([idjag.Request(good.assertion, client_id=good.client_id)] * 300)
    assert asked == 1

    def broken() -> float:
        raise LookupError("no clock")

    with pytest.raises(LookupError):
        idjag.Exchange(VECTORS / "worlds" / f"{good.bench.world}.json", clock=broken)
    wrong: list[tuple[Any, type[Exception]]] = [
        (float("nan"), ValueError),
        ("now", TypeError),
        (None, TypeError),
    ]
    for says, error in wrong:
        with pytest.raises(error):
            idjag.Exchange(VECTORS / "worlds" / f"{good.bench.world}.json", clock=lambda: says)  # noqa: B023
