//! Several texts in one allocation, found by their number.

/// Texts, one behind the other.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Without any, and with room for `count` of `bytes` together.
    pub(crate) fn with_room(count: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Copies one more. `None` when they take 4 GiB together.
    #[inline(never)]
    pub(crate) fn push(&mut self, one: &str) -> Option<()> {
        let end = u32::try_from(self.text.len() + one.len()).ok()?;
        self.text.push_str(one);
        self.ends.push(end);
        Some(())
    }

    /// The bytes of memory that they take.
    pub(crate) fn memory(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Number `at`, counted from 0; the empty text where there is none.
    pub(crate) fn get(&self, at: usize) -> &str {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let start = at.checked_sub(1).map_or(0, end);
        self.text.get(start..end(at)).unwrap_or_default()
    }

    /// Those of the numbers `range`.
    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> impl ExactSizeIterator<Item = &str> + Clone {
        range.map(|at| self.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_number() {
        let mut texts = Texts::with_room(1, 1);
        for text in ["a", "", "é€", "d"] {
            texts.push(text).unwrap();
        }
        assert_eq!(texts.len(), 4);
        assert!((7 + 4 * 4..100).contains(&texts.memory()));
        assert_eq!(texts.range(0..4).collect::<Vec<_>>(), ["a", "", "é€", "d"]);
        assert_eq!((texts.get(2), texts.get(4)), ("é€", ""));
        assert_eq!((Texts::with_room(0, 0).len(), Texts::with_room(0, 0).get(0)), (0, ""));
    }
}
