//! What a token says, as an application holds it: ID-JAGs in Okta's shape, and access tokens (RFC 9068).

use serde::{Deserialize, Serialize};

/// The claims of a token that was read, or is about to be minted. `A` is how a library holds `act`.
#[derive(Debug, Serialize)]
pub(crate) struct Claims<'c, A> {
    #[serde(rename = "iss")]
    pub(crate) issuer: &'c str,
    #[serde(rename = "sub")]
    pub(crate) subject: &'c str,
    #[serde(rename = "aud")]
    pub(crate) audience: &'c str,
    #[serde(rename = "jti")]
    pub(crate) id: &'c str,
    #[serde(rename = "iat")]
    pub(crate) issued_at: u64,
    #[serde(rename = "exp")]
    pub(crate) expires_at: u64,
    pub(crate) client_id: &'c str,
    pub(crate) scope: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_profile: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idp: Option<&'c str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) groups: &'c [&'c str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<&'c A>,
}

/// Who acts, and for whom (RFC 8693 section 4.1).
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Actor {
    pub(crate) sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<Box<Actor>>,
}

/// `act` of the assertions in [`idjag_benches::World`], and what stands before it there.
pub(crate) const ACT: &str = concat!(
    r#"{"sub":"wlp1a2b3c4d5e6f7g8h9","sub_profile":"ai_agent","#,
    r#""act":{"sub":"0oa1a2b3c4d5e6f7g8h9","sub_profile":"web_app"}}"#
);
/// `scope` there.
pub(crate) const SCOPE: &str = "chat.read chat.history";
/// `sub_profile` there.
pub(crate) const SUB_PROFILE: &str = "user";
