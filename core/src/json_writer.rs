//! JSON text (RFC 8259), written value by value into one buffer that is reused.
//!
//! Every value is followed by a comma; what closes an object, an array or the document takes the last one back.

/// Text in the making: a member is [`name`](Self::name) and a value, an object or array a pair of brackets.
#[derive(Default)]
pub(crate) struct JsonWriter {
    /// As long as it ever had to be.
    buffer: Vec<u8>,
    /// How much of it was written.
    written: usize,
}

impl JsonWriter {
    /// A buffer for a text of about `bytes`.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { buffer: vec![0; bytes], written: 0 }
    }

    /// Forgets what was written.
    pub(crate) fn clear(&mut self) {
        self.written = 0;
    }

    /// What was written: one value, valid UTF-8.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let written = self.buffer.get(..self.written).unwrap_or_default();
        written.strip_suffix(b",").unwrap_or(written)
    }

    /// What was written: one value, or nothing.
    pub(crate) fn as_str(&self) -> &str {
        // Only whole strings and ASCII were written.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// What was written: one value.
    pub(crate) fn into_string(mut self) -> String {
        self.buffer.truncate(self.as_bytes().len());
        // Only whole strings and ASCII were written.
        String::from_utf8(self.buffer).unwrap_or_default()
    }

    /// Writes an object: `members` writes names and values in turn.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.text(b"{");
        members(self);
        self.close(*b"},");
    }

    /// Writes an array: `elements` writes values.
    pub(crate) fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.text(b"[");
        elements(self);
        self.close(*b"],");
    }

    fn close(&mut self, bracket: [u8; 2]) {
        if self.buffer.get(..self.written).is_some_and(|text| text.ends_with(b",")) {
            self.written -= 1;
        }
        self.text(&bracket);
    }

    /// Writes the name of a member: our own words, which need no escape.
    #[inline]
    pub(crate) fn name(&mut self, name: &'static str) {
        let room = self.room(name.len() + 3);
        if let [open, middle @ .., close, colon] = room {
            middle.copy_from_slice(name.as_bytes());
            [*open, *close, *colon] = *b"\"\":";
        }
    }

    /// Writes the name of a member that somebody else chose.
    pub(crate) fn any_name(&mut self, name: &str) {
        self.quoted(name, b':');
    }

    /// Writes a string.
    pub(crate) fn string(&mut self, text: &str) {
        self.quoted(text, b',');
    }

    /// Writes a number, `true`, `false` or `null` as it is spelled.
    pub(crate) fn literal(&mut self, spelled: &str) {
        self.text(spelled.as_bytes());
        self.text(b",");
    }

    /// Writes a member that is a token: base64url and dots, in which nothing needs an escape.
    pub(crate) fn token(&mut self, name: &'static str, token: &str) {
        self.name(name);
        self.text(b"\"");
        self.text(token.as_bytes());
        self.text(b"\",");
    }

    /// Writes an integer.
    pub(crate) fn integer(&mut self, number: i64) {
        self.literal(itoa::Buffer::new().format(number));
    }

    /// Writes a member that is a string.
    #[inline]
    pub(crate) fn member(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.string(text);
    }

    /// Writes a member that is an integer.
    pub(crate) fn number(&mut self, name: &'static str, number: i64) {
        self.name(name);
        self.integer(number);
    }

    /// Writes a member that is an array of strings.
    pub(crate) fn strings<'a>(&mut self, name: &'static str, texts: impl IntoIterator<Item = &'a str>) {
        self.name(name);
        self.array(|out| texts.into_iter().for_each(|text| out.string(text)));
    }

    /// Writes a string and what follows it. Few need an escape, so all are first written as if none did.
    fn quoted(&mut self, text: &str, after: u8) {
        let start = self.written;
        let mut plain = false;
        if let [open, middle @ .., close, last] = self.room(text.len() + 3) {
            plain = copy_plain(text.as_bytes(), middle);
            [*open, *close, *last] = [b'"', b'"', after];
        }
        if !plain {
            self.written = start;
            self.escaped(text, after);
        }
    }

    #[cold]
    fn escaped(&mut self, text: &str, after: u8) {
        self.text(b"\"");
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.text(&[b'\\', byte]),
                0..=0x1f => {
                    let hexadecimal = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                    self.text(&[b'\\', b'u', b'0', b'0', hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
                }
                other => self.text(&[other]),
            }
        }
        self.text(&[b'"', after]);
    }

    fn text(&mut self, text: &[u8]) {
        self.room(text.len()).copy_from_slice(text);
    }

    /// The next `length` bytes, to be written.
    #[inline]
    fn room(&mut self, length: usize) -> &mut [u8] {
        let start = self.written;
        let end = start + length;
        if end > self.buffer.len() {
            self.grow(end);
        }
        self.written = end;
        self.buffer.get_mut(start..end).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        self.buffer.resize(needed.next_power_of_two().max(1024), 0);
    }
}

