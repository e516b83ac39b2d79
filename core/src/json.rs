//! JSON as a stranger sends it (RFC 8259): read into values borrowed from one reused buffer.
//!
//! A plain text is read by [`crate::plain_json`]. Of any other, simd-json does the parsing and refuses invalid UTF-8,
//! lone surrogates, numbers out of range and anything after the document. On top of both: the document is an object, no object names a member twice (compared after unescaping),
//! depth and the number of members are limited. Wrong types are told apart from absent members by the reader of each
//! claim, not here.

use simd_json::value::tape::{Node, Tape};
use simd_json::{Buffers, StaticNode};

use crate::json_writer::JsonWriter;
use crate::mark::mark;
use crate::plain_json::{self, Plain};

/// Objects and arrays within each other, at most.
pub(crate) const MAX_DEPTH: u8 = 16;
/// Members of one object, at most.
const MAX_MEMBERS: usize = 256;
/// The longest text whose reading leaves its memory to the next, and the most nodes. More would be held at 24 bytes a node,
/// in every thread and for every request of a chunk, until the process ends.
const KEPT: usize = 16 * 1024;
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
        Self(Buffers::with_max_depth(2048, usize::from(MAX_DEPTH)))
    }
}

/// What a document needs as long as it lives. Reused by the next one.
#[derive(Default)]
pub(crate) struct Memory {
    nodes: Vec<Node<'static>>,
    /// A copy of the text with its escapes resolved, where it has any.
    text: Vec<u8>,
}

/// One document that was read: a list of nodes that borrow their strings from the text.
///
/// Its memory is left to the next one when it is dropped, unless there is much of it.
pub(crate) struct Document<'i, 'm> {
    tape: Tape<'i>,
    home: &'m mut Vec<Node<'static>>,
}

impl Drop for Document<'_, '_> {
    fn drop(&mut self) {
        let tape = std::mem::replace(&mut self.tape, Tape(Vec::new()));
        if tape.0.capacity() <= KEPT {
            *self.home = tape.reset().0;
        }
    }
}

impl<'i, 'm: 'i> Document<'i, 'm> {
    /// Reads `text`, an object. The cost is linear in its length.
    pub(crate) fn read(text: &'i [u8], parser: &mut Parser, home: &'m mut Memory) -> Result<Self, JsonError> {
        let document = Self::read_any(text, parser, home)?;
        match document.tape.0.first() {
            Some(Node::Object { .. }) => Ok(document),
            _ => Err(JsonError::Invalid),
        }
    }

    /// The same, where the outermost value need not be an object.
    pub(crate) fn read_any(
        text: &'i [u8],
        parser: &mut Parser,
        home: &'m mut Memory,
    ) -> Result<Self, JsonError> {
        let Memory { nodes, text: copy } = home;
        let tape = Tape(std::mem::take(nodes)).reset();
        let mut document = Self { tape, home: nodes };
        match plain_json::read(text, MAX_DEPTH, &mut document.tape.0) {
            Some(Plain { distinct: true }) => return Ok(document),
            Some(Plain { distinct: false }) => {}
            None => parse(text, copy, parser, &mut document.tape)?,
        }
        document.check().map(|()| document)
    }
}

/// Reads any text, plain or not. `copy` is where it is unescaped, with some bytes after it that the parser may read.
// Its code would lie in the way of that of a plain text.
#[inline(never)]
fn parse<'i>(
    text: &[u8],
    copy: &'i mut Vec<u8>,
    parser: &mut Parser,
    tape: &mut Tape<'i>,
) -> Result<(), JsonError> {
    copy.clear();
    copy.extend_from_slice(text);
    copy.resize(text.len() + simd_json::INPUT_PADDING, 0);
    let filled = simd_json::fill_tape_padded(copy, text.len(), &mut parser.0, tape);
    if text.len() > KEPT {
        *parser = Parser::default();
    }
    filled.map_err(|error| match error.error() {
        simd_json::ErrorType::DepthLimitExceeded => JsonError::TooComplex,
        _ => JsonError::Invalid,
    })
}

/// Whether [`plain_json`] reads `text`. It then reads what simd-json reads.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    let (mut plain, mut copy, mut memory) = (Vec::new(), Vec::new(), Memory::default());
    let Some(Plain { distinct }) = plain_json::read(text, MAX_DEPTH, &mut plain) else {
        return false;
    };
    let mut tape = Tape(Vec::new());
    assert_eq!(parse(text, &mut copy, &mut Parser::default(), &mut tape), Ok(()));
    assert_eq!(tape.0, plain);
    let checked = Document { tape, home: &mut memory.nodes }.check();
    assert!(checked.is_ok() || !distinct);
    true
}

impl<'i> Document<'i, '_> {
    /// The document's outermost object.
    pub(crate) fn object(&self) -> Object<'_, 'i> {
        Object(&self.tape.0)
    }

    /// The document's outermost value.
    pub(crate) fn value(&self) -> Value<'_, 'i> {
        Value(&self.tape.0)
    }

    fn check(&self) -> Result<(), JsonError> {
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

/// The members of an object.
pub(crate) struct Members<'t, 'i> {
    left: usize,
    rest: &'t [Node<'i>],
}

