//! The edge that every call crosses: nothing unwinds into C, and no answer is written but a whole one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::caller::Caller;
use crate::error::{ErrorDetail, Failure, Status};

/// The body of a function that C calls.
///
/// `boundary!(error, |caller| body)`: one that may fail; the body gives `Result<(), Failure>`, the macro a [`Status`].
/// `boundary!(or value, |caller| body)`: one that cannot but by misuse or a panic, which give `value`.
macro_rules! boundary {
    (or $otherwise:expr, |$caller:ident| $body:expr) => {{
        let call = ();
        // SAFETY: the function is `unsafe`: whoever calls it promises what the manual asks, until it returns.
        let $caller = unsafe { $crate::caller::Caller::trusting(&call) };
        $crate::boundary::value_or($otherwise, || $body)
    }};
    ($error:expr, |$caller:ident| $body:expr) => {{
        let call = ();
        // SAFETY: the function is `unsafe`: whoever calls it promises what the manual asks, until it returns.
        let $caller = unsafe { $crate::caller::Caller::trusting(&call) };
        $crate::boundary::status($caller, $error, || $body)
    }};
}

pub(crate) use boundary;

pub(crate) fn value_or<R>(otherwise: R, body: impl FnOnce() -> Result<R, Failure>) -> R {
    // The engine leaves nothing half done behind: its state is swapped whole, and its locks are freed on the way.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) | Err(_) => otherwise,
    }
}

pub(crate) fn status(
    caller: Caller<'_>,
    error: *mut ErrorDetail,
    body: impl FnOnce() -> Result<(), Failure>,
) -> Status {
    let Ok(detail) = Detail::at(caller, error) else {
        return Status::IDJAG_MISUSE;
    };
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::IDJAG_OK,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Panic,
    };
    detail.write(&failure);
    failure.status()
}

/// The caller's structure for the detail, or NULL.
pub(crate) struct Detail(Option<(*mut ErrorDetail, usize)>);

impl Detail {
    fn at(caller: Caller<'_>, error: *mut ErrorDetail) -> Result<Self, Failure> {
        if error.is_null() {
            return Ok(Self(None));
        }
        let size = caller.stated_size(error)?;
        Ok(Self(Some((error, size))))
    }

    /// The caller's array of them, or NULL.
    pub(crate) fn array(
        caller: Caller<'_>,
        errors: *mut ErrorDetail,
        count: usize,
    ) -> Result<Vec<Self>, Failure> {
        if errors.is_null() {
            return Ok((0..count).map(|_| Self(None)).collect());
        }
        let members = caller.members(errors.cast_const(), count)?;
        members.into_iter().map(|member| Self::at(caller, member.cast_mut())).collect()
    }

    /// Writes the members that the caller's structure has; its size stays.
    pub(crate) fn write(self, failure: &Failure) {
        if let Some((error, size)) = self.0 {
            let detail = ErrorDetail { struct_size: size, ..failure.detail() };
            let known = size.min(size_of::<ErrorDetail>());
            // SAFETY: `error` is the caller's, of `size` bytes, and `detail` has as many as are copied.
            unsafe { std::ptr::copy_nonoverlapping((&raw const detail).cast::<u8>(), error.cast(), known) };
        }
    }
}
