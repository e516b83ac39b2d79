"""What comes too often: failures of a peer to prove a client, and refusals of a client (row 75; EMA 7.5.1).

The world's limits are 3 failures a minute of a peer with a client, 5 of a peer, and 2 refusals of a client.
"""

from endpoint import (
    ASSERTION_TYPE, CERTIFICATE, CLIENT, FORM, GOOD, GRANT, assertion, basic, begin, client_assertion, error, form, invalid_client,
    secret, token, usual,
)
from names import NOW

ROW = "row 75; EMA 7.5.1"
PEER, ANOTHER = "192.0.2.1", "192.0.2.2"
WRONG = [FORM, basic(CLIENT, "wrong")]


def too_many(name, slug, differs, *, wait, **rest):
    """429. `wait` is what `Retry-After` says."""
    error(name, ROW, 429, "temporarily_unavailable", slug, differs, headers_out={"retry-after": str(wait)},
          absent=["www-authenticate"], **{"world": "requests-limited", "peer": PEER, **rest})


def fine(name, **rest):
    token(name, ROW, **{"world": "requests-limited", "peer": PEER, **rest})


def wrong(name, *, slug="client_secret_wrong", differs="a wrong secret", headers=WRONG, **rest):
    invalid_client(name, ROW, slug, differs, basic_tried=len(headers) > 1, headers=headers,
                   **{"world": "requests-limited", "peer": PEER, "control": "limits-right", **rest})


