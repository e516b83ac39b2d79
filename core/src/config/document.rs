//! A configuration text as a tree whose nodes and keys know their lines: TOML 1.1, or JSON (RFC 8259).
//!
//! Text whose first character is `{` is JSON. Duplicate keys are refused in both. What the keys mean is not known here.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::date::Date;
use crate::error::Error;

/// Tables and arrays in one another, at most.
const MAX_DEPTH: usize = 64;

/// A value and the line, counted from 1, where it begins; for a table with a header, the line of the header.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) value: Value,
}

/// What both notations can say. JSON has no dates; there a date is a string.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(Date),
    Array(Vec<Node>),
    Table(Table),
}

/// Members, each key once.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) members: Vec<Member>,
}

/// One key of a table, its line, and its value.
#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) line: u32,
    pub(super) node: Node,
}

impl Node {
    /// Reads `text`; `file` is its name in errors. The root is a table.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source::new(file, text);
        if text.trim_start().starts_with('{') { source.json() } else { source.toml() }
    }

    /// The value as JSON, for what is read by another reader (a JWK Set). Floats that JSON cannot write become null.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::String(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Boolean(truth) => (*truth).into(),
            Value::Date(date) => date.to_string().into(),
            Value::Array(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Table(table) => {
                table.members.iter().map(|member| (member.key.clone(), member.node.to_json())).collect()
            }
        }
    }
}

impl Table {
    /// A table without members.
    pub(super) const EMPTY: Self = Self { members: Vec::new() };

    /// The member `key`.
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }
}

impl fmt::Display for Value {
    /// What the value is, for an error about its type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Boolean(_) => "true or false",
            Self::Date(_) => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        })
    }
}

/// A text and where its lines end.
struct Source<'t> {
    file: &'t str,
    text: &'t str,
    line_ends: Vec<usize>,
}

