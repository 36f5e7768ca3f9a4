//! `vload bisect`: it finds the faults that are put in on purpose, and says when there is nothing to find.

use crate::case::Case;
use crate::execute::{Bench, End, Host, Outcome};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use runtime::abi::{self, Table};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// A fault is found with no more runs of the command than that.
const MOST_RUNS: u64 = 12;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        Case::new(format!("bisect/{name}"))
            .plain_only()
            .never_bounced()
            .never_confined()
            .seconds(120)
    };
    let python = || Need::Program("python3");
    vec![
        case("register-c").build(Build::c("kept.c")).check(register),
        case("register-python").needs(python()).run(&PYTHON).check(register),
        case("moved-ls").run(&["/bin/ls", "/"]).check(moved),
        case("moved-python").needs(python()).run(&PYTHON).check(moved),
        case("moved-c").build(Build::c("kept.c")).check(moved),
        case("layer-ls").run(&["/bin/ls", "/"]).check(layer),
        case("layer-python").needs(python()).run(&PYTHON).check(layer),
        // The fault shows in one of four processes only, and reaches the others by a pipe.
        case("layer-child").shell("true; /bin/ls / 2>&1 | /bin/cat; exit 3").exits(3).check(layer),
        case("same").shell("/bin/ls /; echo x >&2; exit 3").exits(3).check(same),
        case("stdin").run(&["/usr/bin/wc"]).stdin("word\n".repeat(30_000)).check(same),
        case("unsteady").shell("echo $$").check(unsteady),
        case("hang").build(Build::c("insists.c")).check(hang),
        case("left-behind").run(&["/bin/sh", "-c", LEFT_BEHIND]).check(left_behind),
        case("usage").given("text", 0o644, "no program\n").run(&[]).check(usage),
    ]
}

const PYTHON: [&str; 3] =
    ["python3", "-c", "import os, sys; print(len(os.listdir('/'))); sys.exit(3)"];

/// Runs `vload bisect --json` with these options.
fn bisect(bench: &Bench<'_>, options: &[&str]) -> Result<(Outcome, Value)> {
    let outcome = bench.vload(&[&["bisect", "--json"], options, &["--"]].concat())?;
    let found = serde_json::from_slice(&outcome.stdout).with_context(|| {
        format!("{options:?}: {}: {:?}, {:?}", outcome.end, outcome.text(), outcome.error_text())
    })?;
    Ok((outcome, found))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no string {name} in {value}"))
}

fn number_of(call: &str) -> Result<u32> {
    Ok(abi::by_name(Table::NATIVE, call).context("no such call")?.0)
}

/// That one site was found, for this reason, in few runs, and as many as were reported; gives it.
fn one_site<'a>(outcome: &Outcome, found: &'a Value, verdict: &str) -> Result<&'a Value> {
    let said = || format!("{found}, {}", outcome.error_text());
    ensure!(outcome.code() == Some(1), "{}: {}", outcome.end, said());
    ensure!(text(found, "verdict")? == verdict, "not {verdict}: {}", said());
    let runs = found["runs"].as_u64().context("no number of runs")?;
    let reported = outcome.error_text().matches("vload: run ").count();
    ensure!(runs <= MOST_RUNS && reported as u64 == runs, "{reported} runs reported: {}", said());
    let sites = found["sites"].as_array().context("no array of sites")?;
    ensure!(sites.len() == 1, "not one site: {}", said());
    Ok(&sites[0])
}

/// The sites of the C library at which one of these calls is made, as `--skip` takes them.
fn sites_of(bench: &Bench<'_>, calls: &[&str]) -> Result<Vec<(String, String)>> {
    let vload = bench.machine.vload.display().to_string();
    let words = [&vload, "check", "--json", "--needed"];
    let outcome = bench.run_command(Host::Words(&words), &["/bin/ls"])?;
    let checked: Value = serde_json::from_slice(&outcome.stdout).context("check")?;
    let files = checked["files"].as_array().context("no array of files")?;
    let is_libc =
        |file: &&Value| file["path"].as_str().is_some_and(|path| path.contains("libc.so"));
    let libc = files.iter().find(is_libc).context("no libc")?;
    let path = fs::canonicalize(text(libc, "path")?)?.display().to_string();
    let mut sites = Vec::new();
    for site in libc["sites"].as_array().context("no array of sites")? {
        if site["call"].as_str().is_some_and(|call| calls.contains(&call)) {
            sites.push((path.clone(), text(site, "address")?.to_owned()));
        }
    }
    Ok(sites)
}

