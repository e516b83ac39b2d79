//! The directory: (issuer, tenant, subject) to active or not, and groups; immutable, for millions of people.
//!
//! It is loaded whole from JSON or CSV and replaced whole. Names of groups, issuers and tenants are kept once, and people are
//! told by their numbers (`people`). It does not judge: what an unlisted or inactive person may do is the caller's.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;
use std::mem;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::crypto;
use crate::error::Error;
use crate::people::{Entry, Listed, People};
use crate::policy::hexadecimal;

/// People and their groups, as of one load. Allocations are few and large; 96 bytes a person, and for those whose name and
/// groups come to more than 56 (two for a group, four where there are more than 65,535) that much more.
pub struct Directory {
    /// Randomly keyed.
    state: RandomState,
    /// The names behind every [`Span`].
    text: String,
    groups: Vec<Span>,
    realms: Vec<Realm>,
    /// Numbers in `realms`, with the hash of issuer and tenant.
    realm_index: HashTable<(u64, u32)>,
    people: People,
    /// See [`digest`](Self::digest).
    digest: String,
}

impl Directory {
    /// Nobody is listed.
    pub fn empty() -> Self {
        Self {
            state: RandomState::default(),
            text: String::new(),
            groups: Vec::new(),
            realms: Vec::new(),
            realm_index: HashTable::new(),
            people: People::empty(RandomState::default()),
            digest: String::new(),
        }
    }

    /// Reads `{"version":1,"people":[{"issuer","tenant"?,"subject","active"?:true,"groups":[...]}]}`.
    ///
    /// `file` names the source in errors: another version or member, an empty name, a person who is listed twice, more
    /// than 4 GiB. The text is read in one pass, without a list of its people between.
    pub fn from_json(file: &str, text: &[u8]) -> Result<Self, Error> {
        let mut reader = JsonReader::default();
        let mut json = serde_json::Deserializer::from_slice(text);
        json.deserialize_map(&mut reader)
            .and_then(|()| json.end())
            .map_err(|error| reader.error(file, &error))?;
        Ok(reader.builder.finish(text))
    }

