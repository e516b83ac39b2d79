//! A typed reader over the tree of a configuration: sections (tables with known keys) and fields (values with a place).
//!
//! Every error names the file, the line and the dotted path of the key, and says what is allowed. A key that a section
//! does not know is refused when the section is opened, before anything in it is read.

use std::ops::RangeInclusive;

use super::date::Date;
use super::document::{Node, Table, Value};
use crate::error::Error;

/// The keys that a section may have, in the order of the schema.
type KeyNames = &'static [&'static str];

/// Names that one message lists, at most.
const MAX_LISTED: usize = 20;

/// A table whose keys are all known.
pub(super) struct Section<'a> {
    place: Place<'a>,
    table: &'a Table,
    keys: KeyNames,
}

/// A value and its place.
pub(super) struct Field<'a> {
    place: Place<'a>,
    node: &'a Node,
}

#[derive(Clone)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    path: String,
}

impl Place<'_> {
    fn error(&self, message: impl Into<String>) -> Error {
        Error::new(self.file, Some(self.line), self.path.as_str(), message)
    }
}

impl<'a> Section<'a> {
    /// The root of a document.
    pub(super) fn root(file: &'a str, node: &'a Node, keys: KeyNames) -> Result<Self, Error> {
        let place = Place { file, line: node.line, path: String::new() };
        Field { place, node }.section(keys)
    }

    fn open(place: Place<'a>, table: &'a Table, keys: KeyNames) -> Result<Self, Error> {
        let section = Self { place, table, keys };
        match table.members.iter().find(|member| !keys.contains(&member.key.as_str())) {
            None => Ok(section),
            Some(member) => {
                let message = format!(
                    "unknown key; allowed: {}{}",
                    keys.join(", "),
                    did_you_mean(&member.key, keys.iter().copied())
                );
                Err(Error::new(section.file(), Some(member.line), section.path(&member.key), message))
            }
        }
    }

    /// The document that the section stands in.
    pub(super) fn file(&self) -> &'a str {
        self.place.file
    }

    /// The line where the section begins.
    pub(super) fn line(&self) -> u32 {
        self.place.line
    }

    /// A fault of the section as a whole.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        self.place.error(message)
    }

    /// The value of `key`, if it is there.
    pub(super) fn optional(&self, key: &str) -> Option<Field<'a>> {
        debug_assert!(self.keys.contains(&key), "{key} is no key of the section");
        let member = self.table.member(key)?;
        Some(Field {
            place: Place { file: self.place.file, line: member.line, path: self.path(key) },
            node: &member.node,
        })
    }

    /// The value of `key`; without it, an error that says `what` belongs there.
    pub(super) fn required(&self, key: &str, what: &str) -> Result<Field<'a>, Error> {
        self.optional(key).ok_or_else(|| {
            Error::new(self.file(), Some(self.line()), self.path(key), format!("is required: {what}"))
        })
    }

    /// Which of `keys` is there, when exactly one has to be.
    pub(super) fn exactly_one(&self, keys: KeyNames) -> Result<(&'static str, Field<'a>), Error> {
        let required = || self.error(format!("exactly one of these is required: {}", keys.join(", ")));
        self.at_most_one(keys)?.ok_or_else(required)
    }

    /// Which of `keys` is there, when no two may be.
    pub(super) fn at_most_one(&self, keys: KeyNames) -> Result<Option<(&'static str, Field<'a>)>, Error> {
        let mut found = keys.iter().filter_map(|key| Some((*key, self.optional(key)?)));
        let first = found.next();
        match (first.as_ref(), found.next()) {
            (Some((first, _)), Some((_, second))) => Err(second.error(format!(
                "stands beside `{first}`; exactly one of these is allowed: {}",
                keys.join(", ")
            ))),
            _ => Ok(first),
        }
    }

    /// Refuses `keys`, which are known but have no meaning here; `why` says when they have.
    pub(super) fn refuse(&self, keys: KeyNames, why: &str) -> Result<(), Error> {
        match keys.iter().find_map(|key| self.optional(key)) {
            None => Ok(()),
            Some(field) => Err(field.error(why)),
        }
    }

    /// The table at `key`; an empty one when it is left out, so that its defaults apply.
    pub(super) fn section(&self, key: &str, keys: KeyNames) -> Result<Self, Error> {
        static EMPTY: Table = Table::EMPTY;
        match self.optional(key) {
            Some(field) => field.section(keys),
            None => {
                Ok(Self { place: Place { path: self.path(key), ..self.place.clone() }, table: &EMPTY, keys })
            }
        }
    }

    /// The tables of the list at `key`; none when it is left out.
    pub(super) fn sections(&self, key: &str, keys: KeyNames) -> Result<Vec<Self>, Error> {
        match self.optional(key) {
            Some(field) => field.items()?.into_iter().map(|item| item.section(keys)).collect(),
            None => Ok(Vec::new()),
        }
    }

    /// `true` or `false` at `key`, or the default.
    pub(super) fn boolean(&self, key: &str, default: bool) -> Result<bool, Error> {
        self.optional(key).map_or(Ok(default), |field| field.boolean())
    }

    /// A whole number within `range` at `key`, or the default.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<i64>, default: i64) -> Result<i64, Error> {
        self.optional(key).map_or(Ok(default), |field| field.integer(range))
    }

    /// One of `words` at `key`, or the default.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], default: T) -> Result<T, Error> {
        self.optional(key).map_or(Ok(default), |field| field.word(words))
    }

    /// Non-empty text at `key`.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        self.optional(key).map(|field| field.text()).transpose()
    }

    /// A list of different, non-empty texts at `key`; empty when it is left out.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Error> {
        self.optional(key).map_or(Ok(Vec::new()), |field| field.texts())
    }

    /// A date at `key`.
    pub(super) fn date(&self, key: &str) -> Result<Option<Date>, Error> {
        self.optional(key).map(|field| field.date()).transpose()
    }

    fn path(&self, key: &str) -> String {
        if self.place.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.path) }
    }
}