/// Whether the command does otherwise with these options of vload's than natively.
fn differs(bench: &Bench<'_>, options: &[&str]) -> Result<bool> {
    let native = bench.run(Host::Native)?;
    let hosted = bench.vload(&[options, &["--no-cache", "--"]].concat())?;
    Ok(native.end != hosted.end || native.stdout != hosted.stdout || native.stderr != hosted.stderr)
}

/// A stub that loses a register is found, wherever that matters.
fn register(bench: &Bench<'_>) -> Result<()> {
    let mut shown = 0;
    for (file, address) in sites_of(bench, &["write", "read", "getdents64", "getpid", "close"])? {
        let fault = format!("--test-lose-register={file}:{address}");
        if !differs(bench, &[&fault])? {
            continue;
        }
        shown += 1;
        let (outcome, found) = bisect(bench, &[&fault])?;
        let site = one_site(&outcome, &found, "site")?;
        ensure!(
            text(site, "file")? == file && text(site, "address")? == address,
            "{fault}: {site}"
        );
        // What is said to help does.
        let skip = format!("--skip={file}:{address}");
        ensure!(!differs(bench, &[&fault, &skip])?, "{skip} does not help");
    }
    ensure!(shown > 0, "the register matters nowhere: nothing was tested");
    Ok(())
}

/// An instruction that a shape leaves out is found, and the shape named.
fn moved(bench: &Bench<'_>) -> Result<()> {
    let mut shown = BTreeSet::new();
    for shape in ["mov", "before", "after"] {
        let shapes = format!("--shapes={shape},trap");
        let fault = format!("--test-lose-moved={shape}");
        if !differs(bench, &[&shapes, &fault])? {
            continue;
        }
        shown.insert(shape);
        let (outcome, found) = bisect(bench, &[&shapes, &fault])?;
        let site = one_site(&outcome, &found, "shape")?;
        ensure!(text(site, "shape")? == shape, "not {shape}: {site}");
        let checked = bench.vload(&[&shapes, "check", "--json", text(site, "file")?])?;
        ensure!(checked.text().contains(text(site, "address")?), "no site: {site}");
    }
    ensure!(shown.contains("mov"), "the number of a call matters nowhere: nothing was tested");
    Ok(())
}

/// A layer that answers a call with an error is found among others, and the site of the call.
fn layer(bench: &Bench<'_>) -> Result<()> {
    let number = number_of("getdents64")?;
    let module = format!("test-eio:call={number}");
    for layers in [
        &["-m", &module][..],
        &["-m", "forward", "-m", &module],
        &["-m", &module, "-m", "forward", "-m", "forward"],
    ] {
        let (outcome, found) = bisect(bench, layers)?;
        let site = one_site(&outcome, &found, "layer")?;
        ensure!(found["layers"] == serde_json::json!([module]), "{layers:?}: {found}");
        ensure!(text(site, "call")? == "getdents64", "{layers:?}: {site}");
    }
    Ok(())
}

/// There is nothing to find.
fn same(bench: &Bench<'_>) -> Result<()> {
    let (outcome, found) = bisect(bench, &[])?;
    ensure!(outcome.success() && text(&found, "verdict")? == "same", "{}: {found}", outcome.end);
    ensure!(found["sites"] == serde_json::json!([]), "{found}");
    ensure!(found["difference"].is_null(), "{found}");
    // Layers that only look, or hand on, change nothing.
    let (outcome, found) = bisect(bench, &["-m", "forward", "--shapes", "trap"])?;
    ensure!(outcome.success() && text(&found, "verdict")? == "same", "{}: {found}", outcome.end);
    Ok(())
}

/// What differs from itself can show nothing, but where it does not.
fn unsteady(bench: &Bench<'_>) -> Result<()> {
    let (outcome, found) = bisect(bench, &[])?;
    let said = format!("{}: {found}", outcome.end);
    ensure!(outcome.code() == Some(2) && text(&found, "verdict")? == "unsteady", "{said}");
    ensure!(text(&found, "difference")?.contains("standard output"), "{said}");
    ensure!(found["runs"] == 2, "{said}");
    let (outcome, found) = bisect(bench, &["--status"])?;
    ensure!(outcome.success() && text(&found, "verdict")? == "same", "{}: {found}", outcome.end);
    Ok(())
}

