//! Code that cannot be proven, and programs all of whose code is.

use crate::arch::Arch;
use crate::case::{Case, Rule};
use crate::confinement::{FILTERED, WITHOUT_PROC};
use crate::execute::{Bench, Host, Outcome};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The ways of `watched.c`.
const WAYS: [&str; 13] = [
    "loop",
    "rewritten",
    "moved",
    "twice",
    "attached",
    "later",
    "threads",
    "children",
    "signals",
    "region",
    "carried",
    "growing",
    "stacked",
];

/// The ways of `sharers.c`, and how many calls of generated code each makes.
const SHARED: [(&str, usize); 8] = [
    ("computes", 100),
    ("sleeps", 100),
    ("blocks", 100),
    ("threads", 200),
    ("maps", 200),
    ("vforks", 200),
    ("vforks-threaded", 200),
    ("executes", 0),
];

fn watched() -> Build {
    Build::c_with("watched.c", "", &["-pthread"])
}

/// What it writes it executes.
fn sharers(name: &str) -> Case {
    Case::new(name).build(Build::c_with("sharers.c", "", &["-pthread"])).not_under(&["mdwe"])
}

/// So does this.
fn deaf(name: &str) -> Case {
    Case::new(name).build(Build::c_with("deaf.c", "", &["-pthread"])).not_under(&["mdwe"])
}

/// A process with threads that has no `/proc` any more when it makes code.
fn rootless(name: &str) -> Case {
    Case::new(name)
        .build(Build::c_with("rootless.c", "", &["-pthread"]))
        .needs(Need::Root)
        .not_under(&["mdwe"])
}

/// A library with a site that only a trap fits, which is loaded while threads run. Where nothing can be watched, those that
/// block the trap are ended by it (the limits).
fn late_site(name: &str) -> Case {
    Case::new(name)
        .build(Build::c_with("latesite.c", "", &["-pthread"]))
        .build(Build::c_with("oddsite.c", "", &["-shared", "-fPIC"]))
        .not_under(FILTERED)
        .on(&[Arch::X86_64])
}

/// The same, loaded by a process with one thread.
fn own_mask(name: &str) -> Case {
    Case::new(name)
        .build(Build::c("ownmask.c"))
        .build(Build::c_with("oddsite.c", "", &["-shared", "-fPIC"]))
        .on(&[Arch::X86_64])
}

