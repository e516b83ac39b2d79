//! Text for people: numbers in groups of three, a few colours, lines on standard error.
//!
//! Colours reach terminals only: `anstream` takes them out of everything else, and obeys `NO_COLOR`.

use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();

/// Says on standard error why a command could not run, or why the answer is no.
pub(crate) fn complain(what: &str) {
    anstream::eprintln!("{RED}idjag:{RED:#} {what}");
}

/// Says something on standard error that is no part of the answer.
pub(crate) fn note(what: &str) {
    anstream::eprintln!("{DIM}idjag: {what}{DIM:#}");
}

/// `14700` as `14,700`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count as the number that it prints as.
pub(crate) fn count(items: usize) -> String {
    grouped(items as u64)
}

/// `1 key`, `2 keys`.
pub(crate) fn plural(items: usize, one: &str) -> String {
    format!("{} {one}{}", count(items), if items == 1 { "" } else { "s" })
}

/// `1 person`, `2 people`.
pub(crate) fn people(number: usize) -> String {
    format!("{} {}", count(number), if number == 1 { "person" } else { "people" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