    /// Reads CSV with the header `issuer,tenant,subject,active,group` and a row for each group of a person.
    ///
    /// An empty `tenant` is none, an empty `active` is `true`, an empty `group` adds none; the rows of a person may
    /// stand anywhere but must agree on `active`. `file` names the source in errors.
    pub fn from_csv(file: &str, text: &[u8]) -> Result<Self, Error> {
        let mut reader = csv::Reader::from_reader(text);
        let header = reader.headers().map_err(|error| csv_error(file, &error))?;
        if *header != CSV_HEADER[..] {
            let message = format!("the header must be `{}`", CSV_HEADER.join(","));
            return Err(Error::new(file, Some(1), "", message));
        }
        let mut builder = Builder::default();
        let mut memberships = Vec::new();
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).map_err(|error| csv_error(file, &error))? {
            builder.add_row(&row, &mut memberships).map_err(|fault| {
                let line = row.position().and_then(|place| u32::try_from(place.line()).ok());
                Error::new(file, line, fault.member, fault.message)
            })?;
        }
        match builder.with_memberships(memberships) {
            Ok(builder) => Ok(builder.finish(text)),
            Err(fault) => Err(Error::new(file, None, fault.member, fault.message)),
        }
    }

    /// The person, where listed. Allocates nothing; exact bytes, no case folding. Takes some tens of nanoseconds, and in a
    /// directory of millions one read of memory that is not near.
    pub fn lookup(&self, issuer: &str, tenant: Option<&str>, subject: &str) -> Option<Person<'_>> {
        let realm = self.realm(issuer, tenant)?;
        let Entry { active, groups } = self.people.find(realm, subject.as_bytes())?;
        Some(Person { active, groups: Groups { directory: self, numbers: groups } })
    }

    /// How many people are listed.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// The SHA-256 of the text that it was read from, in hexadecimal; of [`empty`](Self::empty), nothing. For the record.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of all groups, each once, whatever issuer and tenant they belong to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter_map(|span| self.name(*span))
    }

    /// Active people of the issuers that are `listed`, by what sets them apart: issuer, tenant, and those of their groups that
    /// matter. None where there are more than `most` kinds. Linear in the people.
    pub(crate) fn kinds(
        &self,
        listed: impl Fn(&str) -> bool,
        matters: impl Fn(&str) -> bool,
        most: usize,
    ) -> Option<Vec<Kind<'_>>> {
        let listed = |realm: &Realm| self.name(realm.issuer).is_some_and(&listed);
        let listed: Vec<bool> = self.realms.iter().map(listed).collect();
        let matters: Vec<bool> = self.groups().map(matters).collect();
        // Of the realm and the groups, their numbers.
        let mut found: HashMap<Vec<u32>, usize, RandomState> = HashMap::default();
        let mut key = Vec::new();
        for (realm, Entry { active, mut groups }) in self.people.each() {
            if active && listed.get(realm as usize) == Some(&true) {
                key.clear();
                key.push(realm);
                while let Some((number, others)) = self.people.first_number(groups) {
                    groups = others;
                    key.extend(Some(number).filter(|number| matters.get(*number as usize) == Some(&true)));
                }
                key.get_mut(1..).unwrap_or_default().sort_unstable();
                *found.entry_ref(key.as_slice()).or_default() += 1;
                if found.len() > most {
                    return None;
                }
            }
        }
        let kind = |(key, people): (Vec<u32>, usize)| {
            let (realm, groups) = key.split_first()?;
            let realm = self.realms.get(*realm as usize)?;
            let groups = groups.iter().map(|number| self.name(*self.groups.get(*number as usize)?));
            Some(Kind {
                issuer: self.name(realm.issuer)?,
                tenant: realm.tenant.and_then(|tenant| self.name(tenant)),
                groups: groups.collect::<Option<_>>()?,
                people,
            })
        };
        found.into_iter().map(kind).collect()
    }

    /// What it occupies on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        self.text.capacity()
            + self.people.bytes()
            + self.groups.capacity() * size_of::<Span>()
            + self.realms.capacity() * size_of::<Realm>()
            + self.realm_index.allocation_size()
    }

    fn name(&self, span: Span) -> Option<&str> {
        self.text.get(span.start as usize..span.end as usize)
    }

    fn realm(&self, issuer: &str, tenant: Option<&str>) -> Option<u32> {
        let is_it = |realm: &Realm| {
            self.name(realm.issuer) == Some(issuer)
                && realm.tenant.map(|tenant| self.name(tenant)) == tenant.map(Some)
        };
        if self.realms.len() <= FEW_REALMS {
            return u32::try_from(self.realms.iter().position(is_it)?).ok();
        }
        let hash = self.state.hash_one((issuer, tenant));
        let is_it = |entry: &(u64, u32)| self.realms.get(entry.1 as usize).is_some_and(is_it);
        Some(self.realm_index.find(hash, is_it)?.1)
    }
}

/// Of so many, one is found sooner by looking at each than by its hash.
const FEW_REALMS: usize = 2;

impl fmt::Debug for Directory {
    /// The number of people only: names are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({} people)", self.len())
    }
}

/// What the directory says about one person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Person<'a> {
    /// False: listed, but without access to anything.
    pub active: bool,
    /// The person's groups, each once, in the order of the source.
    pub groups: Groups<'a>,
}

/// People whom nothing sets apart that matters.
pub(crate) struct Kind<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) groups: Vec<&'a str>,
    /// How many.
    pub(crate) people: usize,
}

/// Names of groups, borrowed from the directory.
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    directory: &'a Directory,
    /// In as many bytes each as the people say.
    numbers: &'a [u8],
}

impl<'a> Iterator for Groups<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (number, others) = self.directory.people.first_number(self.numbers)?;
        self.numbers = others;
        self.directory.name(*self.directory.groups.get(number as usize)?)
    }
}

/// A piece of `Directory::text`.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// Where subjects are unique: an issuer, and its tenant where it has several.
struct Realm {
    issuer: Span,
    tenant: Option<Span>,
}

/// One person, while a directory is made. In `Builder::records`: realm and active, the length of the subject, and the number
/// of groups, in four bytes each; the subject; the number of each group in four bytes. All little-endian.
struct Record<'a> {
    realm: u32,
    active: bool,
    subject: &'a [u8],
    groups: &'a [[u8; 4]],
}

impl<'a> Record<'a> {
    /// Bytes before the subject.
    const FIELDS: usize = 12;