/// A program that maps a file's text to read it.
fn translator(name: &str) -> Case {
    Case::new(name)
        .build(Build::c_with("translator.c", "", &["-static", "-no-pie"]))
        .build(Build::c_with(
            "translated.c",
            "",
            &["-shared", "-fPIC", "-nostdlib", "-Wl,-e,entry"],
        ))
        .not_under(FILTERED)
        .on(&[Arch::X86_64])
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for way in WAYS {
        cases.push(Case::new(format!("watch/{way}")).build(watched()).run(&["{0}", way]));
        if way == "loop" {
            // strace has a table of its own for int $0x80; what arrives is counted by `armed`.
            continue;
        }
        let counted = Case::new(format!("watch/{way}-counted")).build(watched()).counted();
        let counted = counted.run(&["{0}", way]).not_under(&["deny-user-dispatch"]);
        // A thread that spins asks for the processor as often as it likes.
        cases.push(if way == "threads" || way == "region" {
            counted.rule(Rule::Unsteady)
        } else {
            counted
        });
    }
    for (way, _) in SHARED {
        cases.push(sharers(&format!("watch/shared-{way}")).run(&["{0}", way]));
    }
    // By strace.
    let proven = |name: &str| {
        Case::new(format!("watch/proven-{name}"))
            .plain_only()
            .not_under(&["deny-ptrace"])
            .check(proven)
    };
    let checked = |name: &str| Case::new(format!("watch/{name}")).plain_only().build(watched());
    // Its memory is writable and executable, and it makes calls by int $0x80.
    let looping =
        |name: &str| checked(name).run(&["{0}", "loop"]).not_under(&["mdwe"]).not_under(FILTERED);
    cases.extend([
        own_mask("watch/own-mask").run(&["{0}", "{1}"]),
        own_mask("watch/own-mask-waiting").run(&["{0}", "{1}", "waiting"]),
        translator("watch/translator").run(&["{0}", "{1}"]),
        translator("watch/translator-covered").plain_only().check(translated),
        late_site("watch/late-site").run(&["{0}", "{1}"]),
        late_site("watch/late-site-blocked").run(&["{0}", "{1}", "blocked"]),
        late_site("watch/late-site-covered").plain_only().not_under(FILTERED).check(late_calls),
        rootless("watch/rootless"),
        rootless("watch/rootless-fails").run(&["{0}", "fails"]).plain_only(),
        rootless("watch/rootless-covered")
            .plain_only()
            .not_under(WITHOUT_PROC)
            .not_under(FILTERED)
            .check(without_proc),
        deaf("watch/deaf"),
        deaf("watch/deaf-ignored").run(&["{0}", "ignored"]),
        deaf("watch/deaf-covered").plain_only().not_under(FILTERED).check(every_thread),
        sharers("watch/shared-covered")
            .plain_only()
            .not_under(&["deny-user-dispatch"])
            .check(every_process),
        // Whether a thread sleeps in its call yet, /proc says.
        Case::new("watch/blocked")
            .build(Build::c_with("blocked.c", "", &["-pthread", "-lrt"]))
            .not_under(WITHOUT_PROC)
            .plain_only()
            .seconds(60),
        Case::new("watch/blocked-static")
            .build(Build::c_with("blocked.c", "static", &["-static", "-pthread", "-lrt"]))
            .not_under(WITHOUT_PROC)
            .plain_only()
            .seconds(60),
        Case::new("watch/node")
            .needs_program("node")
            .plain_only()
            .seconds(60)
            .run(&[
                "node",
                "-e",
                "let t = 0; for (let i = 0; i < 1e6; i++) t += i % 7; console.log(t)",
            ])
            // It cannot make its code, and says so with an address on its stack.
            .not_under(&["mdwe"]),
        looping("armed").check(armed),
        // Without /proc nobody knows whether memory grows by itself, and then all is watched.
        looping("alone").check(alone).not_under(WITHOUT_PROC),
        looping("never").check(never),
        looping("always").check(always),
        // The filter knows no int $0x80.
        checked("refused")
            .run(&["{0}", "twice"])
            .within(&["{confine}", "deny-user-dispatch"])
            .not_under(&["deny-memfd"])
            .check(refused),
        proven("true").run(&["/bin/true"]),
        proven("static").build(Build::c_with("threads.c", "static", &["-static"])),
        proven("static-pie").build(Build::c_with(
            "spawn.c",
            "static-pie",
            &["-static-pie", "-fPIE"],
        )),
        proven("musl").build(Build::musl("threads.c", "musl-static", &["-static"])),
        proven("musl-dynamic").build(Build::musl("spawn.c", "musl", &[])),
        proven("threads").build(Build::c("threads.c")),
        proven("children").build(Build::c("spawn.c")),
        proven("dlopen").build(Build::c_with("dlopens.c", "", &["-ldl"])),
        proven("go").build(Build::go("goroutines.go")).run(&["{0}", "x"]).exits(3),
        proven("python").needs_program("python3").run(&["python3", "-c", "import json, socket"]),
        proven("bash").run(&["bash", "-c", "for i in 1 2 3; do /bin/true; done"]),
    ]);
    cases
}

/// Runs the case's command with these words of vload's before it; gives the log too.
fn logged(bench: &Bench<'_>, words: &[&str]) -> Result<(Outcome, String)> {
    let vload = bench.machine.vload.display().to_string();
    let mut line = vec![vload.as_str(), "--log", "written"];
    line.extend(words);
    let outcome = bench.run(Host::Words(&line))?;
    let text = fs::read_to_string(bench.folder().join("written")).context("no log")?;
    Ok((outcome, text))
}

/// The log says when and why, and how many calls came that way.
fn armed(bench: &Bench<'_>) -> Result<()> {
    let (outcome, log) = logged(bench, &[])?;
    ensure!(outcome.text() == "2000 of 2000\n", "{:?}", outcome.text());
    let count = |part: &str| log.lines().filter(|line| line.contains(part)).count();
    ensure!(count("watched from here on: memory at 0x") == 1, "when and why: {log:?}");
    ensure!(count("watched calls: 2000") == 1, "how many: {log:?}");
    ensure!(count("not covered") == 0, "something is not covered: {log:?}");
    Ok(())
}

