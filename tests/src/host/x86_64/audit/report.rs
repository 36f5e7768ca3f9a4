//! What an audit leaves: a text for a person, which tests read too.

use super::gate::Kind;
use crate::host::tracer::Pid;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// An entry into the kernel from elsewhere than the gate.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Elsewhere {
    /// The process.
    pub process: Pid,
    /// The thread.
    pub thread: Pid,
    /// What the process calls itself.
    pub program: String,
    /// The call's name and number.
    pub call: String,
    /// The address behind the instruction.
    pub ip: u64,
    /// The mapping and the offset in its file.
    pub mapping: String,
}

/// What was seen.
#[derive(Default)]
pub struct Report {
    /// The status of the first process, as wait(2) has it.
    pub status: Option<i32>,
    /// Calls before vload was executed: of what starts it.
    pub before: u64,
    /// Calls of threads whose calls are dispatched, all but those from the gate, which is one range: from there.
    pub by_slots: u64,
    /// The same, from anywhere else, or where what the kernel lets through is not the gate.
    pub by_others: u64,
    /// Calls of threads whose calls from one region are dispatched, from anywhere else.
    pub beside_region: u64,
    gate: BTreeMap<&'static str, u64>,
    elsewhere: u64,
    /// Each with how often it was made.
    listed: BTreeMap<Elsewhere, u64>,
    natively: BTreeMap<String, u64>,
}

/// How many different entries from elsewhere are listed.
const LISTED: usize = 1000;

impl Report {
    pub(super) fn count(&mut self, kind: Kind) {
        if !matches!(kind, Kind::Elsewhere | Kind::Killed) {
            *self.gate.entry(kind.word()).or_default() += 1;
        }
    }

    pub(super) fn elsewhere(&mut self, entry: Elsewhere) {
        self.elsewhere += 1;
        if let Some(count) = self.listed.get_mut(&entry) {
            *count += 1;
        } else if self.listed.len() < LISTED {
            self.listed.insert(entry, 1);
        }
    }

    pub(super) fn natively(&mut self, program: &str) {
        match self.natively.get_mut(program) {
            Some(count) => *count += 1,
            None => {
                self.natively.insert(program.to_owned(), 1);
            }
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.gate.iter().map(|(kind, count)| format!("{kind} {count}"));
        let kinds: Vec<_> = kinds.collect();
        writeln!(f, "from the gate: {} ({})", self.gate.values().sum::<u64>(), kinds.join(", "))?;
        writeln!(f, "from elsewhere: {}", self.elsewhere)?;
        writeln!(f, "in processes without vload: {}", self.natively.values().sum::<u64>())?;
        writeln!(f, "before vload: {}", self.before)?;
        writeln!(f, "by slots of a watched thread: {}", self.by_slots)?;
        writeln!(f, "by anything else of a watched thread: {}", self.by_others)?;
        writeln!(f, "beside a region that is watched alone: {}", self.beside_region)?;
        for (entry, count) in &self.listed {
            let Elsewhere { process, thread, program, call, ip, mapping } = entry;
            writeln!(
                f,
                "elsewhere: pid {process} tid {thread} ({program}): {call} at {ip:#x}, {mapping}, \
                 {count} times"
            )?;
        }
        for (program, count) in &self.natively {
            writeln!(f, "without vload: {program}: {count}")?;
        }
        Ok(())
    }
}

/// The counts of a report, read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    /// Entries from the gate.
    pub gate: u64,
    /// The same by who they are made for.
    pub kinds: BTreeMap<String, u64>,
    /// Entries from elsewhere.
    pub elsewhere: u64,
    /// Calls of processes that run without vload, though it has started them.
    pub natively: u64,
    /// Calls of watched threads from the one range that the kernel lets through, which is the gate.
    pub by_slots: u64,
    /// Those from anywhere else.
    pub by_others: u64,
}

impl Counts {
    /// Reads them from the text of a report.
    pub fn read(text: &str) -> Result<Self> {
        let count = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let number = found.and_then(|rest| rest.split(' ').next()?.parse().ok());
            number.with_context(|| format!("no count {name:?} in {text:?}"))
        };
        let kinds = text.lines().find_map(|line| line.strip_prefix("from the gate: "));
        let kinds = kinds.and_then(|rest| rest.split_once('(')).map_or("", |(_, kinds)| kinds);
        let kinds = kinds.trim_end_matches(')').split(", ").filter_map(|kind| {
            let (name, count) = kind.split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        });
        Ok(Counts {
            gate: count("from the gate")?,
            kinds: kinds.collect(),
            elsewhere: count("from elsewhere")?,
            natively: count("in processes without vload")?,
            by_slots: count("by slots of a watched thread")?,
            by_others: count("by anything else of a watched thread")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Elsewhere, Report};
    use crate::host::audit::gate::Kind;
    use std::collections::BTreeMap;

    #[test]
    fn reads_back_what_it_writes() {
        let mut report = Report::default();
        for kind in [Kind::Stub, Kind::Own, Kind::Own, Kind::Elsewhere] {
            report.count(kind);
        }
        report.elsewhere(Elsewhere {
            process: 1,
            thread: 2,
            program: "cat".into(),
            call: "read (0)".into(),
            ip: 0x1000,
            mapping: "/lib/libc.so.6+0x20".into(),
        });
        report.natively("gdb");
        let kinds = [("stub", 1), ("own", 2)].map(|(kind, count)| (kind.to_owned(), count));
        let kinds = BTreeMap::from(kinds);
        (report.by_slots, report.by_others) = (5, 6);
        let text = report.to_string();
        let counts =
            Counts { gate: 3, kinds, elsewhere: 1, natively: 1, by_slots: 5, by_others: 6 };
        assert_eq!(Counts::read(&text).expect("its own text"), counts);
        let line = "elsewhere: pid 1 tid 2 (cat): read (0) at 0x1000, /lib/libc.so.6+0x20, \
                    1 times";
        assert!(text.lines().any(|other| other == line), "{text}");
        assert!(Counts::read("").is_err());
    }
}
