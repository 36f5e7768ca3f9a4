//! vload's own command line.

use crate::arch::Arch;
use crate::case::Case;
use crate::confinement::{FILTERED, WITHOUT_PROC};
use crate::execute::{Bench, End, Host};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("options/{name}")).plain_only();
    vec![
        case("usage").run(&["/bin/echo"]).check(usage),
        case("words").run(&["/bin/echo", "--log", "--", "-c"]).check(words),
        case("log").run(&["/bin/echo", "x"]).check(log),
        case("log-limits").shell("/bin/true; echo x | cat; exit 7").check(log_limits),
        case("log-reader-gone").run(&["/bin/sh"]).check(log_reader_gone),
        case("plain-by-int80")
            .on(&[Arch::X86_64])
            .build(Build::c_with("exec80.c", "low", &["-no-pie"]))
            .run(&["{0}", "/bin/echo"])
            .not_under(FILTERED)
            .check(plain_by_int80),
        case("plain").shell("/bin/true; /bin/echo x; /bin/true").check(plain),
        // Which file, and the resident's text, is seen in /proc.
        case("untouched")
            .run(&["/bin/echo", "x"])
            .check(untouched)
            .never_bounced()
            .not_under(WITHOUT_PROC),
        case("skip").run(&["/bin/echo", "x"]).check(skip).never_bounced().not_under(WITHOUT_PROC),
        case("inner-fault")
            .build(Build::c("innerfault.c"))
            .exits(3)
            .check(inner_fault)
            .not_under(WITHOUT_PROC),
        // Both depend on rights that some confinements take.
        case("ring-refused").build(Build::c("rings.c")).check(ring_refused).never_confined(),
        case("privilege")
            .needs(Need::Root)
            .needs_program("script")
            .prepare("cp /bin/id id && chown nobody id && chmod 4755 id")
            .run(&["./id", "-u"])
            .check(privilege)
            .never_confined(),
        case("verb-names")
            .given("trace", 0o755, "#!/bin/echo script\n")
            .run(&["./trace"])
            .check(verbs),
    ]
}

/// While a module claims calls that a ring could make no ring can be set up; modules that only look
/// claim none.
fn ring_refused(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    for (words, refused) in
        [(&["-m", "forward"][..], true), (&["-m", "count:file=/dev/null"], false)]
    {
        let outcome = bench.vload(words)?;
        let text = outcome.text();
        let said = text.contains("io_uring_setup: Operation not permitted")
            && text.contains("io_setup: Resource temporarily unavailable");
        let right = if refused { said } else { text == native.text() };
        ensure!(outcome.success() && right, "{words:?}: {text:?}");
    }
    Ok(())
}

/// What a program has lost is said for the one of the command line, and once for those it starts, where
/// a person sees it.
fn privilege(bench: &Bench<'_>) -> Result<()> {
    let said = |text: &str| text.matches("it is set-user-ID").count();
    let direct = bench.vload(&[])?;
    ensure!(direct.success() && direct.text() == "0\n", "{:?}", direct.text());
    ensure!(said(&direct.error_text()) == 1, "{:?}", direct.error_text());
    let vload = bench.machine.vload.display();
    let twice = "./id -u; ./id -u";
    let line = format!("{vload} --log log:warn sh -c '{twice}' 2>errors; cat errors log");
    let piped = bench.run_command(Host::Native, &["/bin/sh", "-c", &line])?;
    ensure!(piped.text().starts_with("0\n0\n"), "{:?}", piped.text());
    // In the log each time, and nowhere else: standard error may be read by a program.
    ensure!(said(&piped.text()) == 2, "{:?}", piped.text());
    let shown = bench.run_command(
        Host::Native,
        &["script", "-qec", &format!("{vload} sh -c '{twice}'"), "/dev/null"],
    )?;
    ensure!(said(&shown.text()) == 1, "{:?}", shown.text());
    Ok(())
}

/// A fault inside the resident says which version, which call and which site, and where to report
/// it; the process ends by the fault's signal.
fn inner_fault(bench: &Bench<'_>) -> Result<()> {
    use std::os::unix::process::ExitStatusExt;
    const SIGSEGV: i32 = 11;
    let outcome = bench.vload(&[])?;
    let text = outcome.error_text();
    let parts = ["internal fault: signal 11", "address 0x8", "call ", "site 0x", "report"];
    ensure!(parts.iter().all(|part| text.contains(part)), "standard error {text:?}");
    ensure!(text.contains(env!("CARGO_PKG_VERSION")), "no version in {text:?}");
    let by_signal = matches!(outcome.end, End::Status(status) if status.signal() == Some(SIGSEGV));
    ensure!(by_signal, "ended with {}", outcome.end);
    Ok(())
}

/// What vload does not understand ends with 125, says so, and runs nothing.
fn usage(bench: &Bench<'_>) -> Result<()> {
    for words in [&["--no-such-option"][..], &["--shapes=circle"], &["--log"], &["trace", "-Q"]] {
        let outcome = bench.vload(words)?;
        ensure!(
            outcome.code() == Some(125) && outcome.stdout.is_empty() && !outcome.stderr.is_empty(),
            "{words:?}: {} with standard output {:?} and error {:?}",
            outcome.end,
            outcome.text(),
            outcome.error_text()
        );
    }
    for words in [["--help"], ["--version"]] {
        let outcome = bench.vload(&words)?;
        ensure!(
            outcome.success() && outcome.text().contains("vload") && outcome.stderr.is_empty(),
            "{words:?}: {} with {:?}",
            outcome.end,
            outcome.text()
        );
    }
    Ok(())
}