/// A command that does not end any more is one that differs; it is ended, and what hangs is found.
fn hang(bench: &Bench<'_>) -> Result<()> {
    let number = number_of("getppid")?;
    let module = format!("test-eio:call={number}");
    let (outcome, found) = bisect(bench, &["--timeout", "10", "-m", &module])?;
    let site = one_site(&outcome, &found, "layer")?;
    ensure!(text(&found, "difference")?.contains("no end in time"), "{found}");
    ensure!(text(site, "call")? == "getppid", "{site}");
    Ok(())
}

/// One in the command's group, and one that has left it.
const LEFT_BEHIND: &str =
    "/bin/sleep 86399.25 & setsid /bin/sleep 86399.25 > /dev/null 2>&1 & echo x";

/// What the command leaves behind is ended with its run.
fn left_behind(bench: &Bench<'_>) -> Result<()> {
    let (outcome, found) = bisect(bench, &["--timeout", "10"])?;
    ensure!(outcome.success() && text(&found, "verdict")? == "same", "{}: {found}", outcome.end);
    for process in fs::read_dir("/proc")? {
        let line = fs::read(process?.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        ensure!(!line.contains("86399.25"), "left: {line}");
    }
    Ok(())
}

/// What makes no sense, and what cannot be run, ends as with `vload run`.
fn usage(bench: &Bench<'_>) -> Result<()> {
    for (words, code) in [
        (&["bisect"][..], 125),
        (&["bisect", "--timeout", "0", "/bin/true"], 125),
        (&["bisect", "--log", "x", "/bin/true"], 125),
        (&["bisect", "-c", "/bin/true"], 125),
        (&["bisect", "-m", "no-such-module", "/bin/true"], 125),
        (&["bisect", "--", "no-such-program"], 127),
        (&["bisect", "--", "./no-such-program"], 127),
        (&["bisect", "./text"], 126),
    ] {
        let vload = bench.machine.vload.display().to_string();
        let outcome = bench.run_command(Host::Words(&[&vload]), words)?;
        ensure!(outcome.code() == Some(code), "{words:?}: {}", outcome.end);
        ensure!(!matches!(outcome.end, End::TimedOut) && outcome.stdout.is_empty(), "{words:?}");
        ensure!(!outcome.stderr.is_empty(), "{words:?}: nothing is said");
    }
    Ok(())
}

#[cfg(test)]
#[path = "../../../loader/src/bisect/search.rs"]
mod search;

#[cfg(test)]
mod tests {
    use super::search::{Parts, smallest};

    /// What is found of 100 parts of which these together make the difference, and after how many runs.
    fn find(culprits: &[usize], weight: &dyn Fn(usize) -> u64) -> (Option<Vec<usize>>, usize) {
        let mut runs = 0;
        let mut differs = |is_in: Parts<'_>| {
            runs += 1;
            culprits.iter().all(|&culprit| is_in(culprit))
        };
        let mut found = smallest(100, weight, &mut differs);
        if let Some(found) = &mut found {
            found.sort_unstable();
        }
        (found, runs)
    }

    #[test]
    fn one_is_found_by_halves() {
        for culprit in 0..100 {
            let (found, runs) = find(&[culprit], &|_| 1);
            assert_eq!(found, Some(vec![culprit]));
            // Seven halve a hundred, and one sees that it is enough.
            assert!(runs <= 8, "{culprit}: {runs}");
        }
    }

    #[test]
    fn what_weighs_most_is_found_first() {
        for culprit in [0, 1, 50, 98, 99] {
            let (found, runs) = find(&[culprit], &|part| if part == culprit { 1000 } else { 1 });
            assert_eq!(found, Some(vec![culprit]));
            assert!(runs <= 3, "{culprit}: {runs}");
        }
    }

    #[test]
    fn several_that_are_needed_together_are_found() {
        for culprits in [vec![3, 4], vec![0, 99], vec![10, 50, 51], vec![0, 1, 2, 3]] {
            let (found, runs) = find(&culprits, &|_| 1);
            assert_eq!(found.as_ref(), Some(&culprits));
            assert!(runs <= 10 * culprits.len(), "{culprits:?}: {runs}");
        }
    }

    #[test]
    fn contradictions_and_too_many_end() {
        assert_eq!(find(&[1, 3, 5, 7, 9], &|_| 1).0, None);
        let mut runs = 0;
        let never = &mut |_: Parts<'_>| {
            runs += 1;
            false
        };
        assert_eq!(smallest(100, &|_| 1, never), None);
        assert!(runs <= 9, "{runs}");
        assert_eq!(smallest(1, &|_| 1, &mut |_| false), Some(vec![0]));
    }
}
