"""The test keys: made once, kept in ../keys, public in every sense. Never use one for anything else.

A key file holds one JWK with its private members; its `kid` begins with `test-`.
"""

import base64
import json
import math
import pathlib
import secrets

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

KEYS = pathlib.Path(__file__).resolve().parent.parent / "keys"

PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "k")

# Name of the file and of the `kid` (behind `test-`): what to make.
RECIPES = {
    "acme-rs256": ("RSA", 2048, {"alg": "RS256"}),
    "acme-ps256": ("RSA", 2048, {"alg": "PS256"}),
    "acme-es256": ("EC", "P-256", {"alg": "ES256"}),
    "acme-ed25519": ("OKP", "Ed25519", {"alg": "EdDSA"}),
    "acme-rsa-one": ("RSA", 2048, {}),
    "acme-rsa-two": ("RSA", 3072, {}),
    "acme-es256-two": ("EC", "P-256", {}),
    "acme-es384": ("EC", "P-384", {}),
    "acme-es512": ("EC", "P-521", {}),
    "acme-ed25519-two": ("OKP", "Ed25519", {}),
    "globex-rs256": ("RSA", 2048, {"alg": "RS256"}),
    "globex-es256": ("EC", "P-256", {"alg": "ES256"}),
    "client-rs256": ("RSA", 2048, {"alg": "RS256"}),
    "dpop-ed25519": ("OKP", "Ed25519", {"alg": "EdDSA"}),
    "attacker-rs256": ("RSA", 2048, {"alg": "RS256"}),
    "attacker-es256": ("EC", "P-256", {"alg": "ES256"}),
    "attacker-ed25519": ("OKP", "Ed25519", {"alg": "EdDSA"}),
    "weak-rsa-1024": ("RSA", 1024, {"alg": "RS256"}),
    "weak-rsa-roca": ("ROCA", 2048, {"alg": "RS256"}),
    "token-ed25519": ("OKP", "Ed25519", {"alg": "EdDSA"}),
    "token-ed25519-next": ("OKP", "Ed25519", {"alg": "EdDSA"}),
    "token-es256": ("EC", "P-256", {"alg": "ES256"}),
    "token-rs256": ("RSA", 2048, {"alg": "RS256"}),
    "token-hs256": ("oct", 32, {"alg": "HS256"}),
}

CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text: str) -> bytes:
    """The way back."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def uint(number: int, size: int | None = None) -> str:
    """A Base64urlUInt (RFC 7518 section 2)."""
    return b64u(number.to_bytes(size or max(1, (number.bit_length() + 7) // 8), "big"))


def jwk(name: str) -> dict:
    """The private JWK `name`, made if it is not there yet."""
    path = KEYS / f"{name}.jwk"
    if not path.exists():
        kty, size, members = RECIPES[name]
        key = {"kid": f"test-{name}", "use": "sig", **members, **MAKERS[kty](size)}
        path.write_text(json.dumps(key, indent=2) + "\n")
    return json.loads(path.read_text())


def public(name: str, **edits) -> dict:
    """The public half of `name`; an edit of None takes the member away."""
    members = {k: v for k, v in jwk(name).items() if k not in PRIVATE_MEMBERS}
    members.update(edits)
    return {k: v for k, v in members.items() if v is not None}


def private_key(name: str):
    """`name` as an object of pyca/cryptography (bytes for a secret)."""
    key = jwk(name)

    def number(member):
        return int.from_bytes(unb64u(key[member]), "big")

    if key["kty"] == "RSA":
        numbers = rsa.RSAPublicNumbers(number("e"), number("n"))
        return rsa.RSAPrivateNumbers(
            *(number(m) for m in ("p", "q", "d", "dp", "dq", "qi")), numbers
        ).private_key(unsafe_skip_rsa_key_validation=True)
    if key["kty"] == "EC":
        return ec.derive_private_key(number("d"), CURVES[key["crv"]])
    if key["kty"] == "OKP":
        return ed25519.Ed25519PrivateKey.from_private_bytes(unb64u(key["d"]))
    return unb64u(key["k"])


def _rsa_members(n, e, d, p, q):
    return {
        "kty": "RSA", "n": uint(n), "e": uint(e), "d": uint(d), "p": uint(p), "q": uint(q),
        "dp": uint(d % (p - 1)), "dq": uint(d % (q - 1)), "qi": uint(pow(q, -1, p)),
    }


def _rsa(bits):
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=bits).private_numbers()
    return _rsa_members(
        numbers.public_numbers.n, numbers.public_numbers.e, numbers.d, numbers.p, numbers.q
    )


def _roca(bits):
    """Primes of the shape k * M + (65537 ** a mod M), M the product of the first primes (CVE-2017-15361)."""
    primes = [n for n in range(2, 702) if all(n % d for d in range(2, math.isqrt(n) + 1))][:126]
    product = math.prod(primes)

    def prime():
        while True:
            start = pow(65537, secrets.randbits(256), product)
            k = secrets.randbits(bits // 2 - product.bit_length())
            candidate = k * product + start
            if candidate.bit_length() == bits // 2 and candidate >> (bits // 2 - 2) == 3 \
                    and all(pow(b, candidate - 1, candidate) == 1 for b in (2, 3, 5, 7, 11, 13)):
                return candidate

    while True:
        p, q = prime(), prime()
        totient = (p - 1) * (q - 1)
        if p != q and math.gcd(65537, totient) == 1:
            return _rsa_members(p * q, 65537, pow(65537, -1, totient), p, q)


def _ec(curve):
    numbers = ec.generate_private_key(CURVES[curve]).private_numbers()
    size = (CURVES[curve].key_size + 7) // 8
    return {
        "kty": "EC", "crv": curve, "x": uint(numbers.public_numbers.x, size),
        "y": uint(numbers.public_numbers.y, size), "d": uint(numbers.private_value, size),
    }


def _okp(curve):
    key = ed25519.Ed25519PrivateKey.generate()
    return {
        "kty": "OKP", "crv": curve, "x": b64u(key.public_key().public_bytes_raw()),
        "d": b64u(key.private_bytes_raw()),
    }


def _oct(size):
    return {"kty": "oct", "k": b64u(secrets.token_bytes(size))}


MAKERS = {"RSA": _rsa, "ROCA": _roca, "EC": _ec, "OKP": _okp, "oct": _oct}
