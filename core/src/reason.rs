//! Every refusal, in one table: slug, the check that refuses, OAuth error code, and the text that the client may read.
//!
//! The slug is for logs, metrics and tests; it is stable and never leaves the server. The client gets the OAuth code
//! (RFC 6749 section 5.2, RFC 8707 section 2, RFC 6750 section 3.1, RFC 9449) and a generic sentence, and never learns which
//! check failed. Reasons are an enumeration and never carry input text, so nothing that an attacker wrote is echoed.

use std::fmt;

/// The OAuth error codes that this library answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OAuthError {
    /// The request is malformed (RFC 6749 section 5.2): 400.
    InvalidRequest,
    /// The `grant_type` is not one that is served here (RFC 6749 section 5.2): 400.
    UnsupportedGrantType,
    /// The client could not be authenticated (RFC 6749 section 5.2): 401.
    InvalidClient,
    /// The assertion is not acceptable (RFC 6749 section 5.2, RFC 7523 section 3.1): 400.
    InvalidGrant,
    /// The client may not use this grant here (RFC 6749 section 5.2): 400.
    UnauthorizedClient,
    /// The person has no access (draft-ietf-oauth-identity-assertion-authz-grant, PR #112): 400.
    AccessDenied,
    /// The requested scope is malformed or not to be had (RFC 6749 section 5.2): 400.
    InvalidScope,
    /// The requested resource is not to be had with this assertion (RFC 8707 section 2): 400.
    InvalidTarget,
    /// The requested `authorization_details` are malformed or not to be had with this assertion (RFC 9396 section 5): 400.
    InvalidAuthorizationDetails,
    /// The proof of possession is not acceptable (RFC 9449 sections 5 and 7.1): 400, and 401 at a resource.
    InvalidDpopProof,
    /// The proof of possession lacks a nonce of ours (RFC 9449 sections 8 and 9): 400, and 401 at a resource.
    UseDpopNonce,
    /// An access token is not valid here (RFC 6750 section 3.1): 401.
    InvalidToken,
    /// A store, a key set or the record cannot answer; try again: 503.
    TemporarilyUnavailable,
    /// This peer or this client has failed too often; try again later (RFC 6585 section 4): 429. No RFC has a code for it
    /// at the token endpoint; it reads `temporarily_unavailable`, which clients know as one to try again after.
    TooManyRequests,
}

