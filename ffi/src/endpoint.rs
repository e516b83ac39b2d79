//! The token endpoint and what goes with it: the bytes of a request in, status, headers and body out.

use std::borrow::Cow;
use std::ffi::{c_char, c_int};
use std::mem::offset_of;
use std::ptr;

use idjag::{Response, TokenRequest};

use crate::boundary::boundary;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status, word};
use crate::exchange::Handle;
use crate::terminated::Texts;
use crate::versioned::Versioned;

/// A header of a request. One that came twice stands twice.
///
/// The caller's own, set with IDJAG_HEADER_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    /// The size of this structure: IDJAG_HEADER_INIT sets it.
    pub struct_size: usize,
    /// The name, in any case.
    pub name: *const c_char,
    /// Its length.
    pub name_length: usize,
    /// The value.
    pub value: *const c_char,
    /// Its length.
    pub value_length: usize,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for Header {
    // Up to the last member of today: one that is added must not shut out older programs.
    const LEAST: usize = offset_of!(Header, value_length) + size_of::<usize>();
    const NAME: &'static str = "headers";
}

/// A request to one of the endpoints, as it came.
///
/// The caller's own, set with IDJAG_HTTP_REQUEST_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HttpRequest {
    /// The size of this structure: IDJAG_HTTP_REQUEST_INIT sets it.
    pub struct_size: usize,
    /// The method.
    pub method: *const c_char,
    /// Its length.
    pub method_length: usize,
    /// The request target: path, and query if there is one.
    pub target: *const c_char,
    /// Its length.
    pub target_length: usize,
    /// The headers, `header_count` structures of one size, in order.
    pub headers: *const Header,
    /// How many.
    pub header_count: usize,
    /// The body. One that was cut off one byte beyond `limits.max_body_bytes` is refused as the whole would be.
    pub body: *const c_char,
    /// Its length.
    pub body_length: usize,
    /// The client's certificate in DER, where TLS asked for one and the client proved that the key is its own. NULL: none.
    pub client_certificate: *const c_char,
    /// Its length.
    pub client_certificate_length: usize,
    /// Who connects: an IP address, or another name that the client cannot choose. Failures to prove a client are limited for
    /// each peer; behind a proxy, say what the proxy says. NULL: they are not limited.
    pub peer: *const c_char,
    /// Its length.
    pub peer_length: usize,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for HttpRequest {
    const LEAST: usize = offset_of!(HttpRequest, client_certificate);
    const NAME: &'static str = "request";
}

/// An HTTP response, but for the length of its body.
///
/// Given by the idjag_endpoint_ functions and idjag_idp_handle; yours to free with idjag_response_free. Threads: any number may read it.
pub struct Answer {
    response: Response,
    /// Name and value of each header, one behind the other; then the body.
    texts: Texts,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let (count, bytes) =
            response.headers().fold((1, response.body().len() + 1), |(count, bytes), header| {
                (count + 2, bytes + header.0.len() + header.1.len() + 2)
            });
        let mut texts = Texts::with_room(count, bytes);
        for (name, value) in response.headers() {
            texts.push(name.as_bytes());
            texts.push(value.as_bytes());
        }
        texts.push(response.body());
        Self { response, texts }
    }
}

impl<'c> Caller<'c> {
    /// Hands a request to one of the endpoints.
    pub(crate) fn ask(
        self,
        request: *const HttpRequest,
        response: *mut *mut Answer,
        endpoint: impl FnOnce(&TokenRequest<'_>) -> Response,
    ) -> Result<(), Failure> {
        let place = self.place("response", response)?;
        let request = self.structure(request)?;
        let method = self.words("method", request.method, request.method_length)?;
        let target = self.words("target", request.target, request.target_length)?;
        let headers: Vec<(Cow<'c, str>, &[u8])> = self
            .structures(request.headers, request.header_count)?
            .iter()
            .map(|header| {
                let name = self.words("headers", header.name, header.name_length)?;
                Ok((name, self.bytes("headers", header.value, header.value_length)?))
            })
            .collect::<Result<_, Failure>>()?;
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (&**name, *value)).collect();
        let body = self.optional_bytes("body", request.body, request.body_length)?;
        let certificate = (request.client_certificate, request.client_certificate_length);
        let peer = self.optional_words("peer", request.peer, request.peer_length)?;
        let answer = endpoint(&TokenRequest {
            method: &method,
            target: &target,
            headers: &headers,
            body: body.unwrap_or_default(),
            client_certificate: self.optional_bytes("client_certificate", certificate.0, certificate.1)?,
            peer: peer.as_deref(),
        });
        place.put(Answer::from(answer));
        Ok(())
    }

    fn answer(self, response: *const Answer) -> Option<&'c Answer> {
        self.object("response", response).ok()
    }
}