impl<'a> Field<'a> {
    /// A fault of this value.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        self.place.error(message)
    }

    /// The line where it stands.
    pub(super) fn line(&self) -> u32 {
        self.place.line
    }

    /// The value as it stands in the document.
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Result<&'a str, Error> {
        match &self.node.value {
            Value::String(text) if text.is_empty() => Err(self.error("must not be empty")),
            Value::String(text) => Ok(text),
            _ => Err(self.type_error("a string")),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, Error> {
        match self.node.value {
            Value::Boolean(truth) => Ok(truth),
            _ => Err(self.type_error("true or false")),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Result<i64, Error> {
        let (low, high) = (range.start(), range.end());
        match self.node.value {
            Value::Integer(number) if range.contains(&number) => Ok(number),
            Value::Integer(number) => {
                Err(self.error(format!("`{number}` is out of range; allowed: {low} to {high}")))
            }
            _ => Err(self.type_error(&format!("a whole number, {low} to {high}"))),
        }
    }

    /// One of the words, as what it stands for.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Error> {
        let text = self.text()?;
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(format!("unknown value `{text}`; allowed: {}", allowed.join(", ")))
        })
    }

    /// A date: TOML's, or `YYYY-MM-DD` as a string.
    pub(super) fn date(&self) -> Result<Date, Error> {
        match &self.node.value {
            Value::Date(date) => Ok(*date),
            Value::String(text) => Date::parse(text).ok_or_else(|| {
                self.error(format!("`{text}` is not a date; a date is written as `YYYY-MM-DD`"))
            }),
            _ => Err(self.type_error("a date (`YYYY-MM-DD`)")),
        }
    }

    /// A table with known keys.
    pub(super) fn section(&self, keys: KeyNames) -> Result<Section<'a>, Error> {
        match &self.node.value {
            Value::Table(table) => {
                let place = Place { line: self.node.line, ..self.place.clone() };
                Section::open(place, table, keys)
            }
            _ => Err(self.type_error("a table")),
        }
    }

    /// The elements of a list, each with its own place.
    pub(super) fn items(&self) -> Result<Vec<Field<'a>>, Error> {
        match &self.node.value {
            Value::Array(nodes) => Ok(self.elements(nodes)),
            _ => Err(self.type_error("a list")),
        }
    }

    /// The elements of a list, or the one string that stands for a list of one. Not empty.
    pub(super) fn one_or_more(&self) -> Result<Vec<Field<'a>>, Error> {
        match &self.node.value {
            Value::Array(nodes) if nodes.is_empty() => Err(self.error("must not be empty")),
            Value::Array(nodes) => Ok(self.elements(nodes)),
            Value::String(_) => Ok(vec![Field { place: self.place.clone(), node: self.node }]),
            _ => Err(self.type_error("a string or a list of strings")),
        }
    }

    /// A list of different, non-empty texts. The list may be empty.
    pub(super) fn texts(&self) -> Result<Vec<String>, Error> {
        match &self.node.value {
            Value::Array(nodes) => distinct_texts(&self.elements(nodes)),
            _ => Err(self.type_error("a list of strings")),
        }
    }

    /// A list of different, non-empty texts, at least one.
    pub(super) fn some_texts(&self) -> Result<Vec<String>, Error> {
        let texts = self.texts()?;
        if texts.is_empty() {
            return Err(self.error("must not be empty"));
        }
        Ok(texts)
    }

    /// The value is of another type than `expected`.
    pub(super) fn type_error(&self, expected: &str) -> Error {
        self.error(format!("must be {expected}, not {}", self.node.value))
    }

    fn elements(&self, nodes: &'a [Node]) -> Vec<Field<'a>> {
        let element = |(at, node): (usize, &'a Node)| Field {
            place: Place {
                file: self.place.file,
                line: node.line,
                path: format!("{}[{at}]", self.place.path),
            },
            node,
        };
        nodes.iter().enumerate().map(element).collect()
    }
}

