//! Dangerous windows, walked instruction by instruction (`walk.rs`): a share of the points in every run,
//! all of them with `--full`.

use crate::case::Case;
use crate::execute::{Bench, End, Host};
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// What is walked: the name of a window in `tests/programs/walked.c`, and every how many points a
/// signal is sent in an ordinary run.
const WINDOWS: &[(&str, usize)] = &[
    ("pass", 1),
    ("shaped", 1),
    ("slow", 5),
    ("altstack", 7),
    ("read", 1),
    ("read-ready", 1),
    ("ppoll", 5),
    ("ppoll-ready", 5),
    ("suspend", 5),
    ("wait-for", 1),
    ("block", 1),
    ("unblock", 1),
    ("action", 11),
    ("arrival", 11),
    ("fault", 7),
    ("jump", 7),
    ("context", 7),
    ("fork", 11),
    ("forked", 5),
    ("vfork", 11),
    ("vforked", 7),
    ("thread", 11),
    ("threaded", 7),
    ("exec", 97),
    ("exec-failed", 23),
    ("exit", 5),
    ("map", 97),
];

/// What of `tests/programs/sections.c` is walked, with which option of vload's, and every how many points.
const SECTIONS: &[(&str, &str, usize)] = &[
    ("handed-mask", "--watch=always", 3),
    ("handed-suspend", "--watch=always", 3),
    ("handed-wait", "--watch=always", 3),
    ("handed-return", "--watch=always", 3),
    ("generated", "--watch=auto", 11),
    ("generated", "--watch=always", 11),
    ("watch", "--watch=auto", 37),
    ("gather", "--watch=auto", 50),
    ("own-mask", "--watch=never", 7),
    ("own-gs", "--watch=auto", 11),
    ("own-gs", "--watch=always", 11),
    ("take-over", "--watch=auto", 17),
    ("fork-asleep", "--watch=auto", 23),
    ("int80", "--watch=auto", 11),
    ("protect", "--watch=auto", 23),
    ("unmap", "--watch=auto", 17),
    ("filter", "--watch=auto", 23),
    ("close-range", "--watch=auto", 17),
    ("autodisarm", "--watch=auto", 37),
];

/// Which signals are sent, by number, and with which flags the program handles them.
const SIGNALS: &[(&str, &str, &[&str])] = &[
    ("usr1", "10", &[]),
    ("restart-onstack", "10", &["restart", "onstack"]),
    ("reset-nodefer", "10", &["reset", "nodefer"]),
    ("two", "10,12", &["onstack"]),
    ("queued", "34,34", &[]),
    ("segv", "11", &[]),
];

/// In what a process of a session is killed (`tests/programs/killed.c`), before every how many of its instructions in an
/// ordinary run, and whether others see afterwards that it was done.
const KILLS: &[(&str, &str, bool)] = &[
    ("load", "250", true),
    ("map", "250", true),
    ("insmod", "250", true),
    ("rmmod", "250", true),
    ("view", "150", false),
    ("open", "70", false),
    ("write", "70", true),
    ("create", "90", true),
    ("rename", "90", true),
    ("unlink", "90", true),
    ("rmdir", "90", true),
];