impl OAuthError {
    /// The code as it stands in the `error` member of a response.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InvalidToken => "invalid_token",
            Self::TemporarilyUnavailable | Self::TooManyRequests => "temporarily_unavailable",
        }
    }

    /// The HTTP status that goes with the code, at the token endpoint.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::TemporarilyUnavailable => 503,
            Self::TooManyRequests => 429,
            _ => 400,
        }
    }

    /// The `error_description`: printable ASCII, the same for every reason behind one code.
    pub const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest => "the request is malformed",
            Self::UnsupportedGrantType => "the grant type is not supported",
            Self::InvalidClient => "client authentication failed",
            Self::InvalidGrant => "the assertion is not acceptable",
            Self::UnauthorizedClient => "the client may not use this grant for this resource",
            Self::AccessDenied => "access is not granted by policy",
            Self::InvalidScope => "the requested scope is not available",
            Self::InvalidTarget => "the requested resource is not available",
            Self::InvalidAuthorizationDetails => "the requested authorization details are not available",
            Self::InvalidDpopProof => "the proof of possession is not acceptable",
            Self::UseDpopNonce => "the proof of possession needs the nonce that comes with this answer",
            Self::InvalidToken => "the access token is not valid",
            Self::TemporarilyUnavailable => "temporarily unavailable, try again",
            Self::TooManyRequests => "too many requests, try again later",
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is checked, in the order in which it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// Method, media type, headers and parameters of a request to the token endpoint (RFC 6749 section 3.2).
    Request,
    /// The client's own proof (RFC 6749 section 2.3).
    ClientAuth,
    /// The proof of possession of a key (RFC 9449 section 4.3), but for its single use.
    Possession,
    /// Size, three parts, base64url, JSON (RFC 7515 section 3.1, RFC 8259).
    Form,
    /// `typ`, `alg`, and the header members that are never obeyed (RFC 7515 section 4.1, RFC 8725).
    Header,
    /// `iss` is a trusted, enabled IdP, and its list admits `alg`.
    Issuer,
    /// `aud` is this authorization server and nothing else.
    Audience,
    /// `exp`, `iat`, `nbf`, lifetime and age.
    Time,
    /// `sub`, `jti`, `tenant`, `sub_id`, `act`, `cnf`, `authorization_details`, `scope`, `groups` are well formed.
    Claims,
    /// `client_id` is the client that asked, and that client may ask.
    Client,
    /// The IdP's key for `kid` and `alg`.
    Key,
    /// The signature.
    Signature,
    /// `resource` is served here, and one is chosen.
    Resource,
    /// The connector is enabled, nothing blocks this client, person or issuer, and it has a scope that is claimed.
    Connector,
    /// The person is known, and a grant names one of their groups.
    Groups,
    /// The scopes that remain.
    Scope,
    /// The `jti` was not used before, nor that of the proof of possession.
    SingleUse,
    /// The record took the exchange.
    Record,
    /// The token is signed.
    Mint,
    /// An access token, presented at the resource.
    Token,
    /// What a token exchange asks an identity provider for (RFC 8693 section 2.1).
    TokenExchange,
    /// The ID token that comes with a token exchange (OIDC Core section 3.1.3.7).
    SubjectToken,
    /// Audience and resource are a pair that is written down, for this client and this person.
    Target,
}

impl Check {
    /// Whether it comes after the signature was found to be the IdP's.
    pub(crate) fn follows_signature(self) -> bool {
        Self::EXCHANGE
            .iter()
            .skip_while(|check| **check != Self::Signature)
            .skip(1)
            .any(|check| *check == self)
    }

    /// The checks of an exchange, in order.
    pub const EXCHANGE: [Self; 16] = [
        Self::Form,
        Self::Header,
        Self::Issuer,
        Self::Audience,
        Self::Time,
        Self::Claims,
        Self::Client,
        Self::Key,
        Self::Signature,
        Self::Resource,
        Self::Connector,
        Self::Groups,
        Self::Scope,
        Self::SingleUse,
        Self::Record,
        Self::Mint,
    ];

