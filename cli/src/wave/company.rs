//! The company of the wave: its people in realistic groups, and the checklist of its connectors.
//!
//! Acme's people and their groups stand in the directory. Acme has bought Globex, whose IdP writes groups into the
//! assertion and leaves them out when there are too many, as Entra does.

use std::fmt::Write as _;

use serde_json::json;

use super::random::{Alphabet, Random};
use crate::calendar;
use crate::text::{people, plural};

/// The IdP of Acme: shaped like Okta's.
pub(crate) const ACME: &str = "https://acme.okta.example";
/// The IdP of Globex: shaped like Entra's.
pub(crate) const GLOBEX: &str = "https://login.entra.example/6f1f9e2a-globex/v2.0";
/// What assertions of Acme without `resource` are for.
pub(crate) const DEFAULT_RESOURCE: &str = "https://mcp.atlassian.example/v1/mcp";
/// A group of everybody in Acme, and one of everybody in Globex.
pub(crate) const ALL: &str = "all";
pub(crate) const GLOBEX_ALL: &str = "globex-all";

/// A person, as an IdP knows them.
pub(crate) struct Person {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) groups: Vec<&'static str>,
}

/// Everybody.
pub(crate) struct Company {
    /// Acme's people: each has a right to every enabled connector.
    pub(crate) people: Vec<Person>,
    /// Listed in Acme's directory, in no group that any grant names.
    pub(crate) guests: Vec<Person>,
    /// Globex's people, whose groups the directory does not have.
    pub(crate) globex: Vec<Person>,
}

/// One connector of the checklist. Scopes are separated by spaces.
pub(crate) struct Connector {
    pub(crate) id: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) scopes: &'static str,
    /// What everybody gets.
    pub(crate) for_all: &'static str,
    /// Groups, and what they get beside.
    grants: &'static [(&'static [&'static str], &'static str)],
    /// Enabled with an owner, or planned.
    owner: Option<&'static str>,
}

impl Connector {
    pub(crate) const fn is_enabled(&self) -> bool {
        self.owner.is_some()
    }

    /// The connectors that are on.
    pub(crate) fn enabled() -> impl Iterator<Item = &'static Self> + Clone {
        CONNECTORS.iter().filter(|connector| connector.is_enabled())
    }

    /// The connectors that are written down and not on.
    pub(crate) fn planned() -> impl Iterator<Item = &'static Self> + Clone {
        CONNECTORS.iter().filter(|connector| !connector.is_enabled())
    }
}

/// Every connector that the company knows of.
pub(crate) const CONNECTORS: &[Connector] = &[
    Connector {
        id: "asana",
        resource: "https://mcp.asana.example/sse",
        scopes: "tasks:read tasks:write projects:read projects:write",
        for_all: "tasks:read projects:read",
        grants: &[
            (&["marketing", "product", "support", "people-ops"], "tasks:write"),
            (&["managers"], "tasks:write projects:write"),
        ],
        owner: Some("work-management@acme.example"),
    },
    Connector {
        id: "atlassian",
        resource: DEFAULT_RESOURCE,
        scopes: "read:jira-work write:jira-work read:confluence write:confluence manage:jira-project",
        for_all: "read:jira-work read:confluence",
        grants: &[
            (&["eng", "product", "data", "support"], "write:jira-work write:confluence"),
            (&["legal", "finance"], "write:confluence"),
            (&["eng-platform", "managers"], "manage:jira-project"),
        ],
        owner: Some("developer-experience@acme.example"),
    },
    Connector {
        id: "canva",
        resource: "https://mcp.canva.example/mcp",
        scopes: "design:read design:write asset:read asset:write",
        for_all: "design:read asset:read",
        grants: &[(&["design", "marketing", "sales"], "design:write asset:write")],
        owner: Some("brand@acme.example"),
    },
    Connector {
        id: "figma",
        resource: "https://mcp.figma.example/mcp",
        scopes: "files:read comments:write dev-resources:read dev-resources:write",
        for_all: "files:read",
        grants: &[
            (&["design", "product"], "comments:write dev-resources:write"),
            (&["eng-web", "eng-mobile"], "comments:write dev-resources:read"),
        ],
        owner: Some("design-systems@acme.example"),
    },
    Connector {
        id: "granola",
        resource: "https://mcp.granola.example/",
        scopes: "notes:read transcripts:read notes:share",
        for_all: "notes:read",
        grants: &[
            (&["sales", "product", "support"], "transcripts:read"),
            (&["managers"], "transcripts:read notes:share"),
        ],
        owner: Some("workplace@acme.example"),
    },
    Connector {
        id: "linear",
        resource: "https://mcp.linear.example/mcp",
        scopes: "read issues:create comments:create write admin",
        for_all: "read issues:create",
        grants: &[
            (&["eng", "product", "design", "data"], "comments:create write"),
            (&["eng-platform"], "admin"),
        ],
        owner: Some("developer-experience@acme.example"),
    },
    Connector {
        id: "supabase",
        resource: "https://mcp.supabase.example/mcp",
        scopes: "projects:read database:read database:write functions:deploy",
        for_all: "projects:read",
        grants: &[
            (&["eng", "data"], "database:read"),
            (&["eng-platform", "data-platform"], "database:write functions:deploy"),
        ],
        owner: Some("data-platform@acme.example"),
    },
    Connector {
        id: "slack",
        resource: "https://mcp.slack.example/mcp",
        scopes: "channels:read channels:history search:read chat:write",
        for_all: "channels:read",
        grants: &[(&["managers"], "channels:history search:read")],
        owner: None,
    },
];

