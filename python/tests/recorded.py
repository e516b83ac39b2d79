"""A server that keeps a record, on a clock that the test sets: what may befall it, and an ordinary week."""

from __future__ import annotations

import gc
import json
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from company import ACME, CLIENT, GLOBEX, POSTING, Idp, basic, configuration
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

import idjag

ISSUER = "https://auth.chat.example/"
CHAT, WIKI = "https://mcp.chat.example/", "https://mcp.wiki.example/"
DAY, HOUR = 86_400, 3_600


def people(count: int = 20) -> dict[str, Any]:
    """The directory: every fourth of them sells, one looks after the chat, one belongs nowhere."""
    groups = {0: ["chat-keepers", "eng"], 1: []}
    listed = [
        {
            "issuer": ACME.issuer,
            "subject": str(1000 + number),
            "groups": groups.get(number, ["sales"] if number % 4 == 0 else ["eng"]),
        }
        for number in range(count)
    ]
    return {"version": 1, "people": listed}


def connector(name: str, uri: str, *grants: tuple[str, str], state: str = "enabled") -> dict[str, Any]:
    """A connector whose grants are pairs of a group and its scopes."""
    return {
        "id": name,
        "resource": uri,
        "scopes": [f"{name}.{what}" for what in ("read", "history", "admin")],
        "state": state,
        "owner": "platform@acme.example",
        "review_by": "2999-01-01",
        "grants": [
            {"groups": [group], "issuer": ACME.issuer, "scopes": scopes.split()} for group, scopes in grants
        ],
    }


def chat(*more: tuple[str, str], state: str = "enabled") -> dict[str, Any]:
    grants = (
        ("eng", "chat.read chat.history"),
        ("sales", "chat.read"),
        ("chat-keepers", "chat.read chat.admin"),
    )
    return connector("chat", CHAT, *grants, *more, state=state)


def wiki(*grants: tuple[str, str], state: str = "enabled") -> dict[str, Any]:
    return connector("wiki", WIKI, *(grants or (("eng", "wiki.read"),)), state=state)


class Server:
    """One process of a server. The record lies in `folder`."""

    def __init__(self, folder: Path, now: int) -> None:
        self.folder, self.now = folder, now
        directory = folder.with_name(f"{folder.name}.people.json")
        directory.write_text(json.dumps(people()))
        config = configuration(ISSUER, CHAT, audit={"path": str(folder)}, directory=str(directory))
        for idp in config["idps"]:
            idp["groups"] = {"claim": "groups", "directory": idp["issuer"] == ACME.issuer}
        for client in config["clients"]:
            client["connectors"] = ["*"]
        self.config = config | {"connectors": [chat(), wiki(state="planned")]}
        self.start()

    def start(self, **config: Any) -> None:
        self.config |= config
        self.exchange = idjag.Exchange(self.config, clock=lambda: self.now)

    def stop(self) -> None:
        """Ends in order, so that everything is under a checkpoint."""
        del self.exchange
        gc.collect()

    def assertion(self, idp: Idp = ACME, *, age: int = 0, uri: str = CHAT, **claims: Any) -> str:
        issued = self.now - age
        claims = {"subject": "1002"} | claims
        return idp.id_jag(ISSUER, uri, iat=issued, exp=issued + 300, **claims)

    def granted(self, subject: int = 1002, uri: str = CHAT, **more: Any) -> idjag.IssuedToken:
        return self.exchange.exchange(
            self.assertion(subject=str(subject), uri=uri), client_id=CLIENT, resource=uri, **more
        )

    def refused(self, reason: str, assertion: str | None = None, **request: Any) -> None:
        """Asks, and sees that it is refused for this reason."""
        try:
            self.exchange.exchange(assertion or self.assertion(), **({"client_id": CLIENT} | request))
        except (idjag.ExchangeDenied, idjag.Unavailable) as error:
            assert error.slug == reason, error.slug
        else:
            raise AssertionError(f"granted, and not {reason}")

    def policy(self, *connectors: dict[str, Any]) -> None:
        self.exchange.put_policy({"connectors": list(connectors)})

    def lines(self) -> list[dict[str, Any]]:
        texts = [path.read_text() for path in sorted(self.folder.glob("*/*.jsonl"))]
        return [json.loads(line) for text in texts for line in text.splitlines()]


@contextmanager
def serving(folder: Path, now: int | None = None) -> Iterator[Server]:
    """A server, and its end."""
    server = Server(folder, int(time.time()) if now is None else now)
    try:
        yield server
    finally:
        server.stop()


# What an alarm is for.


def replayed(server: Server) -> None:
    assertion = server.assertion()
    server.exchange.exchange(assertion, client_id=CLIENT)
    server.refused("replayed", assertion)


def unknown_issuer(server: Server) -> None:
    server.refused("issuer_untrusted", server.assertion(Idp("https://evil.example")))


