//! A text that the library gives away: documents, warnings, a challenge.

use std::ffi::c_char;

use crate::boundary::boundary;
use crate::terminated::Texts;

/// A text.
///
/// Given by the functions that make documents; yours to free with idjag_text_free. Threads: any number may read it.
pub struct Reply {
    text: Texts,
}

impl Reply {
    pub(crate) fn text(text: &str) -> Self {
        Self { text: Texts::of(&[text]) }
    }
}

/// The text in UTF-8, ending in NUL, until it is freed. `length` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_text_data(text: *const Reply, length: *mut usize) -> *const c_char {
    boundary!(or std::ptr::null(), |caller| {
        let text = caller.object("text", text).ok().and_then(|reply| reply.text.text(0));
        Ok(caller.hand_out(text, length))
    })
}

/// Frees it. NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idjag_text_free(text: *mut Reply) {
    boundary!(or(), |caller| {
        drop(caller.take(text));
        Ok(())
    });
}
