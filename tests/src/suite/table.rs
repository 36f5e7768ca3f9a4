//! What `-m count` has counted in a run of a piece.

use anyhow::{Context, Result, ensure};
use std::fmt;

/// The totals of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Processes.
    pub processes: u64,
    /// Programs that they executed.
    pub execs: u64,
    /// Threads.
    pub threads: u64,
    /// Calls.
    pub calls: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processes, execs, threads, calls } = self;
        write!(f, "{processes} processes, {execs} execs, {threads} threads, {calls} calls")
    }
}

/// Reads the table. That a program is in it shows that the layer was there from its first
/// instruction; one that has begun, and has its name from then on, and is without a call was not
/// followed. A killed one may not have begun.
pub fn read(text: &str) -> Result<Counts> {
    let mut execs = 0;
    let mut without = Vec::new();
    for line in text.lines().skip(2).take_while(|line| !line.starts_with("total:")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (began, calls) = (words.get(1), words.get(3).and_then(|word| word.parse::<u64>().ok()));
        execs += u64::from(began == Some(&"exec"));
        // A child can be killed before its first call, and one that executes before the program's.
        let no_program = began == Some(&"exec") && words.get(4) == Some(&"?");
        if calls.is_none_or(|calls| calls == 0 && began != Some(&"fork") && !no_program) {
            without.push(line);
        }
    }
    ensure!(without.is_empty(), "without a call: {without:?}");
    let last = text.lines().last().context("an empty table")?;
    let mut numbers =
        last.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let mut next = || numbers.next().context("no totals");
    let (processes, _started, total, threads, calls) =
        (next()?, next()?, next()?, next()?, next()?);
    ensure!(total >= execs, "{execs} rows of execs, and {total} in all");
    ensure!(calls > 0, "no call at all");
    Ok(Counts { processes, execs: total, threads, calls })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "    pid began threads        calls program
------- ----- ------- ------------ -------
    100 first       2            2 /bin/sh
    102 fork        1            0 /bin/sh
    102 exec        1           30 /bin/a b
total: 2 processes (1 started), 1 execs, 4 threads, 32 calls
";

    #[test]
    fn every_program_has_calls() {
        let counts = read(TABLE).expect("a sound table");
        assert_eq!(counts, Counts { processes: 2, execs: 1, threads: 4, calls: 32 });
        assert!(read(&TABLE.replace("           30", "            0")).is_err());
        assert!(read(&TABLE.replace("30 /bin/a b", " 0 ?")).is_ok());
        assert!(read("").is_err());
    }
}
