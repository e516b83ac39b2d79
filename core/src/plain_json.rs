//! JSON as most issuers write it (RFC 8259): without a space, an escape, a fraction or a sign.
//!
//! This reads nothing else and refuses nothing: of any other text, good or bad, it says that it cannot tell, and
//! [`crate::json`] asks simd-json. What it does read, it reads into the very nodes that simd-json makes of the text,
//! in less than half the time; `fuzz/` holds one against the other.

use simd_json::StaticNode;
use simd_json::value::tape::Node;

use crate::mark::mark;

/// Digits of an integer that fit into 64 bits, whatever they are.
const MAX_DIGITS: usize = 19;

/// What was read.
pub(crate) struct Plain {
    /// Whether each name of each object is known to be another than those before it. If not, they may be.
    pub(crate) distinct: bool,
}

/// Appends the nodes of `text`, an object with at most `max_depth` objects and arrays within each other, itself among
/// them. `None`: it is not plain, and what was appended means nothing.
pub(crate) fn read<'i>(text: &'i [u8], max_depth: u8, nodes: &mut Vec<Node<'i>>) -> Option<Plain> {
    // In a text without any of these, a string ends at the next quote.
    // No way out in between: so this takes many bytes at a time.
    let special = text.iter().fold(0, |special, byte| special | u8::from(*byte < 0x20 || *byte == b'\\'));
    if special > 0 {
        return None;
    }
    let text = str::from_utf8(text).ok()?;
    let mut reader = Reader { text, at: 0, nodes, distinct: true };
    reader.expect(b'{')?;
    reader.object(max_depth)?;
    (reader.at == text.len()).then_some(Plain { distinct: reader.distinct })
}

/// Reads from `at`. Every step is `None` where the text goes on in another way than a plain one.
struct Reader<'i, 'n> {
    text: &'i str,
    at: usize,
    nodes: &'n mut Vec<Node<'i>>,
    distinct: bool,
}