/// Departments, how many of a hundred people they have, and their teams.
const DEPARTMENTS: &[(&str, usize, &[&str])] = &[
    ("eng", 36, &["eng-platform", "eng-web", "eng-mobile", "eng-infra", "eng-security"]),
    ("sales", 16, &["sales-emea", "sales-amer", "sales-apac"]),
    ("marketing", 9, &["marketing-content", "marketing-growth"]),
    ("support", 9, &["support-tier-1", "support-tier-2"]),
    ("product", 8, &["product-core", "product-growth"]),
    ("data", 7, &["data-science", "data-platform"]),
    ("design", 6, &["design-product", "design-brand"]),
    ("finance", 4, &["finance-accounting", "finance-planning"]),
    ("people-ops", 3, &["people-ops-talent"]),
    ("legal", 2, &["legal-commercial"]),
];

const LEVELS: &[&str] = &["level-1", "level-2", "level-3", "level-4", "level-5"];
const OFFICES: &[&str] =
    &["office-berlin", "office-dublin", "office-new-york", "office-singapore", "office-remote"];
const PROJECTS: &[&str] = &[
    "project-atlas",
    "project-borealis",
    "project-cobalt",
    "project-dune",
    "project-ember",
    "project-fjord",
];
const GLOBEX_TEAMS: &[&str] = &["globex-research", "globex-fields", "globex-sales"];
const FIRST_NAMES: &[&str] = &[
    "ada",
    "alan",
    "barbara",
    "claude",
    "donald",
    "edsger",
    "frances",
    "grace",
    "hedy",
    "ivan",
    "jean",
    "katherine",
];
const LAST_NAMES: &[&str] =
    &["allen", "bell", "curie", "dahl", "euler", "floyd", "gauss", "hopper", "ito", "jones", "kay", "liskov"];

impl Company {
    /// A company of `people`; how many guests and people of Globex there are follows from that.
    pub(crate) fn found(people: usize, random: &mut Random) -> Self {
        let others = people / 50 + 1;
        Self {
            people: (0..people).map(|number| employee(number, random)).collect(),
            guests: (0..others)
                .map(|number| acme(&format!("guest.{number}"), vec!["guests", "office-remote"], random))
                .collect(),
            globex: (0..others).map(|number| globex(number, random)).collect(),
        }
    }

    /// The text of `directory.json`: Acme's people and guests.
    pub(crate) fn directory(&self) -> String {
        let mut text = String::from("{\"version\":1,\"people\":[\n");
        for (at, person) in self.people.iter().chain(&self.guests).enumerate() {
            let listed = json!({"issuer": ACME, "subject": person.subject, "groups": person.groups});
            let separator = if at == 0 { "" } else { ",\n" };
            let _ = write!(text, "{separator}{listed}");
        }
        text.push_str("\n]}\n");
        text
    }

    /// The company in words.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} in {} groups; {} enabled, {} planned",
            people(self.people.len()),
            self.groups(),
            plural(Connector::enabled().count(), "connector"),
            Connector::planned().count(),
        )
    }

    fn groups(&self) -> usize {
        let mut names: Vec<&str> =
            self.people.iter().flat_map(|person| person.groups.iter().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }
}

