//! Numbers that look random: who is in which group, and in which order people come. Never for a secret.

/// SplitMix64: the same numbers for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = self.next().checked_rem(end as u64).unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    }

    /// One of `items`.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// True once in `many` times.
    pub(crate) fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// Characters of base64url.
    pub(crate) fn characters(&mut self, length: usize, of: Alphabet) -> String {
        let alphabet = of.characters();
        (0..length).filter_map(|_| self.pick(alphabet)).map(|byte| char::from(*byte)).collect()
    }

    /// Puts `items` in another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// What an identifier is made of.
#[derive(Clone, Copy)]
pub(crate) enum Alphabet {
    /// Digits and letters.
    Base62,
    /// Those, `-` and `_`.
    Base64Url,
}

impl Alphabet {
    fn characters(self) -> &'static [u8] {
        const CHARACTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
        match self {
            Self::Base62 => CHARACTERS.get(..62).unwrap_or(CHARACTERS),
            Self::Base64Url => CHARACTERS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_order_of_the_same_items() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Random::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn identifiers_have_their_alphabet() {
        let mut random = Random::new(1);
        let text = random.characters(500, Alphabet::Base62);
        assert_eq!(text.len(), 500);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(random.below(0), 0);
    }
}