    /// A short name, as `explain` prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::ClientAuth => "client authentication",
            Self::Possession => "possession",
            Self::Form => "form",
            Self::Header => "header",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Claims => "claims",
            Self::Client => "client",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Resource => "resource",
            Self::Connector => "connector",
            Self::Groups => "groups",
            Self::Scope => "scope",
            Self::SingleUse => "single use",
            Self::Record => "record",
            Self::Mint => "mint",
            Self::Token => "token",
            Self::TokenExchange => "token exchange",
            Self::SubjectToken => "subject token",
            Self::Target => "target",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $check:ident, $code:ident;)+) => {
        /// Why an assertion or a token was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name for logs, metrics and tests. Never sent to a client.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)+ }
            }

            /// The check that gives this reason.
            pub const fn check(self) -> Check {
                match self { $(Self::$name => Check::$check,)+ }
            }

            /// The OAuth code by default; `[compat]` may choose another for two of them.
            pub const fn oauth_error(self) -> OAuthError {
                match self { $(Self::$name => OAuthError::$code,)+ }
            }

            /// What the reason means, for an operator.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// the method of the request is not POST
    MethodNotAllowed = "method_not_allowed", Request, InvalidRequest;
    /// the body is longer than `limits.max_body_bytes`
    BodyTooLarge = "body_too_large", Request, InvalidRequest;
    /// the request has a query: what belongs into the body would be logged on the way
    QueryNotAllowed = "query_not_allowed", Request, InvalidRequest;
    /// the body is not said to be `application/x-www-form-urlencoded`
    ContentTypeInvalid = "content_type_invalid", Request, InvalidRequest;
    /// a header that may come once came twice
    HeaderRepeated = "header_repeated", Request, InvalidRequest;
    /// the body is not a form in UTF-8, or has too many parameters
    FormMalformed = "form_malformed", Request, InvalidRequest;
    /// a parameter other than `resource` came twice
    ParameterRepeated = "parameter_repeated", Request, InvalidRequest;
    /// `grant_type` is missing
    GrantTypeMissing = "grant_type_missing", Request, InvalidRequest;
    /// `grant_type` is not the one that is served here, or no IdP is switched on
    GrantTypeUnsupported = "grant_type_unsupported", Request, UnsupportedGrantType;
    /// `grant_type` is the one for JWTs with a proof of possession, and there is no `DPoP` header
    DpopMissing = "dpop_missing", Request, InvalidDpopProof;
    /// `assertion` is missing
    AssertionMissing = "assertion_missing", Request, InvalidRequest;
    /// `token` is missing
    TokenMissing = "token_missing", Request, InvalidRequest;
    /// the client proves itself in two ways at once
    ClientAuthAmbiguous = "client_auth_ambiguous", ClientAuth, InvalidRequest;
    /// the request names two clients
    ClientIdsDiffer = "client_ids_differ", ClientAuth, InvalidRequest;
    /// the client did not say who it is, or did not prove it
    ClientAuthMissing = "client_auth_missing", ClientAuth, InvalidClient;
    /// the client's proof is not of the form of any known way
    ClientAuthMalformed = "client_auth_malformed", ClientAuth, InvalidClient;
    /// the client proves itself in another way than the one that is written down for it
    ClientAuthMethodMismatch = "client_auth_method_mismatch", ClientAuth, InvalidClient;
    /// the client's secret is not the one whose digest is written down
    ClientSecretWrong = "client_secret_wrong", ClientAuth, InvalidClient;
    /// the client assertion is not a JWT with `iss` and `sub` the client, `aud`, `exp` and `jti`
    ClientAssertionMalformed = "client_assertion_malformed", ClientAuth, InvalidClient;
    /// the client assertion is for another server
    ClientAssertionAudience = "client_assertion_audience", ClientAuth, InvalidClient;
    /// the client assertion has expired, is not valid yet, or lives for too long
    ClientAssertionTime = "client_assertion_time", ClientAuth, InvalidClient;
    /// the client assertion is not signed by a key of the client
    ClientAssertionSignature = "client_assertion_signature", ClientAuth, InvalidClient;
    /// the client assertion was used before
    ClientAssertionReplayed = "client_assertion_replayed", ClientAuth, InvalidClient;
    /// there is no document at the URL that is the client's `client_id`
    ClientDocumentMissing = "client_document_missing", ClientAuth, InvalidClient;
    /// the client's document names another client, does not list the grant type, or has no keys that can be used
    ClientDocumentInvalid = "client_document_invalid", ClientAuth, InvalidClient;
    /// the client's document names no way of authentication, or one that `client_documents.auth` does not list
    ClientDocumentMethodNotAllowed = "client_document_method_not_allowed", ClientAuth, InvalidClient;
    /// the client's document says that it is public (`none`), and `client_documents.auth` does not list that: the grant is for
    /// confidential clients
    ClientPublic = "client_public", ClientAuth, UnauthorizedClient;
    /// the client's document is not to be had at present
    ClientDocumentUnavailable = "client_document_unavailable", ClientAuth, TemporarilyUnavailable;
    /// the client's keys are not to be had at present
    ClientKeysUnavailable = "client_keys_unavailable", ClientAuth, TemporarilyUnavailable;
    /// the single-use store cannot answer for a client assertion
    ClientReplayUnavailable = "client_replay_unavailable", ClientAuth, TemporarilyUnavailable;
    /// the connection has no client certificate
    ClientCertificateMissing = "client_certificate_missing", ClientAuth, InvalidClient;
    /// the client certificate is not one X.509 certificate in DER of at most 16 KiB
    ClientCertificateMalformed = "client_certificate_malformed", ClientAuth, InvalidClient;
    /// the client certificate, or the name in it, is not the one that is written down
    ClientCertificateUnknown = "client_certificate_unknown", ClientAuth, InvalidClient;
    /// this peer has failed to prove this client, or any, too often within a minute (`limits.auth_failures_per_minute`,
    /// `limits.auth_failures_per_minute_per_peer`)
    TooManyFailures = "too_many_failures", ClientAuth, TooManyRequests;
    /// the client was refused too often within a minute (`limits.refusals_per_minute`), and this request was refused, too
    TooManyRefusals = "too_many_refusals", ClientAuth, TooManyRequests;
    /// the DPoP proof is too long, or not a JWT with `jti`, `htm`, `htu` and `iat`
    DpopMalformed = "dpop_malformed", Possession, InvalidDpopProof;
    /// the DPoP proof's header lacks `typ` `dpop+jwt`, an asymmetric `alg` or `jwk`, or has a member that is never obeyed
    DpopHeaderInvalid = "dpop_header_invalid", Possession, InvalidDpopProof;
    /// the DPoP proof's `htm` is not the method of the request
    DpopMethodMismatch = "dpop_method_mismatch", Possession, InvalidDpopProof;
    /// the DPoP proof's `htu` is not the URL of the request
    DpopUrlMismatch = "dpop_url_mismatch", Possession, InvalidDpopProof;
    /// the DPoP proof was made too long ago, before the single-use memory began, or in the future
    DpopTimeInvalid = "dpop_time_invalid", Possession, InvalidDpopProof;
    /// the DPoP proof's `ath` is not the digest of the access token
    DpopTokenMismatch = "dpop_token_mismatch", Possession, InvalidDpopProof;
    /// the DPoP proof has no nonce of ours, or one that is too old
    DpopNonceRequired = "dpop_nonce_required", Possession, UseDpopNonce;
    /// the DPoP proof's `jwk` is not a public key for its `alg`, or one that is too weak
    DpopKeyInvalid = "dpop_key_invalid", Possession, InvalidDpopProof;
    /// the DPoP proof is not signed by the key in it
    DpopSignatureInvalid = "dpop_signature_invalid", Possession, InvalidDpopProof;
    /// the assertion is longer than `limits.max_assertion_bytes`
    AssertionTooLarge = "assertion_too_large", Form, InvalidGrant;
    /// the assertion is not three parts separated by dots
    AssertionMalformed = "assertion_malformed", Form, InvalidGrant;
    /// the assertion is encrypted (five parts), which is not supported
    AssertionEncrypted = "assertion_encrypted", Form, InvalidGrant;
    /// a part of the assertion is not canonical, unpadded base64url
    EncodingInvalid = "encoding_invalid", Form, InvalidGrant;
    /// the header or the claims are not a JSON object in valid UTF-8
    JsonInvalid = "json_invalid", Form, InvalidGrant;
    /// a JSON object names a member twice
    JsonDuplicateMember = "json_duplicate_member", Form, InvalidGrant;
    /// the JSON is nested too deep or has too many members
    JsonTooComplex = "json_too_complex", Form, InvalidGrant;
    /// the header's `typ` is not exactly `oauth-id-jag+jwt`
    TypInvalid = "typ_invalid", Header, InvalidGrant;
    /// the header has `crit`, `b64`, `jwk`, `jku`, `x5u` or `x5c`, or a member of the wrong type
    HeaderNotAllowed = "header_not_allowed", Header, InvalidGrant;
    /// the header's `alg` is not on the IdP's list, or is no asymmetric signature algorithm
    AlgNotAllowed = "alg_not_allowed", Header, InvalidGrant;
    /// `iss` is missing or is not a string
    IssuerMalformed = "issuer_malformed", Issuer, InvalidGrant;
    /// `iss` is this authorization server itself
    IssuerIsSelf = "issuer_is_self", Issuer, InvalidGrant;
    /// `iss` is not a trusted IdP
    IssuerUntrusted = "issuer_untrusted", Issuer, InvalidGrant;
    /// the IdP is configured and switched off
    IssuerDisabled = "issuer_disabled", Issuer, InvalidGrant;
    /// `aud` is missing, or is neither a string nor an array of one string
    AudienceMalformed = "audience_malformed", Audience, InvalidGrant;
    /// `aud` is not this authorization server
    AudienceMismatch = "audience_mismatch", Audience, InvalidGrant;
    /// `exp` is missing or is not a number of seconds
    ExpMalformed = "exp_malformed", Time, InvalidGrant;
    /// `iat` is missing or is not a number of seconds
    IatMalformed = "iat_malformed", Time, InvalidGrant;
    /// `nbf` is not a number of seconds
    NbfMalformed = "nbf_malformed", Time, InvalidGrant;
    /// the assertion has expired
    Expired = "expired", Time, InvalidGrant;
    /// `iat` lies in the future
    IssuedInFuture = "issued_in_future", Time, InvalidGrant;
    /// `nbf` lies in the future
    NotYetValid = "not_yet_valid", Time, InvalidGrant;
    /// `exp` minus `iat` is negative or above the allowed lifetime
    LifetimeExceeded = "lifetime_exceeded", Time, InvalidGrant;
    /// the assertion was issued longer ago than the allowed lifetime
    TooOld = "too_old", Time, InvalidGrant;
    /// the assertion is older than this process, whose single-use memory began empty (`replay.cold_start`)
    IssuedBeforeStart = "issued_before_start", Time, InvalidGrant;
    /// `sub` is missing, empty or not a string
    SubjectMalformed = "subject_malformed", Claims, InvalidGrant;
    /// `jti` is missing, empty, too long or not a string
    JtiMalformed = "jti_malformed", Claims, InvalidGrant;
    /// `tenant` or `aud_tenant` is not a string
    TenantMalformed = "tenant_malformed", Claims, InvalidGrant;
    /// the IdP has tenants and `tenant` is missing or not listed, or it has none and `tenant` is present
    TenantMismatch = "tenant_mismatch", Claims, InvalidGrant;
    /// `aud_tenant` is not one of our tenants
    AudTenantUnknown = "aud_tenant_unknown", Claims, InvalidGrant;
    /// the IdP's subject is `aud_sub`, and that claim is missing, empty or not a string
    AudSubMalformed = "aud_sub_malformed", Claims, InvalidGrant;
    /// the IdP's subject is `sub_id`, and that claim is missing or is no `saml-nameid`
    SubIdMalformed = "sub_id_malformed", Claims, InvalidGrant;
    /// the issuer of `sub_id` is not bound to this IdP
    SubIdIssuerMismatch = "sub_id_issuer_mismatch", Claims, InvalidGrant;
    /// `act` is not an object with a `sub`, or one nested in it is not
    ActMalformed = "act_malformed", Claims, InvalidGrant;
    /// `act` is nested deeper than `limits.max_act_depth`
    ActTooDeep = "act_too_deep", Claims, InvalidGrant;
    /// `cnf` is not an object, has no method, or a value that is no SHA-256 in base64url
    CnfMalformed = "cnf_malformed", Claims, InvalidGrant;
    /// `cnf` has a method other than `jkt` and `x5t#S256`
    CnfMethodUnknown = "cnf_method_unknown", Claims, InvalidGrant;
    /// the assertion is bound to a key or a certificate, and none was shown
    ProofRequired = "proof_required", Claims, InvalidGrant;
    /// the assertion is bound to another key or certificate than the one that was shown
    ProofMismatch = "proof_mismatch", Claims, InvalidGrant;
    /// `authorization_details` is not an array of objects with a `type`
    AuthorizationDetailsMalformed = "authorization_details_malformed", Claims, InvalidGrant;
    /// `scope` is present but null, empty, not a string or off-grammar, or `scp` stands in its place
    ScopeMalformed = "scope_malformed", Claims, InvalidGrant;
    /// the claim that holds the groups is neither an array of strings nor a string
    GroupsMalformed = "groups_malformed", Claims, InvalidGrant;
    /// the client is not configured
    ClientUnknown = "client_unknown", Client, InvalidClient;
    /// the client is configured and switched off
    ClientDisabled = "client_disabled", Client, InvalidClient;
    /// `client_id` is missing or is not a string
    ClientIdMalformed = "client_id_malformed", Client, InvalidGrant;
    /// `client_id` is not the client that asked
    ClientMismatch = "client_mismatch", Client, InvalidGrant;
    /// this IdP may not vouch for this client
    ClientIssuerNotAllowed = "client_issuer_not_allowed", Client, InvalidGrant;
    /// the IdP's keys are not to be had at present
    KeysUnavailable = "keys_unavailable", Key, TemporarilyUnavailable;
    /// the IdP has no key with this `kid`
    KidUnknown = "kid_unknown", Key, InvalidGrant;
    /// the IdP has no key that fits `alg`
    KeyUnsuitable = "key_unsuitable", Key, InvalidGrant;
    /// more than one key fits: a `kid` that stands twice, or no `kid` and several keys
    KeyAmbiguous = "key_ambiguous", Key, InvalidGrant;
    /// the signature is not by the IdP's key
    SignatureInvalid = "signature_invalid", Signature, InvalidGrant;
    /// `resource` is not a URI, or an array with something else in it, or an empty one
    ResourceMalformed = "resource_malformed", Resource, InvalidGrant;
    /// an element of `resource` is not served here
    ResourceUnknown = "resource_unknown", Resource, InvalidGrant;
    /// the request's `resource` is malformed
    ResourceRequestMalformed = "resource_request_malformed", Resource, InvalidTarget;
    /// the request's `resource` is not the one that the assertion is for
    ResourceNotInAssertion = "resource_not_in_assertion", Resource, InvalidTarget;
    /// neither the assertion nor the configuration says which resource, and there is more than one
    ResourceMissing = "resource_missing", Resource, InvalidTarget;
    /// the connector is planned, suspended or retired
    ConnectorNotEnabled = "connector_not_enabled", Connector, AccessDenied;
    /// this client may not use this connector
    ClientConnectorNotAllowed = "client_connector_not_allowed", Connector, UnauthorizedClient;
    /// the connector asks for a proof of possession and none was given
    ConnectorProofRequired = "connector_proof_required", Connector, InvalidGrant;
    /// the person, client, connector or issuer is blocked
    Blocked = "blocked", Connector, AccessDenied;
    /// `scope` names nothing that the connector has
    ScopeOutsideConnector = "scope_outside_connector", Connector, InvalidGrant;
    /// the person is not in the directory
    SubjectUnknown = "subject_unknown", Groups, AccessDenied;
    /// the person is in the directory and switched off
    SubjectDisabled = "subject_disabled", Groups, AccessDenied;
    /// the IdP could not list the person's groups, and nothing else grants access
    GroupsOverage = "groups_overage", Groups, AccessDenied;
    /// no grant of this connector names the person or one of their groups
    GroupRequired = "group_required", Groups, AccessDenied;
    /// the request's `authorization_details` is not an array of 1 to 64 objects with a `type`, or is too long
    AuthorizationDetailsRequestMalformed = "authorization_details_request_malformed", Scope, InvalidAuthorizationDetails;
    /// an element of the request's `authorization_details` equals none of the assertion's
    AuthorizationDetailsNotInAssertion = "authorization_details_not_in_assertion", Scope, InvalidAuthorizationDetails;
    /// `authorization_details` has a type that no matching grant allows
    AuthorizationDetailsNotAllowed = "authorization_details_not_allowed", Scope, InvalidGrant;
    /// the matching grants give none of the scopes that the assertion carries
    ScopeNotGranted = "scope_not_granted", Scope, AccessDenied;
    /// the request's `scope` is off-grammar
    ScopeRequestMalformed = "scope_request_malformed", Scope, InvalidScope;
    /// the request's `scope` names nothing that is granted
    ScopeNotAvailable = "scope_not_available", Scope, InvalidScope;
    /// the assertion was used before
    Replayed = "replayed", SingleUse, InvalidGrant;
    /// the DPoP proof was used before
    DpopReplayed = "dpop_replayed", SingleUse, InvalidDpopProof;
    /// the single-use store is full or cannot answer
    ReplayUnavailable = "replay_unavailable", SingleUse, TemporarilyUnavailable;
    /// the record did not take the exchange
    RecordUnavailable = "record_unavailable", Record, TemporarilyUnavailable;
    /// the token could not be signed
    SigningFailed = "signing_failed", Mint, TemporarilyUnavailable;
    /// the access token is too long, malformed, or of another type
    TokenMalformed = "token_malformed", Token, InvalidToken;
    /// the access token is not signed by one of our keys
    TokenSignatureInvalid = "token_signature_invalid", Token, InvalidToken;
    /// the access token has another issuer
    TokenIssuerMismatch = "token_issuer_mismatch", Token, InvalidToken;
    /// the access token is for another resource
    TokenAudienceMismatch = "token_audience_mismatch", Token, InvalidToken;
    /// the access token has expired
    TokenExpired = "token_expired", Token, InvalidToken;
    /// the access token, its person, client, connector or issuer was revoked
    TokenRevoked = "token_revoked", Token, InvalidToken;
    /// the access token is bound to a certificate, and the connection has none or another
    TokenCertificateMismatch = "token_certificate_mismatch", Token, InvalidToken;
    /// the access token is bound to a key, and no proof was given
    TokenProofRequired = "token_proof_required", Token, InvalidToken;
    /// a proof came, and the access token is bound to another key or to none
    TokenProofMismatch = "token_proof_mismatch", Token, InvalidToken;
    /// the policy of today gives this token nothing any more
    TokenNoLongerGranted = "token_no_longer_granted", Token, InvalidToken;
    /// the access token that is to be revoked was issued to another client
    TokenOfAnotherClient = "token_of_another_client", Token, UnauthorizedClient;
    /// `requested_token_type` is not the one of ID-JAGs
    RequestedTokenTypeUnsupported = "requested_token_type_unsupported", TokenExchange, InvalidRequest;
    /// `subject_token` is missing
    SubjectTokenMissing = "subject_token_missing", TokenExchange, InvalidRequest;
    /// `subject_token_type` is not the one of ID tokens
    SubjectTokenTypeUnsupported = "subject_token_type_unsupported", TokenExchange, InvalidRequest;
    /// the request has an `actor_token` or its type
    ActorTokenNotSupported = "actor_token_not_supported", TokenExchange, InvalidRequest;
    /// the request has `authorization_details`, of which this identity provider knows no type (RFC 9396 section 5)
    AuthorizationDetailsNotSupported = "authorization_details_not_supported", TokenExchange, InvalidAuthorizationDetails;
    /// `audience` is missing
    TargetAudienceMissing = "target_audience_missing", TokenExchange, InvalidRequest;
    /// the subject token is too long, is not a JWT, or lacks a claim of an ID token
    SubjectTokenMalformed = "subject_token_malformed", SubjectToken, InvalidRequest;
    /// the header's `typ` says that the subject token is no ID token
    SubjectTokenNotIdToken = "subject_token_not_id_token", SubjectToken, InvalidRequest;
    /// ID tokens of this issuer are not taken
    SubjectTokenIssuerUntrusted = "subject_token_issuer_untrusted", SubjectToken, InvalidRequest;
    /// the header's `alg` is not on the issuer's list
    SubjectTokenAlgNotAllowed = "subject_token_alg_not_allowed", SubjectToken, InvalidRequest;
    /// the ID token was not issued to the client that asks, or not to it alone
    SubjectTokenAudience = "subject_token_audience", SubjectToken, InvalidRequest;
    /// the ID token has expired, is not valid yet, or is too old
    SubjectTokenTime = "subject_token_time", SubjectToken, InvalidRequest;
    /// the ID token is of another tenant than the one that is written down for its issuer
    SubjectTokenTenant = "subject_token_tenant", SubjectToken, InvalidRequest;
    /// the ID token is not signed by a key of its issuer
    SubjectTokenSignature = "subject_token_signature", SubjectToken, InvalidRequest;
    /// no target has this audience and these resources
    TargetUnknown = "target_unknown", Target, InvalidTarget;
    /// the audience guards more than one resource, and the request names none
    TargetResourceMissing = "target_resource_missing", Target, InvalidTarget;
    /// the client is not among those that may ask for this target
    TargetClientNotMapped = "target_client_not_mapped", Target, InvalidTarget;
    /// the target is for people of another issuer, or of other groups
    TargetGroupRequired = "target_group_required", Target, AccessDenied;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// A refusal: why, for the operator, and what to tell the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Refusal {
    reason: Reason,
    oauth_error: OAuthError,
    /// Seconds until trying again may help, where that is so at all.
    wait_s: u32,
    at_resource: bool,
}

