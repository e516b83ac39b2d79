//! The names in a client's certificate (RFC 8705 section 2.1, RFC 5280 sections 4.1.2.6 and 4.2.1.6).
//!
//! Only names are read. Chain, validity and revocation are checked by whoever ended the TLS connection, before the
//! certificate is handed over; nothing here is a reason to trust one.

use std::fmt;
use std::str::FromStr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

/// Bytes of a certificate, at most.
const MAX_BYTES: usize = 16_384;

/// Bytes of a distinguished name that is written down, at most.
const MAX_NAME: usize = 1024;

/// A distinguished name, read from its string form (RFC 4514).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DistinguishedName(RdnSequence);

impl DistinguishedName {
    /// `None`: the text is not of that form, or is empty. Types are short names or numbers, values are escaped or DER in
    /// hexadecimal after a `#`; no spaces around separators.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The reader takes what follows three backslashes for a separator, where it is an escaped character.
        if text.len() > MAX_NAME || text.contains(r"\\\") {
            return None;
        }
        RdnSequence::from_str(text).ok().map(Self)
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Whether `text` can be the value of a `dNSName`: labels of letters, digits, hyphens and underscores. A wildcard is none.
pub(crate) fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A certificate that was read.
pub(crate) struct Certificate(x509_cert::Certificate);

impl Certificate {
    /// Reads one certificate in DER. `None`: it is none, something follows it, or it is longer than 16 KiB. Linear in its
    /// length.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        if der.len() > MAX_BYTES {
            return None;
        }
        x509_cert::Certificate::from_der(der).ok().map(Self)
    }

    /// Whether the subject is `name`: the same types and values in the same order, values compared to the byte whatever
    /// their kind of string is.
    pub(crate) fn has_subject(&self, name: &DistinguishedName) -> bool {
        let subject: &RdnSequence = self.0.tbs_certificate().subject().as_ref();
        subject.len() == name.0.len()
            && subject.iter().zip(name.0.iter()).all(|(ours, theirs)| same(ours, theirs))
    }

    /// Whether `name` is a `dNSName` of the subject's alternative names: ASCII in either case, nothing expanded. The common
    /// name is not looked at.
    pub(crate) fn has_dns_name(&self, name: &str) -> bool {
        // Two extensions of that kind, or one that cannot be read, are no extension.
        let Ok(Some((_, names))) = self.0.tbs_certificate().get_extension::<SubjectAltName>() else {
            return false;
        };
        names.0.iter().any(|known| match known {
            GeneralName::DnsName(known) => known.as_str().eq_ignore_ascii_case(name),
            _ => false,
        })
    }
}

/// Whether two sets of attributes are equal.
fn same(one: &RelativeDistinguishedName, other: &RelativeDistinguishedName) -> bool {
    let within = |one: &RelativeDistinguishedName, other: &RelativeDistinguishedName| {
        one.iter().all(|attribute| other.iter().any(|known| equal(attribute, known)))
    };
    one.len() == other.len() && within(one, other) && within(other, one)
}

fn equal(one: &AttributeTypeAndValue, other: &AttributeTypeAndValue) -> bool {
    one.oid == other.oid
        && (one.value == other.value || text(one).is_some_and(|ours| text(other) == Some(ours)))
}