def signed(**edits) -> dict:
    """A request of `client-jwt`."""
    return {"headers": [FORM], "body": form(
        ("grant_type", GRANT), ("assertion", assertion("client-jwt")), ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", client_assertion(**edits)))}


def _failures() -> None:
    fine("limits-right")
    wrong("limits-wrong")
    three, two = ["limits-wrong"] * 3, ["limits-wrong"] * 2
    fine("limits-right-after-two", before=two)
    for name, headers in (("right", [FORM, basic(CLIENT, secret(CLIENT))]), ("wrong", WRONG)):
        too_many(f"limits-{name}-after-three", "too_many_failures", "three failures before", wait=20, headers=headers,
                 before=three, control="limits-right-after-two")
    fine("limits-right-does-not-count", body=usual(jti="another-jti"), before=["limits-wrong", "limits-wrong", "limits-right-after-two"])
    too_many("limits-right-in-between-changes-nothing", "too_many_failures", "three failures before", wait=20,
             body=usual(jti="another-jti"),
             before=["limits-wrong", "limits-right", "limits-wrong", "limits-wrong"], control="limits-right-does-not-count")
    fine("limits-of-another-peer", before=three, peer=ANOTHER)
    fine("limits-of-another-client", before=three, headers=[FORM],
         body=usual(("client_id", "client-public"), client_id="client-public"))
    too_many("limits-19-seconds-later", "too_many_failures", "19 seconds later", wait=1, now=NOW + 19, before=three,
             control="limits-20-seconds-later")
    fine("limits-20-seconds-later", now=NOW + 20, before=three)
    wrong("limits-wrong-20-seconds-later", now=NOW + 20, before=three)
    too_many("limits-one-more-20-seconds-later", "too_many_failures", "one more failure", wait=20, now=NOW + 20,
             before=[*three, "limits-wrong-20-seconds-later"], control="limits-20-seconds-later")
    too_many("limits-waiting-wrong-does-not-count", "too_many_failures", "three failures before", wait=20,
             before=[*three, "limits-wrong-after-three", "limits-wrong-after-three"], control="limits-right-after-two")
    fine("limits-waiting-wrong-does-not-count-later", now=NOW + 20, before=[*three, "limits-wrong-after-three"])


def _peers() -> None:
    too_many("limits-another-port", "too_many_failures", "an address with its port", wait=20, peer=f"{PEER}:443",
             before=["limits-wrong"] * 3, control="limits-of-another-peer")
    too_many("limits-ipv4-in-ipv6", "too_many_failures", "the same address in IPv6", wait=20, peer=f"[::ffff:{PEER}]:443",
             before=["limits-wrong"] * 3, control="limits-of-another-peer")
    wrong("limits-wrong-ipv6", peer="2001:db8:0:1::1")
    too_many("limits-same-64", "too_many_failures", "an address of the same /64", wait=20, peer="[2001:db8:0:1:ffff::2]:443",
             before=["limits-wrong-ipv6"] * 3, control="limits-another-64")
    fine("limits-another-64", peer="2001:db8:0:2::1", before=["limits-wrong-ipv6"] * 3)
    wrong("limits-wrong-name", peer="gateway-1")
    too_many("limits-same-name", "too_many_failures", "the same peer", wait=20, peer="gateway-1",
             before=["limits-wrong-name"] * 3, control="limits-another-name")
    fine("limits-another-name", peer="gateway-2", before=["limits-wrong-name"] * 3)
    # Whom nobody can tell apart nobody can lock out.
    wrong("limits-wrong-of-nobody", peer=None)
    fine("limits-right-of-nobody", peer=None, before=["limits-wrong-of-nobody"] * 7)

    public = {"headers": [FORM], "body": usual(("client_id", "client-public"), client_id="client-public")}
    wrong("limits-unknown", slug="client_unknown", differs="an unknown client", headers=[FORM], body=usual(("client_id", "nobody")))
    too_many("limits-unknown-after-three", "too_many_failures", "an unknown client, for the fourth time", wait=20,
             headers=[FORM], body=usual(("client_id", "nobody")), before=["limits-unknown"] * 3, control="limits-right")
    fine("limits-four-of-a-peer", before=[*["limits-wrong"] * 3, "limits-unknown"], **public)
    too_many("limits-five-of-a-peer", "too_many_failures", "five failures before", wait=12,
             before=[*["limits-wrong"] * 3, *["limits-unknown"] * 2], control="limits-four-of-a-peer", **public)
    malformed = [FORM, ["Authorization", "Basic !!"]]
    wrong("limits-malformed", slug="client_auth_malformed", differs="no credentials", headers=malformed)
    too_many("limits-malformed-after-five", "too_many_failures", "no credentials, for the sixth time", wait=12, headers=malformed,
             before=["limits-malformed"] * 5, control="limits-right")
    error("limits-query", ROW, 400, "invalid_request", "query_not_allowed", "a query", target="/token?x",
          world="requests-limited", peer=PEER, control="limits-right")
    error("limits-two-proofs", ROW, 400, "invalid_request", "client_auth_ambiguous", "two proofs", world="requests-limited",
          peer=PEER, control="limits-right", body=usual(("client_secret", secret(CLIENT))))
    fine("limits-requests-that-try-nothing", before=["limits-query", "limits-two-proofs"] * 5)


def _ways() -> None:
    """Each way to prove a client."""
    fine("limits-jwt", **signed())
    wrong("limits-jwt-wrong", slug="client_assertion_signature", differs="signed by another", control="limits-jwt",
          **signed(key="acme-rs256", head={"kid": "test-client-rs256"}))
    too_many("limits-jwt-after-three", "too_many_failures", "three failures before", wait=20, control="limits-jwt",
             before=["limits-jwt-wrong"] * 3, **signed())
    # Its `jti` was not spent, so it was not verified.
    fine("limits-jwt-later", now=NOW + 20, before=[*["limits-jwt-wrong"] * 3, "limits-jwt-after-three"], **signed())
    ways = {
        "post": ({"headers": [FORM], "body": usual(("client_id", "client-post"), ("client_secret", secret("client-post")),
                                                   client_id="client-post")},
                 {"headers": [FORM], "body": usual(("client_id", "client-post"), ("client_secret", "wrong"),
                                                   client_id="client-post")}, "client_secret_wrong"),
        "tls": ({"headers": [FORM], "body": usual(("client_id", "client-tls"), client_id="client-tls"),
                 "certificate": CERTIFICATE.decode()},
                {"headers": [FORM], "body": usual(("client_id", "client-tls"), client_id="client-tls"),
                 "certificate": "wrong"}, "client_certificate_unknown"),
        "public": ({"headers": [FORM], "body": usual(("client_id", "client-public"), client_id="client-public")},
                   {"headers": [FORM], "body": usual(("client_id", "client-public"), ("client_secret", "wrong"),
                                                     client_id="client-public")}, "client_auth_method_mismatch"),
    }
    for name, (good, bad, slug) in ways.items():
        fine(f"limits-{name}", **good)
        wrong(f"limits-{name}-wrong", slug=slug, differs="another proof", control=f"limits-{name}", **bad)
        too_many(f"limits-{name}-after-three", "too_many_failures", "three failures before", wait=20,
                 control=f"limits-{name}", before=[f"limits-{name}-wrong"] * 3, **good)


def _refusals() -> None:
    sales = {"body": usual(groups=["sales"])}
    other = {"headers": [FORM, basic("client-for-everything", secret("client-for-everything"))]}

    def refused(name, **rest):
        error(name, ROW, 400, "access_denied", "group_required", "other groups",
              **{"world": "requests-limited", "peer": PEER, "control": "limits-right", **sales, **rest})

    refused("limits-refused")
    refused("limits-refused-again", before=["limits-refused"])
    two = ["limits-refused"] * 2
    too_many("limits-refused-after-two", "too_many_refusals", "other groups, for the third time", wait=30, before=two,
             control="limits-granted-after-two", **sales)
    fine("limits-granted-after-two", before=two)
    fine("limits-granted-after-many", before=[*two, *["limits-refused-after-two"] * 3])
    too_many("limits-refused-from-elsewhere", "too_many_refusals", "other groups, for the third time", wait=30, before=two,
             peer=ANOTHER, control="limits-granted-after-two", **sales)
    too_many("limits-refused-from-nowhere", "too_many_refusals", "other groups, for the third time", wait=30, before=two,
             peer=None, control="limits-granted-after-two", **sales)
    too_many("limits-expired-after-two", "too_many_refusals", "an ID-JAG that has expired, and two refusals before", wait=30,
             before=two, control="limits-granted-after-two", body=usual(exp=NOW - 31, iat=NOW - 300))
    refused("limits-refused-30-seconds-later", before=two, now=NOW + 30)
    refused("limits-refused-another-client", before=two, **other,
            body=usual(client_id="client-for-everything", groups=["sales"]))
    wrong("limits-failures-are-no-refusals", before=two)
    no_proof = {"headers": [*GOOD, ["DPoP", "a.b.c"]]}
    error("limits-proof-refused", ROW, 400, "invalid_dpop_proof", "dpop_malformed", "a proof that is none",
          world="requests-limited", peer=PEER, control="limits-right", **no_proof)
    too_many("limits-proof-refused-after-two", "too_many_refusals", "a proof that is none, for the third time", wait=30,
             before=["limits-proof-refused"] * 2, control="limits-granted-after-two", **no_proof)


def _worlds() -> None:
    """The limits that are there without a word, and none where that is said aloud."""
    wrong("limits-wrong-by-default", world="requests")
    fine("limits-nine-by-default", world="requests", before=["limits-wrong-by-default"] * 9)
    too_many("limits-ten-by-default", "too_many_failures", "ten failures before", wait=6, world="requests",
             before=["limits-wrong-by-default"] * 10, control="limits-nine-by-default")
    wrong("limits-wrong-without", world="requests-without-limits")
    fine("limits-hundred-without", world="requests-without-limits", before=["limits-wrong-without"] * 100)


def requests() -> None:
    """Too many."""
    begin("limits")
    for part in (_failures, _peers, _ways, _refusals, _worlds):
        part()
