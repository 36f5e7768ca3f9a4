//! What the processes of a session share: a change that one makes is the next call's of all others, those that make
//! changes at once agree, what is full says so, and what processes leave behind is given back, however they end.

use crate::arch::Arch;
use crate::case::Case;
use crate::cases::modules::{expect, inside, kept, module};
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Context, Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        let parent = Build::c("parent.c");
        Case::new(format!("shared/{name}")).build(parent).run(&["{0}"]).plain_only()
    };
    let sees = Build::c_with("sees.c", "", &["-pthread"]);
    let sees_static = Build::c_with("sees.c", "static", &["-pthread", "-static"]);
    vec![
        Case::new("shared/seen")
            .build(sees)
            .plain_only()
            .check(seen)
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("shared/seen-static").build(sees_static).plain_only().check(seen),
        Case::new("shared/seen-by-the-clock").build(sees).plain_only().check(by_the_clock),
        case("seen-generated")
            .build(sees)
            .not_under(&["mdwe", "deny-user-dispatch"])
            .check(generated),
        case("seen-paths").build(sees).not_under(WITHOUT_PROC).check(paths),
        // A descriptor of a virtual file is opened through /proc.
        case("views-in-turn").not_under(WITHOUT_PROC).check(views_in_turn).seconds(300),
        case("loads-in-turn").not_under(WITHOUT_PROC).check(loads_in_turn).seconds(120),
        case("images-in-turn").build(sees).check(images_in_turn).seconds(120),
        case("left-open")
            .build(Build::c("leaves.c"))
            .not_under(WITHOUT_PROC)
            .check(left_open)
            .seconds(120),
        case("left-mounted").not_under(WITHOUT_PROC).check(left_mounted),
        case("in-use").not_under(WITHOUT_PROC).check(in_use),
        case("rings")
            .build(Build::c_with("ring.c", "", &["-pthread"]))
            .check(rings)
            .not_under(&["docker"]),
        case("agreed").check(agreed).seconds(120),
        case("full-of-layers").check(full_of_layers).seconds(120),
        // There views are never free again.
        case("full-of-views").not_under(WITHOUT_PROC).check(full_of_views).seconds(120),
    ]
}

/// What `sees` prints of a module that others load and remove, three times.
fn changes(without: &str) -> String {
    let rounds = format!("loaded: 4242\nremoved: {without}\n").repeat(3);
    format!("at first: {without}\n{rounds}")
}

/// A module that others load and remove is there, and is not, for the next call of a process that has made none since:
/// one that waits without a call, one that sleeps in the kernel, a thread, the parent of who makes the change and its
/// child. Nobody claims the calls of any of them.
fn seen(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let here = kept(bench).display().to_string();
    let before = bench.word(&format!("{{vload}} insmod {here}/parent.so"));
    let after = bench.word("{vload} rmmod parent");
    for kind in ["child", "parent", "thread", "child-asleep", "parent-asleep", "thread-asleep"] {
        let outcome = bench.vload_alone(&[&bench.word("{0}"), kind, &before, &after])?;
        expect(&outcome, &changes("real")).context(kind)?;
    }
    Ok(())
}

/// The same of calls in code that the program makes.
fn generated(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    for kind in ["generated-child", "generated-thread", "generated-child-asleep"] {
        let line = format!("{{1}} {kind} 'vload insmod ./parent.so' 'vload rmmod parent'");
        expect(&inside(bench, &[], &line)?, &changes("real")).context(kind)?;
    }
    Ok(())
}

/// The same of a path.
fn paths(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    for kind in ["path-child", "path-parent-asleep", "path-thread"] {
        let line = format!("{{1}} {kind} 'vload insmod hello' 'vload rmmod hello'");
        expect(&inside(bench, &[], &line)?, &changes("none")).context(kind)?;
    }
    Ok(())
}

/// The same of a function that does without the kernel until a layer owns it.
fn by_the_clock(bench: &Bench<'_>) -> Result<()> {
    module(bench, "clock.c", "clock.so", &["-DCLOCK_GETTIME=228"])?;
    let line = "{0} clock 'vload insmod ./clock.so' 'vload rmmod clock'";
    expect(&inside(bench, &[], line)?, "wrong: 0 0 0\n")
}

