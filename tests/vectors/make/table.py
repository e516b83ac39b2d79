"""The table: what a case is made of, and the files that it is written to."""

import json
import pathlib
import zlib

import keys
import sign
from names import ACME, CHAT, CLIENT, EXP, IAT, ISSUER, JTI, NOW, SUB, TYP

VECTORS = pathlib.Path(__file__).resolve().parent.parent
DROP = object()

ERRORS = {
    "invalid_client": (401, ["client_unknown", "client_disabled"]),
    "unauthorized_client": (400, ["client_connector_not_allowed"]),
    "access_denied": (
        400,
        ["connector_not_enabled", "subject_unknown", "subject_disabled", "groups_overage",
         "group_required", "scope_not_granted"],
    ),
    "invalid_scope": (400, ["scope_request_malformed", "scope_not_available"]),
    "invalid_target": (
        400, ["resource_request_malformed", "resource_not_in_assertion", "resource_missing"]
    ),
    "temporarily_unavailable": (503, ["keys_unavailable", "replay_unavailable"]),
}
STATUS = {"invalid_grant": 400, **{error: status for error, (status, _) in ERRORS.items()}}

# The granted case that a refusal stands beside when it names none.
CONTROLS = {
    "RS256": "granted-rs256", "PS256": "granted-ps256", "ES256": "granted-es256", "EdDSA": "granted-eddsa",
}
KEY_OF = {
    "RS256": "acme-rs256", "PS256": "acme-ps256", "ES256": "acme-es256", "EdDSA": "acme-ed25519",
}

cases: dict[str, dict] = {}
files: dict[str, list[str]] = {}
_file: str | None = None


def noun(name: str) -> None:
    """The cases that follow are written to `cases/NAME.json`."""
    global _file
    _file = name
    files.setdefault(name, [])


def merged(base: dict, edits: dict | None) -> dict:
    """`base` with `edits`; an edit to DROP takes the member away."""
    out = {**base, **(edits or {})}
    return {k: v for k, v in out.items() if v is not DROP}


def claims(**edits) -> dict:
    """The claims of the usual ID-JAG."""
    return merged(
        {
            "iss": ACME, "sub": SUB, "aud": ISSUER, "client_id": CLIENT, "jti": JTI, "iat": IAT, "exp": EXP,
            "resource": CHAT, "scope": "chat.read", "groups": ["eng"],
        },
        edits,
    )


def header(alg: str, key: str, /, **edits) -> dict:
    """The header of the usual ID-JAG."""
    return merged({"kid": keys.jwk(key)["kid"], "typ": TYP, "alg": alg}, edits)


def token(name, *, claim=None, head=None, alg=None, key=None, by=None, payload=None, header_text=None):
    """A signed assertion and who made it.

    `claim` and `head` edit the usual ones; `payload` and `header_text` replace them byte for byte (then it is made by
    hand). `by` is a library or "hand"; without it the name of the case chooses the library, and where that one
    refuses to make such a token, the next.
    """
    order, refusal = list(sign.LIBRARIES), None
    if by is None or by not in order:
        # PyJWT gets more, because it refuses more and then hands on.
        start = (0, 0, 0, 0, 1, 1, 1, 2, 2, 2)[zlib.crc32(name.encode()) % 10]
        order = order[start:] + order[:start]
    else:
        order = [by]
    if alg is None:
        alg = "RS256" if by == "hand" or payload or header_text else sign.LIBRARIES[order[0]][2]
    key = key or KEY_OF[alg]
    head = header(alg, key, **(head or {}))
    text = payload if payload is not None else sign.compact(claims(**(claim or {})))
    if by == "hand" or payload is not None or header_text is not None:
        head = header_text if header_text is not None else sign.compact(head)
        return sign.by_hand(head, text, alg, key), sign.BY_HAND, alg
    for library in order:
        try:
            made = sign.by_library(library, head, text, key)
        except Exception as error:  # noqa: BLE001 - libraries refuse in many ways
            refusal = error
            continue
        if json.loads(keys.unb64u(made.split(".")[0])) == head:
            return made, sign.library_name(library), alg
    if by in sign.LIBRARIES:
        raise SystemExit(f"{name}: {by} does not make this token: {refusal}")
    return sign.by_hand(sign.compact(head), text, alg, key), sign.BY_HAND, alg


def granted(name, origin, *, scope="chat.read", resource=CHAT, out=None, **rest):
    """A case that is granted; `out` are members of the access token, None for those that must be absent."""
    _exchange(name, origin, {"granted": _present(scope=scope, resource=resource, claims=out)}, **rest)


def refused(name, origin, slug, differs, *, error=None, **rest):
    """A case that is refused; `slug` is a list where parsers may differ."""
    if error is None:
        one = slug if isinstance(slug, str) else slug[0]
        error = next((e for e, (_, slugs) in ERRORS.items() if one in slugs), "invalid_grant")
    expect = {"refused": {"slug": slug, "error": error, "status": STATUS[error]}}
    _exchange(name, origin, expect, differs=differs, refusal=True, **rest)