/// The value, where it is text that compares by its bytes.
fn text(attribute: &AttributeTypeAndValue) -> Option<&[u8]> {
    let bytes = attribute.value.value();
    match attribute.value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => Some(bytes),
        // Beyond ASCII its bytes mean something else.
        Tag::TeletexString => Some(bytes).filter(|bytes| bytes.is_ascii()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Self-signed with Ed25519: C=US, O=Acme (as UTF8String), CN=`client, of "acme"`; DNS names client.acme.example and
    /// *.wild.example.
    const CERTIFICATE: &str = "\
        MIIBUTCCAQOgAwIBAgIBATAFBgMrZXAwODELMAkGA1UEBhMCVVMxDTALBgNVBAoMBEFjbWUxGjAYBgNVBAMMEWNsaWVudCwgb2Yg\
        ImFjbWUiMB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowODELMAkGA1UEBhMCVVMxDTALBgNVBAoMBEFjbWUxGjAYBgNV\
        BAMMEWNsaWVudCwgb2YgImFjbWUiMCowBQYDK2VwAyEAJIQc9XEW6z71af1ehXZQJfzMBEKv4B2IUW6aP0lgM02jMjAwMC4GA1Ud\
        EQQnMCWCE2NsaWVudC5hY21lLmV4YW1wbGWCDioud2lsZC5leGFtcGxlMAUGAytlcANBAHRQ9PuoSxyGqHOEO9ooyVF1aHSapdbX\
        nsjWV2dkE79/MuGEuTUpDufAI8iGE/qvdEf498jpg5dI1n9RvvkgpAo=";

    fn bytes() -> Vec<u8> {
        base64_simd::STANDARD.decode_to_vec(CERTIFICATE).unwrap()
    }

    #[test]
    fn the_subject_is_compared_as_a_whole() {
        let certificate = Certificate::read(&bytes()).unwrap();
        let is = |name: &str| certificate.has_subject(&DistinguishedName::parse(name).unwrap());
        for good in [
            r#"CN=client\, of \"acme\",O=Acme,C=US"#,
            r#"cn=client\, of \"acme\",o=Acme,2.5.4.6=US"#,
            r"CN=client\2c of \22acme\22,O=\41cme,C=US",
            r#"CN=client\, of \"acme\",O=#0c0441636d65,C=US"#,
        ] {
            assert!(is(good), "{good}");
        }
        for bad in [
            r#"C=US,O=Acme,CN=client\, of \"acme\""#,
            r#"CN=client\, of \"acme\",O=Acme"#,
            r#"CN=client\, of \"acme\",O=acme,C=US"#,
            r#"CN=client\, of \"acme\",O=Acme,C=DE"#,
            r#"CN=client\, of \"acme\"+O=Acme,C=US"#,
            r#"CN=client\, of \"acme\",OU=Acme,C=US"#,
            r#"CN=client\, of \"acme\",O=Acme,C=US,DC=example"#,
            r#"CN=client\, of \"acme\",O=#130541636d6565,C=US"#,
            "CN=client",
        ] {
            assert!(!is(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_not_taken() {
        let long = format!("CN={}", "x".repeat(1024));
        for text in [
            "",
            "acme",
            "CN",
            "CN=a,",
            "CN=a, O=b",
            "X-UNKNOWN=a",
            r"CN=a\zz",
            r"CN=a\\\,O=b",
            "CN=#zz",
            &long,
        ] {
            assert!(DistinguishedName::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", DistinguishedName::parse("cn=a,o=b").unwrap()), "CN=a,O=b");
    }

    #[test]
    fn a_dns_name_is_one_of_the_alternative_names() {
        let certificate = Certificate::read(&bytes()).unwrap();
        for (name, found) in [
            ("client.acme.example", true),
            ("CLIENT.acme.EXAMPLE", true),
            ("client.acme.example.", false),
            ("acme.example", false),
            ("one.wild.example", false),
            ("wild.example", false),
            ("client, of \"acme\"", false),
            ("", false),
        ] {
            assert_eq!(certificate.has_dns_name(name), found, "{name}");
        }
    }

    #[test]
    fn what_is_written_down_is_a_name_and_no_pattern() {
        for good in ["client.example", "localhost", "a-b.c_d.example", "1.example"] {
            assert!(is_dns_name(good), "{good}");
        }
        let long = format!("{}.example", "x".repeat(64));
        for bad in
            ["", ".", "a..b", "a.", "*.example", "a b", "bücher.example", "a.example:443", "https://a", &long]
        {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        let good = bytes();
        for at in 0..good.len() {
            assert!(Certificate::read(&good[..at]).is_none(), "cut at {at}");
        }
        assert!(Certificate::read(&[&good[..], b"\0"].concat()).is_none());
        assert!(Certificate::read(&[&good[..], &good].concat()).is_none());
        assert!(Certificate::read(&vec![0x30; MAX_BYTES + 1]).is_none());
        let name = DistinguishedName::parse("CN=client").unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                // Whatever it is then, it is read or not, and never a panic.
                if let Some(certificate) = Certificate::read(&changed) {
                    assert!(!certificate.has_subject(&name));
                    _ = certificate.has_dns_name("client.acme.example");
                }
            }
        }
    }
}
