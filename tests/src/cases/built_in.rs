//! Modules that are part of vload, loaded into a session that runs, listed and removed as any other.

use crate::arch::Arch;
use crate::case::Case;
use crate::cases::layers::{Row, Totals, table};
use crate::cases::modules::{NO_PROC, expect, inside, kept, module};
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        let parent = Build::c("parent.c");
        Case::new(format!("built-in/{name}")).build(parent).run(&["{0}"]).plain_only()
    };
    let sees = Build::c_with("sees.c", "", &["-pthread"]);
    vec![
        case("count").not_under(NO_PROC).check(count),
        case("count-to-standard-error").not_under(READ_ONLY).check(to_standard_error),
        case("count-of-two").not_under(READ_ONLY).check(two),
        // Who waits for the end has the session's file by /proc.
        case("count-at-the-end").not_under(NO_PROC).check(at_the_end),
        case("count-at-the-end-of-a-view").not_under(NO_PROC).check(at_the_end_of_a_view),
        case("count-after-hangup").not_under(NO_PROC).check(after_hangup),
        case("count-file").not_under(NO_PROC).check(file),
        Case::new("built-in/count-seen")
            .build(sees)
            .plain_only()
            .not_under(READ_ONLY)
            .check(seen)
            .on(&[Arch::X86_64, Arch::I686]),
        case("forward").check(forward),
        case("at-once").not_under(READ_ONLY).check(at_once),
        case("views").not_under(READ_ONLY).check(views),
        case("listed").not_under(READ_ONLY).check(listed),
        case("nested").not_under(NO_PROC).check(nested),
        case("room").not_under(NO_PROC).check(room),
        case("locks").needs_program("python3").not_under(NO_PROC).check(locks),
    ]
}

/// Where the case's folder cannot be written to.
const READ_ONLY: &[&str] = &["bwrap"];

/// The table that a layer has left in the case's folder.
fn read(bench: &Bench<'_>, name: &str) -> Result<(Vec<Row>, Totals)> {
    let text = fs::read_to_string(kept(bench).join(name)).with_context(|| name.to_string())?;
    let (rows, totals) = table(&text)?;
    let of = |began: &str| rows.iter().filter(|row| row.began == began).count() as u64;
    let sums = Totals {
        processes: of("found") + of("fork"),
        started: totals.started,
        execs: of("exec"),
        threads: rows.iter().map(|row| row.threads).sum(),
        calls: rows.iter().map(|row| row.calls).sum(),
    };
    ensure!(sums == totals && of("first") == 0, "the totals are not the sums: {text}");
    Ok((rows, totals))
}

/// The calls of each time that the case's program was executed.
fn executed(bench: &Bench<'_>, rows: &[Row]) -> Vec<u64> {
    let program = bench.word("{0}");
    let of = |row: &&Row| row.began == "exec" && row.program == program;
    rows.iter().filter(of).map(|row| row.calls).collect()
}

/// What was begun while the layer was there has as many calls as with `-m count` from its beginning, and nothing else is
/// counted. The file is where the path led that was typed, wherever `rmmod` is.
fn count(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let whole = format!("count:file={}", kept(bench).join("whole").display());
    bench.vload_alone(&["-m", &whole, &bench.word("{0}")])?;
    let (_, whole) = table(&fs::read_to_string(kept(bench).join("whole"))?)?;
    let outcome = inside(
        bench,
        &[],
        "parent 1; vload insmod count 'file=a\\,b\\:c\\=d\\\\e'; parent 1; (parent 1); vload lsmod --json >list; \
         cd /; vload rmmod count; parent 1; vload lsmod | wc -l",
    )?;
    expect(&outcome, "real\nreal\nreal\nreal\n1\n")?;
    ensure!(outcome.error_text().is_empty(), "{}", outcome.error_text());
    let (rows, totals) = read(bench, r"a,b:c=d\e")?;
    ensure!(executed(bench, &rows) == [whole.calls; 2], "{rows:?}, alone {}", whole.calls);
    // The shell, and who has loaded the layer.
    let found = rows.iter().filter(|row| row.began == "found").count();
    ensure!(found == 2 && totals.execs == 6, "{rows:?}");
    let list: serde_json::Value = serde_json::from_slice(&fs::read(kept(bench).join("list"))?)?;
    ensure!(list.as_array().is_some_and(|list| list.len() == 1), "{list}");
    let one = &list[0];
    ensure!(one["name"] == "count" && one["kind"] == "raw" && one["claims"].is_null(), "{list}");
    ensure!(one["description"] == "counts the calls of every process and thread", "{list}");
    ensure!(one["users"] == 0 && one["view"] == 0, "{list}");
    Ok(())
}

