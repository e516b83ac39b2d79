"""`tls_client_auth` (RFC 8705 section 2.1): names in a certificate whose chain somebody else has checked.

The certificates are test certificates. Nobody looks at who signed them, so the client's own key does, which draws no
randomness.
"""

import datetime

import endpoint
import keys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from endpoint import FORM, basic, invalid_client, token, usual

WORLD = "requests-tls"
SUBJECT = [("C", "US"), ("O", "Acme, Inc."), ("CN", "client-tls-dn")]
HOST = "client.acme.example"
OIDS = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}


def name(pairs) -> x509.Name:
    """A name; a third element is the kind of string."""
    return x509.Name([x509.NameAttribute(OIDS[kind], value, *more) for kind, value, *more in pairs])


def certificate(subject=SUBJECT, names=(), until=datetime.datetime(2036, 1, 1)) -> bytes:
    """A certificate in DER."""
    key = keys.private_key("client-rs256")
    builder = (
        x509.CertificateBuilder().subject_name(subject if isinstance(subject, x509.Name) else name(subject))
        .issuer_name(name([("O", "Acme, Inc."), ("CN", "Test CA")])).public_key(key.public_key()).serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1)).not_valid_after(until)
    )
    if names:
        names = [x509.DNSName(n) if isinstance(n, str) else n for n in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def requests() -> None:
    """By distinguished name, by DNS name."""
    endpoint.begin("tls")
    origin = "RFC 8705 section 2.1.2"

    def sent(client_id, der, **rest):
        shown = {} if der is None else {"certificate_der": keys.b64u(der)}
        return {"world": WORLD, "headers": [FORM], "body": usual(("client_id", client_id), client_id=client_id), **shown, **rest}

    def refused(name, der, slug, differs, *, client_id, control, why=origin):
        invalid_client(name, why, slug, differs, **sent(client_id, der, control=control))

    by_name = {"client_id": "client-tls-dn", "control": "tls-dn"}
    good = certificate()
    token("tls-dn", origin, **sent("client-tls-dn", good))
    token("tls-dn-of-another-kind-of-string", "RFC 5280 section 7.1",
          **sent("client-tls-dn", certificate([("C", "US"), ("O", "Acme, Inc.", _ASN1Type.PrintableString), SUBJECT[2]])))
    token("tls-dn-and-alternative-names", origin, **sent("client-tls-dn", certificate(names=[HOST])))
    # What the host lets through has been checked: that is why this one is taken.
    token("tls-dn-expired", "RFC 8705 section 2.1: the chain is the host's to check", **sent("client-tls-dn", certificate(until=datetime.datetime(2026, 2, 1))))
    another = "another subject"
    for case, subject in (
        ("another-cn", [*SUBJECT[:2], ("CN", "client-tls-another")]), ("cn-in-capitals", [*SUBJECT[:2], ("CN", "CLIENT-TLS-DN")]),
        ("cn-longer", [*SUBJECT[:2], ("CN", "client-tls-dn2")]), ("another-order", list(reversed(SUBJECT))),
        ("one-less", SUBJECT[1:]), ("one-more", [*SUBJECT, ("OU", "Chat")]), ("one-more-in-front", [("OU", "Chat"), *SUBJECT]),
        ("cn-alone", SUBJECT[2:]), ("empty", []), ("escapes-in-the-value", [("O", "Acme\\, Inc.,C=US"), ("CN", "client-tls-dn")]),
        ("all-in-one-value", [("CN", "client-tls-dn,O=Acme\\, Inc.,C=US")]),
        ("several-values-in-one", x509.Name([x509.RelativeDistinguishedName(
            [x509.NameAttribute(OIDS[kind], value) for kind, value in SUBJECT])])),
        ("of-the-issuer", [("O", "Acme, Inc."), ("CN", "Test CA")]),
        ("in-bmp-string", [("C", "US"), ("O", "Acme, Inc."), ("CN", "client-tls-dn", _ASN1Type.BMPString)]),
    ):
        refused(f"tls-dn-{case}", certificate(subject), "client_certificate_unknown", another, **by_name)
    refused("tls-dn-in-the-alternative-names", certificate([("CN", "x")], [x509.DirectoryName(name(SUBJECT))]),
            "client_certificate_unknown", "the name is an alternative name", **by_name)
    refused("tls-dn-no-certificate", None, "client_certificate_missing", "no certificate", **by_name)

    by_host = {"client_id": "client-tls-san", "control": "tls-san"}
    token("tls-san", origin, **sent("client-tls-san", certificate(names=[HOST])))
    token("tls-san-among-others", origin, **sent("client-tls-san", certificate(names=[
        "another.example", x509.UniformResourceIdentifier("https://acme.example/"), HOST.upper()])))
    for case, names in (
        ("another", ["another.acme.example"]), ("wildcard", ["*.acme.example"]), ("with-a-dot-behind", [HOST + "."]),
        ("parent", ["acme.example"]), ("child", [f"x.{HOST}"]), ("with-a-nul", [HOST + "\0.attacker.example"]),
        ("as-a-uri", [x509.UniformResourceIdentifier(HOST)]), ("as-an-address", [x509.RFC822Name(HOST)]),
        ("as-a-name", [x509.DirectoryName(name([("CN", HOST)]))]), ("none", []),
    ):
        refused(f"tls-san-{case}", certificate(names=names), "client_certificate_unknown", "the alternative names", **by_host)
    refused("tls-san-in-the-common-name-only", certificate([("CN", HOST)]), "client_certificate_unknown",
            "the name is the common name", why="RFC 9525 section 6.4.4", **by_host)
    refused("tls-san-of-the-other-client", good, "client_certificate_unknown",
            "a certificate with the subject of another client", **by_host)

    malformed = "client_certificate_malformed"
    for case, der in (
        ("empty", b""), ("garbage", b"garbage"), ("pem", b"-----BEGIN CERTIFICATE-----\n"), ("cut-short", good[:-1]),
        ("bytes-behind", good + b"\0"), ("two", good + good), ("inner-part", good[4:]),
        ("length-of-4-gib", b"\x30\x84\xff\xff\xff\xff"), ("indefinite-length", b"\x30\x80" + good[4:] + b"\0\0"),
        ("nested", b"\x30\x80" * 8000), ("17-kib", b"\x30\x82\x44\x00" + b"\0" * 17408),
    ):
        refused(f"tls-certificate-{case}", der, malformed, "no certificate in DER", **by_name)
    invalid_client("tls-dn-with-basic", "interfaces: one way for each client", "client_auth_method_mismatch", "a secret beside",
                   basic_tried=True, **{**sent("client-tls-dn", good, control="tls-dn"), "headers": [FORM, basic("client-tls-dn", "x")]})
    token("tls-certificate-of-a-client-with-a-secret", "RFC 8705 section 2", world=WORLD, certificate_der=keys.b64u(good))
    invalid_client("tls-certificate-instead-of-a-secret", "interfaces: one way for each client", "client_auth_missing",
                   "a certificate in place of the secret", world=WORLD, headers=[FORM], certificate_der=keys.b64u(good),
                   control="tls-certificate-of-a-client-with-a-secret", body=usual(("client_id", endpoint.CLIENT)))
