//! The claims of an ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant section 3.1): each with its type.
//!
//! A claim of the wrong type is a refusal, never an absence. Claims that are not named here are ignored
//! (RFC 7519 section 4). Nothing is decided here.

use crate::json::{Object, Value};
use crate::possession::Confirmation;
use crate::reason::Reason;
use crate::scope::Scope;
use crate::time::NumericDate;

/// The members that are looked at, untyped. Each method below reads one of them.
#[derive(Clone, Copy)]
pub(crate) struct Claims<'t, 'i> {
    all: Object<'t, 'i>,
    iss: Option<Value<'t, 'i>>,
    sub: Option<Value<'t, 'i>>,
    aud: Option<Value<'t, 'i>>,
    exp: Option<Value<'t, 'i>>,
    iat: Option<Value<'t, 'i>>,
    nbf: Option<Value<'t, 'i>>,
    jti: Option<Value<'t, 'i>>,
    client_id: Option<Value<'t, 'i>>,
    scope: Option<Value<'t, 'i>>,
    scp: Option<Value<'t, 'i>>,
    resource: Option<Value<'t, 'i>>,
    tenant: Option<Value<'t, 'i>>,
    aud_tenant: Option<Value<'t, 'i>>,
    aud_sub: Option<Value<'t, 'i>>,
    sub_id: Option<Value<'t, 'i>>,
    email: Option<Value<'t, 'i>>,
    act: Option<Value<'t, 'i>>,
    cnf: Option<Value<'t, 'i>>,
    authorization_details: Option<Value<'t, 'i>>,
    idp: Option<Value<'t, 'i>>,
    groups_asserted: Option<Value<'t, 'i>>,
    groups: Option<Value<'t, 'i>>,
}

/// What the claim that holds the groups says.
#[derive(Clone, Copy)]
pub(crate) enum GroupsClaim<'t, 'i> {
    /// Nothing.
    Absent,
    /// An array of strings, or one string.
    Listed(Value<'t, 'i>),
    /// There were too many to list: unknown.
    Overage,
}

impl<'i> GroupsClaim<'_, 'i> {
    /// Whether the groups are unknown.
    pub(crate) fn is_overage(self) -> bool {
        matches!(self, Self::Overage)
    }

    /// The names that are listed.
    pub(crate) fn names(self) -> impl Iterator<Item = &'i str> + Clone {
        let value = match self {
            Self::Listed(value) => Some(value),
            Self::Absent | Self::Overage => None,
        };
        let one = value.and_then(Value::string);
        let many = value.and_then(Value::array).into_iter().flatten().filter_map(Value::string);
        one.into_iter().chain(many)
    }
}

impl<'t, 'i> Claims<'t, 'i> {
    /// Finds the members, in one pass.
    pub(crate) fn find(all: Object<'t, 'i>) -> Self {
        let mut found = Self {
            all,
            iss: None,
            sub: None,
            aud: None,
            exp: None,
            iat: None,
            nbf: None,
            jti: None,
            client_id: None,
            scope: None,
            scp: None,
            resource: None,
            tenant: None,
            aud_tenant: None,
            aud_sub: None,
            sub_id: None,
            email: None,
            act: None,
            cnf: None,
            authorization_details: None,
            groups_asserted: None,
            groups: None,
            idp: None,
        };
        for (name, value) in all.members() {
            let place = match name {
                "iss" => &mut found.iss,
                "sub" => &mut found.sub,
                "aud" => &mut found.aud,
                "exp" => &mut found.exp,
                "iat" => &mut found.iat,
                "nbf" => &mut found.nbf,
                "jti" => &mut found.jti,
                "client_id" => &mut found.client_id,
                "scope" => &mut found.scope,
                "scp" => &mut found.scp,
                "resource" => &mut found.resource,
                "tenant" => &mut found.tenant,
                "aud_tenant" => &mut found.aud_tenant,
                "aud_sub" => &mut found.aud_sub,
                "sub_id" => &mut found.sub_id,
                "email" => &mut found.email,
                "act" => &mut found.act,
                "cnf" => &mut found.cnf,
                "authorization_details" => &mut found.authorization_details,
                "groups_asserted" => &mut found.groups_asserted,
                "groups" => &mut found.groups,
                "idp" => &mut found.idp,
                _ => continue,
            };
            *place = Some(value);
        }
        found
    }