/// Without a file the table is what `rmmod` says.
fn to_standard_error(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let line = "vload insmod count; parent 1; vload rmmod count 2>said; vload rmmod count; echo $?";
    let outcome = inside(bench, &[], line)?;
    expect(&outcome, "real\n1\n")?;
    ensure!(outcome.error_text().contains("no such module"), "{}", outcome.error_text());
    let (rows, _) = read(bench, "said")?;
    ensure!(executed(bench, &rows).len() == 1, "{rows:?}");
    Ok(())
}

/// Reads the pipe `end` until there is a table, or nobody can be to come with one. It is opened once before, by who sees
/// whether it can be written.
const READS: &str =
    "(: >table; timeout 25 sh -c 'until grep -q ^total: table; do cat end >>table; done')";

/// Where nobody removes it the table comes when the last process of the session has ended, which the first need not be.
fn at_the_end(bench: &Bench<'_>) -> Result<()> {
    let folder = kept(bench);
    fs::create_dir_all(&folder)?;
    let line = format!(
        "cd {}; rm -f end go; mkfifo end go; {READS} & \
         {{vload}} sh -c '{{vload}} insmod count file=end; {{0}} 1; (read line <go; {{0}} 1) & exec {{0}} 1'; \
         echo over; echo >go; wait",
        folder.display()
    );
    let outcome = bench.run_command(Host::Native, &["sh", "-c", &bench.word(&line)])?;
    let text = outcome.text();
    ensure!(text.matches("real").count() == 3 && text.contains("over"), "{text:?}");
    let (rows, _) = read(bench, "table")?;
    ensure!(executed(bench, &rows).len() == 3, "{rows:?}");
    Ok(())
}

/// What is sent to all of a terminal's processes once `insmod` has ended is not for who waits for the end.
fn after_hangup(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    // A handler is gone with an exec, and a signal that is ignored would not be.
    let line = format!(
        "rm -f end; mkfifo end; {READS} & \
         setsid -w {{vload}} sh -c 'trap : HUP; {{vload}} insmod count file=end; kill -HUP 0; {{0}} 1'; wait"
    );
    let line = bench.word(&format!("cd {}; {line}", kept(bench).display()));
    let outcome = bench.run_command(Host::Native, &["sh", "-c", &line])?;
    expect(&outcome, "real\n")?;
    let (rows, _) = read(bench, "table")?;
    ensure!(executed(bench, &rows).len() == 1, "{rows:?}");
    Ok(())
}

/// A file is kept until there is another table for it; a table that cannot be written is said; what has no path of its own has
/// the one that was typed.
fn file(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod count file=kept; vload rmmod count; cp kept copy; vload insmod count file=kept; \
         vload insmod count file=kept 2>/dev/null; echo $?; cmp kept copy && echo same; vload rmmod count; \
         mkdir folder; vload insmod count file=folder/gone; parent 1; rm -r folder; vload rmmod count 2>said; echo $?; \
         vload lsmod | wc -l; (vload insmod count file=/dev/stderr; vload rmmod count) 2>&1 | grep -c ^total:",
    )?;
    expect(&outcome, "1\nsame\nreal\n1\n1\n1\n")?;
    let said = fs::read_to_string(kept(bench).join("said"))?;
    let is_reason = |line: &str| line.contains("folder/gone: No such file");
    let (reason, rows): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| is_reason(line));
    let (rows, _) = table(&(rows.join("\n") + "\n"))?;
    ensure!(reason.len() == 1 && executed(bench, &rows).len() == 1, "{said}");
    Ok(())
}

/// A view of a nested vload ends before its session; what is removed has no second table.
fn at_the_end_of_a_view(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let line = format!(
        "rm -f end; mkfifo end; {READS} & \
         vload -m hello sh -c 'vload insmod count file=removed; vload rmmod count; : >removed; \
                               vload insmod count file=end; parent 1'; wait; parent 1; cat removed"
    );
    let outcome = inside(bench, &[], &line)?;
    expect(&outcome, "real\nreal\n")?;
    let (rows, _) = read(bench, "table")?;
    ensure!(executed(bench, &rows).len() == 1, "{rows:?}");
    Ok(())
}

