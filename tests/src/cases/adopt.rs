//! `libvload.so`: a process that runs already gets a resident.

use crate::arch::Arch;
use crate::case::Case;
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, End, Host, Outcome};
use crate::programs::Build;
use anyhow::{Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        let case = Case::new(format!("adopt/{name}")).plain_only().on(&[Arch::X86_64]);
        case.build(Build::c("adopt.c")).run(&["{0}", "-", "-"])
    };
    // They look in /proc whether a thread waits, and a call that nobody knows fails with EPERM in docker.
    let with_threads = |name: &str| case(name).not_under(WITHOUT_PROC).not_under(&["docker"]);
    // What the kernel gave a process when it began is known from /proc alone.
    vec![
        with_threads("mid-run").check(mid_run),
        // What only a trap would fit is to be watched.
        with_threads("deaf-threads").check(deaf_threads).not_under(&["deny-user-dispatch"]),
        with_threads("made").build(Build::c("adopt-made.c")).check(made).not_under(&["mdwe"]),
        case("constructor")
            .run(&["/bin/sh", "-c", "echo $(/bin/echo x); exit 3"])
            .exits(3)
            .not_under(&["bwrap", "no-proc"])
            .check(constructor),
        case("refused").not_under(WITHOUT_PROC).check(refused),
        case("traced").build(Build::c("traced-adopts.c")).check(traced).never_confined(),
        case("rings").build(Build::c("adopt-rings.c")).check(rings).never_confined(),
        case("strangers")
            .build(Build::c_with("strangers.c", "", &["-pthread", "-ldl"]))
            .run(&["{1}", "-", "-"])
            .not_under(WITHOUT_PROC)
            .not_under(&["mdwe"])
            .check(strangers),
    ]
}

fn library(bench: &Bench<'_>) -> String {
    bench.machine.tool("libvload.so")
}

/// The program natively, and adopted with `options`; both say the same.
fn adopted(bench: &Bench<'_>, options: &str, last: &[&str]) -> Result<Outcome> {
    let library = library(bench);
    let natively = [&["{0}", "-", "-"][..], last].concat();
    let expected = bench.run_command(Host::Native, &natively)?;
    let outcome =
        bench.run_command(Host::Native, &[&["{0}", &library, options][..], last].concat())?;
    ensure!(expected.text().contains("thread 7: 1000 calls"), "natively: {}", expected.text());
    ensure!(
        outcome.text() == expected.text() && outcome.end == expected.end,
        "natively {:?}, adopted {:?} ({}), {}",
        expected.text(),
        outcome.text(),
        outcome.end,
        outcome.error_text(),
    );
    Ok(outcome)
}

/// Every call of every thread is counted from the moment on, whatever the thread was doing; nothing is
/// left uncovered, and what is executed afterwards is followed.
fn mid_run(bench: &Bench<'_>) -> Result<()> {
    adopted(bench, "-m count --no-cache --log log:warn --trace lines", &[])?;
    let log = fs::read_to_string(bench.folder().join("log"))?;
    ensure!(log.is_empty(), "{log}");
    let lines = fs::read_to_string(bench.folder().join("lines"))?;
    ensure!(lines.contains("execve(") && lines.contains("exit_group(0)"), "no exec in the trace");
    Ok(())
}

/// Threads that block every signal cannot be stopped: what only fits a stopped thread is left, and
/// named.
fn deaf_threads(bench: &Bench<'_>) -> Result<()> {
    adopted(bench, "-m count --log log:warn", &["deaf"])?;
    let log = fs::read_to_string(bench.folder().join("log"))?;
    ensure!(log.lines().all(|line| line.contains("NoShape")), "{log}");
    Ok(())
}

/// Threads that have made no call since the adoption are watched like the others, and their calls return what
/// they would have returned.
fn strangers(bench: &Bench<'_>) -> Result<()> {
    let expected = bench.run(Host::Native)?;
    let words = ["{1}", &library(bench), "-m count --log log:warn"];
    let outcome = bench.run_command(Host::Native, &words)?;
    ensure!(expected.text().lines().count() == 18, "natively: {}", expected.text());
    ensure!(
        outcome.text() == expected.text() && outcome.end == expected.end,
        "natively {:?}, adopted {:?} ({}), {}",
        expected.text(),
        outcome.text(),
        outcome.end,
        outcome.error_text(),
    );
    let log = fs::read_to_string(bench.folder().join("log"))?;
    ensure!(log.is_empty(), "{log}");
    Ok(())
}

