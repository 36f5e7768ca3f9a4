//! A debugger that is attached to a process under vload finds what it finds natively; and one that runs under vload
//! itself sees of what it starts what it sees natively.

use crate::arch::Arch;
use crate::case::{Case, Rule};
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("debuggers/gdb")
            .needs_program("gdb")
            .build(Build::c_with("attached.c", "debug", &["-g", "-O0"]))
            .check(attached)
            .seconds(120)
            .plain_only()
            .never_confined(),
        // At addresses of its own, and with its dynamic section far from its headers.
        Case::new("debuggers/gdb-fixed")
            .needs_program("gdb")
            .build(Build::c_with("attached.c", "fixed", &["-g", "-O0", "-no-pie", "-DROOM=(8 << 20)"]))
            .check(attached)
            .seconds(120)
            .plain_only()
            .never_confined(),
        // gdb must put its own breakpoint somewhere before it looks at threads; these wait in stubs and in the resident.
        Case::new("debuggers/gdb-threads")
            .on(&[Arch::X86_64])
            .needs_program("gdb")
            .build(Build::c_with("waiting.c", "debug", &["-g", "-O0", "-pthread"]))
            .check(threads)
            .seconds(120)
            .plain_only()
            .never_confined(),
        // By the process alone: the file of a static program leads gdb to the program's own vDSO.
        Case::new("debuggers/gdb-threads-static")
            .on(&[Arch::X86_64])
            .needs_program("gdb")
            .build(Build::c_with("waiting.c", "alone", &["-g", "-O0", "-pthread", "-static"]))
            .check(threads)
            .seconds(120)
            .plain_only()
            .never_confined(),
        // Its headers do not say where they are.
        Case::new("debuggers/gdb-threads-static-pie")
            .on(&[Arch::X86_64])
            .needs_program("gdb")
            .build(Build::c_with(
                "waiting.c",
                "alone-pie",
                &["-g", "-O0", "-pthread", "-static-pie", "-fPIE"],
            ))
            .check(threads)
            .seconds(120)
            .plain_only()
            .never_confined(),
        Case::new("debuggers/gdb-steps")
            .on(&[Arch::X86_64])
            .needs_program("gdb")
            .build(Build::c_with("stepped.c", "debug", &["-g", "-O0"]))
            .check(steps)
            .seconds(120)
            .plain_only()
            .never_confined(),
        // A debugger that starts vload waits for the program's functions, and for those of its libraries.
        Case::new("debuggers/gdb-starts")
            .needs_program("gdb")
            .build(Build::c_with("started.c", "debug", &["-g", "-O0"]))
            .check(started)
            .seconds(120)
            .plain_only()
            .never_confined(),
        Case::new("debuggers/gdb-starts-static")
            .needs_program("gdb")
            .build(Build::c_with("started.c", "alone", &["-g", "-O0", "-static", "-DALONE"]))
            .check(started)
            .seconds(120)
            .plain_only()
            .never_confined(),
        Case::new("debuggers/gdb-starts-static-pie")
            .needs_program("gdb")
            .build(Build::c_with(
                "started.c",
                "alone-pie",
                &["-g", "-O0", "-static-pie", "-fPIE", "-DALONE"],
            ))
            .check(started)
            .seconds(120)
            .plain_only()
            .never_confined(),
        Case::new("debuggers/tracers")
            .build(Build::c("tracers.c"))
            .build(Build::c("small.c"))
            .run(&["{0}", "fork", "{1}"])
            .never_bounced()
            .not_under(FOREIGN),
        Case::new("debuggers/inspected")
            .build(Build::c_with("inspected.c", "", &["-pthread"]))
            .never_bounced()
            .not_under(&["deny-ptrace", "deny-process-vm", "bwrap", "no-proc", "foreign-proc"])
            .on(&[Arch::X86_64]),
        // Where sites trap, a thread that goes elsewhere may have a trap to come.
        Case::new("debuggers/inspected-anywhere")
            .build(Build::c_with("inspected.c", "", &["-pthread"]))
            .run(&["{0}", "anywhere"])
            .plain_only()
            .never_bounced()
            .not_under(&["deny-ptrace", "deny-process-vm", "bwrap"])
            .on(&[Arch::X86_64]),
        // Where sites trap natively too, the child of a vfork stops before its exec for ever.
        Case::new("debuggers/tracers-vfork")
            .build(Build::c("tracers.c"))
            .build(Build::c("small.c"))
            .run(&["{0}", "vfork", "{1}"])
            .plain_only()
            .never_bounced(),
        Case::new("debuggers/traced-natively")
            .build(Build::c("tracers.c"))
            .build(Build::c("small.c"))
            .run(&["{0}", "vfork", "{1}"])
            .check(natively)
            .plain_only()
            .never_confined(),
        // What stops its own threads to look at them, as LeakSanitizer does.
        Case::new("debuggers/suspends")
            .on(&[Arch::X86_64])
            .build(Build::c("suspends.c"))
            .run(&["{0}"])
            .never_bounced()
            .never_confined(),
        Case::new("debuggers/traced-spawns")
            .build(Build::c("traced-spawns.c"))
            .run(&["{0}", "/bin/true"])
            .plain_only()
            .never_bounced(),
        Case::new("debuggers/traced-message")
            .needs_program("script")
            .needs_program("strace")
            .check(message)
            .plain_only()
            .never_confined(),
        // Numbers of processes, addresses and random bytes are not what is compared.
        Case::new("debuggers/strace")
            .needs_program("strace")
            .shell(
                "strace -f -o calls /bin/sh -c 'cd /; exec /bin/echo x' && \
                 sed 's/0x[0-9a-f]*/ADDRESS/g; s/\\(\\\\x[0-9a-f]*\\)\\{8\\}/BYTES/; s/^[0-9]* *//; \
                 s/^\\(set_tid_address.* = \\|get[a-z]*id() *= \\)[0-9]*$/\\1ID/' calls",
            )
            .rule(Rule::Replace(r"(process |waitpid\()\d+", "PID"))
            .never_bounced()
            .not_under(FOREIGN),
        Case::new("debuggers/gdb-runs")
            .needs_program("gdb")
            .build(Build::c_with("attached.c", "debug", &["-g", "-O0"]))
            .run(&["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-x", "commands", "{0}"])
            .given(
                "commands",
                0o644,
                "break inner\nrun\nbt\ninfo sharedlibrary\np $_siginfo.si_signo\nfinish\n",
            )
            .rule(Rule::Replace(r"(process|lwp|LWP) [\d.]+", "PID"))
            .rule(Rule::Replace(r"/proc/\d+", "/proc/PID"))
            .rule(Rule::Replace("0x[0-9a-f]{8,}", "ADDRESS"))
            .seconds(60)
            // gdb waits in a vfork (as above).
            .plain_only()
            .never_bounced()
            .not_under(FOREIGN),
    ]
}