/// Two layers with `forward` between them, each with its own records, which go as `rmmod` takes the newest. The older one has
/// all that the newer one has.
fn two(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod count file=older; vload insmod count file=older; echo $?; vload insmod forward; \
         vload insmod count file=newer; parent 1; vload rmmod count; parent 1; vload rmmod forward; vload rmmod count",
    )?;
    expect(&outcome, "1\nreal\nreal\n")?;
    ensure!(outcome.error_text().contains("loaded already"), "{}", outcome.error_text());
    let (older, newer) = (read(bench, "older")?.0, read(bench, "newer")?.0);
    let (older, newer) = (executed(bench, &older), executed(bench, &newer));
    ensure!(newer.len() == 1 && older == [newer[0]; 2], "older {older:?}, newer {newer:?}");
    Ok(())
}

/// Who has made no call since the layer was loaded is counted from its next call on, though nobody claims that: one that waits
/// without a call, one that sleeps in the kernel, a thread, the parent of who loads it and its child.
fn seen(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let file = kept(bench).join("table");
    let before = bench.word(&format!("{{vload}} insmod count file={}", file.display()));
    let after = bench.word("{vload} rmmod count");
    for kind in ["child", "parent", "thread", "child-asleep", "parent-asleep", "thread-asleep"] {
        let burst = format!("burst-{kind}");
        let outcome = bench.vload_alone(&[&bench.word("{0}"), &burst, &before, &after])?;
        let rounds = "loaded: real\nremoved: real\n".repeat(3);
        expect(&outcome, &format!("at first: real\n{rounds}")).context(kind)?;
        let (rows, _) = read(bench, "table").context(kind)?;
        // Who sleeps may have begun to when the layer was there, and has begun again.
        let most = if kind.contains("asleep") { 1002 } else { 1000 };
        let is_it = |row: &&Row| match kind.contains("thread") {
            true => row.threads == 2 && row.calls > 1000,
            false => row.threads == 1 && (1000..=most).contains(&row.calls),
        };
        let found = rows.iter().filter(|row| row.began == "found").find(is_it);
        ensure!(found.is_some(), "{kind}: {rows:?}");
    }
    Ok(())
}

/// All goes through it and is the same.
fn forward(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "parent 1; vload insmod forward; parent 1; (parent 1) | cat; sh -c 'kill -9 $$'; echo $?; \
         vload lsmod | cut -c1-16,22-; vload rmmod forward; parent 1; vload lsmod | wc -l",
    )?;
    expect(
        &outcome,
        "real\nreal\nreal\n137\nNAME             USERS CLAIMS DESCRIPTION\n\
         forward              0    all takes every call and hands it on unchanged\nreal\n1\n",
    )
}

/// Of eight that load it at the same time one does, and of eight that remove it one does and has the table, beside processes
/// that are started and executed all the while.
fn at_once(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "rm -f over said; while [ ! -e over ]; do (parent 1); done >/dev/null & \
         for module in count forward; do \
           for round in 1 2 3; do \
             for one in 1 2 3 4 5 6 7 8; do (vload insmod $module 2>/dev/null && echo loaded) & loads=\"$loads $!\"; done; \
             wait $loads; loads=; parent 1; \
             for one in 1 2 3 4 5 6 7 8; do (vload rmmod $module 2>>said && echo removed) & loads=\"$loads $!\"; done; \
             wait $loads; loads=; parent 1; \
           done; \
         done; : >over; wait; vload lsmod | tail -n +2; grep -c '^total:' said",
    )?;
    expect(&outcome, &format!("{}3\n", "loaded\nreal\nremoved\nreal\n".repeat(6)))
}

/// A nested vload's descendants have what was loaded outside, and cannot remove it; what is loaded in their view is theirs alone.
fn views(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod count file=outer; \
         vload -m hello sh -c 'parent 1; vload rmmod count; vload insmod count file=inner; parent 1; vload rmmod count'; \
         parent 1; vload rmmod count",
    )?;
    expect(&outcome, "real\nreal\nreal\n")?;
    let errors = outcome.error_text();
    ensure!(errors.contains("rmmod: count: it was loaded outside of this view"), "{errors}");
    let (outer, inner) = (read(bench, "outer")?.0, read(bench, "inner")?.0);
    let (outer, inner) = (executed(bench, &outer), executed(bench, &inner));
    ensure!(inner.len() == 1 && outer.len() == 3, "outer {outer:?}, inner {inner:?}");
    // One that is built in is put over those of the view outside, as a file is.
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod ./parent.so; vload -m forward sh -c 'parent 1; vload lsmod | cut -c1-8'; vload lsmod | cut -c1-8",
    )?;
    expect(&outcome, "4242\nNAME    \nparent  \nforward \nNAME    \nparent  \n")?;
    Ok(())
}

