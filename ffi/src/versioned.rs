//! Structures that C fills: they may be older or newer than this library, and say so by `struct_size`.
//!
//! What an older one lacks is zero. What a newer one has beyond ours must be zero: otherwise the caller asks for something
//! that this library does not know, and would believe that it was done.

use std::mem::{MaybeUninit, size_of};
use std::{ptr, slice};

use crate::error::Failure;

/// Larger ones are memory that nobody set.
const MOST: usize = 4096;

/// A structure that begins with its size.
///
/// # Safety
///
/// `repr(C)`, the first member is a `usize`, and every member may be zero.
pub(crate) unsafe trait Versioned: Copy {
    /// The bytes up to the last member that a caller cannot leave out.
    const LEAST: usize;
    /// What C calls it.
    const NAME: &'static str;
}

/// The size that the structure at `pointer` states, if it is one that can be.
///
/// # Safety
///
/// `pointer` is null or points to a structure that begins with its size.
pub(crate) unsafe fn stated_size<T: Versioned>(pointer: *const T) -> Result<usize, Failure> {
    if pointer.is_null() {
        return Err(Failure::misuse(T::NAME, "is NULL"));
    }
    if !pointer.is_aligned() {
        return Err(Failure::misuse(T::NAME, "is not aligned"));
    }
    // SAFETY: it is not null and aligned, and begins with a `usize`.
    let size = unsafe { ptr::read(pointer.cast::<usize>()) };
    if size < T::LEAST || size > MOST || size % align_of::<T>() != 0 {
        return Err(Failure::misuse(
            T::NAME,
            "has a `struct_size` that cannot be: was it set with its _INIT?",
        ));
    }
    Ok(size)
}

/// The structure at `pointer`, in the form that this library knows.
///
/// # Safety
///
/// `pointer` is null or points to as many bytes as the structure states.
pub(crate) unsafe fn read<T: Versioned>(pointer: *const T) -> Result<T, Failure> {
    // SAFETY: the caller's promise is the larger one.
    let size = unsafe { stated_size(pointer) }?;
    let bytes = pointer.cast::<u8>();
    let known = size.min(size_of::<T>());
    // SAFETY: within what the structure states.
    let beyond = unsafe { bytes.add(known) };
    // SAFETY: the rest of what the structure states.
    let unknown = unsafe { slice::from_raw_parts(beyond, size - known) };
    if unknown.iter().any(|byte| *byte != 0) {
        return Err(Failure::misuse(T::NAME, "asks for something that this version does not know"));
    }
    let mut structure = MaybeUninit::<T>::zeroed();
    // SAFETY: both are at least `known` bytes, and the new one is nobody else's.
    unsafe { ptr::copy_nonoverlapping(bytes, structure.as_mut_ptr().cast::<u8>(), known) };
    // SAFETY: `Versioned` promises that every member may be zero; the others were copied.
    Ok(unsafe { structure.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Old {
        struct_size: usize,
        a: usize,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct New {
        struct_size: usize,
        a: usize,
        b: usize,
    }

    // SAFETY: `repr(C)`, numbers.
    unsafe impl Versioned for Old {
        const LEAST: usize = size_of::<usize>();
        const NAME: &'static str = "old";
    }

    // SAFETY: `repr(C)`, numbers.
    unsafe impl Versioned for New {
        const LEAST: usize = size_of::<[usize; 2]>();
        const NAME: &'static str = "new";
    }

    #[test]
    fn what_an_older_caller_lacks_is_zero() {
        let old = Old { struct_size: size_of::<Old>(), a: 7 };
        // SAFETY: its size is stated.
        let new = unsafe { read((&raw const old).cast::<New>()) };
        assert!(new.is_ok_and(|new| (new.a, new.b) == (7, 0)));
    }

    #[test]
    fn what_a_newer_caller_asks_for_beyond_is_refused() {
        for (b, fine) in [(0, true), (1, false)] {
            let new = New { struct_size: size_of::<New>(), a: 7, b };
            // SAFETY: its size is stated.
            let old = unsafe { read((&raw const new).cast::<Old>()) };
            assert_eq!(old.is_ok_and(|old| old.a == 7), fine);
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_refused() {
        for struct_size in [0, 1, 8, 15, 17, MOST + 8, usize::MAX] {
            let new = New { struct_size, a: 7, b: 0 };
            // SAFETY: refused before anything else is read.
            assert!(unsafe { read(&raw const new) }.is_err(), "{struct_size}");
        }
        // SAFETY: null is refused.
        assert!(unsafe { read(ptr::null::<New>()) }.is_err());
        // SAFETY: what is not aligned is refused.
        assert!(unsafe { read(ptr::without_provenance::<New>(9)) }.is_err());
    }
}