    /// The first of some records, and those that follow.
    fn read(mut records: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut number = || {
            let (bytes, after) = records.split_first_chunk()?;
            records = after;
            Some(u32::from_le_bytes(*bytes))
        };
        let (realm, subject, groups) = (number()?, number()?, number()?);
        let (subject, rest) = records.split_at_checked(subject as usize)?;
        let (groups, others) = rest.split_at_checked((groups as usize).checked_mul(4)?)?;
        let record =
            Self { realm: realm >> 1, active: realm & 1 == 1, subject, groups: groups.as_chunks().0 };
        Some((record, others))
    }

    /// The record at `start`.
    fn read_at(people: &'a [u8], start: u32) -> Option<Self> {
        Some(Self::read(people.get(start as usize..)?)?.0)
    }

    fn is(&self, realm: u32, subject: &[u8]) -> bool {
        self.subject == subject && self.realm == realm
    }
}

/// A fault in the source, and the member or column that holds it.
struct Fault {
    member: &'static str,
    message: String,
}

impl Fault {
    fn new(member: &'static str, message: impl Into<String>) -> Self {
        Self { member, message: message.into() }
    }

    fn too_large() -> Self {
        Self::new("", "the directory is too large; allowed: 4 GiB of people and 4 GiB of names")
    }
}

/// A directory in the making: its people are not yet in order.
struct Builder {
    made: Directory,
    /// One record a person, see [`Record`].
    records: Vec<u8>,
    /// Where records start, with the hash of the person.
    people_index: HashTable<(u64, u32)>,
    /// Numbers in `made.groups`, with the hash of the name.
    group_index: HashTable<(u64, u32)>,
    /// For each group, where the record starts that it was last added to: a group that is given twice counts once.
    last_member: Vec<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            made: Directory::empty(),
            records: Vec::new(),
            people_index: HashTable::new(),
            group_index: HashTable::new(),
            last_member: Vec::new(),
        }
    }
}

impl Builder {
    /// Puts the people of `text` into the order of their hashes.
    fn finish(self, text: &[u8]) -> Directory {
        let mut made = self.made;
        made.digest = hexadecimal(&crypto::sha256(&[text]));
        let mut order: Vec<(u64, u32)> = self.people_index.into_iter().collect();
        order.sort_unstable();
        let listed = order.iter().filter_map(|(hash, start)| {
            let Record { realm, active, subject, groups } = Record::read_at(&self.records, *start)?;
            Some((*hash, Listed { realm, active, subject, groups }))
        });
        made.people = People::new(made.people.state().clone(), made.groups.len(), order.len(), listed);
        made.text.shrink_to_fit();
        made.groups.shrink_to_fit();
        made.realms.shrink_to_fit();
        made
    }

    /// The place and record of a person who was added.
    fn find(&self, hash: u64, realm: u32, subject: &[u8]) -> Option<(u32, Record<'_>)> {
        let is_it = |entry: &(u64, u32)| {
            entry.0 == hash
                && Record::read_at(&self.records, entry.1).is_some_and(|record| record.is(realm, subject))
        };
        let start = self.people_index.find(hash, is_it)?.1;
        Some((start, Record::read_at(&self.records, start)?))
    }

    /// The number of an issuer and tenant.
    fn realm(&mut self, issuer: &str, tenant: Option<&str>) -> Result<u32, Fault> {
        if let Some(known) = self.made.realm(issuer, tenant) {
            return Ok(known);
        }
        let realm = Realm {
            issuer: self.keep("issuer", issuer)?,
            tenant: tenant.map(|tenant| self.keep("tenant", tenant)).transpose()?,
        };
        // Doubled, because a record's lowest bit of the realm says whether the person is active.
        let number = number(self.made.realms.len() * 2)? / 2;
        self.made.realms.push(realm);
        let hash = self.made.state.hash_one((issuer, tenant));
        self.made.realm_index.insert_unique(hash, (hash, number), |entry| entry.0);
        Ok(number)
    }

    /// The number of a group.
    fn group(&mut self, member: &'static str, name: &str) -> Result<u32, Fault> {
        let hash = self.made.state.hash_one(name);
        let is_it = |entry: &(u64, u32)| {
            let span = self.made.groups.get(entry.1 as usize);
            span.and_then(|span| self.made.name(*span)) == Some(name)
        };
        if let Some(known) = self.group_index.find(hash, is_it) {
            return Ok(known.1);
        }
        let span = self.keep(member, name)?;
        let number = number(self.made.groups.len())?;
        self.made.groups.push(span);
        self.last_member.push(u32::MAX);
        self.group_index.insert_unique(hash, (hash, number), |entry| entry.0);
        Ok(number)
    }

