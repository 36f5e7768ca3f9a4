//! `-m`: layers, their order and what reaches them.

use crate::case::{Case, Rule};
use crate::execute::{Bench, Host, Outcome};
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("layers/{name}")).plain_only();
    vec![
        case("usage").run(&["/bin/echo"]).check(usage),
        case("count-every-number").build(Build::c("raw.c")).check(every_number).everywhere(),
        case("count-processes")
            .shell("/bin/true; (:); /bin/true & /bin/echo x; wait")
            .check(processes),
        case("count-threads").build(Build::c("threads.c")).run(&["{0}", "200"]).check(threads),
        case("count-vfork").build(Build::c("vforks.c")).check(vforks),
        // The first process of a pid namespace cannot kill itself.
        case("count-killed")
            .shell("/bin/true; kill -9 $$")
            .check(killed)
            .not_under(&["foreign-proc"]),
        case("count-signals")
            .build(Build::c("storm.c"))
            .not_under(&["bwrap", "no-proc"])
            .rule(Rule::IgnoreStderr)
            .check(same_total)
            .seconds(120),
        case("order").shell("/bin/true; /bin/true").check(same_total),
        case("escaped").run(&["/bin/echo", "x"]).check(escaped),
        case("standard-error").run(&["/bin/echo", "x"]).check(standard_error),
    ]
}

/// A row of the table of `count`: a program of a process.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) began: String,
    pub(super) threads: u64,
    pub(super) calls: u64,
    pub(super) program: String,
}

/// The totals below the rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) processes: u64,
    pub(super) started: u64,
    pub(super) execs: u64,
    pub(super) threads: u64,
    pub(super) calls: u64,
}

pub(super) fn table(text: &str) -> Result<(Vec<Row>, Totals)> {
    let mut rows = Vec::new();
    for line in text.lines().skip(2).take_while(|line| !line.starts_with("total:")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, began, threads, calls, program] = words[..] else {
            anyhow::bail!("not a row: {line:?}")
        };
        rows.push(Row {
            began: began.into(),
            threads: threads.parse()?,
            calls: calls.parse()?,
            program: program.into(),
        });
    }
    let last = text.lines().last().context("no table")?;
    let is_digit = |c: char| c.is_ascii_digit();
    let numbers: Vec<u64> = last
        .split(|c| !is_digit(c))
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [processes, started, execs, threads, calls] = numbers[..] else {
        anyhow::bail!("not the totals: {last:?}")
    };
    Ok((rows, Totals { processes, started, execs, threads, calls }))
}

/// Runs the case with `-m count`, and gives the table. What holds for every table is looked at here.
fn counted(bench: &Bench<'_>) -> Result<(Outcome, Vec<Row>, Totals)> {
    let outcome = bench.vload(&["-m", "count:file=table", "--"])?;
    let text = fs::read_to_string(bench.folder().join("table"))
        .with_context(|| format!("no table; {:?}", outcome.error_text()))?;
    let (rows, totals) = table(&text)?;
    let of = |began: &str| rows.iter().filter(|row| row.began == began).count() as u64;
    let sums = Totals {
        processes: of("first") + of("fork"),
        started: of("fork"),
        execs: of("exec"),
        threads: rows.iter().map(|row| row.threads).sum(),
        calls: rows.iter().map(|row| row.calls).sum(),
    };
    ensure!(sums == totals && of("first") == 1, "the totals are not the sums: {text}");
    ensure!(rows.iter().all(|row| row.calls > 0), "a program without a call: {text}");
    Ok((outcome, rows, totals))
}

