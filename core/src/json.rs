//! JSON as a stranger sends it (RFC 8259): read into values borrowed from one reused buffer, and written back.
//!
//! simd-json does the parsing and refuses invalid UTF-8, lone surrogates, numbers out of range and anything after the
//! document. On top of it: the document is an object, no object names a member twice (compared after unescaping),
//! depth and the number of members are limited. Wrong types are told apart from absent members by the reader of each
//! claim, not here.

use simd_json::value::tape::{Node, Tape};
use simd_json::{Buffers, StaticNode};

/// Objects and arrays within each other, at most.
const MAX_DEPTH: usize = 16;
/// Members of one object, at most.
const MAX_MEMBERS: usize = 256;
/// Objects up to this size are checked for duplicates name by name, larger ones by sorting.
const PAIRWISE: usize = 32;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    Invalid,
    Duplicate,
    TooComplex,
}

/// What reading needs while it reads. One for each thread.
pub(crate) struct Parser(Buffers);

impl Default for Parser {
    fn default() -> Self {
        Self(Buffers::with_max_depth(2048, MAX_DEPTH))
    }
}

/// What a document needs as long as it lives. Reused by the next one.
#[derive(Default)]
pub(crate) struct Memory(Vec<Node<'static>>);

/// One document that was read: a list of nodes that borrow their strings from the text.
///
/// Its memory is given back when it is dropped.
pub(crate) struct Document<'i, 'm> {
    tape: Tape<'i>,
    home: &'m mut Memory,
}

impl Drop for Document<'_, '_> {
    fn drop(&mut self) {
        let tape = std::mem::replace(&mut self.tape, Tape(Vec::new()));
        self.home.0 = tape.reset().0;
    }
}

impl<'i, 'm> Document<'i, 'm> {
    /// Reads `text`, which is unescaped in place. The cost is linear in its length.
    pub(crate) fn read(
        text: &'i mut [u8],
        parser: &mut Parser,
        home: &'m mut Memory,
    ) -> Result<Self, JsonError> {
        let mut tape = Tape(std::mem::take(&mut home.0)).reset();
        let read = simd_json::fill_tape(text, &mut parser.0, &mut tape);
        let document = Self { tape, home };
        match read {
            Ok(()) => document.check().map(|()| document),
            Err(error) => Err(match error.error() {
                simd_json::ErrorType::DepthLimitExceeded => JsonError::TooComplex,
                _ => JsonError::Invalid,
            }),
        }
    }

    /// The document's outermost object.
    pub(crate) fn object(&self) -> Object<'_, 'i> {
        Object(&self.tape.0)
    }

    fn check(&self) -> Result<(), JsonError> {
        if !matches!(self.tape.0.first(), Some(Node::Object { .. })) {
            return Err(JsonError::Invalid);
        }
        for (at, node) in self.tape.0.iter().enumerate() {
            if let Node::Object { len, .. } = node {
                if *len > MAX_MEMBERS {
                    return Err(JsonError::TooComplex);
                }
                let object = Object(self.tape.0.get(at..).unwrap_or_default());
                if object.names_a_member_twice(*len) {
                    return Err(JsonError::Duplicate);
                }
            }
        }
        Ok(())
    }
}

/// An object: its first node and everything after it.
#[derive(Clone, Copy)]
pub(crate) struct Object<'t, 'i>(&'t [Node<'i>]);

impl<'t, 'i> Object<'t, 'i> {
    /// The members in the order of the text.
    pub(crate) fn members(self) -> Members<'t, 'i> {
        let (left, rest) = match self.0.split_first() {
            Some((Node::Object { len, .. }, rest)) => (*len, rest),
            _ => (0, self.0),
        };
        Members { left, rest }
    }

    /// The member called `name`.
    pub(crate) fn member(self, name: &str) -> Option<Value<'t, 'i>> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn names_a_member_twice(self, members: usize) -> bool {
        if members <= PAIRWISE {
            // Only names of the same mark are compared. The mark costs little and is rarely shared.
            let mut marks = 0_u64;
            return self.members().enumerate().any(|(at, (name, _))| {
                let mark = mark(name);
                let shared = marks & mark != 0;
                marks |= mark;
                shared && self.members().take(at).any(|(before, _)| before == name)
            });
        }
        let mut names: Vec<&str> = self.members().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }
}

/// One bit out of 64, by the length of a name and its first and last character.
fn mark(name: &str) -> u64 {
    let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
    let sum = name.len()
        + usize::from(first.copied().unwrap_or(0)) * 5
        + usize::from(last.copied().unwrap_or(0)) * 11;
    1 << (sum % 64)
}

/// The members of an object.
pub(crate) struct Members<'t, 'i> {
    left: usize,
    rest: &'t [Node<'i>],
}