    fn keep(&mut self, member: &'static str, name: &str) -> Result<Span, Fault> {
        not_empty(member, name)?;
        let span =
            Span { start: number(self.made.text.len())?, end: number(self.made.text.len() + name.len())? };
        self.made.text.push_str(name);
        Ok(span)
    }

    /// Adds a person, leaves each group once in `groups`, and returns where the record starts.
    fn add(&mut self, realm: u32, active: bool, subject: &[u8], groups: &mut Vec<u32>) -> Result<u32, Fault> {
        let hash = self.made.people.hash(realm, subject);
        if self.find(hash, realm, subject).is_some() {
            let subject = String::from_utf8_lossy(subject);
            let message = format!("`{subject}` is listed twice; allowed: once for an issuer and tenant");
            return Err(Fault::new("subject", message));
        }
        let start = number(self.records.len())?;
        groups.retain(|group| {
            let last = self.last_member.get_mut(*group as usize);
            last.is_some_and(|last| mem::replace(last, start) != start)
        });
        number(self.records.len() + Record::FIELDS + subject.len() + groups.len() * 4)?;
        let records = &mut self.records;
        for field in [realm << 1 | u32::from(active), number(subject.len())?, number(groups.len())?] {
            records.extend(field.to_le_bytes());
        }
        records.extend(subject);
        for group in groups {
            records.extend(group.to_le_bytes());
        }
        self.people_index.insert_unique(hash, (hash, start), |entry| entry.0);
        Ok(start)
    }

    /// Takes a row of CSV: its person, where new, and where there is a group, the person's record and the group.
    fn add_row(&mut self, row: &csv::StringRecord, memberships: &mut Vec<(u32, u32)>) -> Result<(), Fault> {
        let mut columns = row.iter();
        let mut column = || columns.next().unwrap_or_default();
        let (issuer, tenant, subject, active, group) = (column(), column(), column(), column(), column());
        not_empty("subject", subject)?;
        for (name, value) in CSV_HEADER.into_iter().zip(row) {
            // Most likely a quotation mark that nothing closes: what follows would vanish in this name.
            if value.contains(['\r', '\n']) {
                return Err(Fault::new(name, "contains a line break; allowed: names of one line"));
            }
        }
        let active = match active {
            "" | "true" => true,
            "false" => false,
            other => {
                let message =
                    format!("unknown value `{other}`; allowed: `true`, `false`, or empty for `true`");
                return Err(Fault::new("active", message));
            }
        };
        let realm = self.realm(issuer, Some(tenant).filter(|tenant| !tenant.is_empty()))?;
        let hash = self.made.people.hash(realm, subject.as_bytes());
        let start = match self.find(hash, realm, subject.as_bytes()) {
            Some((_, record)) if record.active != active => {
                let message =
                    format!("`{subject}` is active in one row and not in another; allowed: one of the two");
                return Err(Fault::new("active", message));
            }
            Some((start, _)) => start,
            None => self.add(realm, active, subject.as_bytes(), &mut Vec::new())?,
        };
        if !group.is_empty() {
            memberships.push((start, self.group("group", group)?));
        }
        Ok(())
    }

    /// Writes the people anew, with the groups that rows in any order gave to their records.
    fn with_memberships(mut self, mut memberships: Vec<(u32, u32)>) -> Result<Self, Fault> {
        // Stable: a person's groups stay in the order of the rows.
        memberships.sort_by_key(|membership| membership.0);
        let people = mem::take(&mut self.records);
        self.people_index.clear();
        let mut memberships = memberships.into_iter().peekable();
        let mut groups = Vec::new();
        let (mut start, mut rest) = (0, &*people);
        while let Some((record, others)) = Record::read(rest) {
            groups.clear();
            while let Some((_, group)) = memberships.next_if(|membership| membership.0 == start) {
                groups.push(group);
            }
            self.add(record.realm, record.active, record.subject, &mut groups)?;
            start = number(people.len() - others.len())?;
            rest = others;
        }
        Ok(self)
    }
}

