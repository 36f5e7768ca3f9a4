//! A debugger that is attached to a process under vload finds what it finds natively.

use crate::case::Case;
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Result, ensure};

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
    ]
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
look -p $pid -ex 'info sharedlibrary'
echo ----
look "$program" -p $pid -ex bt
kill $pid
wait $pid
rm ready
"#;

/// The libraries that gdb has found, and the functions that call one another, outermost last.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    libraries: Vec<String>,
    functions: Vec<String>,
}

fn look(bench: &Bench<'_>, vload: &[&str]) -> Result<Found> {
    let program = bench.word("{0}");
    let mut words = vec!["sh", "-c", SCRIPT, "sh", &program];
    words.extend(vload);
    let outcome = bench.run_command(Host::Words(&words), &[&program])?;
    let text = outcome.text();
    let (first, second) = text.split_once("----").unwrap_or((&text, ""));
    let libraries = first
        .lines()
        .filter(|line| line.starts_with("0x") && line.contains("Yes"))
        .filter_map(|line| line.split_whitespace().last().map(str::to_owned))
        .collect();
    // The innermost frame lies in a stub under vload, and gdb may not name a call's function
    // natively either.
    let functions = second
        .lines()
        .filter(|line| line.starts_with('#') && !line.starts_with("#0 "))
        .map(|line| {
            let line = line.split_once(" in ").map_or(&line[2..], |(_, function)| function);
            line.split('(').next().unwrap_or(line).trim().to_owned()
        })
        .collect();
    Ok(Found { libraries, functions })
}

fn attached(bench: &Bench<'_>) -> Result<()> {
    let native = look(bench, &[])?;
    let vload = bench.word("{vload}");
    let found = look(bench, &[&vload])?;
    for function in ["inner", "handler", "<signal handler called>", "outer", "main"] {
        ensure!(native.functions.iter().any(|name| name == function), "natively: {native:?}");
    }
    ensure!(native.libraries.len() > 1, "natively: {native:?}");
    ensure!(found == native, "{found:?}, and natively {native:?}");
    Ok(())
}