/// The text of `policy.toml`, as of `now`.
pub(crate) fn policy(now: i64) -> String {
    let enabled = plural(Connector::enabled().count(), "connector");
    let mut text = format!(
        "# The written checklist of Acme: {enabled} enabled, {} planned. Nothing is on that is not written here.\n",
        Connector::planned().count()
    );
    let review_by = calendar::date_after(now, 180);
    for connector in CONNECTORS {
        let _ = write!(
            text,
            "\n[[connectors]]\nid = \"{}\"\nresource = \"{}\"\nscopes = {}\n",
            connector.id,
            connector.resource,
            list(connector.scopes.split(' '))
        );
        let _ = match connector.owner {
            Some(owner) => {
                writeln!(text, "state = \"enabled\"\nowner = \"{owner}\"\nreview_by = {review_by}")
            }
            None => writeln!(text, "state = \"planned\" # issues nothing until it says \"enabled\""),
        };
        grant(&mut text, [ALL], ACME, connector.for_all);
        for (groups, scopes) in connector.grants {
            grant(&mut text, groups.iter().copied(), ACME, scopes);
        }
        grant(&mut text, [GLOBEX_ALL], GLOBEX, connector.for_all);
    }
    text
}

fn grant<'a>(text: &mut String, groups: impl IntoIterator<Item = &'a str>, issuer: &str, scopes: &str) {
    let _ = write!(
        text,
        "[[connectors.grants]]\ngroups = {}\nissuer = \"{issuer}\"\nscopes = {}\n",
        list(groups),
        list(scopes.split(' '))
    );
}

/// A TOML list of strings that need no escapes.
fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = items.into_iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

fn employee(number: usize, random: &mut Random) -> Person {
    let mut place = random.below(DEPARTMENTS.iter().map(|(_, share, _)| share).sum());
    let (department, _, teams) = DEPARTMENTS
        .iter()
        .find(|(_, share, _)| {
            let here = place < *share;
            place = place.saturating_sub(*share);
            here
        })
        .unwrap_or(&("eng", 0, &[]));
    let mut groups = vec![ALL, if random.once_in(12) { "contractors" } else { "employees" }, department];
    groups.extend([teams, LEVELS, OFFICES].into_iter().filter_map(|names| random.pick(names)));
    let project = random.below(PROJECTS.len());
    groups.extend(PROJECTS.iter().cycle().skip(project).take(1 + random.below(2)));
    if random.once_in(8) {
        groups.push("managers");
    }
    if random.once_in(4) {
        groups.push("ai-early-access");
    }
    let first = FIRST_NAMES.get(number % FIRST_NAMES.len()).unwrap_or(&"ada");
    let last = random.pick(LAST_NAMES).unwrap_or(&"allen");
    acme(&format!("{first}.{last}.{number}"), groups, random)
}

fn acme(name: &str, groups: Vec<&'static str>, random: &mut Random) -> Person {
    Person {
        subject: format!("00u{}", random.characters(17, Alphabet::Base62)),
        email: format!("{name}@acme.example"),
        groups,
    }
}

fn globex(number: usize, random: &mut Random) -> Person {
    Person {
        subject: random.characters(43, Alphabet::Base64Url),
        email: format!("person.{number}@globex.example"),
        groups: random.pick(GLOBEX_TEAMS).copied().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn people_are_in_about_eight_groups_and_have_a_subject_of_their_own() {
        let company = Company::found(500, &mut Random::new(1));
        let groups: usize = company.people.iter().map(|person| person.groups.len()).sum();
        assert!((7 * 500..9 * 500).contains(&groups), "{groups}");
        let subjects: HashSet<&str> =
            company.people.iter().chain(&company.guests).map(|person| person.subject.as_str()).collect();
        assert_eq!(subjects.len(), company.people.len() + company.guests.len());
        let eng = company.people.iter().filter(|person| person.groups.contains(&"eng")).count();
        assert!((120..240).contains(&eng), "{eng}");
    }

    #[test]
    fn the_checklist_is_the_one_that_was_promised() {
        let enabled: Vec<&str> = Connector::enabled().map(|connector| connector.id).collect();
        assert_eq!(enabled, ["asana", "atlassian", "canva", "figma", "granola", "linear", "supabase"]);
        let planned: Vec<&str> = Connector::planned().map(|connector| connector.id).collect();
        assert_eq!(planned, ["slack"]);
    }
}
