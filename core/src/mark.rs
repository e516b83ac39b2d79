//! A mark: one bit out of 64 that stands for a name, so that a set of names is one word and most of what is not in it
//! is told at a glance.

/// The mark of `name`, by its length, its first and its last byte. Names may share one: then only a comparison tells.
pub(crate) fn mark(name: &str) -> u64 {
    let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
    let sum = name.len()
        + usize::from(first.copied().unwrap_or(0)) * 5
        + usize::from(last.copied().unwrap_or(0)) * 11;
    1 << (sum % 64)
}