/// What is executable and no file's own text is left as it is, and watched in every thread from the moment on; where it
/// is not watched, the log says so.
fn made(bench: &Bench<'_>) -> Result<()> {
    let expected = bench.run_command(Host::Native, &["{1}", "-", "-"])?;
    ensure!(
        expected
            .text()
            .ends_with("thread 7: 1000 calls\nchanged: 42\nSIGSYS is blocked: 1\nit waits: 1\n"),
        "{expected:?}"
    );
    let library = library(bench);
    let adopted = |options: &str| -> Result<(Outcome, String)> {
        let outcome = bench.run_command(Host::Native, &["{1}", &library, options])?;
        Ok((outcome, fs::read_to_string(bench.folder().join("log"))?))
    };
    let (outcome, log) = adopted("-m count --watch never --log log:warn")?;
    ensure!(
        outcome.success()
            && outcome.text().ends_with("changed: 42\nSIGSYS is blocked: 1\nit waits: 1\n"),
        "{outcome:?}"
    );
    let left =
        |line: &&str| line.contains("not covered: memory at") && line.contains("--watch=never");
    ensure!(log.lines().filter(left).count() == 2, "{log}");
    fs::remove_file(bench.folder().join("log"))?;
    // What a filter forbids is not watched either.
    if bench.confinement.name == "deny-user-dispatch" {
        return Ok(());
    }
    let (outcome, log) = adopted("-m count --log log:warn")?;
    ensure!(log.is_empty(), "{log}");
    ensure!(outcome.success() && outcome.text() == expected.text(), "{outcome:?}");
    Ok(())
}

/// By `LD_PRELOAD`, before `main`; the programs that it starts are followed by `vload`, and not adopted again. They have
/// the library mapped, all of which is proven.
fn constructor(bench: &Bench<'_>) -> Result<()> {
    let preload = format!("LD_PRELOAD={}", library(bench));
    let words = ["env", &preload, "VLOAD_OPTIONS=--trace lines --log log:debug"];
    let outcome = bench.run(Host::Words(&words))?;
    ensure!(outcome.text() == "x\n" && outcome.code() == Some(3), "{outcome:?}");
    let lines = fs::read_to_string(bench.folder().join("lines"))?;
    let count = |text: &str| lines.lines().filter(|line| line.contains(text)).count();
    // The shell's own, and that of echo.
    ensure!(count("exit_group(") >= 2 && count("execve(") == 1, "{lines}");
    ensure!(outcome.stderr.is_empty(), "{}", outcome.error_text());
    let log = fs::read_to_string(bench.folder().join("log"))?;
    let begun = log.lines().filter(|line| line.contains(" is \"/")).count();
    ensure!(begun != 0 && !log.lines().any(|line| line.contains("watched")), "{log}");
    Ok(())
}

/// A debugger starts a program by a shell, which is adopted when it is traced already: at its exec the debugger finds the
/// program that it was given.
fn traced(bench: &Bench<'_>) -> Result<()> {
    // Only the shell is to be adopted.
    let program = ["/bin/sh", "-c", "unset LD_PRELOAD; exec /bin/true"];
    let expected = bench.run_command(Host::Native, &[&["{1}"], &program[..]].concat())?;
    ensure!(expected.text().ends_with("/true\nstatus 0\n"), "natively: {}", expected.text());
    let preload = format!("LD_PRELOAD={}", library(bench));
    let words = ["{1}", &preload, "VLOAD_OPTIONS=--log log:warn"];
    let outcome = bench.run_command(Host::Native, &[&words[..], &program].concat())?;
    ensure!(outcome.text() == expected.text(), "{}, {}", outcome.text(), outcome.error_text());
    let log = fs::read_to_string(bench.folder().join("log"))?;
    ensure!(log.contains("runs natively, because its parent traces it"), "{log}");
    Ok(())
}

/// What goes around the layers and is there already is named.
fn rings(bench: &Bench<'_>) -> Result<()> {
    for (options, is_said) in [("-m forward", true), ("-m count", false)] {
        let words = ["{1}", &library(bench), options];
        let outcome = bench.run_command(Host::Native, &words)?;
        let text = outcome.text();
        ensure!(outcome.success() && text.lines().count() == 2, "{options}: {outcome:?}");
        let name =
            |line: &str| format!("vload: {line}: what goes through it, no module hears of\n");
        let said = if is_said { text.lines().map(name).collect() } else { String::new() };
        ensure!(outcome.error_text() == said, "{options}: {}", outcome.error_text());
    }
    Ok(())
}

/// Options that make no sense, and a process that has a resident.
fn refused(bench: &Bench<'_>) -> Result<()> {
    let library = library(bench);
    let wrong = bench.run_command(Host::Native, &["{0}", &library, "--circle"])?;
    ensure!(wrong.text().ends_with("not adopted: Invalid argument\n"), "{}", wrong.text());
    let twice = bench.run_command(Host::Vload, &["{0}", &library, "-m count"])?;
    ensure!(
        twice.text().ends_with("not adopted: Operation already in progress\n"),
        "{}",
        twice.text()
    );
    ensure!(matches!(twice.end, End::Status(status) if status.code() == Some(1)), "{}", twice.end);
    Ok(())
}
