//! The version of the library.

use std::ffi::{CStr, c_char};

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the library that runs: the same as `IDJAG_VERSION` where it is the one that was compiled against.
/// Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn idjag_version() -> *const c_char {
    VERSION.as_ptr()
}
