"""The person is known, and a grant names one of their groups."""

from names import GLOBEX, SUB
from table import DROP, granted, noun, of, refused


def _claim() -> None:
    origin = "row 53; EMA 7.2"
    granted("groups-among-others", origin, claim={"groups": ["sales", "eng", "all-staff"]}, out={"groups": ["eng"]})
    granted("groups-two-that-match", origin, scope="chat.read chat.history chat.write",
            claim={"groups": ["eng", "leads"], "scope": DROP}, out={"groups": ["eng", "leads"]})
    granted("groups-repeated", origin, claim={"groups": ["eng", "eng"]}, out={"groups": ["eng"]})
    granted("groups-one-string", "Decisions: groups", claim={"groups": "eng"}, out={"groups": ["eng"]})
    granted("groups-one-string-with-space", "Decisions: groups", claim={"groups": "chat admins"},
            out={"groups": ["chat admins"]})
    refused("groups-string-is-not-split", "Decisions: groups", "group_required", "two names in one string",
            claim={"groups": "eng leads"}, control="groups-one-string")
    refused("groups-string-is-not-split-at-commas", "Decisions: groups", "group_required", "two names in one string",
            claim={"groups": "eng,leads"}, control="groups-one-string")
    granted("groups-200", "wire: Entra lists at most 200",
            claim={"groups": [f"0b7a3c4e-0000-4000-8000-{n:012}" for n in range(199)] + ["eng"]},
            out={"groups": ["eng"]})
    for name, value, differs in (
        ("missing", DROP, "no `groups`"), ("none", [], "no group"), ("others", ["sales", "all-staff"], "other groups"),
        ("empty-name", [""], "a group without a name"),
        ("in-capitals", ["ENG"], "in capitals (row 55)"), ("space-behind", ["eng "], "a space behind it (row 55)"),
        ("prefix", ["en"], "its last letter is missing"), ("longer", ["engineering"], "the name continues"),
        ("wildcard", ["*"], "a wildcard"), ("full-width", ["\uff45\uff4e\uff47"], "full-width letters (row 55)"),
        ("zero-width-space", ["eng\u200b"], "a zero-width space behind it (row 55)"),
        ("in-roles", DROP, "no `groups`, but `roles`"),
    ):
        more = {"roles": ["eng"]} if name == "in-roles" else {}
        refused(f"groups-{name}", origin, "group_required", differs, claim={"groups": value, **more})
    refused("group-required-as-invalid-grant", f"{origin}; compat.missing_access", "group_required", "other groups",
            error="invalid_grant", world="missing-access-is-invalid-grant", assertion=of("groups-others"))
    granted("groups-composed", "row 55", world="unicode-groups", claim={"groups": ["caf\u00e9"]},
            out={"groups": ["caf\u00e9"]})
    refused("groups-decomposed", "row 55", "group_required", "the same letters, decomposed", world="unicode-groups",
            claim={"groups": ["cafe\u0301"]}, control="groups-composed")
    granted("groups-in-a-path", "Decisions: groups", world="groups-in-a-path",
            claim={"groups": DROP, "realm_access": {"roles": ["eng"]}})
    refused("groups-in-a-path-missing", "Decisions: groups", "group_required", "the usual claim in its place",
            world="groups-in-a-path", assertion=of("granted-rs256"), control="groups-in-a-path")
    refused("groups-in-a-path-with-dot", "Decisions: groups", "group_required", "a member whose name has a dot",
            world="groups-in-a-path", claim={"groups": DROP, "realm_access.roles": ["eng"]}, control="groups-in-a-path")
    refused("groups-in-a-path-number", "Decisions: groups", "groups_malformed", "a number at the end of the path",
            world="groups-in-a-path", claim={"realm_access": {"roles": 1}}, control="groups-in-a-path")
    granted("groups-in-a-namespace", "wire 2.1; draft PR 98", world="groups-in-a-namespace",
            claim={"groups": DROP, "https://chat.example/claims/groups": ["eng"]})
    granted("groups-twenty-that-match", "Decisions: the access token", world="twenty-groups",
            claim={"groups": [f"group-{n:02}" for n in range(20)]},
            out={"groups": [f"group-{n:02}" for n in range(16)]})


def _overage_and_everyone() -> None:
    origin = "row 54; wire 2.1"
    granted("everyone", "Decisions: groups", world="everyone", claim={"groups": DROP}, out={"groups": []})
    granted("everyone-and-a-group", "Decisions: groups", world="everyone", claim={"scope": "chat.read chat.write"},
            scope="chat.read chat.write", out={"groups": ["eng"]})
    source = {"_claim_sources": {"src1": {"endpoint": "https://graph.example/users/7/getMemberObjects"}}}
    for name, members, differs in (
        ("claim-names", {"_claim_names": {"groups": "src1"}, **source}, "an overage marker in place of the groups"),
        ("hasgroups", {"hasgroups": True}, "the overage marker of the implicit flow"),
        ("hasgroups-string", {"hasgroups": "true"}, "the overage marker as a string"),
    ):
        refused(f"overage-{name}", origin, "groups_overage", differs, claim={"groups": DROP, **members})
        granted(f"overage-{name}-everyone", origin, world="everyone", claim={"groups": DROP, **members},
                out={"groups": []})
    refused("overage-everyone-only-his-scopes", origin, "scope_not_granted",
            "a scope that only a group gives", world="everyone",
            claim={"groups": DROP, "scope": "chat.write", "hasgroups": True}, control="overage-hasgroups-everyone")
    granted("overage-of-another-claim", origin, claim={"_claim_names": {"address": "src1"}, **source})
    granted("overage-with-directory", origin, world="directory",
            claim={"groups": DROP, "_claim_names": {"groups": "src1"}, **source}, out={"groups": ["eng"]})


