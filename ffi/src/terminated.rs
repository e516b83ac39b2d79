//! Texts as C wants them: a NUL behind each.

use std::ffi::{CStr, c_char};

/// A text with a NUL behind it.
#[derive(Clone, Copy)]
pub(crate) struct Terminated<'a>(&'a [u8]);

impl Terminated<'_> {
    /// Where it begins, and its length without the NUL.
    pub(crate) fn into_parts(self) -> (*const c_char, usize) {
        (self.0.as_ptr().cast(), self.0.len().saturating_sub(1))
    }
}

impl<'a> From<&'a CStr> for Terminated<'a> {
    fn from(text: &'a CStr) -> Self {
        Self(text.to_bytes_with_nul())
    }
}

/// Texts by their number, in one piece of memory.
pub(crate) struct Texts<Ends = Vec<usize>> {
    bytes: Vec<u8>,
    /// Behind the NUL of each.
    ends: Ends,
}

impl<const COUNT: usize> Texts<[usize; COUNT]> {
    /// Copies as many texts as there always are. Asks for memory once.
    pub(crate) fn fixed(texts: [&str; COUNT]) -> Self {
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + 1).sum());
        let ends = texts.map(|text| {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
            bytes.len()
        });
        Self { bytes, ends }
    }
}

impl Texts {
    /// Copies texts.
    pub(crate) fn of(texts: &[&str]) -> Self {
        Self::chained(texts, std::iter::empty())
    }

    /// Copies texts and more texts. Asks for memory twice, however many they are.
    pub(crate) fn chained<'a>(
        texts: &[&'a str],
        more: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> Self {
        let bytes: usize = texts.iter().copied().chain(more.clone()).map(|text| text.len() + 1).sum();
        let mut copies = Self::with_room(texts.len() + more.len(), bytes);
        for text in texts.iter().copied().chain(more) {
            copies.push(text.as_bytes());
        }
        copies
    }

    /// None yet, with room for `count` of them that are `bytes` long, their NULs included.
    pub(crate) fn with_room(count: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Copies one more.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        self.ends.push(self.bytes.len());
    }
}

impl<Ends: AsRef<[usize]>> Texts<Ends> {
    /// The text of that number.
    pub(crate) fn text(&self, number: usize) -> Option<Terminated<'_>> {
        let ends = self.ends.as_ref();
        let end = *ends.get(number)?;
        let start = number.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
        self.bytes.get(start..end).map(Terminated)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.as_ref().len()
    }
}

#[cfg(test)]
impl<'a> Terminated<'a> {
    /// The text without its NUL.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0.split_last().map_or(self.0, |(_, text)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_its_nul() {
        let texts = Texts::of(&["ab", "", "c"]);
        let found: Vec<&[u8]> =
            (0..4).filter_map(|number| texts.text(number)).map(Terminated::bytes).collect();
        assert_eq!(found, [&b"ab"[..], b"", b"c"]);
        let fixed = Texts::fixed(["ab", "", "c"]);
        assert!((0..4).all(|number| fixed.text(number).map(Terminated::bytes) == found.get(number).copied()));
        assert_eq!(texts.text(1).map(|text| text.into_parts().1), Some(0));
        assert_eq!(Terminated::from(c"ab").into_parts().1, 2);
    }
}