/// Of those, what takes minutes for one way through it. In an ordinary run they are killed at their beginning alone.
const LONG: &[&str] = &["load", "map"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let walked = Build::c_with("walked.c", "static", &["-static", "-no-pie"]);
    let mut cases = Vec::new();
    for (window, stride) in WINDOWS {
        for kind in SIGNALS {
            let case =
                walked_case(walked, &format!("walk/{window}"), &[], &[window], kind, *stride);
            let shapes = kind.0 == "usr1" && matches!(*window, "pass" | "shaped" | "slow" | "read");
            cases.push(if shapes { case } else { case.plain_only() });
        }
    }
    let sections = Build::c_with("sections.c", "static", &["-static", "-no-pie"]);
    for (window, option, stride) in SECTIONS {
        let always = if *option == "--watch=always" { "-watched" } else { "" };
        let option = format!("--with={option}");
        for kind in SIGNALS.iter().filter(|kind| matches!(kind.0, "usr1" | "two" | "segv")) {
            let name = format!("walk/{window}{always}");
            let case = walked_case(sections, &name, &[&option], &[window], kind, *stride);
            cases.push(case.plain_only());
        }
    }
    for kind in SIGNALS.iter().filter(|kind| matches!(kind.0, "usr1" | "two")) {
        let options = ["--with=-m", "--with=memfs:path={dir}/tree"];
        let folder = ["folder", "{dir}/tree"];
        let case = walked_case(sections, "walk/module", &options, &folder, kind, 199);
        cases.push(case.prepare("mkdir tree").seconds(900).plain_only());
    }
    let killed = Build::c_with("killed.c", "static", &["-static", "-no-pie"]);
    for (what, stride, shows) in KILLS {
        let words = ["--distinct", "--stride", stride, "--killed", "before\ngoes on"];
        let after = ["--killed", "after\ngoes on"];
        let words = words.iter().chain(after.iter().filter(|_| *shows));
        let file = format!("{{work}}/prepared-{what}");
        let words: Vec<&str> = words.chain(&["--", "{0}", what, &file]).copied().collect();
        let case = Case::new(format!("walk/killed-{what}")).build(killed).run(&words);
        cases.push(case.seconds(900).check(kill).plain_only().never_bounced().never_confined());
    }
    cases
}

/// One window under one kind of signal. Every kind goes through the windows, one of them closely.
fn walked_case(
    program: Build,
    name: &str,
    options: &[&str],
    window: &[&str],
    (kind, signals, flags): &(&str, &str, &[&str]),
    stride: usize,
) -> Case {
    let stride = if *kind == "usr1" { stride } else { stride * 3 }.to_string();
    let own = ["--distinct", "--signals", signals, "--stride", &stride, "--", "{0}"];
    let words: Vec<&str> = [options, &own, window, flags].concat();
    let case = Case::new(format!("{name}-{kind}")).build(program).run(&words);
    // Every run must have the same addresses.
    let unfit = &["deny-ptrace", "docker", "deny-personality"];
    case.seconds(600).check(walk).never_bounced().not_under(unfit)
}

/// What a killed process leaves is whole, and the session goes on. The last word is a file for what is loaded.
fn kill(bench: &Bench<'_>) -> Result<()> {
    let file = bench.case.command.last().context("no file")?;
    let words = ["{0}", "--begin", "useless", "memfs:path=/vload-killed", "hello", "--", file];
    let words = words.map(|word| bench.word(word));
    let prepared = Command::new(bench.machine.tool("vload-tool")).args(words).status()?;
    ensure!(prepared.success(), "vload-tool: {prepared}");
    let what = bench.case.command.iter().rev().nth(1).context("nothing is done")?;
    if !bench.machine.full && LONG.contains(&what.as_str()) {
        // Without a tracer the mark kills.
        let outcome = bench.vload_alone(&[&bench.word("{0}"), what, &bench.word(file)])?;
        ensure!(outcome.text() == "before\ngoes on\n", "{}: {}", outcome.end, outcome.text());
        return Ok(());
    }
    walk(bench)
}

/// What the walk finds is what it may find: natively, if nothing else is said.
fn walk(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let program = bench.machine.tool("walk");
    let options: Vec<String> =
        bench.mode.options.iter().map(|option| format!("--with={option}")).collect();
    let words = [program.as_str(), "--vload", &vload].into_iter();
    let words: Vec<&str> = words.chain(options.iter().map(String::as_str)).collect();
    let mut command: Vec<&str> = bench.case.command.iter().map(String::as_str).collect();
    if bench.machine.full {
        let at = command.iter().position(|word| *word == "--stride").context("no stride")?;
        command.drain(at..at + 2);
    }
    let outcome = bench.run_command(Host::Words(&words), &command)?;
    ensure!(
        matches!(outcome.end, End::Status(status) if status.success()),
        "{}\n{}{}",
        outcome.end,
        outcome.text(),
        outcome.error_text()
    );
    Ok(())
}