def _issuers_and_tenants() -> None:
    origin = "Decisions: a group is (issuer, tenant, name)"
    partner = {"world": "two-idps", "alg": "RS256", "key": "globex-rs256"}

    def from_globex(*groups, **more):
        return {"iss": GLOBEX, "groups": list(groups), **more}

    granted("group-of-the-second-idp", origin, claim=from_globex("partners"), out={"idp": GLOBEX}, **partner)
    refused("group-of-the-same-name-elsewhere", origin, "group_required",
            "a group that the policy names for another IdP", claim=from_globex("eng"),
            control="group-of-the-second-idp", **partner)
    granted("group-of-two-idps", origin, claim=from_globex("staff"), **partner)
    granted("group-of-any-idp", origin, scope="chat.history", claim=from_globex("auditors", scope=DROP), **partner)
    refused("group-of-globex-by-acme", origin, "group_required", "a group that the policy names for another IdP",
            world="two-idps", claim={"groups": ["partners"]})
    granted("tenant-gives-more", origin, world="two-tenants", scope="chat.read chat.history",
            claim={"tenant": "t-one", "scope": DROP}, out={"tenant": "t-one"})
    granted("tenant-gives-less", origin, world="two-tenants", scope="chat.read",
            claim={"tenant": "t-two", "scope": DROP}, out={"tenant": "t-two"})
    refused("tenant-gives-nothing", origin, "scope_not_granted", "another tenant", world="two-tenants",
            claim={"tenant": "t-two", "scope": "chat.history"}, control="tenant-gives-more")


def _directory() -> None:
    origin = "row 57; Decisions: groups"
    granted("directory-gives-groups", origin, world="directory", claim={"groups": DROP}, out={"groups": ["eng"]})
    granted("directory-before-claim", origin, world="directory", claim={"groups": ["leads"]}, out={"groups": ["eng"]})
    refused("directory-before-claim-nothing-listed", origin, "group_required",
            "somebody whom the directory lists without groups", world="directory", claim={"sub": "00u-in-no-group"},
            control="directory-before-claim")
    granted("directory-union", origin, world="directory-union", claim={"sub": "00u-in-no-group"},
            out={"groups": ["eng"]})
    granted("directory-union-of-both", origin, world="directory-union", claim={"groups": ["leads"], "scope": DROP},
            scope="chat.read chat.history chat.write", out={"groups": ["eng", "leads"]})
    refused("directory-unknown", f"{origin}; draft issue 111", "subject_unknown", "somebody whom the directory lacks",
            world="directory", claim={"sub": "00u-unknown"}, control="directory-before-claim")
    refused("directory-unknown-in-capitals", origin, "subject_unknown", "the subject in capitals", world="directory",
            claim={"sub": SUB.upper()}, control="directory-before-claim")
    refused("directory-of-another-idp", origin, "subject_unknown", "somebody whom another IdP has", world="directory",
            claim={"sub": "00u-of-globex"}, control="directory-before-claim")
    refused("attack-02-person-switched-off", "attack 2; CVE-2026-1609", "subject_disabled",
            "somebody who is switched off", world="directory", claim={"sub": "00u-switched-off"},
            control="directory-before-claim")
    refused("person-switched-off-later", "row 57, 72", "subject_disabled", "the same person, switched off",
            world="directory-after-leaving", assertion=of("directory-gives-groups"), control="directory-gives-groups")
    granted("directory-everyone", origin, world="directory-everyone", claim={"sub": "00u-in-no-group"})
    refused("directory-everyone-unknown", origin, "subject_unknown", "somebody whom the directory lacks",
            world="directory-everyone", claim={"sub": "00u-unknown"}, control="directory-everyone")
    refused("directory-everyone-switched-off", origin, "subject_disabled", "somebody who is switched off",
            world="directory-everyone", claim={"sub": "00u-switched-off"}, control="directory-everyone")
    refused("directory-union-unknown", origin, "subject_unknown", "somebody whom the directory lacks",
            world="directory-union", claim={"sub": "00u-unknown"}, control="directory-union")
    refused("directory-by-aud-sub-unknown", origin, "subject_unknown", "an account that the directory lacks",
            world="subject-is-aud-sub", claim={"aud_sub": "chat-user-8"}, control="aud-sub")
    refused("directory-by-aud-sub-not-by-sub", origin, "subject_unknown", "`sub` in the place of `aud_sub`",
            world="subject-is-aud-sub", claim={"sub": "chat-user-7", "aud_sub": SUB}, control="aud-sub")


def cases() -> None:
    """All of them."""
    noun("groups")
    _claim()
    _overage_and_everyone()
    _issuers_and_tenants()
    _directory()