impl<'i> Reader<'i, '_> {
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(*byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Goes past `byte`, if that is what is next.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// An object, after its bracket. `depth`: how many there may be within each other from here on.
    fn object(&mut self, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let start = self.nodes.len();
        self.nodes.push(Node::Object { len: 0, count: 0 });
        let (mut len, mut marks) = (0, 0);
        if !self.skip(b'}') {
            loop {
                self.expect(b'"')?;
                let name = self.string()?;
                let mark = mark(name);
                self.distinct &= marks & mark == 0;
                marks |= mark;
                self.nodes.push(Node::String(name));
                self.expect(b':')?;
                self.value(depth)?;
                len += 1;
                match self.next()? {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        let count = self.nodes.len() - start - 1;
        *self.nodes.get_mut(start)? = Node::Object { len, count };
        Some(())
    }

    /// An array, after its bracket.
    fn array(&mut self, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let start = self.nodes.len();
        self.nodes.push(Node::Array { len: 0, count: 0 });
        let mut len = 0;
        if !self.skip(b']') {
            loop {
                self.value(depth)?;
                len += 1;
                match self.next()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        let count = self.nodes.len() - start - 1;
        *self.nodes.get_mut(start)? = Node::Array { len, count };
        Some(())
    }

    #[inline]
    fn value(&mut self, depth: u8) -> Option<()> {
        if !self.skip(b'"') {
            return self.other(depth);
        }
        let text = self.string()?;
        self.nodes.push(Node::String(text));
        Some(())
    }

    /// A value that is not a string.
    fn other(&mut self, depth: u8) -> Option<()> {
        match self.next()? {
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            digit @ b'0'..=b'9' => self.integer(digit)?,
            b't' => self.word("rue", StaticNode::Bool(true))?,
            b'f' => self.word("alse", StaticNode::Bool(false))?,
            b'n' => self.word("ull", StaticNode::Null)?,
            _ => return None,
        }
        Some(())
    }

    /// A string, after its first quote.
    fn string(&mut self) -> Option<&'i str> {
        let start = self.at;
        let end = start + quote(self.text.as_bytes().get(start..)?)?;
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// An integer, after its first digit. What follows it shows whether it was one.
    fn integer(&mut self, first: u8) -> Option<()> {
        let (mut number, mut digits) = (u64::from(first - b'0'), 1);
        for byte in self.text.as_bytes().get(self.at..)? {
            if !byte.is_ascii_digit() {
                break;
            }
            if number == 0 || digits == MAX_DIGITS {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
            digits += 1;
        }
        self.at += digits - 1;
        self.nodes.push(Node::Static(StaticNode::U64(number)));
        Some(())
    }

    fn word(&mut self, rest: &str, value: StaticNode) -> Option<()> {
        let end = self.at + rest.len();
        if self.text.get(self.at..end)? != rest {
            return None;
        }
        self.at = end;
        self.nodes.push(Node::Static(value));
        Some(())
    }
}

/// Where the first quote is. Looks at eight bytes at a time.
fn quote(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let mut at = 0;
    while let Some(word) = text.get(at..)?.first_chunk() {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'"'));
        // The lowest bit that is set is the top one of the first byte that is zero.
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Some(at + text.get(at..)?.iter().position(|byte| *byte == b'"')?)
}

#[cfg(test)]
mod tests {
    use crate::json::is_plain;

    const CLAIMS: &str = concat!(
        r#"{"iss":"https://acme.okta.example","sub":"Jürgen","aud":["https://auth.chat.example/"],"iat":1784527280,"#,
        r#""exp":0,"x":[],"groups":["eng","",[{},{"a":true}]],"act":{"sub":"a","act":{"b":false,"c":null,"":""}}}"#
    );

    #[test]
    fn what_is_plain_is_what_simd_json_reads() {
        let plain = [CLAIMS, "{}", r#"{"a":1}"#, r#"{"a":9999999999999999999}"#, r#"{"a":1,"a":2}"#];
        for text in plain {
            assert!(is_plain(text.as_bytes()), "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_plain(deep(15).as_bytes()) && !is_plain(deep(16).as_bytes()));
        for text in [
            "",
            " {}",
            "{} ",
            "{ }",
            "[]",
            "1",
            "\"\"",
            "{",
            "}",
            "{}}",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1"b":2}"#,
            r#"{"a":1]"#,
            r#"{"a":[1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1"#,
            r#"{"a":01}"#,
            r#"{"a":00}"#,
            r#"{"a":-1}"#,
            r#"{"a":1.5}"#,
            r#"{"a":1e2}"#,
            r#"{"a":1x}"#,
            r#"{"a":10000000000000000000}"#,
            r#"{"a":tru}"#,
            r#"{"a":truex}"#,
            r#"{"a":nul"#,
            r#"{"a":"b\n"}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":""#,
            r#"{"a":"bcdefghijk"#,
            "{1:2}",
            "{a:1}",
            r#"{"a":1 }"#,
            r#"{"a" :1}"#,
        ] {
            assert!(!is_plain(text.as_bytes()), "{text}");
        }
        assert!(!is_plain(b"{\"a\":\"\xff\"}") && !is_plain(b"{\"a\":\"\xed\xa0\x80\"}"));
    }

    #[test]
    fn a_text_with_a_fault_is_read_as_simd_json_reads_it() {
        let text = CLAIMS.as_bytes();
        for at in 0..text.len() {
            let (before, after) = text.split_at(at);
            for byte in b"\"\\{}[]:,0159-.eatrufl \n\x00\x7f\x80\xc3\xff" {
                is_plain(&[before, &[*byte], after].concat());
                is_plain(&[before, &[*byte], &after[1..]].concat());
            }
            is_plain(&[before, &after[1..]].concat());
            is_plain(before);
        }
    }
}