impl<'t, 'i> Iterator for Members<'t, 'i> {
    type Item = (&'i str, Value<'t, 'i>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (Node::String(name), rest) = self.rest.split_first()? else {
            return None;
        };
        let value = Value(rest);
        self.rest = value.after();
        Some((name, value))
    }
}

/// The elements of an array.
#[derive(Clone)]
pub(crate) struct Elements<'t, 'i> {
    left: usize,
    rest: &'t [Node<'i>],
}

impl<'t, 'i> Iterator for Elements<'t, 'i> {
    type Item = Value<'t, 'i>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let value = Value(self.rest);
        self.rest = value.after();
        Some(value)
    }
}

/// One value: its first node and everything after it.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t, 'i>(&'t [Node<'i>]);

impl<'t, 'i> Value<'t, 'i> {
    /// The string, if it is one.
    pub(crate) fn string(self) -> Option<&'i str> {
        match self.0.first() {
            Some(Node::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub(crate) fn object(self) -> Option<Object<'t, 'i>> {
        matches!(self.0.first(), Some(Node::Object { .. })).then_some(Object(self.0))
    }

    /// The elements, if it is an array.
    pub(crate) fn array(self) -> Option<Elements<'t, 'i>> {
        match self.0.split_first() {
            Some((Node::Array { len, .. }, rest)) => Some(Elements { left: *len, rest }),
            _ => None,
        }
    }

    /// The integer, if it is one that fits.
    pub(crate) fn integer(self) -> Option<i64> {
        match self.0.first() {
            Some(Node::Static(StaticNode::I64(number))) => Some(*number),
            Some(Node::Static(StaticNode::U64(number))) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The number with a fraction or an exponent, if it is one.
    pub(crate) fn float(self) -> Option<f64> {
        match self.0.first() {
            Some(Node::Static(StaticNode::F64(number))) => Some(*number),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self.0.first() {
            Some(Node::Static(StaticNode::Bool(value))) => Some(*value),
            _ => None,
        }
    }

    /// Appends the value as JSON text.
    pub(crate) fn write(self, out: &mut String) {
        use std::fmt::Write as _;
        match self.0.first() {
            Some(Node::String(text)) => write_string(text, out),
            Some(Node::Object { .. }) => {
                out.push('{');
                let mut separator = "";
                for (name, value) in Object(self.0).members() {
                    out.push_str(separator);
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                    separator = ",";
                }
                out.push('}');
            }
            Some(Node::Array { .. }) => {
                out.push('[');
                let mut separator = "";
                for value in self.array().into_iter().flatten() {
                    out.push_str(separator);
                    value.write(out);
                    separator = ",";
                }
                out.push(']');
            }
            // Writing to a string does not fail.
            Some(Node::Static(StaticNode::Bool(value))) => _ = write!(out, "{value}"),
            Some(Node::Static(StaticNode::I64(number))) => _ = write!(out, "{number}"),
            Some(Node::Static(StaticNode::U64(number))) => _ = write!(out, "{number}"),
            Some(Node::Static(StaticNode::F64(number))) => _ = write!(out, "{number:?}"),
            Some(Node::Static(StaticNode::Null)) | None => out.push_str("null"),
        }
    }

    fn after(self) -> &'t [Node<'i>] {
        let within = match self.0.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => *count,
            _ => 0,
        };
        self.0.get(within.saturating_add(1)..).unwrap_or_default()
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    if is_plain(text.as_bytes()) {
        out.push_str(text);
    } else {
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\u{0}'..='\u{1f}' => _ = write!(out, "\\u{:04x}", u32::from(character)),
                other => out.push(other),
            }
        }
    }
    out.push('"');
}

/// Whether no byte needs an escape: none below 0x20, no `"`, no `\`. Takes eight at a time.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    // A byte of the result has its top bit set where that byte is below `limit`, or where one before it is.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & TOPS;
    let (words, rest) = text.as_chunks::<8>();
    let special = words.iter().fold(0, |special, word| {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
        special | below(word, 0x20) | below(quote, 1) | below(backslash, 1)
    });
    special == 0 && rest.iter().all(|b| *b >= 0x20 && *b != b'"' && *b != b'\\')
}

/// Appends `,"name":`, or `"name":` right after an opening brace. Names are our own words and need no escape.
pub(crate) fn write_name(name: &'static str, out: &mut String) {
    out.push_str(if out.ends_with('{') { "\"" } else { ",\"" });
    out.push_str(name);
    out.push_str("\":");
}

/// Appends a member that is a string.
pub(crate) fn write_member(name: &'static str, text: &str, out: &mut String) {
    write_name(name, out);
    write_string(text, out);
}

/// Appends a member that is an integer.
pub(crate) fn write_number(name: &'static str, number: i64, out: &mut String) {
    write_name(name, out);
    out.push_str(itoa::Buffer::new().format(number));
}

/// Appends a member that is an array of strings.
pub(crate) fn write_strings<'a>(name: &'static str, texts: impl Iterator<Item = &'a str>, out: &mut String) {
    write_name(name, out);
    out.push('[');
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(text, out);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, JsonError> {
        let mut buffer = text.to_vec();
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(&mut buffer, &mut parser, &mut memory)?;
        let mut out = String::new();
        Value(&document.tape.0).write(&mut out);
        Ok(out)
    }

