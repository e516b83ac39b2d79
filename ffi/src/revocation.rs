//! Taking back what was given: tokens, people, clients, connectors, IdPs.

use std::ffi::c_char;
use std::mem::offset_of;

use idjag::Revocation;

use crate::boundary::boundary;
use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};
use crate::exchange::Handle;
use crate::versioned::Versioned;

/// One access token: `name` is its `jti`, `expires_at` its `exp` and the leeway.
pub const IDJAG_REVOKE_TOKEN: u32 = 1;
/// One person: `name` is the subject, `issuer` the IdP, `tenant` the tenant there.
pub const IDJAG_REVOKE_PERSON: u32 = 2;
/// One client: `name` is its client_id.
pub const IDJAG_REVOKE_CLIENT: u32 = 3;
/// One connector: `name` is its id in the policy.
pub const IDJAG_REVOKE_CONNECTOR: u32 = 4;
/// One IdP with all its tenants: `name` is its issuer identifier.
pub const IDJAG_REVOKE_ISSUER: u32 = 5;

/// What is taken back.
///
/// The caller's own, set with IDJAG_REVOCATION_INIT; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Taken {
    /// The size of this structure: IDJAG_REVOCATION_INIT sets it.
    pub struct_size: usize,
    /// One of the IDJAG_REVOKE_ numbers.
    pub kind: u32,
    /// Whom or what, see the number.
    pub name: *const c_char,
    /// Its length.
    pub name_length: usize,
    /// With IDJAG_REVOKE_PERSON: the IdP's issuer identifier.
    pub issuer: *const c_char,
    /// Its length.
    pub issuer_length: usize,
    /// With IDJAG_REVOKE_PERSON: the tenant. NULL where the IdP has none.
    pub tenant: *const c_char,
    /// Its length.
    pub tenant_length: usize,
    /// With IDJAG_REVOKE_TOKEN: until when it could be accepted, in seconds since 1970.
    pub expires_at: i64,
}

// SAFETY: `repr(C)`, a size first; pointers and numbers.
unsafe impl Versioned for Taken {
    const LEAST: usize = offset_of!(Taken, issuer);
    const NAME: &'static str = "revocation";
}

/// Takes back at once: what was issued until now is void, and nothing new is issued until idjag_lift. With a record (`[audit]`)
/// it is kept there, and stands again after a start.
/// Engines that share the single-use store follow within a second of their clocks. IDJAG_UNAVAILABLE: it stands here, and the
/// others could not be told; try again.
///
/// Costs some nanoseconds for each revocation in force.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_revoke(
    exchange: *const Handle,
    revocation: *const Taken,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        Ok(engine.revoke(&caller.revocation(revocation)?)?)
    })
}

/// Ends the block on new tokens. What was issued before stays void, and a token stays revoked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_lift(
    exchange: *const Handle,
    revocation: *const Taken,
    error: *mut ErrorDetail,
) -> Status {
    boundary!(error, |caller| {
        let engine = caller.engine(exchange)?;
        Ok(engine.lift(&caller.revocation(revocation)?)?)
    })
}

impl<'c> Caller<'c> {
    fn revocation(self, taken: *const Taken) -> Result<Revocation<'c>, Failure> {
        let taken = self.structure(taken)?;
        let name = self.text("name", taken.name, taken.name_length)?;
        Ok(match taken.kind {
            IDJAG_REVOKE_TOKEN => Revocation::Token { jti: name, expires_at: taken.expires_at },
            IDJAG_REVOKE_PERSON => Revocation::Person {
                issuer: self.text("issuer", taken.issuer, taken.issuer_length)?,
                tenant: self.optional_text("tenant", taken.tenant, taken.tenant_length)?,
                subject: name,
            },
            IDJAG_REVOKE_CLIENT => Revocation::Client(name),
            IDJAG_REVOKE_CONNECTOR => Revocation::Connector(name),
            IDJAG_REVOKE_ISSUER => Revocation::Issuer(name),
            _ => return Err(Failure::misuse("kind", "is no such number")),
        })
    }
}
