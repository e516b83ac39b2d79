//! Several texts in one allocation, found by their number.

/// Texts, one behind the other. Never changed once made.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Copies `first` and `others`. `None` when they take 4 GiB together.
    pub(crate) fn of<'a>(first: &[&str], others: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let (count, length) = others
            .clone()
            .fold((first.len(), first.iter().map(|text| text.len()).sum()), |(count, length), text| {
                (count + 1, length + text.len())
            });
        u32::try_from(length).ok()?;
        let (mut text, mut ends) = (String::with_capacity(length), Vec::with_capacity(count));
        let mut copy = |one: &str| {
            text.push_str(one);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        };
        for one in first {
            copy(one);
        }
        others.for_each(copy);
        Some(Self { text, ends })
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
        let texts = Texts::of(&["a", ""], ["é€", "d"].into_iter()).unwrap();
        assert_eq!(texts.len(), 4);
        assert_eq!(texts.range(0..4).collect::<Vec<_>>(), ["a", "", "é€", "d"]);
        assert_eq!((texts.get(2), texts.get(4)), ("é€", ""));
        assert_eq!(Texts::of(&[], std::iter::empty()).unwrap().len(), 0);
    }
}