def _exchange(name, origin, expect, *, world="base", now=NOW, start=None, assertion=None, made_by=None,
              client_id=CLIENT, request_resource=None, request_scope=None, before=None, control=None,
              differs=None, refusal=False, **recipe):
    if assertion is None:
        assertion, made_by, alg = token(name, **recipe)
        control = control or CONTROLS.get(alg)
    elif recipe:
        raise SystemExit(f"{name}: both an assertion and a recipe")
    _add(name, _present(
        origin=origin, made_by=made_by or (None if isinstance(assertion, dict) else sign.BY_HAND), world=world,
        now=now, start=start, assertion=assertion, client_id=client_id, resource=request_resource,
        scope=request_scope, before=before,
        control=(control or "granted-rs256") if refusal else None, differs=differs, expect=expect,
    ))


def request(assertion, expect, *, client_id=CLIENT, now=None, resource=None, scope=None):
    """An entry of `before`: the same members as a case, `now` only where it differs."""
    if isinstance(expect, str):
        error = next((e for e, (_, slugs) in ERRORS.items() if expect in slugs), "invalid_grant")
        expect = {"refused": {"slug": expect, "error": error, "status": STATUS[error]}}
    return _present(assertion=assertion, now=now, client_id=client_id, resource=resource, scope=scope, expect=expect)


def granted_before(scope="chat.read", resource=CHAT):
    """The expectation of an earlier request that is granted."""
    return {"granted": {"scope": scope, "resource": resource}}


def valid(name, origin, *, token, out, **rest):
    """A case in which an access token is verified and valid; `out` is what is known of its bearer."""
    _verify(name, origin, {"valid": out}, token, **rest)


def invalid(name, origin, slug, differs, *, token, control, **rest):
    """A case in which an access token is verified and not valid."""
    _verify(name, origin, {"invalid": slug}, token, control=control, differs=differs, **rest)


def _verify(name, origin, expect, token, *, world="base", now=NOW, start=None, resource=CHAT, before=None,
            how=None, made_by=None, control=None, differs=None):
    _add(name, _present(
        origin=origin, made_by=made_by or (None if isinstance(token, dict) else sign.BY_HAND), world=world,
        now=now, start=start, verify={"token": token, "resource": resource, **(how or {})}, before=before,
        control=control, differs=differs, expect=expect,
    ))


def verification(token, expect, *, resource=CHAT, now=None, how=None):
    """An entry of `before` that verifies an access token. `how` is what it is presented with."""
    return _present(verify={"token": token, "resource": resource, **(how or {})}, now=now, expect=expect)


def text_of(name: str) -> str:
    """The assertion of an earlier case."""
    assertion = cases[name]["assertion"]
    return text_of(assertion["assertion_of"]) if isinstance(assertion, dict) else expand(assertion)


def of(name: str) -> dict:
    """The assertion of case `name`, by reference."""
    return {"assertion_of": name}


def expand(parts) -> str:
    """The text that a string or a list of parts stands for."""
    if isinstance(parts, str):
        return parts
    return "".join(_expand_part(part) for part in parts)


def _expand_part(part):
    if isinstance(part, str):
        return part
    if "repeat" in part:
        return part["repeat"] * part["times"]
    return keys.b64u(expand(part["base64url"]).encode())


def _present(**members):
    return {k: v for k, v in members.items() if v is not None}


def _add(name, case):
    if name in cases:
        raise SystemExit(f"{name}: twice")
    cases[name] = {"name": name, **case}
    files[_file].append(name)


def check() -> None:
    """What can be seen without running a case."""
    for name, case in cases.items():
        expect = case["expect"]
        if "refused" in expect or "invalid" in expect:
            control = cases.get(case["control"])
            wanted = "granted" if "refused" in expect else "valid"
            if control is None or wanted not in control["expect"]:
                raise SystemExit(f"{name}: the control `{case['control']}` is no {wanted} case")
            if not case.get("differs"):
                raise SystemExit(f"{name}: does not say what differs")
        world = VECTORS / "worlds" / f"{case['world']}.json"
        if not world.exists():
            raise SystemExit(f"{name}: no world `{case['world']}`")


def write() -> None:
    """Writes cases/*.json."""
    for file, names in files.items():
        path = VECTORS / "cases" / f"{file}.json"
        path.write_text(json.dumps([cases[name] for name in names], indent=2) + "\n")


def remember_old() -> None:
    """Reads the signatures of the table as it stands."""
    for path in sorted((VECTORS / "cases").glob("*.json")):
        for case in json.loads(path.read_text()):
            for text in (case.get("assertion"), case.get("verify", {}).get("token")):
                if isinstance(text, str) and "made_by" in case:
                    sign.remember(case["name"], case["made_by"], text)
