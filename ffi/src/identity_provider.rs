//! The other party: an identity provider's token endpoint (RFC 8693), for tests, demonstrations, and an IdP of one's own.

use std::ffi::c_char;
use std::mem::{forget, offset_of};
use std::sync::Arc;

use idjag::{IdToken, IdentityProvider};
use idjag_log::Handed;

use crate::boundary::boundary;
use crate::callbacks::Callbacks;
use crate::caller::Caller;
use crate::endpoint::{Answer, HttpRequest};
use crate::error::{ErrorDetail, Failure, Status};
use crate::exchange::Configuration;
use crate::process::Process;
use crate::reply::Reply;
use crate::source::Source;
use crate::versioned::Versioned;

/// An identity provider that takes ID tokens and issues ID-JAGs, by a table of its own. It signs nobody in. It never changes:
/// for another configuration make another one.
///
/// Made by idjag_idp_new; yours to free with idjag_idp_free. Threads: any number at once. Freed by one, when no other uses it.
pub struct Provider {
    engine: IdentityProvider,
    process: Process,
    warnings: String,
}

/// The claims of an ID token (OpenID Connect Core section 2).
///
/// The caller's own, set with IDJAG_ID_TOKEN_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SignedIn {
    /// The size of this structure: IDJAG_ID_TOKEN_INIT sets it.
    pub struct_size: usize,
    /// `sub`: who signed in.
    pub subject: *const c_char,
    /// Its length.
    pub subject_length: usize,
    /// `aud`: the client that the person signed in to.
    pub client_id: *const c_char,
    /// Its length.
    pub client_id_length: usize,
    /// `iat`, in seconds since 1970.
    pub issued_at: i64,
    /// `exp` minus `iat`, in seconds.
    pub lifetime_s: i64,
    /// `email`. NULL: none.
    pub email: *const c_char,
    /// Its length.
    pub email_length: usize,
    /// `groups`, as many as `group_count` says. NULL: none.
    pub groups: *const *const c_char,
    /// The length of each.
    pub group_lengths: *const usize,
    /// How many.
    pub group_count: usize,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for SignedIn {
    const LEAST: usize = offset_of!(SignedIn, email);
    const NAME: &'static str = "id_token";
}

/// Makes an identity provider. The configuration is one of an IdP: `subject_tokens`, `clients`, `targets`. Of `callbacks`,
/// which may be NULL, clock, single use and record are asked: it fetches nothing. Starts no thread.
///
/// IDJAG_LOAD_FAILED: the configuration, or a file that it names, cannot be used; `message` has file, line and key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_new(
    config: *const Configuration,
    callbacks: *const Callbacks,
    idp: *mut *mut Provider,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("idp", idp)?;
        let host = Callbacks::of(caller, callbacks)?;
        let config = Source::of(caller, config)?.idp_config()?;
        let warnings = config.warnings().join("\n");
        let mut provider = IdentityProvider::new(config);
        if let Some(clock) = host.host_clock() {
            provider = provider.with_clock(clock);
        }
        if let Some(store) = host.host_store() {
            provider = provider.with_replay(Box::new(store));
        }
        if let Some(record) = host.host_record() {
            provider = provider.with_record(Arc::new(Handed::to(record)));
        }
        place.put(Provider { engine: provider, process: Process::current(), warnings });
        Ok(())
    })
}

/// Frees an identity provider that no thread uses any more. Texts and responses that it gave stay. NULL: nothing happens. In a
/// child of fork it frees nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_free(idp: *mut Provider) {
    boundary!(or(), |caller| {
        match caller.take(idp) {
            // Locks are the parent's.
            Some(idp) if !idp.process.is_current() => forget(idp),
            idp => drop(idp),
        }
        Ok(())
    });
}

/// What the configuration allows and still deserves a look: one warning a line, empty where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_warnings(
    idp: *const Provider,
    warnings: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("warnings", warnings)?;
        let idp = caller.object("idp", idp)?;
        idp.process.check("idp")?;
        place.put(Reply::text(&idp.warnings));
        Ok(())
    })
}

/// Answers a request to the token endpoint of the identity provider (RFC 8693 section 2): authenticates the client, takes the
/// ID token, issues an ID-JAG. As idjag_endpoint_handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_handle(
    idp: *const Provider,
    request: *const HttpRequest,
    response: *mut *mut Answer,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let provider = caller.provider(idp)?;
        caller.ask(request, response, |request| provider.handle(request))
    })
}

/// The metadata of the identity provider, JSON (RFC 8414 section 2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_metadata(
    idp: *const Provider,
    metadata: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("metadata", metadata)?;
        place.put(Reply::text(&caller.provider(idp)?.metadata()));
        Ok(())
    })
}

/// The public keys of the identity provider, a JWK set (RFC 7517 section 5): for idjag_put_jwks, or its `jwks_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_jwks(
    idp: *const Provider,
    jwks: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("jwks", jwks)?;
        place.put(Reply::text(&caller.provider(idp)?.jwks()));
        Ok(())
    })
}

/// Signs an ID token, for whoever has signed the person in, and for tests. The identity provider takes it back where its
/// `subject_tokens` have its own issuer identifier with `own_keys = true`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_idp_id_token(
    idp: *const Provider,
    id_token: *const SignedIn,
    token: *mut *mut Reply,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("token", token)?;
        let provider = caller.provider(idp)?;
        let said = caller.structure(id_token)?;
        let groups = caller.array("groups", said.groups, said.group_count)?;
        let lengths = caller.array("group_lengths", said.group_lengths, said.group_count)?;
        let groups: Vec<&str> = groups
            .iter()
            .zip(lengths)
            .map(|(group, length)| caller.text("groups", *group, *length))
            .collect::<Result<_, _>>()?;
        let signed = provider.id_token(&IdToken {
            client_id: caller.text("client_id", said.client_id, said.client_id_length)?,
            subject: caller.text("subject", said.subject, said.subject_length)?,
            issued_at: said.issued_at,
            lifetime_s: said.lifetime_s,
            email: caller.optional_text("email", said.email, said.email_length)?,
            groups: &groups,
            ..IdToken::default()
        })?;
        place.put(Reply::text(&signed));
        Ok(())
    })
}

impl<'c> Caller<'c> {
    fn provider(self, idp: *const Provider) -> Result<&'c IdentityProvider, Failure> {
        let idp = self.object("idp", idp)?;
        idp.process.check("idp").map(|()| &idp.engine)
    }
}