impl<'t> Source<'t> {
    fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            line_ends: text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect(),
        }
    }

    /// The line of the byte at `offset`.
    fn line(&self, offset: usize) -> u32 {
        let before = self.line_ends.partition_point(|end| *end < offset);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn error(&self, line: u32, message: impl Into<String>) -> Error {
        Error::new(self.file, Some(line), "", message)
    }

    fn check_depth(&self, depth: usize, line: u32) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(self.error(line, format!("tables and lists are nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }

    fn toml(&self) -> Result<Node, Error> {
        let root = DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let line = self.line(span.start);
            match (error.message(), self.text.get(span)) {
                ("duplicate key", Some(key)) => self.error(line, format!("duplicate key `{key}`")),
                (message, _) => self.error(line, format!("not valid TOML: {message}")),
            }
        })?;
        Ok(Node { line: 1, value: Value::Table(self.toml_table(root.get_ref(), 1)?) })
    }

    fn toml_table(&self, table: &DeTable<'_>, depth: usize) -> Result<Table, Error> {
        let mut members = table
            .iter()
            .map(|(key, value)| {
                Ok((
                    key.span().start,
                    Member {
                        key: key.get_ref().to_string(),
                        line: self.line(key.span().start),
                        node: self.toml_value(value, depth)?,
                    },
                ))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        // The map is sorted by key; messages follow the text.
        members.sort_by_key(|(start, _)| *start);
        Ok(Table { members: members.into_iter().map(|(_, member)| member).collect() })
    }

    fn toml_value(&self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Error> {
        let line = self.line(value.span().start);
        self.check_depth(depth, line)?;
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map(Value::Integer)
                .map_err(|_| self.error(line, format!("the number `{number}` is out of range")))?,
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map(Value::Float)
                .map_err(|_| self.error(line, format!("the number `{number}` is out of range")))?,
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Datetime(moment) => match (moment.date, moment.time) {
                (Some(date), None) => Date::new(date.year, date.month, date.day).map(Value::Date),
                _ => None,
            }
            .ok_or_else(|| {
                self.error(line, format!("`{moment}` has a time; a date is written as `YYYY-MM-DD`"))
            })?,
            DeValue::Array(values) => Value::Array(
                values.iter().map(|value| self.toml_value(value, depth + 1)).collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => Value::Table(self.toml_table(table, depth + 1)?),
        };
        Ok(Node { line, value })
    }

    fn json(&self) -> Result<Node, Error> {
        // The whole text is checked here; what follows only takes it apart.
        let root: &RawValue = self.read_json(self.text)?;
        self.json_value(root.get(), 0)
    }

    fn json_value(&self, text: &'t str, depth: usize) -> Result<Node, Error> {
        let line = self.line_of(text);
        self.check_depth(depth, line)?;
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let Members(raw) = self.read_json(text)?;
                let mut members: Vec<Member> = Vec::with_capacity(raw.len());
                let mut keys = HashSet::with_capacity(raw.len());
                for (key, value) in raw {
                    let line = self.line_of(key.get());
                    let key: String = self.read_json(key.get())?;
                    if !keys.insert(key.clone()) {
                        return Err(self.error(line, format!("duplicate key `{key}`")));
                    }
                    let node = self.json_value(value.get(), depth + 1)?;
                    members.push(Member { key, line, node });
                }
                Value::Table(Table { members })
            }
            Some(b'[') => {
                let raw: Vec<&RawValue> = self.read_json(text)?;
                let nodes = raw.into_iter().map(|value| self.json_value(value.get(), depth + 1));
                Value::Array(nodes.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::String(self.read_json(text)?),
            Some(b't' | b'f') => Value::Boolean(self.read_json(text)?),
            Some(b'n') => return Err(self.error(line, "null is not allowed; leave the key out")),
            _ if text.contains(['.', 'e', 'E']) => Value::Float(self.read_json(text)?),
            _ => Value::Integer(
                text.parse().map_err(|_| self.error(line, format!("the number `{text}` is out of range")))?,
            ),
        };
        Ok(Node { line, value })
    }

    /// Reads one JSON value from `text`, which is part of this source.
    fn read_json<T: Deserialize<'t>>(&self, text: &'t str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|error| {
            let lines_before = u32::try_from(error.line()).unwrap_or(u32::MAX).saturating_sub(1);
            let line = self.line_of(text).saturating_add(lines_before);
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
            self.error(line, format!("not valid JSON: {message}"))
        })
    }

    /// The line where `part`, which is borrowed from this source, begins.
    fn line_of(&self, part: &str) -> u32 {
        self.line(part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr()))
    }
}

/// The members of a JSON object as they stand in the text.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(node: &Node, path: &[&str]) -> (u32, u32) {
        let mut at = (0, node);
        for step in path {
            at = match &at.1.value {
                Value::Table(table) => {
                    let member = table.member(step).unwrap();
                    (member.line, &member.node)
                }
                Value::Array(nodes) => {
                    let node = &nodes[step.parse::<usize>().unwrap()];
                    (node.line, node)
                }
                other => panic!("{other:?} has no {step}"),
            };
        }
        (at.0, at.1.line)
    }

    #[test]
    fn toml_keys_and_values_know_their_lines() {
        let text = "a = 1\n\n[[t]]\nb = [\n 'x',\n 'y']\n[t.c.d]\ne = {f = 1}\n[[t]]\nb = 2027-02-01\n";
        let node = Node::parse("f", text).unwrap();
        assert_eq!(line_of(&node, &["a"]), (1, 1));
        assert_eq!(line_of(&node, &["t", "0"]), (3, 3));
        assert_eq!(line_of(&node, &["t", "0", "b", "1"]), (6, 6));
        assert_eq!(line_of(&node, &["t", "0", "c", "d", "e", "f"]), (8, 8));
        assert_eq!(line_of(&node, &["t", "1"]), (9, 9));
        assert_eq!(line_of(&node, &["t", "1", "b"]), (10, 10));
    }

    #[test]
    fn json_keys_and_values_know_their_lines() {
        let text = "\n{\"a\":\n 1,\n \"t\": [\n  {\"b\": [\"x\",\n \"y\"]}, {\n\n\"\\u0062\": true}]}\n";
        let node = Node::parse("f", text).unwrap();
        assert_eq!(line_of(&node, &["a"]), (2, 3));
        assert_eq!(line_of(&node, &["t", "0", "b", "1"]), (6, 6));
        assert_eq!(line_of(&node, &["t", "1"]), (6, 6));
        assert_eq!(line_of(&node, &["t", "1", "b"]), (8, 8));
    }

    #[test]
    fn both_notations_say_the_same() {
        let toml =
            Node::parse("f", "s = \"\\u00e9\"\ni = -1\nf = 1.5\nb = true\na = [1, {x = 'y'}]").unwrap();
        let json = Node::parse("f", r#"{"s": "\u00e9", "i": -1, "f": 1.5, "b": true, "a": [1, {"x": "y"}]}"#)
            .unwrap();
        assert_eq!(toml.to_json(), json.to_json());
        assert_eq!(toml.to_json()["a"][1]["x"], "y");
    }

    #[test]
    fn faults_name_the_line() {
        let deep_json = format!("{{\"a\": {}{}}}", "[".repeat(65), "]".repeat(65));
        let very_deep_json = format!("{{\"a\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
        let deep_toml = format!("a = {}{}", "[".repeat(65), "]".repeat(65));
        for (text, error) in [
            ("a = 1\nb = 2\na = 3\n", "f:3: duplicate key `a`"),
            ("[a]\n[a]\n", "f:2: duplicate key `a`"),
            ("a = 1\nb = [1,\n", "f:2: not valid TOML: unclosed array, expected `]`"),
            (
                "a = 1\nb = 1979-13-01\n",
                "f:2: not valid TOML: invalid date, expected month between 01 and 12",
            ),
            ("a = 1\nb = 9223372036854775808\n", "f:2: the number `9223372036854775808` is out of range"),
            (
                "\nb = 1979-05-27T07:32:00Z",
                "f:2: `1979-05-27T07:32:00Z` has a time; a date is written as `YYYY-MM-DD`",
            ),
            (&deep_toml, "f:1: tables and lists are nested deeper than 64"),
            ("{\"a\": 1,\n\"b\": 2,\n \"\\u0061\": 3}", "f:3: duplicate key `a`"),
            ("{\"a\": {\"b\": 1,\n\"b\": 2}}", "f:2: duplicate key `b`"),
            ("{\"a\": 1\n\"b\": 2}", "f:2: not valid JSON: expected `,` or `}`"),
            ("{\"a\":\n 1}\n x", "f:3: not valid JSON: trailing characters"),
            ("{\"a\":\n null}", "f:2: null is not allowed; leave the key out"),
            ("{\"a\":\n 9223372036854775808}", "f:2: the number `9223372036854775808` is out of range"),
            ("{\"a\":\n 1e400}", "f:2: not valid JSON: number out of range"),
            ("{\"a\":\n \"\\ud800\"}", "f:2: not valid JSON: unexpected end of hex escape"),
            (&deep_json, "f:1: tables and lists are nested deeper than 64"),
            (&very_deep_json, "f:1: tables and lists are nested deeper than 64"),
        ] {
            assert_eq!(Node::parse("f", text).unwrap_err().to_string(), error, "{text:.80}");
        }
        let deep_json = format!("{{\"a\": {}{}}}", "[".repeat(64), "]".repeat(64));
        assert!(Node::parse("f", &deep_json).is_ok());
        assert!(Node::parse("f", &format!("a = {}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    }
}
