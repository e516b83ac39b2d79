//! The exchange: an assertion in, an access token out; one, or many at once.

use std::borrow::Cow;
use std::ffi::c_char;
use std::mem::offset_of;
use std::num::NonZero;
use std::ptr;

use idjag::{Issued, Request};

use crate::boundary::{Detail, boundary};
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};
use crate::exchange::Handle;
use crate::terminated::Texts;
use crate::versioned::Versioned;

/// A request to exchange an ID-JAG (RFC 7523 section 2.1). You have authenticated the client.
///
/// The caller's own, set with IDJAG_REQUEST_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Asking {
    /// The size of this structure: IDJAG_REQUEST_INIT sets it.
    pub struct_size: usize,
    /// The `assertion` parameter.
    pub assertion: *const c_char,
    /// Its length.
    pub assertion_length: usize,
    /// The authenticated client.
    pub client_id: *const c_char,
    /// Its length.
    pub client_id_length: usize,
    /// The `scope` parameter. NULL or empty: not asked.
    pub scope: *const c_char,
    /// Its length.
    pub scope_length: usize,
    /// The `resource` parameters, as many as `resource_count` says. NULL: not asked.
    pub resources: *const *const c_char,
    /// The length of each.
    pub resource_lengths: *const usize,
    /// How many.
    pub resource_count: usize,
    /// The `authorization_details` parameter, JSON (RFC 9396). NULL or empty: not asked.
    pub authorization_details: *const c_char,
    /// Its length.
    pub authorization_details_length: usize,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for Asking {
    const LEAST: usize = offset_of!(Asking, scope);
    const NAME: &'static str = "request";
}

/// An access token that was issued. It is the only copy: the assertion is spent.
///
/// Given by idjag_exchange and idjag_exchange_many; yours to free with idjag_token_free. Threads: any number may read it.
pub struct Token {
    texts: Texts<[usize; TEXTS]>,
    has_details: bool,
    expires_in_s: i64,
}

const ACCESS_TOKEN: usize = 0;
const SCOPE: usize = 1;
const RESOURCE: usize = 2;
const TOKEN_TYPE: usize = 3;
const DETAILS: usize = 4;
/// How many there are.
const TEXTS: usize = 5;

impl From<Issued> for Token {
    fn from(issued: Issued) -> Self {
        let details = issued.authorization_details();
        let texts = Texts::fixed([
            issued.access_token(),
            issued.scope(),
            issued.resource(),
            issued.token_type(),
            details.unwrap_or_default(),
        ]);
        Self { texts, has_details: details.is_some(), expires_in_s: issued.expires_in_s() }
    }
}

/// A caller's request, with what became of its texts.
struct Asked<'c> {
    assertion: &'c [u8],
    client_id: Cow<'c, str>,
    scope: Option<Cow<'c, str>>,
    details: Option<Cow<'c, str>>,
    resources: Vec<Cow<'c, str>>,
}

impl<'c> Asked<'c> {
    fn of(caller: Caller<'c>, asking: &Asking) -> Result<Self, Failure> {
        let resources = caller.array("resources", asking.resources, asking.resource_count)?;
        let lengths = caller.array("resource_lengths", asking.resource_lengths, asking.resource_count)?;
        Ok(Self {
            assertion: caller.bytes("assertion", asking.assertion, asking.assertion_length)?,
            client_id: caller.words("client_id", asking.client_id, asking.client_id_length)?,
            scope: caller.optional_words("scope", asking.scope, asking.scope_length)?,
            details: caller.optional_words(
                "authorization_details",
                asking.authorization_details,
                asking.authorization_details_length,
            )?,
            resources: resources
                .iter()
                .zip(lengths)
                .map(|(resource, length)| caller.words("resources", *resource, *length))
                .collect::<Result<_, _>>()?,
        })
    }

    fn resources(&self) -> Vec<&str> {
        self.resources.iter().map(AsRef::as_ref).collect()
    }

    fn request<'a>(&'a self, resource: &'a [&'a str]) -> Request<'a> {
        Request {
            assertion: self.assertion,
            client_id: &self.client_id,
            resource,
            scope: self.scope.as_deref(),
            authorization_details: self.details.as_deref(),
        }
    }
}

