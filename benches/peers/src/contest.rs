//! Several who do the same, in turns on the same items.

use std::time::Instant;

use idjag_benches::{Failure, median};

/// Operations in a block: enough to be timed, few enough that no block meets another machine than the next.
pub(crate) const BLOCK: usize = 20;
/// Blocks of which the median counts.
pub(crate) const BLOCKS: usize = 250;

/// One who takes part, and says of each item whether it went well.
pub(crate) struct Contender<'c, T> {
    name: String,
    work: Box<dyn FnMut(&T) -> bool + 'c>,
    /// Its ratio is to be at least this.
    target: Option<&'static str>,
    /// Microseconds for one item, by turn.
    times: Vec<f64>,
    /// Items that went well.
    done: usize,
}

impl<'c, T> Contender<'c, T> {
    /// idjag: the first, beside whom the others stand.
    pub(crate) fn idjag(does: &str, work: impl FnMut(&T) -> bool + 'c) -> Self {
        Self::new(format!("idjag: {does}"), None, work)
    }

    /// Another one.
    pub(crate) fn peer(name: &str, target: &'static str, work: impl FnMut(&T) -> bool + 'c) -> Self {
        Self::new(name.to_owned(), Some(target), work)
    }

    fn new(name: String, target: Option<&'static str>, work: impl FnMut(&T) -> bool + 'c) -> Self {
        Self { name, work: Box::new(work), target, times: Vec::new(), done: 0 }
    }

    fn turn(&mut self, block: &[T]) {
        let start = Instant::now();
        for item in block {
            self.done += usize::from((self.work)(item));
        }
        let items = f64::from(u32::try_from(block.len()).unwrap_or(u32::MAX));
        self.times.push(start.elapsed().as_secs_f64() * 1e6 / items);
    }
}

/// The heading of a table.
pub(crate) fn heading(title: &str) {
    println!("\n{title:<62} {:>10} {:>13} {:>8}", "us", "beside idjag", "target");
}

/// Runs them, block by block, and prints a line for each.
///
/// # Errors
///
/// Somebody with whom an item did not go well.
pub(crate) fn run<T>(what: &str, items: &[T], mut contenders: Vec<Contender<'_, T>>) -> Result<(), Failure> {
    for (turn, block) in items.chunks(BLOCK).enumerate() {
        let first = turn % contenders.len();
        let (later, sooner) = contenders.split_at_mut(first);
        for contender in sooner.iter_mut().chain(later) {
            contender.turn(block);
        }
    }
    if let Some(failed) = contenders.iter().find(|contender| contender.done != items.len()) {
        return Err(format!("{what}, {}: {} of {} done", failed.name, failed.done, items.len()).into());
    }
    println!("{what}");
    let idjag = contenders.first().map(|first| first.times.clone()).unwrap_or_default();
    for contender in contenders {
        let ratio = median(contender.times.iter().zip(&idjag).map(|(theirs, ours)| theirs / ours).collect());
        let beside = if contender.target.is_some() { format!("{ratio:.2}") } else { String::new() };
        let (time, target) = (median(contender.times), contender.target.unwrap_or_default());
        println!("  {:<60} {time:>10.3} {beside:>13} {target:>8}", contender.name);
    }
    Ok(())
}