fn not_empty(member: &'static str, name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::new(member, "must not be empty"));
    }
    Ok(())
}

/// A length or a place in the directory as it is stored.
fn number(length: usize) -> Result<u32, Fault> {
    u32::try_from(length).map_err(|_| Fault::too_large())
}

/// Reads the JSON form into a directory in the making.
#[derive(Default)]
struct JsonReader {
    builder: Builder,
    /// Whether it stands inside `people`.
    in_people: bool,
    /// The fault that stopped the reading, where it is not one of form.
    fault: Option<Fault>,
    /// The groups of the person at hand.
    groups: Vec<u32>,
}

const JSON_MEMBERS: &[&str] = &["version", "people"];

/// A person as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow)]
    issuer: Name<'a>,
    #[serde(borrow, default)]
    tenant: Option<Name<'a>>,
    #[serde(borrow)]
    subject: Name<'a>,
    #[serde(default = "unless_said")]
    active: bool,
    #[serde(borrow)]
    groups: Vec<Name<'a>>,
}

/// Borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn unless_said() -> bool {
    true
}

impl JsonReader {
    fn version(version: u64) -> Result<(), Fault> {
        if version == 1 {
            return Ok(());
        }
        Err(Fault::new("version", format!("unknown version `{version}`; allowed: 1")))
    }

    fn person(&mut self, listed: &Written<'_>) -> Result<(), Fault> {
        let tenant = listed.tenant.as_ref().map(|tenant| &*tenant.0);
        not_empty("subject", &listed.subject.0)?;
        let realm = self.builder.realm(&listed.issuer.0, tenant)?;
        self.groups.clear();
        for group in &listed.groups {
            self.groups.push(self.builder.group("groups", &group.0)?);
        }
        let subject = listed.subject.0.as_bytes();
        self.builder.add(realm, listed.active, subject, &mut self.groups)?;
        Ok(())
    }

    /// Keeps a fault for [`Self::error`] and stops the reader, which knows the line.
    fn stop<E: de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("stopped")
    }

    fn error(&mut self, file: &str, error: &serde_json::Error) -> Error {
        let form = || {
            // The reader ends its text with the place, which has a field of its own here.
            let text = error.to_string();
            let message = text.rsplit_once(" at line ").map_or(&*text, |(message, _)| message);
            Fault::new("", message)
        };
        let Fault { member, message } = self.fault.take().unwrap_or_else(form);
        let key = match (self.in_people, member) {
            (false, member) => member.to_owned(),
            (true, "") => format!("people[{}]", self.builder.people_index.len()),
            (true, member) => format!("people[{}].{member}", self.builder.people_index.len()),
        };
        Error::new(file, u32::try_from(error.line()).ok(), key, message)
    }
}

impl<'de> Visitor<'de> for &mut JsonReader {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `version` and `people`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (mut version, mut people) = (false, false);
        while let Some(Name(member)) = members.next_key()? {
            match &*member {
                "version" if !version => {
                    version = true;
                    let given = members.next_value()?;
                    JsonReader::version(given).map_err(|fault| self.stop(fault))?;
                }
                "people" if !people => {
                    people = true;
                    self.in_people = true;
                    members.next_value_seed(List(self))?;
                    self.in_people = false;
                }
                "version" => return Err(de::Error::duplicate_field("version")),
                "people" => return Err(de::Error::duplicate_field("people")),
                other => return Err(de::Error::unknown_field(other, JSON_MEMBERS)),
            }
        }
        match (version, people) {
            (false, _) => Err(de::Error::missing_field("version")),
            (_, false) => Err(de::Error::missing_field("people")),
            (true, true) => Ok(()),
        }
    }
}

/// The list of people.
struct List<'r>(&'r mut JsonReader);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of people")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut people: A) -> Result<(), A::Error> {
        while people.next_element_seed(OnePerson(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// One of the people: an object, never the list of values that a derived reader would also take.
struct OnePerson<'r>(&'r mut JsonReader);

impl<'de> DeserializeSeed<'de> for OnePerson<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OnePerson<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a person: an object with `issuer`, `subject` and `groups`")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let listed = Written::deserialize(MapAccessDeserializer::new(members))?;
        self.0.person(&listed).map_err(|fault| self.0.stop(fault))
    }
}

const CSV_HEADER: [&str; 5] = ["issuer", "tenant", "subject", "active", "group"];