/// The texts of `fields`, none empty and none twice.
pub(super) fn distinct_texts(fields: &[Field<'_>]) -> Result<Vec<String>, Error> {
    let mut texts: Vec<String> = Vec::with_capacity(fields.len());
    for field in fields {
        let text = field.text()?;
        if texts.iter().any(|seen| seen == text) {
            return Err(field.error(format!("`{text}` stands twice")));
        }
        texts.push(text.to_owned());
    }
    Ok(texts)
}

/// `; there are: ..`, for a name that is none of `known`: the first of them, and the nearest one.
pub(super) fn there_are<'k>(name: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let list: Vec<&str> = known.clone().take(MAX_LISTED).collect();
    if list.is_empty() {
        return "; there are none".to_owned();
    }
    let more = match known.clone().count() - list.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("; there are: {}{more}{}", list.join(", "), did_you_mean(name, known))
}

/// `; did you mean ..?`, when one of `known` is a slip or two away from `name`; otherwise nothing.
fn did_you_mean<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    known
        .map(|word| (edit_distance(name, word), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= 2 && *distance < word.len().div_ceil(2))
        .map_or_else(String::new, |(_, word)| format!("; did you mean `{word}`?"))
}

/// How many characters to insert, delete or replace to turn `from` into `to` (Levenshtein).
fn edit_distance(from: &str, to: &str) -> usize {
    // One row of the table; `diagonal` is the value up and to the left.
    let mut row: Vec<usize> = (1..=to.chars().count()).collect();
    for (at, a) in from.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (b, cell) in to.chars().zip(&mut row) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(left + 1);
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_else(|| from.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_table() {
        for (from, to, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("algoritms", "algorithms", 1),
            ("é", "e", 1),
        ] {
            assert_eq!(edit_distance(from, to), distance, "{from} {to}");
        }
    }

    #[test]
    fn a_suggestion_needs_a_near_word() {
        let known = ["issuer", "id"];
        assert_eq!(did_you_mean("isuer", known.into_iter()), "; did you mean `issuer`?");
        assert_eq!(did_you_mean("ix", known.into_iter()), "");
        assert_eq!(did_you_mean("resource", known.into_iter()), "");
        assert_eq!(there_are("x", std::iter::empty()), "; there are none");
    }

    #[test]
    fn faults_name_the_place_and_what_is_allowed() {
        let text =
            "n = 70\nb = 'yes'\nl = [\n'a',\n2]\nd = '2027-02-30'\n[[t]]\n[[t]]\n[[t.u]]\nalgoritms = 1\n";
        let node = Node::parse("f.toml", text).unwrap();
        let root = Section::root("f.toml", &node, &["n", "b", "l", "d", "t", "w"]).unwrap();
        let error = |result: Result<(), Error>| result.unwrap_err().to_string();
        assert_eq!(
            error(root.integer("n", 1..=60, 30).map(drop)),
            "f.toml:1: `n`: `70` is out of range; allowed: 1 to 60"
        );
        assert_eq!(
            error(root.boolean("b", true).map(drop)),
            "f.toml:2: `b`: must be true or false, not a string"
        );
        assert_eq!(
            error(root.texts("l").map(drop)),
            "f.toml:5: `l[1]`: must be a string, not a whole number"
        );
        assert_eq!(
            error(root.date("d").map(drop)),
            "f.toml:6: `d`: `2027-02-30` is not a date; a date is written as `YYYY-MM-DD`"
        );
        assert_eq!(
            error(root.word("b", &[("no", 1), ("maybe", 2)], 1).map(drop)),
            "f.toml:2: `b`: unknown value `yes`; allowed: no, maybe"
        );
        assert_eq!(
            error(root.required("w", "some words").map(drop)),
            "f.toml:1: `w`: is required: some words"
        );
        let tables = root.sections("t", &["u"]).unwrap();
        assert_eq!(
            error(tables[1].sections("u", &["issuer", "algorithms"]).map(drop)),
            "f.toml:10: `t[1].u[0].algoritms`: unknown key; allowed: issuer, algorithms; did you mean `algorithms`?"
        );
        assert_eq!(
            error(root.section("n", &[]).map(drop)),
            "f.toml:1: `n`: must be a table, not a whole number"
        );
    }
}
