//! The documents by which clients find the way: authorization server metadata (RFC 8414, draft-ietf-oauth-identity-
//! assertion-authz-grant section 7) and protected resource metadata (RFC 9728).

use crate::alg::Algorithm;
use crate::clients::Clients;
use crate::config::{ClientAuth, State as ConnectorState, asymmetric_algorithms};
use crate::exchange::Exchange;
use crate::json_writer::JsonWriter;

/// `grant_type` of an ID-JAG (RFC 7523 section 2.1).
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The profile that says: ID-JAGs are taken here (draft section 7.2).
const GRANT_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The ways of authentication, by their names in the IANA registry.
fn method(auth: &ClientAuth) -> &'static str {
    match auth {
        ClientAuth::SecretBasic(_) => "client_secret_basic",
        ClientAuth::SecretPost(_) => "client_secret_post",
        ClientAuth::PrivateKeyJwt { .. } => "private_key_jwt",
        ClientAuth::SelfSignedTls(_) => "self_signed_tls_client_auth",
        ClientAuth::Tls(_) => "tls_client_auth",
        ClientAuth::None => "none",
    }
}

/// The ways in which clients that are switched on authenticate, and further ones, each once.
pub(super) fn ways(clients: &Clients, further: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let enabled = clients.all().filter(|client| client.enabled);
    let mut ways: Vec<&str> = enabled.map(|client| method(&client.auth)).chain(further).collect();
    ways.sort_unstable();
    ways.dedup();
    ways
}

/// Writes what client assertions may be signed with, where there are any (RFC 8414 section 2), and DPoP proofs (RFC 9449
/// section 5.1).
pub(super) fn signing_algorithms(json: &mut JsonWriter, ways: &[&str]) {
    assertion_algorithms(json, "token_endpoint_auth_signing_alg_values_supported", ways);
    json.strings("dpop_signing_alg_values_supported", dpop_algorithms());
}

fn assertion_algorithms(json: &mut JsonWriter, name: &'static str, ways: &[&str]) {
    if ways.contains(&"private_key_jwt") {
        json.strings(name, asymmetric_algorithms().map(Algorithm::name));
    }
}

/// What a DPoP proof may be signed with (RFC 9449 section 5.1).
pub(super) fn dpop_algorithms() -> impl Iterator<Item = &'static str> {
    asymmetric_algorithms().map(Algorithm::name)
}

impl Exchange {
    /// The authorization server metadata, as JSON (RFC 8414 section 2): for
    /// `/.well-known/oauth-authorization-server`, with the path of the issuer identifier behind it.
    ///
    /// Tells what is configured and nothing more; never which IdPs are trusted.
    pub fn metadata(&self) -> String {
        let state = self.load();
        let server = &state.server;
        let documents = state.clients.documents().filter(|_| self.documents.is_some());
        let of_documents = documents.iter().flat_map(|documents| &documents.methods);
        let methods = ways(&state.clients, of_documents.map(|method| method.name()));
        // Nobody's document is fetched at the other endpoints.
        let written = ways(&state.clients, std::iter::empty());
        let mut scopes: Vec<&str> =
            state.policy.enabled().flat_map(|connector| &connector.scopes).map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("issuer", &server.issuer);
            json.member("token_endpoint", &server.endpoints.token);
            json.member("jwks_uri", &server.endpoints.jwks);
            json.member("revocation_endpoint", &server.endpoints.revoke);
            json.member("introspection_endpoint", &server.endpoints.introspect);
            // Required by RFC 8414 section 2; there is no authorization endpoint, so there is none.
            json.strings("response_types_supported", []);
            // Without an IdP there is nothing to present.
            let is_on = state.keyring.is_in_use();
            json.strings("grant_types_supported", is_on.then_some(GRANT_TYPE));
            json.strings("authorization_grant_profiles_supported", is_on.then_some(GRANT_PROFILE));
            json.strings("token_endpoint_auth_methods_supported", methods.iter().copied());
            signing_algorithms(json, &methods);
            // Without these names a client takes `client_secret_basic` for the only way there.
            for (methods, algorithms) in [
                (
                    "revocation_endpoint_auth_methods_supported",
                    "revocation_endpoint_auth_signing_alg_values_supported",
                ),
                (
                    "introspection_endpoint_auth_methods_supported",
                    "introspection_endpoint_auth_signing_alg_values_supported",
                ),
            ] {
                json.strings(methods, written.iter().copied());
                assertion_algorithms(json, algorithms, &written);
            }
            json.strings("scopes_supported", scopes);
            if documents.is_some() {
                json.name("client_id_metadata_document_supported");
                json.literal("true");
            }
        });
        json.into_string()
    }

    /// The URL of the authorization endpoint that the configuration keeps free (`endpoints.authorize`). Nothing is
    /// authorized there, and [`metadata`](Self::metadata) does not name it. It is for doors to clients that cannot read
    /// metadata without one: what is served there answers `unauthorized_client` (RFC 6749 section 4.1.2.1).
    pub fn authorization_endpoint(&self) -> String {
        self.load().server.endpoints.authorize.clone()
    }

    /// The metadata of one resource, as JSON (RFC 9728 section 2): for the URL that [`challenge`](Self::challenge) names.
    /// `None` where no enabled connector serves it.
    pub fn protected_resource_metadata(&self, resource: &str) -> Option<String> {
        let state = self.load();
        let (connector, resource) = state.policy.serving(resource)?;
        if connector.state != ConnectorState::Enabled {
            return None;
        }
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("resource", resource);
            json.strings("authorization_servers", [&*state.server.issuer]);
            json.strings("scopes_supported", connector.scopes.iter().map(String::as_str));
            json.strings("bearer_methods_supported", ["header"]);
            json.strings("dpop_signing_alg_values_supported", dpop_algorithms());
            if connector.require_dpop {
                json.name("dpop_bound_access_tokens_required");
                json.literal("true");
            }
        });
        Some(json.into_string())
    }
}
