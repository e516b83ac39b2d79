//! Prints the vector table as steps, one JSON object a line, for the runner in C: see [`idjag_tests::steps`].

use std::io::{self, BufWriter, Write};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for step in idjag_tests::steps::all()? {
        writeln!(out, "{step}")?;
    }
    out.flush()
}