/// What threads call of generated code is seen, whatever they block or ignore.
fn every_thread(bench: &Bench<'_>) -> Result<()> {
    let program = bench.word("{0}");
    for (way, threads) in [("blocked", 8), ("ignored", 1)] {
        let vload = bench.machine.vload.display().to_string();
        let log = format!("written-{way}");
        let outcome =
            bench.run_command(Host::Words(&[&vload, "--log", &log, "--"]), &[&program, way])?;
        ensure!(outcome.text() == format!("{threads} threads\n"), "{way}: {outcome:?}");
        let log = fs::read_to_string(bench.folder().join(&log)).context("no log")?;
        let calls = format!("watched calls: {}\n", threads * 100);
        ensure!(log.contains(&calls) && !log.contains("not covered"), "{way}: {log:?}");
    }
    Ok(())
}

/// What threads call of code that is made when `/proc` has gone is seen, whatever they were doing.
fn without_proc(bench: &Bench<'_>) -> Result<()> {
    let program = bench.word("{0}");
    for way in [&[][..], &["fails"]] {
        let vload = bench.machine.vload.display().to_string();
        let log = format!("written{}", way.len());
        let words: Vec<&str> = [program.as_str()].iter().chain(way).copied().collect();
        let outcome = bench.run_command(Host::Words(&[&vload, "--log", &log, "--"]), &words)?;
        ensure!(outcome.success(), "{way:?}: {outcome:?}");
        let log = fs::read_to_string(bench.folder().join(&log)).context("no log")?;
        let seen = log.contains("watched calls: 300\n") && !log.contains("not covered");
        ensure!(seen, "{way:?}: {log:?}");
    }
    Ok(())
}

/// What is executed of a text that stays as the file has it is seen.
fn translated(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let (program, library) = (bench.word("{0}"), bench.word("{1}"));
    let host = [vload.as_str(), "trace", "-o", "calls", "--"];
    let outcome = bench.run_command(Host::Words(&host), &[&program, &library])?;
    ensure!(outcome.success(), "{outcome:?}");
    let calls = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
    let seen = calls.lines().filter(|line| line.contains("getppid()")).count();
    ensure!(seen == 300, "{seen} calls");
    Ok(())
}