def wrong_client(server: Server) -> None:
    server.refused("client_mismatch", server.assertion(), client_id=POSTING)


def suspended(server: Server) -> None:
    server.policy(chat(state="suspended"), wiki(state="planned"))
    server.refused("connector_not_enabled")


def privileged(server: Server) -> None:
    """Somebody may administer the wiki, whom nobody could before."""
    server.policy(chat(), wiki(("eng", "wiki.read"), ("sales", "wiki.admin")))


def recovered(server: Server) -> None:
    """A process that was killed while it wrote, and the next one."""
    server.granted()
    killed = server.folder.with_name("killed")
    shutil.copytree(server.folder, killed)
    with next(killed.glob("0/*.jsonl")).open("a") as file:
        file.write('{"seq":')
    server.stop()
    server.folder = killed
    server.start(audit={"path": str(killed)})


def stalled(server: Server) -> None:
    """A disk that is full for a while."""
    server.granted()
    size = max(path.stat().st_size for path in server.folder.glob("0/*.jsonl"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        server.refused("record_unavailable")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    deadline = time.monotonic() + 20
    while not any(line["event"] == "log_resumed" for line in server.lines()):
        assert time.monotonic() < deadline, "the log does not go on"
        time.sleep(0.05)


def ordinary(server: Server) -> None:
    """A week: people work, some of what they do is refused, and the server is looked after."""
    monday = server.now
    for day in range(7):
        server.now = monday + day * DAY + 8 * HOUR
        if day in (1, 4):  # Another version.
            server.stop()
            server.start()
        server.exchange.put_directory(people(20 + day))
        workers = range(2, 20) if day < 5 else range(2, 5)
        for _ in range(3):
            for number in workers:
                server.now += 97
                token = server.granted(1000 + number)
                assert server.exchange.verify(token.access_token, resource=CHAT)
            server.now += HOUR + 60
            # A client that kept a token for too long, and one whose clock is slow.
            assert server.exchange.verify(token.access_token, resource=CHAT) is None
            server.refused("expired", server.assertion(age=400))
        everyday(server)
        if day == 2:
            rotate(server)
        if day == 3:  # The wiki begins, and whoever keeps the chat may do so here, too.
            server.policy(chat(), wiki())
            server.granted(1002, WIKI)
        if day == 4:  # Somebody leaves.
            leaver = idjag.Revocation.person("1019", issuer=ACME.issuer)
            server.exchange.revoke(leaver)
            server.refused("blocked", server.assertion(subject="1019"))
    server.now = monday + 7 * DAY


def everyday(server: Server) -> None:
    """Refusals that mean nothing."""
    server.refused("group_required", server.assertion(subject="1001"))
    server.refused("subject_unknown", server.assertion(subject="9999"))
    server.refused("scope_not_available", server.assertion(subject="1004"), scopes=["chat.history"])
    for body in (b"", b"grant_type=client_credentials"):
        assert server.exchange.token_endpoint(body, authorization=basic(), peer="192.0.2.7").status == 400
    wrong = basic(CLIENT, "forgotten")
    answer = server.exchange.token_endpoint(
        b"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a",
        authorization=wrong,
        peer="a load balancer",
    )
    assert answer.status == 401


def rotate(server: Server) -> None:
    """The IdP has another key, beside the one that it signs with."""
    jwk = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
    keys = ACME.jwks["keys"] + [jwk | {"kid": "two", "alg": "ES256", "use": "sig"}]
    server.exchange.put_jwks(ACME.issuer, {"keys": keys})


def everything(server: Server) -> None:
    """Each kind of line once at least, but those of a process that died."""
    everyday(server)
    rotate(server)
    for befall in (replayed, unknown_issuer, wrong_client, stalled, privileged, suspended):
        befall(server)
    server.refused("signature_invalid", server.assertion(GLOBEX, iss=ACME.issuer))
    server.policy(chat())
    server.exchange.put_directory(people(3))
    for revocation in (
        idjag.Revocation.token("a-jti", expires_at=server.now + 60),
        idjag.Revocation.person("1002", issuer=ACME.issuer),
        idjag.Revocation.client(POSTING),
        idjag.Revocation.connector("chat"),
        idjag.Revocation.issuer(GLOBEX.issuer),
    ):
        server.exchange.revoke(revocation)
    server.exchange.lift(idjag.Revocation.connector("chat"))
    assert server.exchange.verify("no token", resource=CHAT) is None
    # More than have a line each: so they are counted.
    for _ in range(2_100):
        server.exchange.verify("no token", resource=CHAT)


BEFALLS: dict[str, Callable[[Server], None]] = {
    "replayed": replayed,
    "unknown_issuer": unknown_issuer,
    "wrong_client": wrong_client,
    "connector_not_enabled": suspended,
    "privileged_scope_granted": privileged,
    "log_recovered": recovered,
    "log_stalled": stalled,
}
