//! Counting calls: strace's summary natively against vload's own.

use crate::case::Rule;
use crate::execute::{Bench, Host, Outcome};
use anyhow::{Context, Result, bail};
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The counts of a summary table, by name of the call.
type Counts = BTreeMap<String, u64>;

/// Where the summaries are written, in the folder that the program runs in.
const SUMMARY: &str = "summary";

/// How often the program is counted natively: a name whose count differs between two of the runs
/// is compared by presence.
const NATIVE_RUNS: usize = 2;

/// The same for a program whose calls depend on how its threads are scheduled. Every other run has
/// one processor, where threads meet in other ways.
const UNSTEADY_NATIVE_RUNS: usize = 16;

/// How a thread waits for another that is about to be ready: in such a program any run may have them, and
/// any may not.
const WAITS: [&str; 3] = ["sched_yield", "clock_nanosleep", "futex"];

/// vload's row for numbers that are no call's.
const OTHER: &str = "other";

/// Compares the calls of a case, counted natively by strace and by `vload trace -c`.
///
/// The first `execve` is made by strace's own child natively, and by nobody under vload.
pub fn compare(bench: &Bench<'_>) -> Result<()> {
    const STRACE: [&str; 5] = ["strace", "-f", "-c", "-o", SUMMARY];
    const ONE_PROCESSOR: [&str; 8] = ["taskset", "1", "strace", "-f", "-c", "-o", SUMMARY, "--"];
    let vload = bench.machine.vload.display().to_string();
    let mut trace = vec![vload.as_str()];
    trace.extend(bench.mode.options.iter().map(String::as_str));
    trace.extend(["trace", "-c", "-o", SUMMARY, "--"]);
    let unsteady = bench.case.rules.iter().any(|rule| matches!(rule, Rule::Unsteady));
    let others = unknown_numbers(bench).context("strace")?;
    let (mut natives, mut native) = (Vec::new(), None);
    for run in 0..if unsteady { UNSTEADY_NATIVE_RUNS } else { NATIVE_RUNS } {
        let words = if !unsteady || run % 2 == 0 { &STRACE[..] } else { &ONE_PROCESSOR };
        let (mut counts, outcome) = summary(bench, words).context("strace")?;
        counts.insert(OTHER.into(), others);
        natives.push(counts);
        native = Some(outcome);
    }
    let native = native.context("no native run")?;
    let (ours, hosted) = summary(bench, &trace).context("vload trace -c")?;
    if native.stdout != hosted.stdout || native.end != hosted.end {
        bail!(
            "the program ran differently: natively {}, under vload {} with standard error {:?}",
            native.end,
            hosted.end,
            hosted.error_text()
        );
    }
    let mut found = differences(&natives, &ours);
    found.retain(|(name, _)| !unsteady || !WAITS.contains(&name.as_str()));
    found.retain(|(name, _)| {
        let varies = bench
            .case
            .rules
            .iter()
            .any(|rule| matches!(rule, Rule::Varies(names) if names.contains(&name.as_str())));
        !varies || !ours.contains_key(name)
    });
    let found: Vec<_> = found.into_iter().map(|(name, how)| format!("{name} {how}")).collect();
    if !found.is_empty() {
        bail!("calls differ: {}", found.join(", "));
    }
    Ok(())
}

/// The number of calls whose numbers strace does not know: its summary leaves them out, its lines
/// do not.
fn unknown_numbers(bench: &Bench<'_>) -> Result<u64> {
    bench.run(Host::Words(&["strace", "-f", "-o", SUMMARY]))?;
    let lines = fs::read_to_string(bench.folder().join(SUMMARY))?;
    // A call that another thread's line interrupts is named again, without a bracket.
    let named = Regex::new(r"\bsyscall_0x[0-9a-f]+\(")?;
    Ok(lines.lines().filter(|line| named.is_match(line)).count() as u64)
}

fn summary(bench: &Bench<'_>, words: &[&str]) -> Result<(Counts, Outcome)> {
    let outcome = bench.run(Host::Words(words))?;
    let path = bench.folder().join(SUMMARY);
    let text = fs::read_to_string(&path).with_context(|| {
        format!("no summary; {} with standard error {:?}", outcome.end, outcome.error_text())
    })?;
    Ok((parse(&text)?, outcome))
}

/// What `ours` has otherwise than the native runs: the names, and how.
fn differences(natives: &[Counts], ours: &Counts) -> Vec<(String, String)> {
    let mut names: BTreeSet<_> = natives.iter().chain([ours]).flat_map(Counts::keys).collect();
    // The kernel's own, where ptrace interrupts a call that waits (restart_syscall(2)).
    names.retain(|name| name.as_str() != "restart_syscall");
    let mut found = Vec::new();
    for name in names {
        let count = |counts: &Counts| counts.get(name).copied().unwrap_or(0);
        let least = natives.iter().map(count).min().unwrap_or(0);
        let most = natives.iter().map(count).max().unwrap_or(0);
        let our = count(ours);
        let agrees = if least != most {
            // Where a native run does without the call, nothing can be said.
            least == 0 || our > 0
        } else if name == "execve" {
            our == most || our + 1 == most
        } else {
            our == most
        };
        if !agrees {
            let natively =
                if least == most { most.to_string() } else { format!("{least} to {most}") };
            found.push((name.clone(), format!("natively {natively}, under vload {our}")));
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
        let table = |rows: &[(&str, u64)]| -> super::Counts {
            rows.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
        };
        let natives = [
            table(&[("execve", 1), ("read", 3), ("futex", 5)]),
            table(&[("execve", 1), ("read", 3), ("futex", 6)]),
        ];
        let found = |ours: &[(&str, u64)]| differences(&natives, &table(ours)).len();
        assert_eq!(found(&[("read", 3), ("futex", 9)]), 0, "a count that varies natively");
        assert_eq!(found(&[("read", 2), ("futex", 9)]), 1, "a call is missing");
        assert_eq!(found(&[("read", 3)]), 1, "a name is missing");
        assert_eq!(found(&[("read", 3), ("futex", 9), ("clock_gettime", 1)]), 1, "one too many");
    }
}