/// Views, their layers and the claims of these are given back: there is room for any number of them, one after the other.
fn views_in_turn(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let turns = if bench.machine.full { 1000 } else { 300 };
    let outcome = inside(
        bench,
        &[],
        &format!(
            "i=0; while [ $i -lt {turns} ]; do vload -m hello cat /hello || break; i=$((i + 1)); done | sort | uniq -c; \
             vload insmod hello; cat /hello; vload lsmod | wc -l"
        ),
    )?;
    let lines: Vec<String> = outcome.text().lines().map(|line| line.trim().to_string()).collect();
    let wanted = [format!("{turns} Hello UMView!"), "Hello UMView!".into(), "2".into()];
    ensure!(lines == wanted, "{lines:?}; errors: {}", outcome.error_text());
    Ok(())
}

/// A process sees layers come and go for as long as it lives, more of them than it has places for.
fn loads_in_turn(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "i=0; while [ $i -lt 70 ]; do vload insmod useless || break; [ -c /dev/useless ] || break; echo $i >/dev/useless || break; \
         read x </dev/useless; [ \"$x\" = $i ] || break; vload rmmod useless || break; i=$((i + 1)); done; \
         echo $i; vload insmod hello; read x </hello; echo \"$x\"",
    )?;
    expect(&outcome, "70\nHello UMView!\n")?;
    ensure!(outcome.stderr.is_empty(), "{}", outcome.error_text());
    Ok(())
}

/// The same, of different modules: images stay mapped, and there is room for any number of them.
fn images_in_turn(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "{1} child 'sed \"s/the same/$(date +%8N)/\" parent.so >new.so; {vload} insmod ./new.so' '{vload} rmmod parent' 70",
    )?;
    expect(&outcome, &format!("at first: real\n{}", "loaded: 4242\nremoved: real\n".repeat(70)))
}

/// Who is killed with virtual files of its own view open leaves their records to others.
fn left_open(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do vload -m memfs:path=/m {1} /m 400 || echo $?; done; \
         vload -m memfs:path=/m sh -c 'echo kept >/m/file; cat /m/file'",
    )?;
    expect(&outcome, &format!("{}kept\n", "137\n".repeat(12)))
}

/// What was mounted in a view that is gone is not there in the next one, and keeps no layer.
fn left_mounted(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod memfs; mkdir here; \
         vload -m hello sh -c 'vload mount -t memfs none here && echo mounted >here/file; cat here/file; kill -9 $$'; \
         vload -m hello sh -c 'ls here'; ls here; vload rmmod memfs; echo $?",
    )?;
    expect(&outcome, "mounted\n0\n")
}

/// A module is in use while a process has a file of it open, also one that has inherited it, and no longer, however the
/// process ends.
fn in_use(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let outcome = inside(
        bench,
        &[],
        "vload insmod useless; mkfifo ready go; \
         sh -c 'exec 5</dev/useless; echo >ready; read x <go' & \
         read x <ready; vload lsmod | tail -n 1 | cut -c23-34; \
         vload rmmod useless || echo refused; kill -9 $!; wait; \
         vload lsmod | tail -n 1 | cut -c23-34; vload rmmod useless && echo removed; \
         vload insmod useless; sh -c 'exec 5</dev/useless; echo >ready; read x <go' & read x <ready; \
         vload rmmod useless || echo refused; echo >go; wait; vload rmmod useless && echo removed",
    )?;
    let held = "    1      1\nrefused\n";
    expect(&outcome, &format!("{held}    0      1\nremoved\nrefused\nremoved\n"))?;
    ensure!(
        outcome.error_text().contains("rmmod: useless: it is in use"),
        "{}",
        outcome.error_text()
    );
    Ok(())
}