/// What each of the threads and the child calls from the library is seen, whatever they block.
fn late_calls(bench: &Bench<'_>) -> Result<()> {
    /// As many call as often.
    const CALLS: usize = 5 * 200;
    for way in ["", "blocked"] {
        let vload = bench.machine.vload.display().to_string();
        let mut words = vec![bench.word("{0}"), bench.word("{1}")];
        words.extend((!way.is_empty()).then(|| way.to_string()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let host = [vload.as_str(), "trace", "-f", "-o", "calls", "--"];
        let outcome = bench.run_command(Host::Words(&host), &words)?;
        ensure!(outcome.success(), "{way}: {outcome:?}");
        let calls = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
        let seen = calls.lines().filter(|line| line.contains("gettid()")).count();
        ensure!(seen >= CALLS, "{way}: {seen} calls");
    }
    Ok(())
}

/// What processes call that share memory is seen, whichever of them has mapped it.
fn every_process(bench: &Bench<'_>) -> Result<()> {
    for (way, calls) in SHARED {
        let vload = bench.machine.vload.display().to_string();
        let log = format!("written-{way}");
        let words = [bench.word("{0}"), way.into()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let outcome = bench.run_command(Host::Words(&[&vload, "--log", &log, "--"]), &words)?;
        ensure!(outcome.success() && outcome.text().ends_with("wrong: 0\n"), "{way}: {outcome:?}");
        let log = fs::read_to_string(bench.folder().join(&log)).context("no log")?;
        let calls = format!("watched calls: {calls}\n");
        ensure!(log.ends_with(&calls) && !log.contains("not covered"), "{way}: {log:?}");
    }
    Ok(())
}

/// One region is watched alone, where the kernel can do that, until there is another.
fn alone(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let doctor = bench.run_command(Host::Words(&[&vload, "doctor"]), &[])?;
    let can = doctor.text().contains("ok      inclusive dispatch");
    for (way, within, regions) in [
        ("loop", &[][..], 1),
        ("twice", &[], 1),
        // The filter knows no int $0x80.
        ("twice", &["{confine}", "no-inclusive-dispatch"], 0),
        // It grows once.
        ("region", &[], 2),
        ("carried", &[], 1),
        ("growing", &[], 0),
        ("stacked", &[], 0),
        ("rewritten", &[], 0),
        ("threads", &[], 0),
    ] {
        let log = format!("written-{way}-{}", within.len());
        let own = [vload.as_str(), "--log", &log, "--"];
        let line: Vec<&str> = within.iter().chain(&own).copied().collect();
        let program = bench.word("{0}");
        let outcome = bench.run_command(Host::Words(&line), &[&program, way])?;
        ensure!(outcome.success(), "{way}: {}, {:?}", outcome.end, outcome.error_text());
        let log = fs::read_to_string(bench.folder().join(&log)).context("no log")?;
        let said = log.lines().filter(|line| line.contains("watched alone: 0x")).count();
        ensure!(said == if can { regions } else { 0 }, "{way}: {log:?}");
        ensure!(log.contains("watched from here on") && !log.contains("not covered"), "{log:?}");
    }
    Ok(())
}

/// Nothing is armed, and what is not covered is named.
fn never(bench: &Bench<'_>) -> Result<()> {
    let (outcome, log) = logged(bench, &["--watch=never"])?;
    ensure!(outcome.text() == "2000 of 2000\n", "{:?}", outcome.text());
    ensure!(log.contains("not covered: memory at 0x"), "what is not covered: {log:?}");
    ensure!(!log.contains("watched calls"), "armed: {log:?}");
    Ok(())
}

/// From the start, whatever is mapped.
fn always(bench: &Bench<'_>) -> Result<()> {
    let (outcome, log) = logged(bench, &["--watch", "always"])?;
    ensure!(outcome.text() == "2000 of 2000\n", "{:?}", outcome.text());
    ensure!(log.contains("watched from here on: --watch=always"), "why: {log:?}");
    ensure!(log.contains("watched calls: 2000"), "how many: {log:?}");
    Ok(())
}

/// Where the kernel refuses, the program runs, and the log says what is missed.
fn refused(bench: &Bench<'_>) -> Result<()> {
    let (outcome, log) = logged(bench, &[])?;
    ensure!(outcome.text() == "first: 1\nsecond: 1\n", "{:?}", outcome.text());
    let refusals = log.lines().filter(|line| {
        line.contains("not covered: file at 0x")
            && line
                .contains("the kernel refuses to watch (Operation not permitted), see vload doctor")
    });
    ensure!(refusals.count() == 1, "what is not covered: {log:?}");
    Ok(())
}

/// A program all of whose code is proven is never watched: the kernel is not even asked, and `vload check`
/// finds nothing to watch in what the program executes and loads.
fn proven(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let native = bench.run(Host::Native)?;
    let words = ["strace", "-f", "-e", "trace=prctl", "-o", "calls", &vload, "--log", "written"];
    let outcome = bench.run(Host::Words(&words))?;
    ensure!(native.end == outcome.end, "natively {}, under vload {}", native.end, outcome.end);
    let calls = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
    let asked = calls.lines().find(|line| {
        line.contains("USER_DISPATCH") || line.contains("prctl(59") || line.contains("prctl(0x3b")
    });
    ensure!(asked.is_none(), "user dispatch is asked for: {asked:?}");
    ensure!(calls.contains("PR_SET_MM"), "strace has not seen vload's own calls: {calls:?}");
    let log = fs::read_to_string(bench.folder().join("written")).context("no log")?;
    let said = log.lines().find(|line| line.contains("watched") || line.contains("not covered"));
    ensure!(said.is_none(), "{said:?}");
    let paths = log.lines().filter_map(|line| line.split_once(" is \"")?.1.strip_suffix('"'));
    let paths: BTreeSet<&str> = paths.collect();
    ensure!(!paths.is_empty(), "the log names no program: {log:?}");
    let words: Vec<&str> = ["check", "--json", "--needed"].into_iter().chain(paths).collect();
    let outcome = bench.run_command(Host::Words(&[&vload]), &words)?;
    let found: Value = serde_json::from_slice(&outcome.stdout)?;
    let sums = ["watched", "uncovered", "unreadable"].map(|name| found["summary"][name].as_u64());
    ensure!(sums == [Some(0); 3] && outcome.success(), "{}: {}", outcome.end, found["summary"]);
    Ok(())
}
