//! What is replaced while requests run: each is validated whole, and then swapped at once.

use std::ffi::c_char;

use idjag::Directory;

use crate::boundary::boundary;
use crate::error::{ErrorDetail, Failure, Status};
use crate::exchange::Handle;

/// A directory as JSON: `{"version":1,"people":[…]}`.
pub const IDJAG_DIRECTORY_JSON: u32 = 1;
/// A directory as CSV: `issuer,tenant,subject,active,group`, a row for each group.
pub const IDJAG_DIRECTORY_CSV: u32 = 2;

/// Replaces the keys of one IdP by a JWK set. Keys in it that cannot be used are left out; with none, nothing changes. Where they
/// are fetched as well, these count as fetched now, and what is fetched later takes their place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_put_jwks(
    exchange: *const Handle,
    issuer: *const c_char,
    issuer_length: usize,
    jwks: *const c_char,
    jwks_length: usize,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let issuer = caller.text("issuer", issuer, issuer_length)?;
        let jwks = caller.bytes("jwks", jwks, jwks_length)?;
        Ok(caller.handle(exchange)?.live()?.put_jwks(issuer, jwks)?)
    })
}

/// Replaces the directory. `format` is IDJAG_DIRECTORY_JSON or IDJAG_DIRECTORY_CSV; `name` is what the text is called in
/// messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_put_directory(
    exchange: *const Handle,
    format: u32,
    name: *const c_char,
    name_length: usize,
    text: *const c_char,
    text_length: usize,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        let name = caller.text("name", name, name_length)?;
        let text = caller.bytes("text", text, text_length)?;
        let directory = match format {
            IDJAG_DIRECTORY_JSON => Directory::from_json(name, text)?,
            IDJAG_DIRECTORY_CSV => Directory::from_csv(name, text)?,
            _ => return Err(Failure::misuse("format", "is no such number")),
        };
        engine.put_directory(directory);
        Ok(())
    })
}

/// Replaces the policy by a text in the form of `policy.toml`. `name` is what the text is called in messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_put_policy(
    exchange: *const Handle,
    name: *const c_char,
    name_length: usize,
    text: *const c_char,
    text_length: usize,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let name = caller.text("name", name, name_length)?;
        let text = caller.text("text", text, text_length)?;
        Ok(caller.engine(exchange)?.put_policy(name, text)?)
    })
}
