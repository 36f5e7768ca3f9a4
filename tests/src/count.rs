//! Counting calls: strace's summary natively against vload's own.

use crate::case::Rule;
use crate::execute::{Bench, Host, Outcome};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The counts of a summary table, by name of the call.
type Counts = BTreeMap<String, u64>;

/// Where the summaries are written, in the folder that the program runs in.
const SUMMARY: &str = "summary";

/// How often the program is counted natively before a difference is believed: what depends on
/// how threads are scheduled is often the same twice and different the third time.
const NATIVE_RUNS: usize = 10;

/// How often it is counted under vload before a call that comes and goes natively is said to be
/// missing, or an unsteady program to differ.
const HOSTED_RUNS: usize = 8;

/// Compares the calls of a case, counted natively by strace and by `vload trace -c`.
///
/// A name whose count differs between two native runs is compared by presence. The first
/// `execve` is made by strace's own child natively, and by nobody under vload.
pub fn compare(bench: &Bench<'_>) -> Result<()> {
    let strace = ["strace", "-f", "-c", "-o", SUMMARY];
    let vload = bench.machine.vload.display().to_string();
    let mut trace = vec![vload.as_str()];
    trace.extend(bench.mode.options.iter().map(String::as_str));
    trace.extend(["trace", "-c", "-o", SUMMARY, "--"]);
    let (first, native) = summary(bench, &strace).context("strace")?;
    let mut natives = vec![first, summary(bench, &strace).context("strace")?.0];
    let (ours, hosted) = summary(bench, &trace).context("vload trace -c")?;
    if native.stdout != hosted.stdout || native.end != hosted.end {
        bail!(
            "the program ran differently: natively {}, under vload {} with standard error {:?}",
            native.end,
            hosted.end,
            hosted.error_text()
        );
    }
    let mut ours = vec![ours];
    let mut found = differences(&natives, &ours);
    while !found.is_empty() && natives.len() < NATIVE_RUNS {
        natives.push(summary(bench, &strace).context("strace")?.0);
        found = differences(&natives, &ours);
    }
    let unsteady = bench.case.rules.iter().any(|rule| matches!(rule, Rule::Unsteady));
    for _ in 1..HOSTED_RUNS {
        if found.is_empty() {
            break;
        }
        let (again, _) = summary(bench, &trace).context("vload trace -c")?;
        if unsteady {
            ours.clear();
        }
        ours.push(again);
        found = differences(&natives, &ours);
    }
    if !found.is_empty() {
        bail!("calls differ: {}", found.join(", "));
    }
    Ok(())
}

fn summary(bench: &Bench<'_>, words: &[&str]) -> Result<(Counts, Outcome)> {
    let outcome = bench.run(Host::Words(words))?;
    let path = bench.folder().join(SUMMARY);
    let text = fs::read_to_string(&path).with_context(|| {
        format!("no summary; {} with standard error {:?}", outcome.end, outcome.error_text())
    })?;
    Ok((parse(&text)?, outcome))
}

/// What any run of `ours` has otherwise than every native run.
fn differences(natives: &[Counts], ours: &[Counts]) -> Vec<String> {
    let mut names: BTreeSet<_> = natives.iter().chain(ours).flat_map(Counts::keys).collect();
    // The kernel's own, where ptrace interrupts a call that waits (restart_syscall(2)).
    // And vload's row for numbers that are no call's, which strace counts nowhere.
    names.retain(|name| !matches!(name.as_str(), "restart_syscall" | "other"));
    let mut found = Vec::new();
    for name in names {
        let range = |runs: &[Counts]| {
            let count = |counts: &Counts| counts.get(name).copied().unwrap_or(0);
            let least = runs.iter().map(count).min().unwrap_or(0);
            (least, runs.iter().map(count).max().unwrap_or(0))
        };
        let ((least, most), (our_least, our_most)) = (range(natives), range(ours));
        let agrees = if least != most {
            // Where a native run does without the call, nothing can be said.
            least == 0 || our_most > 0
        } else if name == "execve" {
            our_least == our_most && (our_most == most || our_most + 1 == most)
        } else {
            our_least == most && our_most == most
        };
        if !agrees {
            found.push(format!("{name} natively {most}, under vload {our_most}"));
        }
    }
    found
}

/// Reads strace's summary: `% time seconds usecs/call calls errors syscall`, the errors left
/// blank where there are none, and a `total` row.
fn parse(text: &str) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut total = None;
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (Some(name), Some(calls)) = (words.last(), words.get(3)) else { continue };
        // The header and the rules have no number there.
        let Ok(calls) = calls.parse() else { continue };
        if *name == "total" {
            total = Some(calls);
        } else if counts.insert((*name).to_owned(), calls).is_some() {
            bail!("two rows for {name}");
        }
    }
    let total: u64 = total.with_context(|| format!("no row `total` in {text:?}"))?;
    let sum: u64 = counts.values().sum();
    if total != sum {
        bail!("the rows sum up to {sum}, the total says {total}");
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::{differences, parse};

    const TABLE: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300         300         1           execve
 40.00    0.000200           5        38         1 openat
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500          12        39         1 total
";

    #[test]
    fn reads_a_summary() {
        let counts = parse(TABLE).expect("a table of strace");
        assert_eq!(counts.get("openat"), Some(&38));
        assert_eq!(counts.len(), 2);
        assert!(parse(&TABLE.replace(" 39 ", " 40 ")).is_err(), "a total that is no sum");
        assert!(parse("").is_err());
    }

    #[test]
    fn judges_counts() {
        let table = |rows: &[(&str, u64)]| {
            rows.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
        };
        let natives = [
            table(&[("execve", 1), ("read", 3), ("futex", 5)]),
            table(&[("execve", 1), ("read", 3), ("futex", 6)]),
        ];
        let found = |ours: &[(&str, u64)]| differences(&natives, &[table(ours)]).len();
        assert_eq!(found(&[("read", 3), ("futex", 9)]), 0, "a count that varies natively");
        assert_eq!(found(&[("read", 2), ("futex", 9)]), 1, "a call is missing");
        assert_eq!(found(&[("read", 3)]), 1, "a name is missing");
        assert_eq!(found(&[("read", 3), ("futex", 9), ("clock_gettime", 1)]), 1, "one too many");
    }
}
