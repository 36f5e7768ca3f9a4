//! Nothing is missed: an observer from outside sees no entry into the kernel but from the gate.

use crate::case::Case;
use crate::cases::{programs, servers};
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, End, Host, Outcome};
use crate::host::audit::order;
use crate::host::audit::report::Counts;
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use runtime::patch::{self, ShapeSet};
use std::fs;

/// It traces a program of its own, which runs natively.
const DEBUGGER: &str = "program/gdb";

/// `ldd` asks a 32-bit `ld.so` too, which runs natively.
const FOREIGN: [&str; 1] = ["program/ldd"];

/// They end where no code can be generated.
const GENERATORS: [&str; 3] = ["program/node", "program/java", "server/chromium"];

/// Where the observer has not what it needs: ptrace, /proc, the memory of others, kcmp.
const BLIND: [&str; 3] = ["docker", "deny-ptrace", "deny-process-vm"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        Case::new(format!("audit/{name}")).plain_only().never_bounced().never_confined().seconds(60)
    };
    let mut cases = vec![
        case("unpatched-site").build(Build::c("raw.c")).check(unpatched_site),
        case("without-vload").shell("/bin/echo x").check(without_vload),
        case("threads").build(Build::c("threads.c")).run(&["{0}", "20"]).check(clean),
        case("static").build(Build::c_with("threads.c", "static", &["-static"])).check(clean),
        case("generated").build(Build::c("generated.c")).check(clean),
        case("region").build(Build::c_with("watched.c", "", &["-pthread"])).check(region),
        case("slots").build(Build::c("threads.c")).run(&["{0}", "20"]).check(slots),
        case("unwatched").build(Build::c("generated.c")).check(unwatched),
        // `cargo xtask audit` runs the same for as long as it is told.
        case("browsing").needs_program("chromium").seconds(300).check(clean).run(&[
            "sh",
            "{programs}/at-work.sh",
            "browsing",
            "30",
        ]),
        case("jvm").needs_program("javac").seconds(300).check(clean).run(&[
            "sh",
            "{programs}/at-work.sh",
            "jvm",
            "30",
        ]),
        case("order").build(Build::c("raw.c")).check(same_order),
        case("order-threads").build(Build::c("threads.c")).run(&["{0}", "20"]).check(same_order),
        case("order-children").shell("/bin/true; ls -l /usr/bin | wc -l").check(same_order),
    ];
    cases.push(
        case("debugger").needs_program("gdb").build(Build::c("threads.c")).check(clean).run(&[
            "gdb",
            "-batch",
            "-nx",
            "-ex",
            "disassemble main",
            "-ex",
            "info line main",
            "{0}",
        ]),
    );
    let others = programs::cases().into_iter().chain(servers::cases());
    cases.extend(others.filter_map(|mut other| {
        let name = other.name.as_str();
        if FOREIGN.contains(&name) {
            return None;
        }
        let unfit: &[&str] = if GENERATORS.contains(&name) { &["mdwe"] } else { &[] };
        let check = if name == DEBUGGER { clean_but_inferior } else { clean };
        other.name = format!("audit/{}", name.replace('/', "-"));
        other.timeout *= 4;
        let other = other.not_under(&BLIND).not_under(WITHOUT_PROC).not_under(unfit);
        Some(other.check(check).plain_only().never_bounced())
    }));
    cases
}

/// Where the observer's report and its list of calls are written, in the folder that the program
/// runs in.
const REPORT: &str = "audit-report";
const CALLS: &str = "audit-calls";

/// Runs the case below the observer, with these words for vload: how it ended, and the report.
fn audited(bench: &Bench<'_>, more: &[&str], words: &[&str]) -> Result<(Outcome, String)> {
    audited_command(bench, more, words, None)
}

/// The same of another command than the case's.
fn audited_command(
    bench: &Bench<'_>,
    more: &[&str],
    words: &[&str],
    command: Option<&[&str]>,
) -> Result<(Outcome, String)> {
    let vload = bench.machine.vload.display().to_string();
    let audit = bench.machine.tool("audit");
    let report = bench.folder().join(REPORT).display().to_string();
    let mut line = vec![audit.as_str(), "--vload", &vload, "-o", &report];
    line.extend(more);
    line.push(&vload);
    line.extend(bench.mode.options.iter().map(String::as_str));
    line.extend(words);
    line.push("--");
    let outcome = match command {
        Some(command) => bench.run_command(Host::Words(&line), command)?,
        None => bench.run(Host::Words(&line))?,
    };
    let text = fs::read_to_string(&report).with_context(|| {
        format!("no report; {} with standard error {:?}", outcome.end, outcome.error_text())
    })?;
    let ended =
        matches!(outcome.end, End::Status(status) if status.code() == Some(bench.case.code));
    ensure!(ended, "{}: {:?}", outcome.end, outcome.error_text());
    Ok((outcome, text))
}

/// The first lines of a report.
fn shortened(report: &str) -> String {
    report.lines().take(20).map(|line| format!("{line}\n")).collect()
}

/// Every entry of a whole run comes from the gate.
fn clean(bench: &Bench<'_>) -> Result<()> {
    clean_with(bench, &[])
}

/// The same of a program that traces another: all but that is seen.
fn clean_but_inferior(bench: &Bench<'_>) -> Result<()> {
    clean_with(bench, &["--tracers"])
}

fn clean_with(bench: &Bench<'_>, more: &[&str]) -> Result<()> {
    let (_, report) = audited(bench, more, &[])?;
    let counts = Counts::read(&report)?;
    ensure!(
        counts.elsewhere == 0 && counts.natively == 0 && counts.gate > 0 && counts.by_others == 0,
        "{}",
        shortened(&report)
    );
    Ok(())
}