/// What vload does not understand ends with 125, says what is wrong, and runs nothing.
fn usage(bench: &Bench<'_>) -> Result<()> {
    let cases: [(&[&str], &str); 10] = [
        (&["-m"], "needs a value"),
        (&["--module"], "needs a value"),
        (&["-m", ""], "no name"),
        (
            &["-m", "nothing"],
            "no module 'nothing', nor 'nothing.so' where modules are; built in are: count, forward",
        ),
        (&["-m", "count:file"], "'file' is not KEY=VALUE"),
        (&["-m", "count:file=a,file=b"], "'file' is given twice"),
        (&["-m", "count:pages=3"], "no argument 'pages'; it has: file"),
        (&["--module=forward:a=b"], "no argument 'a'; it takes none"),
        (&["-m", r"count:file=a\"], "backslash"),
        (&["-m", "count:file=/no/such/folder/x"], "No such file"),
    ];
    for (words, said) in cases {
        // Without a value the program's name would be taken for it.
        let words: Vec<&str> = match words {
            [_] => words.to_vec(),
            _ => words.iter().copied().chain(["--"]).collect(),
        };
        let outcome = match words[..] {
            [word] => bench.run_command(Host::Words(&[&vload_path(bench)]), &[word])?,
            _ => bench.vload(&words)?,
        };
        ensure!(
            outcome.code() == Some(125)
                && outcome.stdout.is_empty()
                && outcome.error_text().contains(said),
            "{words:?}: {} with standard error {:?}",
            outcome.end,
            outcome.error_text()
        );
    }
    let many = ["-m", "forward"].repeat(16);
    let outcome = bench.vload(&many)?;
    ensure!(outcome.error_text().contains("15 times at most"), "{:?}", outcome.error_text());
    let outcome = bench.vload(&many[2..])?;
    ensure!(outcome.success() && outcome.text() == "\n", "15 layers: {}", outcome.end);
    Ok(())
}

fn vload_path(bench: &Bench<'_>) -> String {
    bench.machine.vload.display().to_string()
}

/// raw.c makes 1000 calls by one number, then -1 and 100000, which no kernel has: a layer gets them all, and
/// the trace, which counts where the layer does, has the same total but for the call that does not return.
fn every_number(bench: &Bench<'_>) -> Result<()> {
    let (outcome, _, totals) = counted(bench)?;
    ensure!(outcome.success() && outcome.text().contains("wrong: 0"), "{}", outcome.end);
    ensure!(totals.calls > 1004, "{totals:?}");
    let outcome = bench.vload(&["trace", "-c", "-m", "count:file=table", "-o", "trace", "--"])?;
    ensure!(outcome.success(), "{}", outcome.end);
    let trace = fs::read_to_string(bench.folder().join("trace"))?;
    let last = trace.lines().last().context("no trace")?;
    let traced = last.split_whitespace().nth(3).and_then(|word| word.parse().ok());
    let (_, layer) = table(&fs::read_to_string(bench.folder().join("table"))?)?;
    ensure!(traced == Some(layer.calls - 1), "traced {traced:?}, and counted {}", layer.calls);
    Ok(())
}

/// Every process that is started and every program that is executed has its row.
fn processes(bench: &Bench<'_>) -> Result<()> {
    let (outcome, rows, totals) = counted(bench)?;
    ensure!(outcome.text() == "x\n", "{:?}", outcome.text());
    ensure!(totals.processes == 5 && totals.execs == 3 && totals.threads == 8, "{totals:?}");
    let executed = |name: &str| {
        rows.iter().filter(|row| row.began == "exec" && row.program.ends_with(name)).count()
    };
    ensure!(executed("/true") == 2 && executed("/echo") == 1, "{rows:?}");
    Ok(())
}

/// 200 threads one after the other, in the row of their process.
fn threads(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let (outcome, rows, totals) = counted(bench)?;
    ensure!(outcome.stdout == native.stdout, "{:?}", outcome.text());
    ensure!(rows.len() == 1 && totals.threads >= 201, "{totals:?}");
    Ok(())
}

/// A child that shares its parent's memory is a process of its own.
fn vforks(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let (outcome, _, totals) = counted(bench)?;
    ensure!(outcome.stdout == native.stdout, "{:?}", outcome.text());
    ensure!(totals.processes > 1 && totals.execs > 0, "{totals:?}");
    Ok(())
}

/// What was counted outlives a process that is killed, and so does the way it ended.
fn killed(bench: &Bench<'_>) -> Result<()> {
    // Where a confinement is a process of its own, it ends with 128 + 9.
    let native = bench.run(Host::Native)?;
    let (outcome, _, totals) = counted(bench)?;
    ensure!(!native.success() && outcome.end == native.end, "{}", outcome.end);
    ensure!(totals.processes == 2 && totals.execs == 1, "{totals:?}");
    Ok(())
}

/// Two layers of one module, with one between them that takes every call, count the same, also where signals
/// interrupt calls that then come again.
fn same_total(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    ensure!(native.success(), "natively {}", native.end);
    let words = ["-m", "count:file=older", "-m", "forward", "--module=count:file=newer", "--"];
    let outcome = bench.vload(&words)?;
    ensure!(outcome.stdout == native.stdout && outcome.end == native.end, "{}", outcome.end);
    let read = |name: &str| fs::read_to_string(bench.folder().join(name));
    let (older, newer) = (read("older")?, read("newer")?);
    let ((_, below), (_, above)) = (table(&older)?, table(&newer)?);
    // A thread whose process ends may be between the two.
    let between = above.calls.checked_sub(below.calls).is_some_and(|more| more <= below.threads);
    let same = Totals { calls: below.calls, ..above } == below;
    ensure!(between && same, "older:\n{older}newer:\n{newer}");
    Ok(())
}

/// A backslash takes the meaning from the character behind it, also in programs that are executed.
fn escaped(bench: &Bench<'_>) -> Result<()> {
    let outcome = bench.vload(&["-m", r"count:file=a\,b\:c\=d\\e", "--"])?;
    ensure!(outcome.success() && outcome.text() == "x\n", "{:?}", outcome.error_text());
    let text = fs::read_to_string(bench.folder().join(r"a,b:c=d\e"))?;
    table(&text).map(drop)
}

/// Without a file the table goes to standard error, behind what the program has written there.
fn standard_error(bench: &Bench<'_>) -> Result<()> {
    let outcome = bench.vload(&["-m", "count", "--"])?;
    ensure!(outcome.success() && outcome.text() == "x\n", "{}", outcome.end);
    let (rows, totals) = table(&outcome.error_text())?;
    ensure!(rows.len() == 1 && totals.calls > 0, "{}", outcome.error_text());
    Ok(())
}
