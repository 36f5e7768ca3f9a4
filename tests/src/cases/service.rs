//! What service modules give a program: each call in all its variants, on a real tree natively and on that of a module.

use crate::arch::Arch;
use crate::case::Case;
use crate::compare::difference;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::Need;
use crate::programs::Build;
use crate::scratch::Scratch;
use anyhow::{Context, Result, bail, ensure};

/// The programs, each with its groups of calls.
const GROUPS: [(&str, &[&str]); 17] = [
    ("opens.c", &["open", "open-badly", "open-within"]),
    ("contents.c", &["read", "write", "lseek", "truncate", "fallocate", "copy", "mmap"]),
    (
        "mapped.c",
        &["map-together", "map-rights", "map-sizes", "map-processes", "map-locks", "map-counted"],
    ),
    ("remapped.c", &["map-moves", "map-moves-others", "map-moves-signals", "map-to-and-fro"]),
    ("names.c", &["mkdir", "rmdir", "unlink", "link", "symlink", "rename", "mknod"]),
    ("known.c", &["stat", "access", "chmod", "chown", "utimens", "statfs", "xattr"]),
    ("folders.c", &["getdents", "chdir"]),
    ("refused.c", &["links-protected", "order-of-few"]),
    ("sockets.c", &["socket-names", "socket-relative", "socket-messages", "socket-waits"]),
    (
        "fellows.c",
        &[
            "fs-shared",
            "fs-together",
            "fs-root",
            "fs-many",
            "fs-many-several",
            "fs-many-groups",
            "fs-at-once",
        ],
    ),
    (
        "handles.c",
        &["dup", "inherit", "send", "named", "lock", "ready", "execute", "execute-shown"],
    ),
    ("moved.c", &["open-moved", "long-moved", "cwd-moved", "nameless", "to-and-fro", "awaited"]),
    (
        "rare.c",
        &["rare-flags", "only-to-look-at", "attributes-at", "two-paths", "in-root", "newer"],
    ),
    ("rare.c", &["only-checked", "not-mounted", "of-all"]),
    ("closers.c", &["close-at-once"]),
    ("busied.c", &["busy-programs", "odd-calls"]),
    ("precedence.c", &["order-names", "order-opens", "order-descriptors", "order-others"]),
];
/// Those that ask for the name of what they have opened: a file of `unreal` is a real one, and has the real name.
const OF_NAMES: [&str; 14] = [
    "chdir",
    "fs-shared",
    "fs-together",
    "fs-root",
    "fs-many",
    "fs-many-several",
    "fs-many-groups",
    "fs-at-once",
    "named",
    "execute-shown",
    "open-moved",
    "long-moved",
    "cwd-moved",
    "nameless",
];
/// Those that take long, and are run in one mode.
const LONG: [&str; 6] =
    ["getdents", "fs-many", "fs-at-once", "to-and-fro", "awaited", "close-at-once"];
/// Those that are run on i686 too. The others execute a program of the machine's, which is for its own processor, or
/// make calls by the numbers and with the words of 64-bit machines.
const ON_32_BITS: [&str; 19] = [
    "open",
    "open-badly",
    "open-within",
    "mkdir",
    "rmdir",
    "unlink",
    "link",
    "symlink",
    "rename",
    "mknod",
    "fs-shared",
    "fs-together",
    "dup",
    "send",
    "named",
    "lock",
    "ready",
    "open-moved",
    "long-moved",
];
/// Those that are run where a processor is emulated: the emulator has no `openat2`, adds `O_LARGEFILE`, and its user is not root.
const EMULATED: [&str; 11] = [
    "mkdir",
    "rmdir",
    "unlink",
    "link",
    "symlink",
    "rename",
    "send",
    "named",
    "lock",
    "open-moved",
    "long-moved",
];
/// A file system in memory: what a tmpfs says of itself `memfs` says too.
const MEMORY: &str = "/dev/shm";

/// The cases.
pub fn cases() -> Vec<Case> {
    // What is confined is in `claims/` and `modules/`.
    let case = |name: &str| {
        Case::new(format!("service/{name}"))
            .never_confined()
            .needs(Need::Root)
            .needs(Need::File(MEMORY))
    };
    let mut all = Vec::new();
    for (source, groups) in GROUPS {
        for &group in groups {
            let case = case(group).build(Build::c(source)).run(&["{0}", group]);
            let case = if LONG.contains(&group) { case.plain_only() } else { case };
            let case = match group {
                _ if EMULATED.contains(&group) => case.everywhere(),
                _ if ON_32_BITS.contains(&group) => case.on(&[Arch::X86_64, Arch::I686]),
                _ => case,
            };
            all.push(case.check(if OF_NAMES.contains(&group) { in_memfs } else { in_both }));
        }
    }
    let races = case("races").build(Build::c("races.c")).run(&["{0}", "races"]).seconds(120);
    all.push(races.plain_only().check(in_both));
    let memory = case("map-python").needs_program("python3").seconds(120);
    all.push(memory.plain_only().run(&["python3", "{programs}/mapped.py"]).check(in_both));
    let blocked = case("traps-blocked").build(Build::c("withheld.c"));
    all.push(blocked.everywhere().run(&["{0}", "traps-blocked"]).check(in_both));
    let takers = case("signals").build(Build::c_with("takers.c", "", &["-pthread", "-lrt"]));
    all.push(takers.plain_only().run(&["{0}"]).seconds(120).check(in_both));
    let script = "{programs}/tree.sh";
    let tree = case("git-and-gcc").needs_program("git").needs_program("gcc").seconds(120);
    all.push(tree.plain_only().run(&["/bin/sh", script]).check(in_memfs));
    all
}

fn in_both(bench: &Bench<'_>) -> Result<()> {
    in_unreal(bench)?;
    in_memfs(bench)
}

/// The case's program in a directory of `MEMORY`, natively.
fn natively(bench: &Bench<'_>) -> Result<Outcome> {
    let scratch = Scratch::below(MEMORY)?;
    let words = with_folder(bench, &scratch.path().display().to_string());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = bench.run_command(Host::Native, &words)?;
    ensure!(outcome.success(), "natively: {}, {}", outcome.end, outcome.text());
    Ok(outcome)
}

/// The case's words and the folder that its program works in.
fn with_folder(bench: &Bench<'_>, folder: &str) -> Vec<String> {
    bench.case.command.iter().cloned().chain([folder.to_owned()]).collect()
}

fn compare(bench: &Bench<'_>, module: &str, folder: &str) -> Result<()> {
    let native = natively(bench)?;
    let words = with_folder(bench, folder);
    let words = ["-m", module, "--"].into_iter().chain(words.iter().map(String::as_str));
    let outcome = bench.vload_in_mode(&words.collect::<Vec<_>>())?;
    match difference(&[], &native, &outcome) {
        Some(found) => bail!("with {module}: {found}"),
        None => Ok(()),
    }
}

fn in_unreal(bench: &Bench<'_>) -> Result<()> {
    let scratch = Scratch::below(MEMORY)?;
    compare(bench, "unreal", &format!("/unreal{}", scratch.path().display()))?;
    let mut left = std::fs::read_dir(scratch.path())?;
    ensure!(left.next().is_none(), "something is left in the real directory");
    Ok(())
}

fn in_memfs(bench: &Bench<'_>) -> Result<()> {
    let folder = "/vload-memfs";
    compare(bench, &format!("memfs:path={folder}"), folder)?;
    let real = std::fs::symlink_metadata(folder);
    real.err()
        .filter(|error| error.kind() == std::io::ErrorKind::NotFound)
        .map(drop)
        .context("it is real")
}