/// The observer can fail: each site of the program is left as it is in turn, and is named.
fn unpatched_site(bench: &Bench<'_>) -> Result<()> {
    let program = bench.binaries.first().context("no program")?;
    let file = program.file_name().context("no name")?.to_string_lossy().into_owned();
    let bytes = fs::read(program)?;
    let plan = patch::analyze(&bytes, &ShapeSet::default(), &|_| false)
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut called = 0;
    for site in plan.sites() {
        let skip = format!("{file}:{:#x}", site.vaddr);
        let (_, report) = audited(bench, &[], &["--skip", &skip])?;
        let entries: Vec<_> =
            report.lines().filter(|line| line.starts_with("elsewhere: ")).collect();
        let names = |line: &&str| line.contains(&format!("/{skip}), "));
        ensure!(entries.iter().all(names), "skipped {skip}: {}", shortened(&report));
        ensure!(
            (Counts::read(&report)?.elsewhere > 0) != entries.is_empty(),
            "{}",
            shortened(&report)
        );
        called += usize::from(!entries.is_empty());
    }
    ensure!(called >= 2, "{called} of {} sites were named", plan.sites().len());
    Ok(())
}

/// The observer sees generated code where nothing watches it: as many calls as the program makes there.
fn unwatched(bench: &Bench<'_>) -> Result<()> {
    let (outcome, report) = audited(bench, &[], &["--watch=never"])?;
    ensure!(outcome.text() == "1000 of 1000\n", "{:?}", outcome.text());
    ensure!(Counts::read(&report)?.elsewhere == 1000, "{}", shortened(&report));
    ensure!(report.contains("anonymous memory+0x"), "{}", shortened(&report));
    Ok(())
}

/// Whatever is watched, and however, nothing is missed; and while one region is watched alone stubs make
/// their own calls.
fn region(bench: &Bench<'_>) -> Result<()> {
    let doctor = bench
        .run_command(Host::Words(&[&bench.machine.vload.display().to_string(), "doctor"]), &[])?;
    let can = doctor.text().contains("ok      inclusive dispatch");
    let program = bench.word("{0}");
    for (way, policy, by_stubs) in [
        ("loop", "auto", can),
        ("loop", "always", false),
        ("region", "auto", can),
        ("carried", "auto", false),
        ("growing", "auto", false),
        ("stacked", "auto", false),
        ("twice", "auto", false),
    ] {
        let (_, report) =
            audited_command(bench, &[], &["--watch", policy], Some(&[&program, way]))?;
        let counts = Counts::read(&report)?;
        ensure!(counts.elsewhere == 0 && counts.natively == 0, "{way}: {}", shortened(&report));
        let stubs = counts.kinds.get("stub").copied().unwrap_or(0);
        ensure!(!by_stubs || stubs > 100, "{way}: {}", shortened(&report));
        ensure!(policy == "auto" || stubs == 0, "{way}: {}", shortened(&report));
    }
    Ok(())
}

/// In a watched process all calls are made from the one range that the kernel lets through, and that is the gate.
fn slots(bench: &Bench<'_>) -> Result<()> {
    let (_, report) = audited(bench, &[], &["--watch=always"])?;
    let counts = Counts::read(&report)?;
    ensure!(counts.elsewhere == 0 && counts.by_others == 0, "{}", shortened(&report));
    // What the first thread does before it is armed is vload's.
    let of_target = counts.kinds.get("forward").copied().unwrap_or(0);
    ensure!(counts.by_slots > 500, "{}", shortened(&report));
    ensure!(!counts.kinds.contains_key("stub") && of_target > 0, "{}", shortened(&report));
    Ok(())
}

/// What vload starts without itself is not passed over.
fn without_vload(bench: &Bench<'_>) -> Result<()> {
    let (_, report) = audited(bench, &[], &["--plain", "echo"])?;
    let counts = Counts::read(&report)?;
    ensure!(counts.elsewhere == 0 && counts.natively > 0, "{}", shortened(&report));
    ensure!(report.contains("without vload: /bin/echo: "), "{}", shortened(&report));
    Ok(())
}

/// What the observer sees the target's calls be is what the trace says they are, one by one in
/// each thread; and a counting layer below the trace has counted as many as that has lines.
fn same_order(bench: &Bench<'_>) -> Result<()> {
    let calls = bench.folder().join(CALLS).display().to_string();
    let trace = bench.machine.work.join("trace-of-order").join(bench.case.name.replace('/', "-"));
    fs::create_dir_all(trace.parent().context("a folder")?)?;
    let file = trace.display().to_string();
    let table = trace.with_extension("table");
    let layer = format!("count:file={}", table.display());
    let words = ["-m", &layer, "trace", "-o", &file];
    let (_, report) = audited(bench, &["--calls", &calls], &words)?;
    let counts = Counts::read(&report)?;
    ensure!(counts.elsewhere == 0 && counts.natively == 0, "{}", shortened(&report));
    let (first, seen) = order::seen(&fs::read_to_string(calls)?)?;
    let trace = fs::read_to_string(trace)?;
    order::agree(&seen, &order::traced(&trace, first)?)?;
    let lines = trace.lines().filter(|line| line.contains('(')).count();
    let counted = fs::read_to_string(table)?;
    let total = format!(", {lines} calls\n");
    ensure!(counted.ends_with(&total), "{lines} lines in the trace, and {counted}");
    Ok(())
}
