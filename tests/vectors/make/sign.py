"""Signing: by PyJWT, joserfc and Node's jose, and by hand where no library will.

RS256 and EdDSA signatures are deterministic. ECDSA and PSS draw randomness, so a signature that already stands in
the table is used again as long as it is over the same bytes and by the same key.
"""

import functools
import hashlib
import hmac
import json
import pathlib
import subprocess
import warnings

import joserfc
import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from joserfc import jws as joserfc_jws
from joserfc.jwk import import_key

import keys
from keys import b64u, jwk, private_key, unb64u

HERE = pathlib.Path(__file__).resolve().parent
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
BY_HAND = "by hand"

# signing input -> [(made_by, signature)], out of the table as it was before this run.
_known: dict[str, list[tuple[str, str]]] = {}
# name of a case -> its token, out of the same table.
_by_name: dict[str, str] = {}


def remember(name: str, made_by: str, token: str) -> None:
    """A token of the old table, whose signature may be used again."""
    _by_name[name] = token
    signing_input, _, signature = token.rpartition(".")
    _known.setdefault(signing_input, []).append((made_by, signature))


def kept(signing_input: str, name: str) -> str | None:
    """The old token of the case `name`, if it is over the same bytes: for signatures that do not verify."""
    token = _by_name.get(name, "")
    return token if token.startswith(signing_input) else None


def compact(value) -> str:
    """JSON without spaces, members in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@functools.cache
def _jose_process():
    package = json.loads((HERE / "package.json").read_text())
    process = subprocess.Popen(
        ["node", str(HERE / "make.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, f"jose (Node) {package['dependencies']['jose']}"


def _with_pyjwt(header, payload, key):
    algorithm = jwt.get_algorithm_by_name(header["alg"])
    material = algorithm.from_jwk(key) if key["kty"] != "oct" else unb64u(key["k"])
    # Left out, `typ` would become "JWT".
    headers = {"typ": None, **header}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        claims = json.loads(payload)
        if compact(claims) == payload:
            return jwt.encode(claims, material, header["alg"], headers)
        return jwt.api_jws.PyJWS().encode(payload.encode(), material, header["alg"], headers)


def _with_joserfc(header, payload, key):
    registry = joserfc_jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return joserfc_jws.serialize_compact(
            header, payload.encode(), import_key({k: v for k, v in key.items() if k != "use"}),
            registry=registry,
        )


def _with_jose(header, payload, key):
    process, _ = _jose_process()
    process.stdin.write(json.dumps({"header": header, "payload": payload, "key": key}) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    if isinstance(answer, dict):
        raise ValueError(answer["error"])
    return answer


LIBRARIES = {
    "pyjwt": (f"PyJWT {jwt.__version__}", _with_pyjwt, "RS256"),
    "joserfc": (f"joserfc {joserfc.__version__}", _with_joserfc, "ES256"),
    "jose": (None, _with_jose, "EdDSA"),
}


def library_name(library: str) -> str:
    """The library and its version, as `made_by` says it."""
    return LIBRARIES[library][0] or _jose_process()[1]


def by_library(library: str, header: dict, payload: str, key_name: str) -> str:
    """A compact JWS made by one of the libraries; raises what it raises."""
    made_by = library_name(library)
    token = LIBRARIES[library][1](header, payload, jwk(key_name))
    return _again(made_by, token, header["alg"], key_name)


def by_hand(header: str | bytes, payload: str | bytes, alg: str, key_name: str) -> str:
    """A compact JWS over exactly these bytes; `alg` says how it is signed, whatever the header says."""
    header = header.encode() if isinstance(header, str) else header
    payload = payload.encode() if isinstance(payload, str) else payload
    signing_input = f"{b64u(header)}.{b64u(payload)}"
    token = f"{signing_input}.{b64u(signature(signing_input.encode(), alg, private_key(key_name)))}"
    return _again(BY_HAND, token, alg, key_name)


def signature(data: bytes, alg: str, key) -> bytes:
    """The signature of RFC 7518 section 3 over `data`."""
    if isinstance(key, bytes):
        return hmac.new(key, data, {"256": "sha256", "384": "sha384", "512": "sha512"}[alg[2:]]).digest()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    digest = HASHES[alg[2:]]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if alg.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def raw_rsa(message: int, key_name: str) -> bytes:
    """The RSA operation alone, for padding that no library would sign."""
    key = jwk(key_name)
    n, d = (int.from_bytes(unb64u(key[m]), "big") for m in ("n", "d"))
    return pow(message, d, n).to_bytes((n.bit_length() + 7) // 8, "big")


def _again(made_by, token, alg, key_name):
    signing_input = token.rpartition(".")[0]
    for known_by, known in _known.get(signing_input, []):
        if known_by == made_by and _verifies(signing_input.encode(), known, alg, key_name):
            return f"{signing_input}.{known}"
    return token


def _verifies(data, text, alg, key_name):
    key = private_key(key_name)
    if isinstance(key, bytes):
        return True
    key, sig = key.public_key(), unb64u(text)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(sig, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            r, s = (int.from_bytes(part, "big") for part in (sig[: len(sig) // 2], sig[len(sig) // 2 :]))
            key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(HASHES[alg[2:]]()))
        elif isinstance(key, rsa.RSAPublicKey):
            digest = HASHES[alg[2:]]()
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            key.verify(sig, data, pss if alg.startswith("PS") else padding.PKCS1v15(), digest)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not used again
        return False
    return True


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()
