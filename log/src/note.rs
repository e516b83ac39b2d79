//! Signed notes (C2SP signed-note) with Ed25519, and checkpoints (C2SP tlog-checkpoint): the origin of a log, its size and
//! its root, signed.

use std::fmt;

use base64_simd::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::{self, Hash, PrivateKey, sha256};

/// The type of signature, as it goes into the key's id.
const ED25519: u8 = 1;

/// A key that signs notes, and its name.
pub(crate) struct Signer {
    name: String,
    key: PrivateKey,
    verifier: Verifier,
}

impl Signer {
    /// A new key with the name `name`; none where there is no randomness, or where the name is none.
    pub(crate) fn generate(name: &str) -> Option<Self> {
        Self::new(name, PrivateKey::generate()?)
    }

    fn new(name: &str, key: PrivateKey) -> Option<Self> {
        let verifier = Verifier::new(name, key.public())?;
        Some(Self { name: name.to_owned(), key, verifier })
    }

    /// Reads what [`text`](Self::text) writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim_end_matches('\n').strip_prefix("PRIVATE+KEY+")?.split_once('+')?;
        let (id, encoded) = rest.split_once('+')?;
        let decoded = Zeroizing::new(STANDARD.decode_to_vec(encoded).ok()?);
        let (kind, seed) = decoded.split_first()?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
        let signer = Self::new(name, PrivateKey::from_seed(seed)?)?;
        (*kind == ED25519 && id == hexadecimal(&signer.verifier.id)).then_some(signer)
    }

    /// The key in the form of Go's sumdb: a secret.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let mut octets = Zeroizing::new([ED25519; 33]);
        if let Some((_, seed)) = octets.split_first_mut() {
            seed.copy_from_slice(self.key.seed());
        }
        let mut text = Zeroizing::new(String::with_capacity(self.name.len() + 80));
        text.push_str("PRIVATE+KEY+");
        text.push_str(&self.name);
        text.push('+');
        text.push_str(&hexadecimal(&self.verifier.id));
        text.push('+');
        STANDARD.encode_append(octets.as_slice(), &mut *text);
        text.push('\n');
        text
    }

    /// The same key under the name of one log below.
    pub(crate) fn below(&self, log: &str) -> Option<Self> {
        Self::new(&format!("{}/{log}", self.name), PrivateKey::from_seed(Zeroizing::new(*self.key.seed()))?)
    }

    pub(crate) const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A secret for another purpose, that follows from the key and does not lead back to it.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<Hash> {
        Zeroizing::new(sha256(&[b"idjag ", purpose.as_bytes(), &[0], self.key.seed()]))
    }

    /// `text`, which ends with a newline, as a note.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut signature = Vec::with_capacity(68);
        signature.extend_from_slice(&self.verifier.id);
        signature.extend_from_slice(&self.key.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {} {}\n", self.name, STANDARD.encode_to_string(&signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A key that verifies notes, and its name: the `vkey` of C2SP signed-note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl Verifier {
    fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        let refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.contains(refused) {
            return None;
        }
        let hash = sha256(&[name.as_bytes(), b"\n", &[ED25519], &public]);
        Some(Self { name: name.to_owned(), id: hash.first_chunk().copied().unwrap_or_default(), public })
    }

    /// Reads `name+id+key`; none where it is not of this form, or the id is another key's.
    pub fn parse(vkey: &str) -> Option<Self> {
        let (name, rest) = vkey.trim_end_matches('\n').split_once('+')?;
        let (id, encoded) = rest.split_once('+')?;
        let decoded = STANDARD.decode_to_vec(encoded).ok()?;
        let (kind, public) = decoded.split_first()?;
        let verifier = Self::new(name, public.try_into().ok()?)?;
        (*kind == ED25519 && id == hexadecimal(&verifier.id)).then_some(verifier)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key under the name of one log below, or itself where its name is the log's already.
    #[must_use]
    pub fn below(&self, log: &str) -> Self {
        if self.name.rsplit_once('/').is_some_and(|(_, last)| last == log) {
            return self.clone();
        }
        Self::new(&format!("{}/{log}", self.name), self.public).unwrap_or_else(|| self.clone())
    }

    /// The text of a note that this key signed; signatures of other keys are passed over.
    pub(crate) fn open<'n>(&self, note: &'n str) -> Option<&'n str> {
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return None;
        }
        let at = note.rfind("\n\n")?;
        let (text, signatures) = (note.get(..=at)?, note.get(at + 2..)?);
        let mut signed = false;
        for line in signatures.strip_suffix('\n')?.split('\n') {
            let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let decoded = STANDARD.decode_to_vec(encoded).ok()?;
            let (id, signature) = decoded.split_first_chunk::<4>()?;
            if name == self.name && *id == self.id {
                // One that fails speaks against the whole note.
                signed = crypto::verify(&self.public, text.as_bytes(), signature);
                if !signed {
                    return None;
                }
            }
        }
        signed.then_some(text)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = [ED25519; 33];
        if let Some((_, public)) = octets.split_first_mut() {
            public.copy_from_slice(&self.public);
        }
        write!(f, "{}+{}+{}", self.name, hexadecimal(&self.id), STANDARD.encode_to_string(octets))
    }
}