/// Answers a request to the token endpoint (RFC 6749 section 3.2): authenticates the client, exchanges the assertion.
///
/// IDJAG_OK: there is a response, also where it says no. Send its status, headers and body.
///
/// Waits for the record, where there is one, and for keys that have to be fetched: 2 s at most for each look-up, of which there
/// may be three (a client's document, its keys, an IdP's). So not in an event loop, where anything is fetched or recorded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_endpoint_handle(
    exchange: *const Handle,
    request: *const HttpRequest,
    response: *mut *mut Answer,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        caller.ask(request, response, |request| engine.handle(request))
    })
}

/// Answers a request to the revocation endpoint (RFC 7009): a client gives its own token back. As idjag_endpoint_handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_endpoint_revoke(
    exchange: *const Handle,
    request: *const HttpRequest,
    response: *mut *mut Answer,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        caller.ask(request, response, |request| engine.handle_revocation(request))
    })
}

/// Answers a request to the introspection endpoint (RFC 7662): what a token is worth at this moment. As
/// idjag_endpoint_handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_endpoint_introspect(
    exchange: *const Handle,
    request: *const HttpRequest,
    response: *mut *mut Answer,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        caller.ask(request, response, |request| engine.handle_introspection(request))
    })
}

/// The status code. 0 where `response` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_status(response: *const Answer) -> c_int {
    boundary!(or 0, |caller| {
        Ok(caller.answer(response).map_or(0, |answer| c_int::from(answer.response.status())))
    })
}

/// How many headers there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_header_count(response: *const Answer) -> usize {
    boundary!(or 0, |caller| {
        Ok(caller.answer(response).map_or(0, |answer| answer.response.headers().len()))
    })
}

/// The header of that number, counted from 0: its name, and `*value`; NULL beyond the last. Both end in NUL, until the
/// response is freed. `value` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_header_at(
    response: *const Answer,
    index: usize,
    value: *mut *const c_char,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| {
        let answer = caller.answer(response).filter(|answer| index < answer.response.headers().len());
        let text = |number| answer.and_then(|answer| answer.texts.text(number));
        // Where `index` is beyond the last, neither is looked for.
        let (name, content) = (text(index.saturating_mul(2)), text(index.saturating_mul(2).saturating_add(1)));
        if let (Some(content), Ok(place)) = (content, caller.place("value", value)) {
            place.write(content.into_parts().0);
        }
        Ok(caller.hand_out(name, ptr::null_mut()))
    })
}

/// The value of the header `name`, in any case; NULL: there is none. Ends in NUL, until the response is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_header(
    response: *const Answer,
    name: *const c_char,
    name_length: usize,
) -> *const c_char {
    boundary!(or ptr::null(), |caller| {
        let name = caller.bytes("name", name, name_length)?;
        let text = caller.answer(response).and_then(|answer| {
            let mut headers = answer.response.headers();
            let index = headers.position(|(other, _)| other.as_bytes().eq_ignore_ascii_case(name))?;
            answer.texts.text(2 * index + 1)
        });
        Ok(caller.hand_out(text, ptr::null_mut()))
    })
}

/// The body, until the response is freed. Ends in NUL, which is no part of it. `length` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_body(response: *const Answer, length: *mut usize) -> *const c_char {
    boundary!(or ptr::null(), |caller| {
        let text = caller.answer(response).and_then(|answer| answer.texts.text(answer.texts.len() - 1));
        Ok(caller.hand_out(text, length))
    })
}

/// Why it is a refusal, for logs; nothing of it is in the response. NULL: it is none. Never freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_slug(response: *const Answer) -> *const c_char {
    boundary!(or ptr::null(), |caller| {
        let slug = caller.answer(response).and_then(|answer| answer.response.slug()).and_then(word);
        Ok(caller.hand_out(slug, ptr::null_mut()))
    })
}

/// Frees it. NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_response_free(response: *mut Answer) {
    boundary!(or(), |caller| {
        drop(caller.take(response));
        Ok(())
    });
}