    #[test]
    fn what_is_read_is_written_back() {
        for text in [
            "{}",
            r#"{"a":{"b":[1,-2,{"c":"xA"},[]],"e":{}},"d":1.5,"f":true,"g":null}"#,
            r#"{"a":"\"\\\u0001é😀"}"#,
            r#"{"a":1e100}"#,
        ] {
            assert_eq!(read(text.as_bytes()).as_deref(), Ok(text));
        }
        assert_eq!(read(br#" { "a" : "\u0041\n" } "#).as_deref(), Ok(r#"{"a":"A\u000a"}"#));
    }

    #[test]
    fn every_byte_is_escaped_or_plain_wherever_it_stands() {
        for byte in 0..=0x7f_u8 {
            for at in 0..20 {
                let mut text = [b'a'; 20];
                text[at] = byte;
                let text = str::from_utf8(&text).unwrap();
                let mut written = String::new();
                write_string(text, &mut written);
                assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(written.len() > 22, special, "{byte} at {at}");
            }
        }
        let mut written = String::new();
        write_string("é\u{80}€😀é\u{80}€😀", &mut written);
        assert_eq!(written, "\"é\u{80}€😀é\u{80}€😀\"");
    }

    #[test]
    fn hostile_texts_are_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
        let mut many = String::from("{");
        for member in 0..257 {
            many += if member > 0 { ",\"m" } else { "\"m" };
            many += &member.to_string();
            many += "\":1";
        }
        many.push('}');
        let mut long_twice = String::from("{");
        for member in 0..40 {
            long_twice += if member > 0 { ",\"m" } else { "\"m" };
            long_twice += &member.to_string();
            long_twice += "\":1";
        }
        write_number("m7", 1, &mut long_twice);
        long_twice.push('}');
        for (text, error) in [
            (&b""[..], JsonError::Invalid),
            (b"[]", JsonError::Invalid),
            (b"null", JsonError::Invalid),
            (b"{\"a\":1}{}", JsonError::Invalid),
            (b"{\"a\":\"\xff\"}", JsonError::Invalid),
            (b"{\"a\":\"\xed\xa0\x80\"}", JsonError::Invalid),
            (br#"{"a":"\ud800"}"#, JsonError::Invalid),
            (br#"{"a":"\udc00\ud800"}"#, JsonError::Invalid),
            (br#"{"a":1e400}"#, JsonError::Invalid),
            (br#"{"a":NaN}"#, JsonError::Invalid),
            (br#"{"a":18446744073709551616}"#, JsonError::Invalid),
            (br#"{"a":1,"a":2}"#, JsonError::Duplicate),
            (br#"{"a":1,"\u0061":2}"#, JsonError::Duplicate),
            (br#"{"x":[{"a":1,"b":2,"a":2}]}"#, JsonError::Duplicate),
            (long_twice.as_bytes(), JsonError::Duplicate),
            (deep.as_bytes(), JsonError::TooComplex),
            (many.as_bytes(), JsonError::TooComplex),
        ] {
            assert_eq!(read(text), Err(error), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn controls_just_inside_the_limits_are_read() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(14), "]".repeat(14));
        assert!(read(deep.as_bytes()).is_ok());
        let mut many = String::from("{");
        for member in 0..256 {
            many += if member > 0 { ",\"m" } else { "\"m" };
            many += &member.to_string();
            many += "\":1";
        }
        many.push('}');
        assert!(read(many.as_bytes()).is_ok());
    }

    #[test]
    fn memory_is_given_back() {
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let mut buffer = br#"{"a":[1,2,3]}"#.to_vec();
        let document = Document::read(&mut buffer, &mut parser, &mut memory).unwrap();
        assert_eq!(document.object().member("a").unwrap().array().unwrap().count(), 3);
        assert!(document.object().member("b").is_none());
        drop(document);
        assert!(memory.0.capacity() > 0);
        let mut broken = br#"{"a":"#.to_vec();
        assert!(Document::read(&mut broken, &mut parser, &mut memory).is_err());
        assert!(memory.0.capacity() > 0);
    }
}
