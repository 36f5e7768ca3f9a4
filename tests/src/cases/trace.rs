//! What `vload trace` prints.

use crate::arch::Arch;
use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use crate::programs::Build;
use anyhow::{Context, Result, bail, ensure};
use regex_lite::Regex;
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("trace/lines").build(Build::c("raw.c")).check(lines).everywhere(),
        Case::new("trace/follows")
            .build(Build::c("execs.c"))
            .build(Build::c_with("target.c", "static", &["-static"]))
            .run(&["{0}", "execve", "{1}"])
            .check(follows)
            .everywhere(),
        Case::new("trace/children").shell("/bin/true; /bin/echo x").check(children),
        Case::new("trace/standard-error").shell("exec 2>/dev/null; echo x").check(standard_error),
        Case::new("trace/hidden").build(Build::c("descriptors.c")).check(hidden),
        Case::new("trace/killed").shell("echo one; kill -9 $$").check(killed),
        Case::new("trace/many-writers")
            .shell("for i in 1 2 3 4 5 6 7 8; do (ls -l /usr/bin | wc -l) & done; wait")
            .check(many_writers),
        Case::new("trace/status").shell("exit 7").check(status),
        Case::new("trace/unknown-numbers")
            .needs_program("strace")
            .build(Build::c("unknown.c"))
            .check(unknown_numbers)
            .not_under(&["deny-ptrace"])
            .never_bounced(),
        Case::new("trace/file-limit").shell(LIMITED).check(file_limit),
        Case::new("trace/reader-gone").shell("/bin/true; exit 7").check(reader_gone).plain_only(),
        Case::new("trace/clockless")
            .build(Build::c_with("clockless.c", "", &["-pthread"]))
            .check(clockless)
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("trace/first-instruction").run(&["/bin/true"]).check(first_instruction),
    ]
}

/// Where the trace is written, in the folder that the program runs in.
const OUTPUT: &str = "trace";

/// Runs the case under `vload trace -o`, and gives the lines.
fn traced(bench: &Bench<'_>) -> Result<(Outcome, Vec<String>)> {
    let vload = bench.machine.vload.display().to_string();
    let mut words = vec![vload.as_str()];
    words.extend(bench.mode.options.iter().map(String::as_str));
    words.extend(["trace", "-o", OUTPUT, "--"]);
    let outcome = bench.run(Host::Words(&words))?;
    let text = fs::read(bench.folder().join(OUTPUT)).with_context(|| {
        format!("no trace; {} with standard error {:?}", outcome.end, outcome.error_text())
    })?;
    let text = String::from_utf8_lossy(&text).into_owned();
    ensure!(text.is_empty() || text.ends_with('\n'), "the last line is not complete");
    Ok((outcome, text.lines().map(str::to_owned).collect()))
}