/// What comes after the program is the program's.
fn words(bench: &Bench<'_>) -> Result<()> {
    for before in [&[][..], &["--"], &["run"], &["run", "--"], &["--no-cache", "--"]] {
        let outcome = bench.vload(before)?;
        ensure!(
            outcome.text() == "--log -- -c\n" && outcome.success(),
            "{before:?}: {} with {:?} and {:?}",
            outcome.end,
            outcome.text(),
            outcome.error_text()
        );
    }
    Ok(())
}

fn log(bench: &Bench<'_>) -> Result<()> {
    let outcome = bench.vload(&["--log", "written:debug", "--"])?;
    ensure!(outcome.success() && outcome.text() == "x\n", "{}", outcome.error_text());
    let text = fs::read_to_string(bench.folder().join("written")).context("no log")?;
    ensure!(text.contains("/echo"), "the log does not name the program: {text:?}");
    let outcome = bench.vload(&["--log", "/no/such/folder/file", "--"])?;
    ensure!(!outcome.success() && outcome.stdout.is_empty(), "a log that cannot be written");
    Ok(())
}

/// A log that the program's own limit on the length of files does not let grow ends nothing: what
/// fits is there, in whole lines.
fn log_limits(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display();
    let script = "/bin/true; echo x | cat; exit 7";
    // Blocks of 512 bytes; standard output is a file too.
    for (blocks, most) in [(0, 0), (1, 512), (2, 1024)] {
        let line = format!(
            "(ulimit -f {blocks}; {vload} --log written:debug sh -c '{script}'; echo $?) | cat"
        );
        let outcome = bench.run_command(Host::Native, &["/bin/sh", "-c", &line])?;
        ensure!(outcome.text() == "x\n7\n", "{blocks}: {:?}", outcome.text());
        let log = fs::read_to_string(bench.folder().join("written")).context("no log")?;
        let whole = log.is_empty() == (blocks == 0) && (log.is_empty() || log.ends_with('\n'));
        ensure!(whole && log.len() <= most, "{blocks}: {log:?}");
    }
    Ok(())
}

/// A log that nobody reads any more (a FIFO) ends nothing.
fn log_reader_gone(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display();
    // The program waits for the reader's end.
    let line = format!(
        "mkfifo log over; (head -c 1 log >first; : >over) & \
         {vload} --log log:debug sh -c 'read line <over; /bin/true; echo x; exit 7'; echo $?; wait"
    );
    let outcome = bench.run_command(Host::Native, &["/bin/sh", "-c", &line])?;
    ensure!(outcome.text() == "x\n7\n", "{:?} {:?}", outcome.text(), outcome.error_text());
    Ok(())
}

/// How many lines of the trace have `part`, with these options of its own.
fn traced(bench: &Bench<'_>, options: &[&str], part: &str) -> Result<usize> {
    let words = [&["trace", "-o", "calls"], options, &["--"]].concat();
    let outcome = bench.vload(&words)?;
    ensure!(outcome.success() && outcome.text() == "x\n", "{}", outcome.error_text());
    let text = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
    Ok(text.lines().filter(|line| line.contains(part)).count())
}

/// What is executed natively by `int $0x80` has its path in the low half of the address space.
fn plain_by_int80(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    ensure!(native.success(), "natively: {}", native.end);
    let plain = bench.vload(&["--plain", "echo", "--"])?;
    ensure!(native == plain, "{}, {:?} and {:?}", plain.end, native.text(), plain.text());
    Ok(())
}

/// A program of `--plain` is not followed; what comes after it is.
fn plain(bench: &Bench<'_>) -> Result<()> {
    let all = traced(bench, &[], "exit_group(")?;
    let some = traced(bench, &["--plain", "true"], "exit_group(")?;
    ensure!(all == 4 && some == 2, "{all} processes traced, and {some} without those named true");
    Ok(())
}

/// A file of `--skip` is left as it is, and the program runs.
fn skip(bench: &Bench<'_>) -> Result<()> {
    let all = traced(bench, &[], "write(1,")?;
    let some = traced(bench, &["--skip", "libc.so.6"], "write(1,")?;
    ensure!(all == 1 && some == 0, "{all} writes traced, and {some} with libc left out");
    Ok(())
}

/// Text that is left to a tracer brings nothing by itself: what the mode `bounce` shows, its tracer
/// has brought.
fn untouched(bench: &Bench<'_>) -> Result<()> {
    let words = ["--test-bounce", "trace", "-o", "calls", "--"];
    let outcome = bench.vload(&words)?;
    ensure!(outcome.success() && outcome.text() == "x\n", "{}", outcome.error_text());
    let text = fs::read_to_string(bench.folder().join("calls")).context("no trace")?;
    ensure!(text.is_empty(), "traced without a tracer: {text}");
    Ok(())
}

/// A program whose name is a verb's can be run.
fn verbs(bench: &Bench<'_>) -> Result<()> {
    let outcome = bench.run_command(Host::Vload, &["./trace", "x"])?;
    ensure!(outcome.text() == "script ./trace x\n", "{:?}", outcome.text());
    let outcome = bench.vload(&[])?;
    ensure!(outcome.text() == "script ./trace\n", "{:?}", outcome.text());
    Ok(())
}