/// What a log commits itself to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

impl Checkpoint {
    /// The checkpoint as a note.
    pub(crate) fn sign(&self, signer: &Signer) -> String {
        let root = STANDARD.encode_to_string(self.root);
        signer.sign(&format!("{}\n{}\n{root}\n", self.origin, self.size))
    }

    /// The checkpoint in a note that `verifier` signed, of the log that has its name.
    pub(crate) fn open(note: &str, verifier: &Verifier) -> Option<Self> {
        let mut lines = verifier.open(note)?.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let size = size.parse::<u64>().ok().filter(|number| number.to_string() == size)?;
        let root = STANDARD.decode_to_vec(root).ok()?.try_into().ok()?;
        (origin == verifier.name).then(|| Self { origin: origin.to_owned(), size, root })
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

    use super::*;

    const NAME: &str = "auth.chat.example/audit";

    #[test]
    fn another_library_opens_our_notes_and_we_open_its() {
        let signer = Signer::generate(NAME).unwrap();
        let vkey = signer.verifier().to_string();
        let theirs = || StandardVerifier::new(&vkey).unwrap();
        let note = signer.sign("a text\nof two lines\n");
        let read = Note::from_bytes(note.as_bytes()).unwrap();
        let list = VerifierList::new(vec![Box::new(theirs())]);
        assert_eq!(read.verify(&list).unwrap().0.len(), 1);
        assert_eq!(signer.verifier().open(&note), Some("a text\nof two lines\n"));

        let key = signer.text();
        let mut written = Note::new(b"their text\n", &[]).unwrap();
        written.add_sigs(&[&StandardSigner::new(key.trim_end()).unwrap()]).unwrap();
        let written = String::from_utf8(written.to_bytes()).unwrap();
        assert_eq!(signer.verifier().open(&written), Some("their text\n"));
    }

    #[test]
    fn keys_have_one_spelling() {
        let signer = Signer::generate(NAME).unwrap();
        let text = signer.text();
        assert_eq!(Signer::parse(&text).unwrap().verifier(), signer.verifier());
        let vkey = signer.verifier().to_string();
        assert_eq!(Verifier::parse(&vkey).as_ref(), Some(signer.verifier()));
        // The vector of the specification's page on vkeys has this form, too.
        for wrong in [
            "",
            "a",
            "a+b",
            "a b+00000000+AQ==",
            &vkey.replace(NAME, "other.example"),
            vkey.trim_start_matches('a'),
        ] {
            assert_eq!(Verifier::parse(wrong), None, "{wrong}");
        }
        assert!(Signer::generate("a b").is_none() && Signer::generate("").is_none());
    }

    #[test]
    fn a_checkpoint_is_of_one_log_and_signed_by_its_key() {
        let folder = Signer::generate(NAME).unwrap();
        let signer = folder.below("0").unwrap();
        let verifier = folder.verifier().below("0");
        assert_eq!((&verifier, verifier.below("0").name()), (signer.verifier(), "auth.chat.example/audit/0"));
        let checkpoint = Checkpoint { origin: format!("{NAME}/0"), size: 7, root: [9; 32] };
        let note = checkpoint.sign(&signer);
        assert_eq!(Checkpoint::open(&note, &verifier), Some(checkpoint.clone()));
        assert_eq!(Checkpoint::open(&note, &folder.verifier().below("1")), None);
        assert_eq!(Checkpoint::open(&note, &Signer::generate(NAME).unwrap().verifier().below("0")), None);
        for (from, to) in [("\n7\n", "\n8\n"), ("\n7\n", "\n07\n"), ("/0\n", "/1\n"), ("\n\n", "\n")] {
            assert_eq!(Checkpoint::open(&note.replacen(from, to, 1), &verifier), None, "{from:?}");
        }
        let elsewhere = Checkpoint { origin: format!("{NAME}/1"), ..checkpoint }.sign(&signer);
        assert_eq!(Checkpoint::open(&elsewhere, &verifier), None, "another log's origin");
        // A witness may add its own signature.
        let cosigned = format!("{note}\u{2014} witness.example AAAAAAAA\n");
        assert!(Checkpoint::open(&cosigned, &verifier).is_some());
    }
}