impl Refusal {
    pub(crate) const fn new(reason: Reason, oauth_error: OAuthError) -> Self {
        Self { reason, oauth_error, wait_s: 1, at_resource: false }
    }

    /// The same, where it is known when trying again helps; 0: it is not.
    pub(crate) const fn until(self, wait_s: u32) -> Self {
        Self { wait_s: if wait_s == 0 { 1 } else { wait_s }, ..self }
    }

    /// The same as the answer of a resource, which has other statuses for proofs of possession.
    pub(crate) const fn at_resource(self) -> Self {
        Self { at_resource: true, ..self }
    }

    /// Why.
    pub const fn reason(self) -> Reason {
        self.reason
    }

    /// The stable name of the reason. For logs; never sent.
    pub const fn slug(self) -> &'static str {
        self.reason.slug()
    }

    /// The OAuth code for the client.
    pub const fn oauth_error(self) -> OAuthError {
        self.oauth_error
    }

    /// The HTTP status for the client.
    pub const fn http_status(self) -> u16 {
        match self.oauth_error {
            OAuthError::InvalidDpopProof | OAuthError::UseDpopNonce if self.at_resource => 401,
            code => code.http_status(),
        }
    }

    /// The `error_description` for the client.
    pub const fn description(self) -> &'static str {
        self.oauth_error.description()
    }

    /// Seconds for `Retry-After`, where trying again may help.
    pub const fn retry_after_s(self) -> Option<u32> {
        match self.oauth_error {
            OAuthError::TemporarilyUnavailable | OAuthError::TooManyRequests => Some(self.wait_s),
            _ => None,
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason, reason.oauth_error())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason.slug(), self.oauth_error)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slugs_are_snake_case_and_unique() {
        let mut seen = HashSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.slug()), "{reason} stands twice");
            assert!(reason.slug().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{reason}");
        }
    }

    #[test]
    fn what_the_client_reads_is_printable_ascii_and_depends_on_the_code_alone() {
        for reason in Reason::ALL {
            let refusal = Refusal::from(*reason);
            assert_eq!(refusal.description(), reason.oauth_error().description());
            assert!(refusal.description().bytes().all(|b| (0x20..0x7f).contains(&b)));
            assert_eq!(refusal.retry_after_s().is_some(), matches!(refusal.http_status(), 429 | 503));
        }
    }

    #[test]
    fn the_table_stands_in_the_order_of_the_checks() {
        let mut last = Check::Request;
        for reason in Reason::ALL {
            assert!(reason.check() >= last, "{reason} stands before an earlier check");
            last = reason.check();
        }
    }
}