/// What `-m` has put there is listed in its place among files, is not loaded twice, and stays.
fn listed(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &["-m", "forward", "-m", "./parent.so", "-m", "count:file=/dev/null"],
        "vload lsmod | cut -c1-16,22-; vload lsmod --json >list; vload insmod forward; echo $?; vload rmmod forward; echo $?; \
         vload -m forward sh -c 'vload lsmod | cut -c1-8; vload rmmod forward; vload rmmod forward'; \
         vload insmod count; vload lsmod | cut -c1-8; vload rmmod count 2>/dev/null; parent 1",
    )?;
    let before = "parent  \ncount   \n";
    expect(
        &outcome,
        &format!(
            "NAME             USERS CLAIMS DESCRIPTION\n\
             forward              0    all takes every call and hands it on unchanged\n\
             parent               0      1 every process has the same parent\n\
             count                0    all counts the calls of every process and thread\n\
             1\n1\nNAME    \nforward \n{before}forward \nNAME    \nforward \n{before}count   \n4242\n"
        ),
    )?;
    let errors = outcome.error_text();
    ensure!(errors.matches("the session began with it").count() == 2, "{errors}");
    ensure!(errors.contains("insmod: forward: it is loaded already"), "{errors}");
    let list = fs::read(kept(bench).join("list"))?;
    let list: serde_json::Value = serde_json::from_slice(&list)?;
    let epochs: Vec<_> = (0..3).map(|index| list[index]["epoch"].as_u64()).collect();
    ensure!(epochs.is_sorted() && epochs[0] > Some(0), "{list}");
    ensure!(list[2]["arguments"] == "file=/dev/null" && list[2]["view"] == 0, "{list}");
    ensure!(list[0]["age"].as_u64().is_some_and(|age| age < 600), "{list}");
    ensure!(list[0]["kind"] == "raw" && list[0]["claims"].is_null(), "{list}");
    Ok(())
}

/// A nested `vload -m count` counts in a view of its own, which has what the session has; its table comes when its program has ended,
/// and it ends as that.
fn nested(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &["-m", "count:file=outer"],
        "vload insmod ./parent.so; vload -m count sh -c 'parent 1; (parent 1); exit 7' 2>table; echo $?; \
         vload -m count:file=file -m count:file=both sh -c 'parent 1; vload lsmod | tail -n 2 | cut -c1-8; kill -9 $$'; echo $?; \
         vload -m count sh -c 'vload rmmod count 2>removed; parent 1' 2>none; wc -c <none; \
         vload -m count /no/such; echo $?; vload lsmod | cut -c1-8",
    )?;
    expect(
        &outcome,
        "4242\n4242\n7\n4242\ncount   \ncount   \n137\n4242\n0\n127\nNAME    \ncount   \nparent  \n",
    )?;
    for (name, times) in [("table", 2), ("file", 1), ("both", 1)] {
        let (rows, _) = read(bench, name)?;
        let executed = executed(bench, &rows);
        ensure!(executed.len() == times, "{name}: {rows:?}");
        ensure!(rows.iter().filter(|row| row.began == "found").count() == 1, "{rows:?}");
    }
    Ok(())
}

/// Where the session's memory is small there is room for any number of layers, one after the other, and what is loaded begins
/// with zeros: a process that sleeps has one that was there, and keeps it.
fn room(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let line = "ulimit -f 131072; cd {kept}; rm -f end; mkfifo end; \
         {vload} sh -c '(read line <end; {0} 1) & \
           for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36; do \
             {vload} insmod count file=table || exit; {vload} rmmod count; done; {0} 1; echo >end; wait'";
    let line = bench.word(&line.replace("{kept}", &kept(bench).display().to_string()));
    let outcome = bench.run_command(Host::Native, &["sh", "-c", &line])?;
    expect(&outcome, "real\nreal\n")?;
    let (rows, _) = read(bench, "table")?;
    ensure!(rows.len() < 9 && rows.iter().all(|row| row.calls < 99), "{rows:?}");
    Ok(())
}

/// What the program has locked of virtual files stays so when layers come and go, and over an exec.
fn locks(bench: &Bench<'_>) -> Result<()> {
    let words = ["python3", "{programs}/locked.py", "{vload}"].map(|word| bench.word(word));
    let [python, script, vload] = &words;
    let outcome = bench.vload_alone(&["-m", "memfs:path=/locked", python, script, vload])?;
    expect(&outcome, "at first: held\nafter insmod: held\nafter rmmod: held\nafter an exec: held\n")
}
