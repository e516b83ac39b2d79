//! The caller on the other side, and its pointers: the one place where they become references.

use std::borrow::Cow;
use std::ffi::c_char;
use std::marker::PhantomData;
use std::{ptr, slice};

use crate::error::Failure;
use crate::terminated::Terminated;
use crate::versioned::{self, Versioned};

/// Stands for the promise that the manual asks of every caller: each pointer that it hands over is null, or points to
/// what its type and length say and stays so during the call; only what may be shared is used by several threads.
///
/// The methods take pointers of that caller and of nobody else. `'c` is the call.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'c>(PhantomData<&'c ()>);

#[expect(clippy::unused_self, reason = "having one is the promise")]
impl<'c> Caller<'c> {
    /// Trusts the caller for as long as `call` is on the stack.
    ///
    /// # Safety
    ///
    /// The pointers that the methods get came from C within this call, and C keeps the promise above.
    pub(crate) const unsafe fn trusting(_call: &'c ()) -> Self {
        Self(PhantomData)
    }

    /// Bytes that may be missing: NULL, and 0 long.
    pub(crate) fn optional_bytes(
        self,
        name: &str,
        pointer: *const c_char,
        length: usize,
    ) -> Result<Option<&'c [u8]>, Failure> {
        if pointer.is_null() {
            return if length == 0 {
                Ok(None)
            } else {
                Err(Failure::misuse(name, "is NULL and has a length"))
            };
        }
        if isize::try_from(length).is_err() {
            return Err(Failure::misuse(name, "is longer than memory can be"));
        }
        // SAFETY: not null, of a length that can be; the rest is the caller's promise.
        Ok(Some(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), length) }))
    }

    /// Bytes that must be there; none may be, as a text of no length.
    pub(crate) fn bytes(
        self,
        name: &str,
        pointer: *const c_char,
        length: usize,
    ) -> Result<&'c [u8], Failure> {
        self.optional_bytes(name, pointer, length)?.ok_or_else(|| Failure::misuse(name, "is NULL"))
    }

    /// What somebody outside wrote and the core compares. Bytes that are no UTF-8 become U+FFFD; what they are compared
    /// with is ASCII, so that equals nothing.
    pub(crate) fn optional_words(
        self,
        name: &str,
        pointer: *const c_char,
        length: usize,
    ) -> Result<Option<Cow<'c, str>>, Failure> {
        Ok(self.optional_bytes(name, pointer, length)?.map(String::from_utf8_lossy))
    }

    /// The same where it must be there.
    pub(crate) fn words(
        self,
        name: &str,
        pointer: *const c_char,
        length: usize,
    ) -> Result<Cow<'c, str>, Failure> {
        self.bytes(name, pointer, length).map(String::from_utf8_lossy)
    }

    /// What the administrator wrote: UTF-8, or it cannot be used.
    pub(crate) fn optional_text(
        self,
        name: &str,
        pointer: *const c_char,
        length: usize,
    ) -> Result<Option<&'c str>, Failure> {
        let bytes = self.optional_bytes(name, pointer, length)?;
        let text = bytes.map(std::str::from_utf8).transpose();
        text.map_err(|_| Failure::Load(format!("`{name}` is not UTF-8")))
    }

    /// The same where it must be there.
    pub(crate) fn text(self, name: &str, pointer: *const c_char, length: usize) -> Result<&'c str, Failure> {
        self.optional_text(name, pointer, length)?.ok_or_else(|| Failure::misuse(name, "is NULL"))
    }

    /// `count` members behind one another.
    pub(crate) fn array<T>(self, name: &str, pointer: *const T, count: usize) -> Result<&'c [T], Failure> {
        if count == 0 {
            return Ok(&[]);
        }
        can_be(name, pointer, count)?;
        // SAFETY: not null, aligned, of a size that can be; the rest is the caller's promise.
        Ok(unsafe { slice::from_raw_parts(pointer, count) })
    }

    /// A structure with its size.
    pub(crate) fn structure<T: Versioned>(self, pointer: *const T) -> Result<T, Failure> {
        // SAFETY: the caller's promise.
        unsafe { versioned::read(pointer) }
    }

    /// The size that a structure states.
    pub(crate) fn stated_size<T: Versioned>(self, pointer: *const T) -> Result<usize, Failure> {
        // SAFETY: the caller's promise.
        unsafe { versioned::stated_size(pointer) }
    }

    /// Where each of `count` structures is: as far apart as the first one states, and the others state the same.
    pub(crate) fn members<T: Versioned>(
        self,
        pointer: *const T,
        count: usize,
    ) -> Result<Vec<*const T>, Failure> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let apart = self.stated_size(pointer)?;
        if count.checked_mul(apart).is_none_or(|size| isize::try_from(size).is_err()) {
            return Err(Failure::misuse(T::NAME, "cannot have as many members"));
        }
        let members = (0..count).map(|index| pointer.wrapping_byte_add(index * apart));
        members
            .map(|member| match self.stated_size(member)? {
                stated if stated == apart => Ok(member),
                _ => Err(Failure::misuse(T::NAME, "has another `struct_size` than the first of them")),
            })
            .collect()
    }

    /// `count` structures behind one another.
    pub(crate) fn structures<T: Versioned>(self, pointer: *const T, count: usize) -> Result<Vec<T>, Failure> {
        self.members(pointer, count)?.into_iter().map(|member| self.structure(member)).collect()
    }

    /// An object of ours.
    pub(crate) fn object<T>(self, name: &str, pointer: *const T) -> Result<&'c T, Failure> {
        // SAFETY: null or an object that a function of ours gave; the caller has not freed it.
        unsafe { pointer.as_ref() }.ok_or_else(|| Failure::misuse(name, "is NULL"))
    }

    /// An object of ours that nobody else uses at the time.
    pub(crate) fn lent<T>(self, name: &str, pointer: *mut T) -> Result<&'c mut T, Failure> {
        // SAFETY: null or an object that we lent to this thread, which by the caller's promise no other uses.
        unsafe { pointer.as_mut() }.ok_or_else(|| Failure::misuse(name, "is NULL"))
    }

    /// Takes an object of ours back, to be dropped. Null is none.
    pub(crate) fn take<T>(self, pointer: *mut T) -> Option<Box<T>> {
        if pointer.is_null() {
            return None;
        }
        // SAFETY: it came out of `Box::into_raw` in `Place::put`, and the caller gives it back once.
        Some(unsafe { Box::from_raw(pointer) })
    }

    /// Where an answer goes. Nothing is written before there is one.
    pub(crate) fn place<T>(self, name: &str, pointer: *mut T) -> Result<Place<'c, T>, Failure> {
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Failure::misuse(name, "is NULL"));
        }
        Ok(Place { pointer, call: PhantomData })
    }

    /// Where `count` answers go.
    pub(crate) fn places<T>(
        self,
        name: &str,
        pointer: *mut T,
        count: usize,
    ) -> Result<Vec<Place<'c, T>>, Failure> {
        if count > 0 {
            can_be(name, pointer, count)?;
        }
        Ok((0..count)
            .map(|index| Place { pointer: pointer.wrapping_add(index), call: PhantomData })
            .collect())
    }

    /// A text for C, and how long it is. NULL and 0 where there is none.
    pub(crate) fn hand_out(self, text: Option<Terminated<'_>>, length: *mut usize) -> *const c_char {
        let text = text.map_or((ptr::null(), 0), Terminated::into_parts);
        if let Ok(place) = self.place("length", length) {
            place.write(text.1);
        }
        text.0
    }
}

/// Whether there can be `count` members at `pointer`.
fn can_be<T>(name: &str, pointer: *const T, count: usize) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::misuse(name, "is NULL"));
    }
    let fits = count.checked_mul(size_of::<T>()).is_some_and(|size| isize::try_from(size).is_ok());
    if fits && pointer.is_aligned() {
        Ok(())
    } else {
        Err(Failure::misuse(name, "cannot have as many members"))
    }
}

/// A place of the caller's.
pub(crate) struct Place<'c, T> {
    pointer: *mut T,
    call: PhantomData<&'c mut T>,
}

impl<T> Place<'_, T> {
    /// Writes over what stands there, which C owns and Rust does not drop.
    pub(crate) fn write(self, value: T) {
        // SAFETY: not null, aligned, and by the caller's promise ours to write to.
        unsafe { ptr::write(self.pointer, value) };
    }
}

impl<T> Place<'_, *mut T> {
    /// Gives an object away. [`Caller::take`] takes it back.
    pub(crate) fn put(self, object: T) {
        self.write(Box::into_raw(Box::new(object)));
    }
}