impl<'t, 'i> Iterator for Members<'t, 'i> {
    type Item = (&'i str, Value<'t, 'i>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let [Node::String(name), rest @ ..] = self.rest else {
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

    /// Whether both mean the same: members in any order, strings to the byte once unescaped, numbers as they are held. An
    /// integer never equals a fraction, and zero not minus zero: what could be taken for different is.
    pub(crate) fn equals(self, other: Value<'_, '_>) -> bool {
        match (self.0.first(), other.0.first()) {
            (Some(Node::Object { len: ours, .. }), Some(Node::Object { len: theirs, .. })) => {
                ours == theirs && sorted(self).zip(sorted(other)).all(|(a, b)| a.0 == b.0 && a.1.equals(b.1))
            }
            (Some(Node::Array { len: ours, .. }), Some(Node::Array { len: theirs, .. })) => {
                let pairs = self.array().into_iter().flatten().zip(other.array().into_iter().flatten());
                ours == theirs && pairs.into_iter().all(|(a, b)| a.equals(b))
            }
            (Some(Node::String(ours)), Some(Node::String(theirs))) => ours == theirs,
            (Some(Node::Static(StaticNode::F64(ours))), Some(Node::Static(StaticNode::F64(theirs)))) => {
                ours.to_bits() == theirs.to_bits()
            }
            (Some(Node::Static(StaticNode::Bool(ours))), Some(Node::Static(StaticNode::Bool(theirs)))) => {
                ours == theirs
            }
            (Some(Node::Static(StaticNode::Null)), Some(Node::Static(StaticNode::Null))) => true,
            (Some(Node::Static(StaticNode::I64(ours))), Some(Node::Static(StaticNode::I64(theirs)))) => {
                ours == theirs
            }
            (Some(Node::Static(StaticNode::U64(ours))), Some(Node::Static(StaticNode::U64(theirs)))) => {
                ours == theirs
            }
            _ => false,
        }
    }

    /// Writes the value, as JSON text of the same meaning.
    pub(crate) fn write(self, out: &mut JsonWriter) {
        match self.0.first() {
            Some(Node::String(text)) => out.string(text),
            Some(Node::Object { .. }) => out.object(|out| {
                for (name, value) in Object(self.0).members() {
                    out.any_name(name);
                    value.write(out);
                }
            }),
            Some(Node::Array { .. }) => out.array(|out| {
                self.array().into_iter().flatten().for_each(|value| value.write(out));
            }),
            Some(Node::Static(StaticNode::Bool(value))) => out.literal(if *value { "true" } else { "false" }),
            Some(Node::Static(StaticNode::I64(number))) => out.integer(*number),
            Some(Node::Static(StaticNode::U64(number))) => out.literal(itoa::Buffer::new().format(*number)),
            Some(Node::Static(StaticNode::F64(number))) => out.literal(&format!("{number:?}")),
            Some(Node::Static(StaticNode::Null)) | None => out.literal("null"),
        }
    }

    fn after(self) -> &'t [Node<'i>] {
        match self.0 {
            [Node::Object { count, .. } | Node::Array { count, .. }, rest @ ..] => {
                rest.get(*count..).unwrap_or_default()
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }
}

/// The members of an object, by name.
fn sorted<'t, 'i>(object: Value<'t, 'i>) -> impl Iterator<Item = (&'i str, Value<'t, 'i>)> {
    let mut members: Vec<_> = Object(object.0).members().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, JsonError> {
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let document = Document::read(text, &mut parser, &mut memory)?;
        let mut out = JsonWriter::default();
        Value(&document.tape.0).write(&mut out);
        Ok(out.into_string())
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
        long_twice += ",\"m7\":1}";
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

    fn equal(one: &str, other: &str) -> bool {
        let mut parser = Parser::default();
        let (mut memory, mut memory_too) = (Memory::default(), Memory::default());
        let ours = Document::read_any(one.as_bytes(), &mut parser, &mut memory).unwrap();
        let theirs = Document::read_any(other.as_bytes(), &mut parser, &mut memory_too).unwrap();
        assert_eq!(ours.value().equals(theirs.value()), theirs.value().equals(ours.value()));
        ours.value().equals(theirs.value())
    }

    #[test]
    fn equal_values_mean_the_same() {
        for (one, other) in [
            ("null", " null "),
            ("true", "true"),
            ("[1,-2,18446744073709551615,1.5]", "[1,-2,18446744073709551615,15e-1]"),
            (r#"{"a":{"b":1,"c":[]},"d":"\u0041"}"#, r#"{"d":"A","a":{"c":[],"b":1}}"#),
        ] {
            assert!(equal(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("null", "false"),
            ("true", "false"),
            ("0", "null"),
            ("1", "1.0"),
            ("0.0", "-0.0"),
            ("1", "\"1\""),
            ("[]", "{}"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#"{"a":1,"c":1}"#, r#"{"a":1,"b":1}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#),
            (r#""a""#, r#""A""#),
            ("9007199254740993", "9007199254740992"),
        ] {
            assert!(!equal(one, other), "{one} {other}");
        }
    }

    #[test]
    fn memory_is_given_back() {
        let (mut parser, mut memory) = (Parser::default(), Memory::default());
        let text = br#"{"a":[1,2,3]}"#;
        let document = Document::read(text, &mut parser, &mut memory).unwrap();
        assert_eq!(document.object().member("a").unwrap().array().unwrap().count(), 3);
        assert!(document.object().member("b").is_none());
        drop(document);
        assert!(memory.nodes.capacity() > 0);
        assert!(Document::read(&text[..12], &mut parser, &mut memory).is_err());
        assert!(memory.nodes.capacity() > 0);
    }
}