/// Copies `from` to `to`, which is as long, up to the first byte that needs an escape, or further. Whether there is none:
/// no byte is below 0x20, `"` or `\`. Takes eight at a time, the last ones twice.
fn copy_plain(from: &[u8], to: &mut [u8]) -> bool {
    if let (Some(last), Some(last_place)) = (from.last_chunk(), to.last_chunk_mut()) {
        let is_plain = !needs_escape(u64::from_le_bytes(*last));
        *last_place = *last;
        let words = from.as_chunks().0.iter().zip(to.as_chunks_mut().0);
        is_plain
            && words.into_iter().all(|(word, place)| {
                *place = *word;
                !needs_escape(u64::from_le_bytes(*word))
            })
    } else {
        from.iter().zip(to).all(|(byte, place)| {
            *place = *byte;
            *byte >= 0x20 && *byte != b'"' && *byte != b'\\'
        })
    }
}

/// Whether one of eight bytes is below 0x20, `"` or `\`.
fn needs_escape(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // A byte of the result has its top bit set where that byte is below `limit`, or where one before it is.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES << 7);
    // With their second bits turned, `"` comes right after what is below 0x20, and the space after that.
    let (turned, backslash) = (word ^ (ONES * 2), word ^ (ONES * u64::from(b'\\')));
    below(turned, 0x21) | below(backslash, 1) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> String {
        let mut out = JsonWriter::default();
        out.string(text);
        out.into_string()
    }

    #[test]
    fn every_byte_is_escaped_or_plain_wherever_it_stands() {
        for byte in 0..=0x7f_u8 {
            for at in 0..20 {
                let mut text = [b'a'; 20];
                text[at] = byte;
                let text = str::from_utf8(&text).unwrap();
                let written = string(text);
                assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(written.len() > 22, special, "{byte} at {at}");
            }
        }
        assert_eq!(string("é\u{80}€😀é\u{80}€😀"), "\"é\u{80}€😀é\u{80}€😀\"");
        assert_eq!(string("é\n€\u{1f}😀\""), "\"é\\u000a€\\u001f😀\\\"\"");
    }

    #[test]
    fn commas_stand_between_values_only() {
        let mut out = JsonWriter::default();
        out.literal("forgotten");
        out.clear();
        out.object(|out| {
            out.name("empty");
            out.object(|_| {});
            out.strings("none", []);
            out.strings("two", ["a", "b,"]);
            out.number("number", -1);
            out.any_name("a\"");
            out.array(|out| {
                out.object(|out| out.member("c", ","));
                out.literal("null");
            });
        });
        let expected = r#"{"empty":{},"none":[],"two":["a","b,"],"number":-1,"a\"":[{"c":","},null]}"#;
        assert_eq!(out.as_bytes(), expected.as_bytes());
        assert_eq!(out.into_string(), expected);
    }
}
