//! A clock that panics, for tests: in C there is no other way to make a call of ours end in the middle.

use std::ffi::c_void;

/// A clock for the callbacks. `context` points to an int64_t that is the time; a time before 1970 is a panic.
#[cfg_attr(feature = "panicking-clock", unsafe(no_mangle))]
pub unsafe extern "C-unwind" fn idjag_test_panicking_clock(context: *mut c_void) -> i64 {
    // SAFETY: the tests give it that.
    let time = unsafe { std::ptr::read_volatile(context.cast::<i64>()) };
    assert!(time >= 0, "a panic, as a test wanted it");
    time
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::callbacks::Callbacks;
    use crate::error::{ErrorDetail, Failure, Status};
    use crate::exchange::{Configuration, idjag_exchange_free, idjag_exchange_new};
    use crate::token::{Asking, idjag_exchange};

    const CONFIG: &str = r#"
        issuer = "https://auth.example/"
        audit = "off"
        tokens.keys = "ephemeral"
        [[idps]]
        issuer = "https://idp.example"
        jwks_uri = "https://idp.example/jwks"
        [fetch]
        enabled = false
        [[clients]]
        id = "agent"
        auth = "none"
        connectors = ["*"]
    "#;

    #[test]
    fn a_panic_is_a_result_and_the_handle_goes_on() {
        let mut time = 1_i64;
        let callbacks = Callbacks {
            context: (&raw mut time).cast(),
            clock: Some(idjag_test_panicking_clock),
            ..Callbacks::NONE
        };
        let config = Configuration {
            struct_size: size_of::<Configuration>(),
            file: ptr::null(),
            file_length: 0,
            text: CONFIG.as_ptr().cast(),
            text_length: CONFIG.len(),
            name: ptr::null(),
            name_length: 0,
            folder: ptr::null(),
            folder_length: 0,
        };
        let mut error = Failure::NotFound.detail();
        error.struct_size = size_of::<ErrorDetail>();
        let mut exchange = ptr::null_mut();
        // SAFETY: all of it lives until the end.
        let made = unsafe {
            idjag_exchange_new(&raw const config, &raw const callbacks, &raw mut exchange, &raw mut error)
        };
        assert_eq!(made, Status::IDJAG_OK, "{:?}", error.message.map(std::ffi::c_char::to_ne_bytes).concat());

        let text = c"agent";
        let request = Asking {
            struct_size: size_of::<Asking>(),
            assertion: text.as_ptr(),
            assertion_length: 5,
            client_id: text.as_ptr(),
            client_id_length: 5,
            scope: ptr::null(),
            scope_length: 0,
            resources: ptr::null(),
            resource_lengths: ptr::null(),
            resource_count: 0,
            authorization_details: ptr::null(),
            authorization_details_length: 0,
        };
        let mut token = ptr::null_mut();
        let clock = &raw mut time;
        for (now, status) in
            [(2, Status::IDJAG_REFUSED), (-1, Status::IDJAG_PANIC), (3, Status::IDJAG_REFUSED)]
        {
            // SAFETY: ours.
            unsafe { ptr::write_volatile(clock, now) };
            // SAFETY: all of it lives until the end.
            let answer =
                unsafe { idjag_exchange(exchange, &raw const request, &raw mut token, &raw mut error) };
            assert_eq!(answer, status);
            assert_eq!(error.http_status, if now < 0 { 500 } else { 400 });
            assert!(token.is_null() && error.slug.is_null() == (now < 0));
        }
        // SAFETY: made above, used no more.
        unsafe { idjag_exchange_free(exchange) };
    }
}