/// Eight processes load and remove modules of three names at the same time: which are there in the end is what the answers
/// that they have had say.
fn agreed(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "for i in 1 2 3; do sed \"s/parent/layer$i/g\" parent.so >l$i.so; done; \
         work() { for i in 1 2 3 2 3 1 3 1 2; do \
           case $((($1 + i) % 2)) in \
             0) vload insmod ./l$i.so 2>/dev/null && echo + layer$i;; \
             1) vload rmmod layer$i 2>/dev/null && echo - layer$i;; \
           esac; \
           vload insmod ./l$i.so 2>/dev/null && echo + layer$i; \
         done; }; \
         for one in 1 2 3 4 5 6 7 8; do work $one & done; wait; \
         vload lsmod | tail -n +2 | cut -d ' ' -f 1 | sed 's/^/= /'",
    )?;
    let text = outcome.text();
    let count = |line: String| text.lines().filter(|other| *other == line).count();
    for name in ["layer1", "layer2", "layer3"] {
        let [loaded, removed, left] = ["+", "-", "="].map(|what| count(format!("{what} {name}")));
        ensure!(
            loaded > 0 && left <= 1,
            "{name} was loaded {loaded} times and is there {left} times"
        );
        ensure!(loaded == removed + left, "{name}: {text}; errors: {}", outcome.error_text());
    }
    Ok(())
}

/// One layer too many is refused in words, and there is room for it when another is gone.
fn full_of_layers(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let outcome = inside(
        bench,
        &[],
        "i=1; while vload insmod ./parent.so pid=$i; do i=$((i + 1)); done; echo $i; \
         vload rmmod parent; vload insmod ./parent.so; parent 1; vload insmod ./parent.so pid=1717; parent 1",
    )?;
    expect(&outcome, "65\n4242\n4242\n")?;
    let errors = outcome.error_text();
    ensure!(errors.matches("the session has no room for it").count() == 2, "{errors}");
    Ok(())
}

/// One view too many is refused in words, and there is room for it when the others are gone.
fn full_of_views(bench: &Bench<'_>) -> Result<()> {
    module(bench, "parent.c", "parent.so", &[])?;
    let vload = bench.word("{vload}");
    let nest = format!("{vload} -m ./parent.so:pid=$1 sh ./nest $(($1 + 1)) || echo full at $1\n");
    fs::write(kept(bench).join("nest"), nest)?;
    let outcome = inside(bench, &[], "sh ./nest 1; vload -m ./parent.so parent 1; parent 1")?;
    expect(&outcome, "full at 64\n4242\nreal\n")?;
    let errors = outcome.error_text();
    ensure!(errors.matches("the session has no room for a view").count() == 1, "{errors}");
    Ok(())
}

/// What goes around system calls, and a process has when a module is loaded, goes around that, which is said once of
/// each; and it can have nothing more of the kind.
fn rings(bench: &Bench<'_>) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    let mut kinds =
        vec!["open", "kept", "registered", "context", "forked", "own", "failed", "destroyed"];
    // A mapping can be found there alone.
    if !["bwrap", "no-proc"].contains(&bench.confinement.name) {
        kinds.extend(["closed", "two", "killed"]);
    }
    // A terminal can be had.
    if bench.confinement.name != "bwrap" {
        kinds.push("stopped");
    }
    if bench.confinement.name != "deny-unshare" {
        kinds.push("apart");
    }
    kinds.extend(["far", "many", "again", "nested", "vfork", "full"]);
    kinds.extend(["queued", "beside", "hidden", "served", "old", "gone", "other"]);
    for kind in kinds {
        let outcome = match kind {
            // There before the session.
            "old" | "gone" => {
                let later = "{vload} sh -c \"exec {1} left '{vload} insmod forward'\"";
                bench.run_command(Host::Native, &["{1}", kind, later])?
            }
            "nested" => inside(bench, &[], "{1} nested 'vload -m forward {1} left true'")?,
            _ => inside(bench, &[], &format!("{{1}} {kind} 'vload insmod forward'"))?,
        };
        let text = outcome.text();
        let there = text.strip_suffix("done\n").with_context(|| format!("{kind}: {outcome:?}"))?;
        let name =
            |line: &str| format!("vload: {line}: what goes through it, no module hears of\n");
        let said: String = there.lines().map(name).collect();
        let errors = outcome.error_text();
        let none = ["failed", "destroyed", "full", "stopped", "gone", "killed", "other"];
        let is_none = none.contains(&kind);
        ensure!(there.is_empty() == is_none && errors == said, "{kind}: {errors}{text}");
    }
    Ok(())
}