/// Every line is a call, or says how a process ended.
fn well_formed(lines: &[String]) -> Result<()> {
    let call = Regex::new(
        r"^(\[pid +\d+\] )?(\[(int80|x32)\] )?[a-z_0-9]+\(.*\) += (-?\d+|0x[0-9a-f]+|\?)( [A-Z0-9_]+ \(.*\)| .*)?$",
    )?;
    let end = Regex::new(r"^(\[pid +\d+\] )?\+\+\+ (exited with \d+|killed by .*) \+\+\+$")?;
    match lines.iter().find(|line| !call.is_match(line) && !end.is_match(line)) {
        Some(line) => bail!("not a call: {line:?}"),
        None => Ok(()),
    }
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

fn lines(bench: &Bench<'_>) -> Result<()> {
    let (_, lines) = traced(bench)?;
    well_formed(&lines)?;
    ensure!(!lines.iter().any(|line| line.starts_with("[pid")), "a pid where there is one process");
    let inline = count(&lines, "getppid(");
    ensure!(inline == 1001, "{inline} of 1001 calls of getppid");
    ensure!(count(&lines, "exit_group(") == 1, "no exit_group");
    Ok(())
}

/// What an exec leads to is traced too: the program that ends is not the one that began.
fn follows(bench: &Bench<'_>) -> Result<()> {
    let (outcome, lines) = traced(bench)?;
    well_formed(&lines)?;
    ensure!(outcome.success(), "{} with {:?}", outcome.end, outcome.error_text());
    let (execs, ends) = (count(&lines, "execve("), count(&lines, "exit_group("));
    ensure!(execs == 1 && ends == 1, "{execs} of 1 execve, {ends} of 1 exit_group");
    Ok(())
}

fn children(bench: &Bench<'_>) -> Result<()> {
    let (outcome, lines) = traced(bench)?;
    well_formed(&lines)?;
    ensure!(outcome.text() == "x\n", "the program printed {:?}", outcome.text());
    let ends = count(&lines, "exit_group(");
    ensure!(ends >= 2, "{ends} processes ended, at least 2 did");
    ensure!(lines.iter().any(|line| line.starts_with("[pid")), "no pid");
    Ok(())
}

/// The times of a count come from the processor's clock, where there is one.
fn clockless(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let outcome = bench.run(Host::Words(&[&vload, "trace", "-c", "-o", OUTPUT, "--"]))?;
    ensure!(outcome.success(), "{} with {:?}", outcome.end, outcome.error_text());
    let text = outcome.text();
    ensure!(text == "parent 1\ngiven up 1\n", "the program printed {text:?}");
    let table = fs::read_to_string(bench.folder().join(OUTPUT))?;
    ensure!(table.contains("getppid"), "no getppid in {table:?}");
    Ok(())
}

fn standard_error(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let outcome = bench.run(Host::Words(&[&vload, "trace", "--"]))?;
    let text = outcome.error_text();
    ensure!(outcome.text() == "x\n", "the program printed {:?}", outcome.text());
    ensure!(text.contains("exit_group("), "the trace ended with standard error: {text:?}");
    Ok(())
}

/// The target sees the same descriptors as without a trace.
fn hidden(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let (outcome, _) = traced(bench)?;
    ensure!(
        native.text() == outcome.text(),
        "natively {:?}, traced {:?}",
        native.text(),
        outcome.text()
    );
    Ok(())
}

fn killed(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let (outcome, lines) = traced(bench)?;
    ensure!(native.end == outcome.end, "natively {}, traced {}", native.end, outcome.end);
    well_formed(&lines)?;
    ensure!(count(&lines, "write(1,") + count(&lines, "write(0x1,") == 1, "the write is missing");
    ensure!(count(&lines, "kill(") <= 1, "kill twice");
    Ok(())
}

fn many_writers(bench: &Bench<'_>) -> Result<()> {
    let (outcome, lines) = traced(bench)?;
    ensure!(outcome.text().lines().count() == 8, "the program printed {:?}", outcome.text());
    well_formed(&lines)?;
    let ends = count(&lines, "exit_group(");
    ensure!(ends >= 17, "{ends} processes ended, at least 17 did");
    Ok(())
}

fn status(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let (outcome, _) = traced(bench)?;
    ensure!(native.end == outcome.end, "natively {}, traced {}", native.end, outcome.end);
    Ok(())
}

/// Calls that no kernel has, as strace shows them.
fn unknown_numbers(bench: &Bench<'_>) -> Result<()> {
    // An x32 number says so in a line of its own there, in front of the call here.
    let name = Regex::new(r"(?m)^(\[x32\] )?(syscall_0x[0-9a-f]+)\(")?;
    let unknown = |text: &str| -> Vec<String> {
        name.captures_iter(text).map(|found| found[2].to_owned()).collect()
    };
    let natively = bench.run(Host::Words(&["strace", "-e", "raw=all"]))?;
    let (_, lines) = traced(bench)?;
    let (natively, under) = (unknown(&natively.error_text()), unknown(&lines.join("\n")));
    ensure!(!natively.is_empty(), "strace shows no unknown call");
    ensure!(natively == under, "strace shows {natively:#?}, vload {under:#?}");
    Ok(())
}

/// A process that may not write files as long as the trace is, beside one that may.
const LIMITED: &str = r#"
(
    ulimit -f 200
    i=0
    while [ $i -lt 1500 ]; do
        i=$((i + 1))
        [ -e /no/such/file/whose/name/is/long ]
    done
    echo limited
)
[ -e after ]
echo "status $?"
"#;

/// What a limit on the length of files lets the trace have are whole lines, and the program goes on;
/// those that have no limit are traced to their end.
fn file_limit(bench: &Bench<'_>) -> Result<()> {
    let (outcome, lines) = traced(bench)?;
    well_formed(&lines)?;
    let two = lines.iter().find(|line| line.matches("pid").count() + line.matches('=').count() > 2);
    ensure!(two.is_none(), "parts of two lines in {two:?}");
    ensure!(outcome.text() == "limited\nstatus 1\n", "the program printed {:?}", outcome.text());
    let length = lines.iter().map(|line| line.len() + 1).sum::<usize>();
    let seen = count(&lines, "newfstatat(");
    ensure!((100..1500).contains(&seen), "{seen} of 1500 calls traced in {length} bytes");
    let last = lines.last().context("an empty trace")?;
    ensure!(last.contains("exit_group("), "the end without a limit is missing: {last:?}");
    Ok(())
}

/// Where nobody reads the trace, or the table, the program ends as it does natively.
fn reader_gone(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display();
    for words in ["trace", "trace -c"] {
        let line = format!(
            "mkfifo gone; exec 3<>gone 2>gone 3<&-; {vload} {words} sh -c '/bin/true; exit 7'"
        );
        let outcome = bench.run_command(Host::Native, &["/bin/sh", "-c", &line])?;
        ensure!(outcome.code() == Some(7), "{words}: {}", outcome.end);
    }
    Ok(())
}

/// The first call of ld.so is there: brk in every glibc.
fn first_instruction(bench: &Bench<'_>) -> Result<()> {
    let (_, lines) = traced(bench)?;
    let first = lines.first().context("an empty trace")?;
    ensure!(first.starts_with("brk("), "the first line is {first:?}");
    ensure!(count(&lines, "arch_prctl(") == 1, "no arch_prctl of ld.so");
    Ok(())
}
