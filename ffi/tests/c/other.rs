//! Another Rust library in the same program, which catches a panic of its own.

/// 1: it was caught.
#[unsafe(no_mangle)]
pub extern "C" fn other_catches() -> i32 {
    i32::from(std::panic::catch_unwind(|| panic!("of another library")).is_err())
}