    /// `iss` (RFC 7523 section 3, rule 1).
    pub(crate) fn issuer(&self) -> Result<&'i str, Reason> {
        required(self.iss, Reason::IssuerMalformed)
    }

    /// `aud`: a string, or an array of exactly one (draft section 4.4.1).
    pub(crate) fn audience(&self) -> Result<&'i str, Reason> {
        let aud = self.aud.ok_or(Reason::AudienceMalformed)?;
        if let Some(only) = aud.string() {
            return Ok(only);
        }
        let mut elements = aud.array().ok_or(Reason::AudienceMalformed)?;
        match (elements.next().and_then(Value::string), elements.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Reason::AudienceMalformed),
        }
    }

    /// `exp`, required.
    pub(crate) fn expires(&self) -> Result<NumericDate, Reason> {
        self.exp.and_then(NumericDate::read).ok_or(Reason::ExpMalformed)
    }

    /// `iat`, required.
    pub(crate) fn issued(&self) -> Result<NumericDate, Reason> {
        self.iat.and_then(NumericDate::read).ok_or(Reason::IatMalformed)
    }

    /// `iat`, where it may be left out.
    pub(crate) fn issued_if_present(&self) -> Result<Option<NumericDate>, Reason> {
        self.iat.map(|value| NumericDate::read(value).ok_or(Reason::IatMalformed)).transpose()
    }

    /// `nbf`.
    pub(crate) fn not_before(&self) -> Result<Option<NumericDate>, Reason> {
        self.nbf.map(|value| NumericDate::read(value).ok_or(Reason::NbfMalformed)).transpose()
    }

    /// `sub`, required and not empty.
    pub(crate) fn subject(&self) -> Result<&'i str, Reason> {
        required(self.sub, Reason::SubjectMalformed)
    }

    /// `jti`, required, not empty, at most `max_chars` characters.
    pub(crate) fn jti(&self, max_chars: usize) -> Result<&'i str, Reason> {
        let jti = required(self.jti, Reason::JtiMalformed)?;
        // A text has at most as many characters as bytes.
        if jti.len() > max_chars && jti.chars().nth(max_chars).is_some() {
            return Err(Reason::JtiMalformed);
        }
        Ok(jti)
    }

    /// `client_id`, required (draft section 3.1).
    pub(crate) fn client_id(&self) -> Result<&'i str, Reason> {
        required(self.client_id, Reason::ClientIdMalformed)
    }

    /// `tenant` (draft section 6).
    pub(crate) fn tenant(&self) -> Result<Option<&'i str>, Reason> {
        optional(self.tenant, Reason::TenantMalformed)
    }

    /// `aud_tenant` (draft section 6).
    pub(crate) fn aud_tenant(&self) -> Result<Option<&'i str>, Reason> {
        optional(self.aud_tenant, Reason::TenantMalformed)
    }

    /// `aud_sub`, required where it is the subject.
    pub(crate) fn aud_sub(&self) -> Result<&'i str, Reason> {
        required(self.aud_sub, Reason::AudSubMalformed)
    }

    /// `idp`, of our own tokens: the IdP that vouched for the person.
    pub(crate) fn idp(&self) -> Option<&'i str> {
        self.idp.and_then(Value::string)
    }

    /// `groups`, of our own tokens: those that the policy matched.
    pub(crate) fn groups_matched(&self) -> impl Iterator<Item = &'i str> + Clone {
        strings(self.groups)
    }

    /// `groups_asserted`, of our own tokens: those of them that the IdP listed.
    pub(crate) fn groups_asserted(&self) -> impl Iterator<Item = &'i str> + Clone {
        strings(self.groups_asserted)
    }

    /// `sub_id`, as it stands.
    pub(crate) fn sub_id(&self) -> Option<Value<'t, 'i>> {
        self.sub_id
    }

    /// `sub_id` as a SAML name identifier: its issuer and its value (RFC 9493, `saml-nameid`).
    pub(crate) fn saml_nameid(&self) -> Result<(&'i str, &'i str), Reason> {
        let sub_id = self.sub_id.and_then(Value::object).ok_or(Reason::SubIdMalformed)?;
        let text = |name| required(sub_id.member(name), Reason::SubIdMalformed);
        if text("format")? != "saml-nameid" {
            return Err(Reason::SubIdMalformed);
        }
        Ok((text("issuer")?, text("nameid")?))
    }

    /// `scope` (RFC 8693 section 4.2): absent, or a string in the grammar of RFC 6749 section 3.3.
    pub(crate) fn scope(&self) -> Result<Option<Scope<'i>>, Reason> {
        // Some servers write `scp` instead: taken for an absent `scope`, it would stand for everything.
        if self.scp.is_some() {
            return Err(Reason::ScopeMalformed);
        }
        let read = |value: Value<'_, 'i>| value.string().and_then(Scope::read).ok_or(Reason::ScopeMalformed);
        self.scope.map(read).transpose()
    }

    /// `resource`, as it stands.
    pub(crate) fn resource(&self) -> Option<Value<'t, 'i>> {
        self.resource
    }

    /// `email`; anything but a string is ignored, because nothing is decided by it.
    pub(crate) fn email(&self) -> Option<&'i str> {
        self.email.and_then(Value::string)
    }

    /// `act` (RFC 8693 section 4.1): objects with a `sub`, nested at most `max_depth` deep.
    pub(crate) fn act(&self, max_depth: usize) -> Result<Option<Value<'t, 'i>>, Reason> {
        let mut actor = self.act;
        let mut depth = 0_usize;
        while let Some(value) = actor {
            depth += 1;
            if depth > max_depth {
                return Err(Reason::ActTooDeep);
            }
            let object = value.object().ok_or(Reason::ActMalformed)?;
            required(object.member("sub"), Reason::ActMalformed)?;
            optional(object.member("iss"), Reason::ActMalformed)?;
            actor = object.member("act");
        }
        Ok(self.act)
    }

    /// `cnf` (RFC 7800 section 3.1): what must be proven with it. `None`: nothing.
    pub(crate) fn confirmation(&self) -> Result<Option<Confirmation>, Reason> {
        self.cnf.map(Confirmation::read).transpose()
    }

    /// `authorization_details` (RFC 9396 section 2): an array of objects with a `type`.
    pub(crate) fn authorization_details(&self) -> Result<Option<Value<'t, 'i>>, Reason> {
        let Some(value) = self.authorization_details else {
            return Ok(None);
        };
        let mut elements = value.array().ok_or(Reason::AuthorizationDetailsMalformed)?;
        if elements.all(|element| details_type(element).is_some()) {
            Ok(Some(value))
        } else {
            Err(Reason::AuthorizationDetailsMalformed)
        }
    }

    /// The types of `authorization_details`, one for each element.
    pub(crate) fn details_types(&self) -> Result<impl Iterator<Item = &'i str> + Clone, Reason> {
        let elements = self.authorization_details()?.and_then(Value::array);
        Ok(elements.into_iter().flatten().filter_map(details_type))
    }

    /// The claim at `path` as groups, with the overage marker that Entra sends in its place.
    pub(crate) fn groups(&self, path: &[String]) -> Result<GroupsClaim<'t, 'i>, Reason> {
        if self.has_overage_marker(path) {
            return Ok(GroupsClaim::Overage);
        }
        let Some((last, parents)) = path.split_last() else {
            return Ok(GroupsClaim::Absent);
        };
        let mut object = self.all;
        for name in parents {
            match object.member(name) {
                None => return Ok(GroupsClaim::Absent),
                Some(value) => object = value.object().ok_or(Reason::GroupsMalformed)?,
            }
        }
        let Some(value) = object.member(last) else {
            return Ok(GroupsClaim::Absent);
        };
        let well_formed = value.string().is_some()
            || value.array().is_some_and(|mut elements| elements.all(|element| element.string().is_some()));
        if well_formed { Ok(GroupsClaim::Listed(value)) } else { Err(Reason::GroupsMalformed) }
    }

    /// `_claim_names` that points elsewhere for this claim, or `hasgroups` where it is `groups`: they did not fit.
    fn has_overage_marker(&self, path: &[String]) -> bool {
        let Some(first) = path.first() else {
            return false;
        };
        self.all.members().any(|(name, value)| match name {
            "_claim_names" => value.object().is_some_and(|sources| sources.member(first).is_some()),
            "hasgroups" => {
                first == "groups" && (value.boolean() == Some(true) || value.string() == Some("true"))
            }
            _ => false,
        })
    }
}

/// The `type` of one element of `authorization_details`.
pub(crate) fn details_type<'i>(element: Value<'_, 'i>) -> Option<&'i str> {
    element.object()?.member("type")?.string().filter(|kind| !kind.is_empty())
}

fn strings<'i>(value: Option<Value<'_, 'i>>) -> impl Iterator<Item = &'i str> + Clone {
    value.and_then(Value::array).into_iter().flatten().filter_map(Value::string)
}

fn required<'i>(value: Option<Value<'_, 'i>>, reason: Reason) -> Result<&'i str, Reason> {
    value.and_then(Value::string).filter(|text| !text.is_empty()).ok_or(reason)
}

fn optional<'i>(value: Option<Value<'_, 'i>>, reason: Reason) -> Result<Option<&'i str>, Reason> {
    value.map(|value| required(Some(value), reason)).transpose()
}