fn csv_error(file: &str, error: &csv::Error) -> Error {
    let line = error.position().and_then(|place| u32::try_from(place.line()).ok());
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { len, .. } => format!("`{len}` columns; allowed: 5"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    Error::new(file, line, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found<'a> = Option<(bool, Vec<&'a str>)>;

    fn find<'a>(directory: &'a Directory, issuer: &str, tenant: Option<&str>, subject: &str) -> Found<'a> {
        let person = directory.lookup(issuer, tenant, subject)?;
        Some((person.active, person.groups.collect()))
    }

    fn json(people: &str) -> Result<Directory, Error> {
        Directory::from_json("d.json", format!("{{\"version\":1,\"people\":[\n{people}]}}").as_bytes())
    }

    fn csv(rows: &str) -> Result<Directory, Error> {
        Directory::from_csv("d.csv", format!("issuer,tenant,subject,active,group\n{rows}").as_bytes())
    }

    #[test]
    fn nobody_is_listed_in_an_empty_directory() {
        for empty in [Directory::empty(), json("").unwrap(), csv("").unwrap()] {
            assert!(empty.is_empty() && find(&empty, "i", None, "s").is_none());
            assert_eq!(empty.groups().count(), 0);
        }
    }

    #[test]
    fn a_person_is_issuer_tenant_and_subject_in_both_forms() {
        let from_json = json(
            r#"{"issuer":"i","subject":"s","groups":["eng","a\u00e9","eng","ops"]},
               {"groups":[],"subject":"s","tenant":"t","issuer":"i","active":false},
               {"issuer":"i","subject":"u","tenant":null,"groups":["ops"]}"#,
        );
        let from_csv = csv(
            "i,,s,,eng\ni,t,s,false,\r\ni,,u,true,ops\n\ni,,s,true,a\u{e9}\ni,,s,,eng\ni,,s,,\ni,,s,,ops",
        );
        for directory in [from_json.unwrap(), from_csv.unwrap()] {
            assert_eq!(directory.len(), 3);
            let first = Some((true, vec!["eng", "a\u{e9}", "ops"]));
            assert_eq!(find(&directory, "i", None, "s"), first);
            assert_eq!(find(&directory, "i", Some("t"), "s"), Some((false, vec![])));
            assert_eq!(find(&directory, "i", None, "u"), Some((true, vec!["ops"])));
            for (issuer, tenant, subject) in
                [("i", Some("t"), "u"), ("i", Some(""), "s"), ("I", None, "s"), ("i", None, "s ")]
            {
                assert_eq!(find(&directory, issuer, tenant, subject), None);
            }
            let mut groups: Vec<_> = directory.groups().collect();
            groups.sort_unstable();
            assert_eq!(groups, ["a\u{e9}", "eng", "ops"]);
            assert_eq!(format!("{directory:?}"), "Directory(3 people)");
        }
    }

    #[test]
    fn a_fault_in_json_names_the_line_the_member_and_what_is_allowed() {
        let ann = r#"{"issuer":"i","subject":"ann","groups":[]}"#;
        for (people, fault) in [
            (
                format!("{ann},\n{ann}"),
                "3: `people[1].subject`: `ann` is listed twice; allowed: once for an issuer and tenant",
            ),
            (
                format!("{ann},\n{{\"issuer\":\"\",\"subject\":\"s\",\"groups\":[]}}"),
                "3: `people[1].issuer`: must not be empty",
            ),
            (
                r#"{"issuer":"i","subject":"","groups":[]}"#.into(),
                "2: `people[0].subject`: must not be empty",
            ),
            (
                r#"{"issuer":"i","subject":"s","groups":[""]}"#.into(),
                "2: `people[0].groups`: must not be empty",
            ),
            (
                r#"{"issuer":"i","tenant":"","subject":"s","groups":[]}"#.into(),
                "2: `people[0].tenant`: must not be empty",
            ),
            (r#"{"issuer":"i","subject":"s"}"#.into(), "2: `people[0]`: missing field `groups`"),
            (
                r#"{"issuer":"i","subject":"s","groups":"eng"}"#.into(),
                "2: `people[0]`: invalid type: string \"eng\", expected a sequence",
            ),
            (
                r#"{"issuer":"i","subject":"s","groups":[],"active":null}"#.into(),
                "2: `people[0]`: invalid type: null, expected a boolean",
            ),
            (
                r#"{"issuer":"i","sub":"s","groups":[]}"#.into(),
                "2: `people[0]`: unknown field `sub`, expected one of `issuer`, `tenant`, `subject`, `active`, `groups`",
            ),
            (
                r#"["i",null,"s",true,[]]"#.into(),
                "2: `people[0]`: invalid type: sequence, expected a person: an object with `issuer`, `subject` and `groups`",
            ),
        ] {
            assert_eq!(json(&people).unwrap_err().to_string(), format!("d.json:{fault}"));
        }
        for (text, fault) in [
            ("{\n\"version\":2,\"people\":[]}", "2: `version`: unknown version `2`; allowed: 1"),
            ("{\"people\":[]}", "1: missing field `version`"),
            ("{\"version\":1}", "1: missing field `people`"),
            ("{\"version\":1,\"version\":1,\"people\":[]}", "1: duplicate field `version`"),
            ("{\"version\":1,\"people\":[],\"people\":[]}", "1: duplicate field `people`"),
            ("{\"version\":1,\"x\":[]}", "1: unknown field `x`, expected `version` or `people`"),
            ("{\"version\":1,\"people\":[]}\nx", "2: trailing characters"),
            ("[]", "1: invalid type: sequence, expected an object with `version` and `people`"),
            ("", "1: EOF while parsing a value"),
        ] {
            let error = Directory::from_json("d.json", text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("d.json:{fault}"));
        }
    }

    #[test]
    fn a_fault_in_csv_names_the_line_the_column_and_what_is_allowed() {
        for (rows, fault) in [
            (
                "i,,s,,\ni,,s,false,g",
                "3: `active`: `s` is active in one row and not in another; allowed: one of the two",
            ),
            ("i,,s,yes,", "2: `active`: unknown value `yes`; allowed: `true`, `false`, or empty for `true`"),
            (",,s,,g", "2: `issuer`: must not be empty"),
            ("i,,s,,g\ni,,,,g", "3: `subject`: must not be empty"),
            ("i,,s,,g\ni,,s,g", "3: `4` columns; allowed: 5"),
            ("i,,s,,\"g\ni,,t,false,g\n", "2: `group`: contains a line break; allowed: names of one line"),
        ] {
            assert_eq!(csv(rows).unwrap_err().to_string(), format!("d.csv:{fault}"));
        }
        for header in ["", "issuer,subject,active,group\n", "issuer,tenant,subject,active,groups\n"] {
            let error = Directory::from_csv("d.csv", header.as_bytes()).unwrap_err();
            let fault = "d.csv:1: the header must be `issuer,tenant,subject,active,group`";
            assert_eq!(error.to_string(), fault);
        }
        let error =
            Directory::from_csv("d.csv", b"issuer,tenant,subject,active,group\ni,,\xff,,\n").unwrap_err();
        assert_eq!(error.to_string(), "d.csv:2: not UTF-8");
    }

    #[test]
    fn thousands_agree_with_a_naive_twin_and_stay_small() {
        let mut text = String::from("issuer,tenant,subject,active,group\n");
        let mut twin = std::collections::HashMap::new();
        // A row a person in each round: nobody's rows are adjacent.
        for round in 0..8 {
            for person in 0..5_000_u32 {
                let (issuer, subject) = (person % 3, format!("00u{person:017}"));
                let group = format!("group {}", (person * 7 + round * 13) % 400);
                let row = format!("https://{issuer}.example,,{subject},{},{group}\n", person % 10 != 0);
                text.push_str(&row);
                let entry = twin.entry((issuer, subject)).or_insert((person % 10 != 0, Vec::new()));
                entry.1.push(group);
            }
        }
        let directory = Directory::from_csv("d.csv", text.as_bytes()).unwrap();
        assert_eq!(directory.len(), twin.len());
        assert_eq!(directory.groups().count(), 400);
        for ((issuer, subject), (active, groups)) in &twin {
            let issuer = format!("https://{issuer}.example");
            let found = find(&directory, &issuer, None, subject);
            assert_eq!(found, Some((*active, groups.iter().map(|group| &**group).collect())));
            assert_eq!(find(&directory, "https://3.example", None, subject), None);
        }
        let each = directory.bytes() / directory.len();
        assert!(each <= 100, "{each} bytes a person");
    }
}