/// What needs a `/proc` that knows the process by its own number.
const FOREIGN: &[&str] = &["foreign-proc"];

/// The log says what has run natively, and that is what was traced: not what the tracer starts afterwards.
fn natively(bench: &Bench<'_>) -> Result<()> {
    let outcome = bench.vload(&["--log", "log"])?;
    ensure!(outcome.success(), "{}{}", outcome.text(), outcome.error_text());
    let log = fs::read_to_string(bench.folder().join("log")).context("no log")?;
    let left = log.lines().filter(|line| line.contains("because its parent traces it")).count();
    ensure!(left == 1, "{left} programs ran natively:\n{log}");
    Ok(())
}

/// It is said on a terminal, once in a session, when a layer waits for the calls; else nowhere but in the log.
fn message(bench: &Bench<'_>) -> Result<()> {
    const SAID: &str = "no layer hears of it";
    let vload = bench.word("{vload}");
    let count = |options: &str| -> Result<usize> {
        let strace = "strace -o /dev/null /bin/true";
        let line = format!("{vload} {options} sh -c '{strace}; {strace}'");
        let outcome = bench.run_command(Host::Native, &["script", "-qec", &line, "/dev/null"])?;
        ensure!(outcome.success(), "{}{}", outcome.text(), outcome.error_text());
        Ok(outcome.text().matches(SAID).count())
    };
    let (layered, bare) = (count("-m forward")?, count("")?);
    ensure!(layered == 1 && bare == 0, "said {layered} times, and {bare} without a layer");
    let script = "strace -o /dev/null /bin/true";
    let outcome =
        bench.run_command(Host::Words(&[&vload, "-m", "forward"]), &["sh", "-c", script])?;
    ensure!(outcome.success() && outcome.error_text().is_empty(), "{}", outcome.error_text());
    Ok(())
}

