//! The vDSO: its functions answer as ever, and as calls where a layer owns them.

use crate::case::Case;
use crate::execute::{Bench, Host};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The functions that stand for calls, by the names of the calls.
const CALLS: [&str; 6] =
    ["clock_gettime", "clock_getres", "gettimeofday", "time", "getcpu", "getrandom"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("vdso/{name}")).build(Build::c("vdso.c"));
    let old = |name: &str, suffix, flags| {
        Case::new(format!("vdso/{name}"))
            .build(Build::c_with("vsyscall.c", suffix, flags))
            .needs(Need::Vsyscall)
    };
    const LOOSE: &[&str] = &["-static", "-DLOOSE"];
    const TABLE: &[&str] = &["-static", "-DTABLE"];
    vec![
        old("vsyscall-static", "static", &["-static"]),
        old("vsyscall-pie", "pie", &["-pie", "-fPIE"]),
        old("vsyscall-loose", "loose", LOOSE),
        // In a run that patches nothing it does not.
        old("vsyscall-arrives", "static", &["-static"])
            .plain_only()
            .check(vsyscall_arrives)
            // Private pages cannot be made there.
            .not_under(&["mdwe"]),
        old("vsyscall-reported", "loose", LOOSE).plain_only().check(vsyscall_reported),
        old("vsyscall-in-data", "table", TABLE).plain_only().check(vsyscall_reported),
        case("values").run(&["{0}", "values"]),
        case("storm").run(&["{0}", "storm"]),
        // Owned by their patched text.
        case("owned").run(&["{0}", "values"]).check(owned).never_bounced(),
        case("owned-storm").run(&["{0}", "storm"]).check(owned).never_bounced(),
        case("counted").run(&["{0}"]).plain_only().check(counted),
        case("modules").run(&["{0}"]).plain_only().check(modules),
    ]
}

/// A program whose every vDSO function arrives as a call does as it does natively.
fn owned(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let mut words: Vec<&str> = bench.mode.options.iter().map(String::as_str).collect();
    words.extend(["trace", "--vdso", "-o", "calls", "--"]);
    let outcome = bench.vload(&words)?;
    ensure!(native.success() && native.stdout == outcome.stdout, "{:?}", outcome.text());
    ensure!(outcome.success() && outcome.stderr.is_empty(), "{}", outcome.error_text());
    let text = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
    for call in CALLS {
        let begins = |line: &str| line.starts_with(&format!("{call}("));
        ensure!(text.lines().any(begins), "no {call} in the trace");
    }
    Ok(())
}

/// A layer that wants a call owns the function too.
fn modules(bench: &Bench<'_>) -> Result<()> {
    const TIMES: u64 = 250;
    let vload = bench.machine.vload.display().to_string();
    let words = [vload.as_str(), "-m", "forward", "-m", "count:file=table", "--"];
    let calls = |times: u64| -> Result<u64> {
        let times = times.to_string();
        let outcome = bench.run_command(Host::Words(&words), &["{0}", "count", &times])?;
        ensure!(outcome.success() && outcome.stdout.is_empty(), "{:?}", outcome.text());
        let text = fs::read_to_string(bench.folder().join("table")).context("no table")?;
        let last = text.split_whitespace().filter_map(|word| word.parse().ok()).next_back();
        last.with_context(|| format!("no total in {text}"))
    };
    let more = calls(TIMES)? - calls(0)?;
    ensure!(more == TIMES * CALLS.len() as u64, "{more} calls");
    Ok(())
}

/// The traced calls of the page's functions that were made to their end.
fn of_page(bench: &Bench<'_>, options: &[&str]) -> Result<Vec<usize>> {
    let mut words: Vec<&str> = bench.mode.options.iter().map(String::as_str).collect();
    words.extend(["trace", "-o", "calls"]);
    words.extend(options);
    let outcome = bench.vload(&words)?;
    ensure!(outcome.success() && outcome.text() == "0\n", "{:?}", outcome.text());
    let text = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
    let made = |call: &str| {
        let begins = format!("{call}(");
        let of_call = text.lines().filter(|line| line.starts_with(&begins));
        of_call.filter(|line| !line.contains("ERESTART")).count()
    };
    Ok(["gettimeofday", "time", "getcpu"].map(made).into())
}

/// What is called at the fixed addresses arrives, each once.
fn vsyscall_arrives(bench: &Bench<'_>) -> Result<()> {
    for option in ["--no-cache", "--shapes=trap", "--test-private-pages"] {
        let counts = of_page(bench, &[option, "--"])?;
        ensure!(counts == [1000; 3], "{option}: {counts:?}");
    }
    Ok(())
}

/// What is not proven to be called there is left as it is, and said.
fn vsyscall_reported(bench: &Bench<'_>) -> Result<()> {
    let counts = of_page(bench, &["--no-cache", "--log", "log:warn", "--"])?;
    ensure!(counts == [0; 3], "{counts:?}");
    let log = fs::read_to_string(bench.folder().join("log")).context("no log")?;
    // A file that has just been built is not kept, and so looked at more than once.
    let lines: BTreeSet<&str> = log
        .lines()
        .filter(|line| line.contains("not covered: ") && line.contains("vsyscall"))
        .collect();
    ensure!(lines.len() == 3, "{log}");
    let outcome = bench.vload(&["check"])?;
    let lines = outcome.text();
    let said = lines.lines().filter(|line| line.contains("not covered: vsyscall page"));
    ensure!(outcome.code() == Some(1) && said.count() == 3, "{lines}");
    Ok(())
}

/// Calls by name, as `trace -c` has them.
fn counts(bench: &Bench<'_>, options: &[&str], times: u64) -> Result<BTreeMap<String, u64>> {
    let vload = bench.machine.vload.display().to_string();
    let mut words = vec![vload.as_str(), "trace", "-c", "-o", "table"];
    words.extend(options);
    let times = times.to_string();
    let outcome = bench.run_command(Host::Words(&words), &["{0}", "count", &times])?;
    ensure!(outcome.success() && outcome.stdout.is_empty(), "{:?}", outcome.text());
    let text = fs::read_to_string(bench.folder().join("table")).context("no table")?;
    let rows = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some(((*fields.last()?).to_owned(), fields.get(3)?.parse().ok()?))
    });
    Ok(rows.collect())
}

/// With `--vdso` each call of a function is one call; without, as strace sees it, none.
fn counted(bench: &Bench<'_>) -> Result<()> {
    const TIMES: u64 = 250;
    for (options, each) in [(&["--vdso"][..], TIMES), (&[], 0)] {
        let (none, many) = (counts(bench, options, 0)?, counts(bench, options, TIMES)?);
        for call in CALLS {
            let of = |counts: &BTreeMap<String, u64>| counts.get(call).copied().unwrap_or(0);
            let more = of(&many) - of(&none);
            // getrandom asks the kernel for a seed once, and again after a minute.
            let seeds = u64::from(each == 0 && call == "getrandom") * 2;
            ensure!((each..=each + seeds).contains(&more), "{options:?}: {more} of {call}");
        }
    }
    Ok(())
}