/// Exchanges an assertion for an access token.
///
/// On IDJAG_OK `*token` is yours. IDJAG_REFUSED: the answer is no. IDJAG_UNAVAILABLE: answer with 503; the assertion may be
/// spent. Costs one verification and one signature.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_exchange(
    exchange: *const Handle,
    request: *const Asking,
    token: *mut *mut Token,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let place = caller.place("token", token)?;
        let engine = caller.engine(exchange)?;
        let asked = Asked::of(caller, &caller.structure(request)?)?;
        let issued = engine.exchange(&asked.request(&asked.resources()))?;
        place.put(Token::from(issued));
        Ok(())
    })
}

/// Exchanges many assertions at once, on up to `threads` threads; 0: as many as there are cores.
///
/// `requests` are `count` structures of one size. On IDJAG_OK each request has its answer at its place: `results` how it
/// ended, `tokens` the token, or NULL, and `errors`, unless it is NULL, the detail. Each of the three has room for `count`,
/// and each of `errors` is set with IDJAG_ERROR_INIT. On any other value nothing is written there, and nothing was spent
/// but after IDJAG_PANIC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_exchange_many(
    exchange: *const Handle,
    requests: *const Asking,
    count: usize,
    threads: usize,
    results: *mut Status,
    tokens: *mut *mut Token,
    errors: *mut ErrorDetail,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        // First, so that a count that cannot be is noticed before anything is as large.
        let asked = caller.structures(requests, count)?;
        let results = caller.places("results", results, count)?;
        let tokens = caller.places("tokens", tokens, count)?;
        let details = Detail::array(caller, errors, count)?;
        let asked: Vec<Asked<'_>> =
            asked.iter().map(|asking| Asked::of(caller, asking)).collect::<Result<_, _>>()?;
        let resources: Vec<Vec<&str>> = asked.iter().map(Asked::resources).collect();
        let requests: Vec<Request<'_>> =
            asked.iter().zip(&resources).map(|(asked, resource)| asked.request(resource)).collect();
        let answers = match NonZero::new(threads) {
            Some(threads) => engine.exchange_many_on(&requests, threads),
            None => engine.exchange_many(&requests),
        };
        for (answer, ((result, token), detail)) in
            answers.into_iter().zip(results.into_iter().zip(tokens).zip(details))
        {
            match answer {
                Ok(issued) => {
                    result.write(Status::IDJAG_OK);
                    token.put(Token::from(issued));
                }
                Err(refusal) => {
                    let failure = Failure::Refused(refusal);
                    result.write(failure.status());
                    token.write(ptr::null_mut());
                    detail.write(&failure);
                }
            }
        }
        Ok(())
    })
}

impl Caller<'_> {
    fn token_text(self, token: *const Token, number: usize, length: *mut usize) -> *const c_char {
        let text = self.object("token", token).ok().and_then(|token| token.texts.text(number));
        self.hand_out(text, length)
    }
}

/// The token, for the `access_token` member. Ends in NUL, until the token is freed. `length` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_access_token(token: *const Token, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.token_text(token, ACCESS_TOKEN, length)))
}

/// What was granted, for `scope`: separated by spaces, never empty. As idjag_token_access_token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_scope(token: *const Token, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.token_text(token, SCOPE, length)))
}

/// What it is for, for `resource`. As idjag_token_access_token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_resource(token: *const Token, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.token_text(token, RESOURCE, length)))
}

/// The `token_type`. As idjag_token_access_token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_token_type(token: *const Token, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| Ok(caller.token_text(token, TOKEN_TYPE, length)))
}

/// What was granted, for `authorization_details`, JSON (RFC 9396 section 7); NULL: the assertion has none. As
/// idjag_token_access_token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_authorization_details(
    token: *const Token,
    length: *mut usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| {
        let has_details = caller.object("token", token).is_ok_and(|token| token.has_details);
        let token = if has_details { token } else { ptr::null() };
        Ok(caller.token_text(token, DETAILS, length))
    })
}

/// Seconds until it expires, for `expires_in`. 0 where `token` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_expires_in(token: *const Token) -> i64 {
    boundary!(or 0, |caller| caller.object("token", token).map(|token| token.expires_in_s))
}

/// Frees it. NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_token_free(token: *mut Token) {
    boundary!(or(), |caller| {
        drop(caller.take(token));
        Ok(())
    });
}