/// Starts what its arguments say, waits until it has written a line, and lets gdb look at it twice:
/// as a user who knows only the process, and as one who knows the program as well.
const SCRIPT: &str = r#"
mkfifo ready
program=$1
shift
"$@" > ready &
pid=$!
read -r line < ready
look() {
    gdb -nx -batch -iex 'set debuginfod enabled off' "$@" 2>&1
}
look -p $pid -ex 'info sharedlibrary' -ex bt
echo ----
look "$program" -p $pid -ex bt
kill $pid
wait $pid
rm ready
"#;

/// The libraries that gdb has found, and the functions that call one another, outermost last: each time.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    libraries: Vec<String>,
    functions: [Vec<String>; 2],
}

/// The function that a line of a backtrace names, if it is not vload's.
fn function(line: &str) -> Option<String> {
    let line = line.split_once(" in ").map_or(&line[2..], |(_, function)| function);
    let name = line.split('(').next().unwrap_or(line).trim();
    (!["??", "vload"].contains(&name)).then(|| name.to_owned())
}

/// The functions of a backtrace, without the frames of vload's, which have no name or this one. What started `main` is told
/// from the program's file alone.
fn functions(text: &str) -> Vec<String> {
    let mut functions: Vec<_> =
        text.lines().filter(|line| line.starts_with('#')).filter_map(function).collect();
    functions.truncate(functions.iter().position(|name| name == "main").map_or(0, |at| at + 1));
    functions
}

fn look(bench: &Bench<'_>, vload: &[&str]) -> Result<Found> {
    let program = bench.word("{0}");
    let mut words = vec!["sh", "-c", SCRIPT, "sh", &program];
    words.extend(vload);
    let outcome = bench.run_command(Host::Words(&words), &[&program])?;
    let text = outcome.text();
    let (first, second) = text.split_once("----").unwrap_or((&text, ""));
    // Under vload the program is one of them.
    let libraries = first
        .lines()
        .filter(|line| line.starts_with("0x") && line.contains("Yes"))
        .filter_map(|line| line.split_whitespace().last().map(str::to_owned))
        .filter(|library| *library != program)
        .collect();
    let functions = [functions(first), functions(second)];
    Ok(Found { libraries, functions })
}

/// Starts what its arguments say, waits until it has written a line, and has gdb look at all threads.
const THREADS: &str = r#"
mkfifo ready
"$@" > ready &
pid=$!
read -r line < ready || exit 1
while ! grep -q ') S ' /proc/$pid/stat; do kill -0 $pid || exit 1; done
gdb -nx -batch -iex 'set debuginfod enabled off' -p $pid -ex 'thread apply all bt' 2>&1
kill -9 $pid
wait $pid
rm ready
"#;

/// The functions of each thread, outermost last, up to those of the program's.
fn stacks(bench: &Bench<'_>, vload: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut words = vec!["sh", "-c", THREADS, "sh"];
    words.extend(vload);
    let outcome = bench.run_command(Host::Words(&words), &[&bench.word("{0}")])?;
    let text = outcome.text();
    let mut stacks: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("Thread ") {
            stacks.push(Vec::new());
        }
        let Some(stack) = stacks.last_mut().filter(|_| line.starts_with('#')) else { continue };
        stack.extend(function(line));
    }
    for stack in &mut stacks {
        let outermost = ["reader", "sleeper", "poller", "main"];
        let end = stack.iter().position(|name| outermost.contains(&name.as_str()));
        ensure!(end.is_some(), "{stack:?} in {text}{}", outcome.error_text());
        stack.truncate(end.map_or(0, |end| end + 1));
    }
    Ok(stacks)
}

fn threads(bench: &Bench<'_>) -> Result<()> {
    let native = stacks(bench, &[])?;
    ensure!(native.len() == 4, "natively: {native:?}");
    let vload = bench.word("{vload}");
    let modes: [&[&str]; 5] = [
        &[],
        &["-m", "forward"],
        &["--shapes=trap"],
        &["--watch=always"],
        &["-m", "forward", "--watch=always"],
    ];
    for mode in modes {
        let found = stacks(bench, &[&[vload.as_str()], mode].concat())?;
        ensure!(found == native, "with {mode:?} {found:?}, and natively {native:?}");
    }
    Ok(())
}

/// Starts what its arguments say, waits until it has written a line, and has gdb go through it.
const STEPS: &str = r#"
printf '%s' "$1" > commands
shift
mkfifo ready start
"$@" < start > ready &
pid=$!
exec 3> start
read -r line < ready || exit 1
gdb -nx -batch -iex 'set debuginfod enabled off' -p $pid -x commands 2>&1
kill -9 $pid
wait $pid
rm ready start
"#;

/// Over calls, into one that has no lines, out of it, and to the changes of a variable.
const COMMANDS: &str = "break walked\nshell echo > start\ncontinue\nnext\nnext\nnext\nstep\nnext\nfinish\n\
                        continue\np number\nwatch sum\ncontinue\ncontinue\ncontinue\n";

/// The lines of the program at which gdb stopped, and what it said of values.
fn stepped(bench: &Bench<'_>, vload: &[&str]) -> Result<Vec<String>> {
    let mut words = vec!["sh", "-c", STEPS, "sh", COMMANDS];
    words.extend(vload);
    let outcome = bench.run_command(Host::Words(&words), &[&bench.word("{0}")])?;
    let text = outcome.text();
    let (_, text) = text.split_once("Breakpoint 1 at").unwrap_or_default();
    let is_one = |line: &&str| {
        let starts = ["$", "Value returned", "Old value", "New value", "Hardware", "Run till"];
        line.starts_with(|first: char| first.is_ascii_digit())
            || starts.iter().any(|start| line.starts_with(start))
    };
    Ok(text.lines().filter(is_one).map(str::to_owned).collect())
}

fn steps(bench: &Bench<'_>) -> Result<()> {
    let native = stepped(bench, &[])?;
    ensure!(native.len() > 10, "natively: {native:?}");
    let vload = bench.word("{vload}");
    for mode in [&[][..], &["-m", "forward"]] {
        let found = stepped(bench, &[&[vload.as_str()], mode].concat())?;
        ensure!(found == native, "with {mode:?} {found:?}, and natively {native:?}");
    }
    Ok(())
}

/// What gdb has found at each stop of a program that it has started: the functions that call one another down from
/// `main`, and what was returned.
fn stops(bench: &Bench<'_>, vload: &[&str]) -> Result<Vec<String>> {
    let program = bench.word("{0}");
    let mut words = vec!["gdb", "-nx", "-batch"];
    let commands = [
        "set debuginfod enabled off",
        "set breakpoint pending on",
        "break main",
        "break inner",
        "break cbrt",
        "run",
        "bt",
        "continue",
        "bt",
        "finish",
        "continue",
        "bt",
        "continue",
    ];
    words.extend(commands.iter().flat_map(|command| ["-ex", command]));
    words.push("--args");
    words.extend(vload);
    let outcome = bench.run_command(Host::Words(&words), &[&program, "argument"])?;
    let mut is_past_main = false;
    let mut found = Vec::new();
    for line in outcome.text().lines() {
        if line.starts_with('#') {
            is_past_main &= !line.starts_with("#0 ");
            if !is_past_main {
                let names = line.split_once(" in ").map_or(&line[2..], |(_, name)| name).trim();
                let name =
                    names.split([' ', '(']).next().unwrap_or_default().trim_start_matches('_');
                is_past_main = name == "main";
                found.push(name.to_owned());
            }
        } else if line.starts_with("Value returned") {
            found.push(line.to_owned());
        } else if let Some((_, end)) = line.split_once(" exited ") {
            found.push(end.to_owned());
        } else if matches!(line, "4 argument" | "2" | "8") {
            found.push(line.to_owned());
        }
    }
    Ok(found)
}

fn started(bench: &Bench<'_>) -> Result<()> {
    let native = stops(bench, &[])?;
    let found = stops(bench, &[&bench.word("{vload}")])?;
    for expected in [["main"; 2], ["inner"; 2], ["4 argument"; 2], ["cbrt", "8"]] {
        let is_there = native.iter().any(|line| expected.contains(&line.as_str()));
        ensure!(is_there, "natively: {native:?}");
    }
    ensure!(found == native, "{found:?}, and natively {native:?}");
    Ok(())
}

fn attached(bench: &Bench<'_>) -> Result<()> {
    let native = look(bench, &[])?;
    let vload = bench.word("{vload}");
    let found = look(bench, &[&vload])?;
    for function in ["inner", "handler", "<signal handler called>", "outer", "main"] {
        let is_found = |names: &Vec<String>| names.iter().any(|name| name == function);
        ensure!(native.functions.iter().all(is_found), "natively: {native:?}");
    }
    ensure!(native.libraries.len() > 1, "natively: {native:?}");
    ensure!(found == native, "{found:?}, and natively {native:?}");
    Ok(())
}
