//! Where vload must run too: under restrictions of containers and shared hosts.

use crate::case::Case;
use crate::needs::Need;
use crate::programs::Build;

/// The restrictions that the wrapper `confine` makes.
const RESTRICTIONS: [&str; 9] = [
    "mdwe",
    "no-new-privs",
    "docker",
    "deny-ptrace",
    "deny-process-vm",
    "deny-user-dispatch",
    "deny-memfd",
    "deny-personality",
    "deny-unshare",
];

/// What is run under each: loading of every kind, threads, signals, children, scripts.
fn medley(name: &str, within: &[&str]) -> Vec<Case> {
    let case = |part: &str| Case::new(format!("confined/{name}-{part}")).within(within);
    vec![
        case("initial").build(Build::c_with("initial.c", "pie", &["-pie", "-fPIE"])),
        case("static").build(Build::c_with("initial.c", "static", &["-static"])),
        case("threads").build(Build::c("threads.c")).run(&["{0}", "20"]),
        case("registers").build(Build::c("registers.c")),
        case("handler").build(Build::c("handler.c")),
        case("spawn").build(Build::c("spawn.c")),
        case("execs").build(Build::c("execs.c")).build(Build::c("target.c")).run(&[
            "{0}",
            "close-range",
            "{1}",
            "x",
        ]),
        case("jit").build(Build::c("jit.c")),
        case("shell").shell("for i in 1 2 3; do /bin/true && echo $i; done; ls / | sort | head -3"),
        case("python").needs_program("python3").run(&[
            "python3",
            "-c",
            "import json, subprocess; print(subprocess.run(['true']))",
        ]),
        case("go").build(Build::go("goroutines.go")),
    ]
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for restriction in RESTRICTIONS {
        cases.extend(medley(restriction, &["{confine}", restriction]));
    }
    // Nothing can be written, /tmp holds no program, and there is no /proc and no /dev/shm.
    let bare = [
        "bwrap",
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
        "--cap-add",
        "CAP_SYS_ADMIN",
        "--ro-bind",
        "/",
        "/",
        "--tmpfs",
        "/proc",
        "--tmpfs",
        "/dev",
        "--dev-bind",
        "/dev/null",
        "/dev/null",
        "--",
        "/bin/sh",
        "{programs}/bare.sh",
        "{work}",
    ];
    let in_bwrap = |case: Case| case.needs_program("bwrap").needs(Need::UserNamespaces);
    cases.extend(medley("bwrap", &bare).into_iter().map(in_bwrap));
    let no_proc = ["bwrap", "--unshare-user", "--bind", "/", "/", "--tmpfs", "/proc", "--"];
    cases.extend(medley("no-proc", &no_proc).into_iter().map(in_bwrap));
    // /proc is that of another pid namespace: it has no `self`.
    let foreign_proc = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--"];
    let in_namespace = |case: Case| case.needs(Need::UserNamespaces);
    cases.extend(medley("foreign-proc", &foreign_proc).into_iter().map(in_namespace));
    for (name, limit) in [
        ("few-descriptors", "ulimit -n 6"),
        ("little-memory", "ulimit -v 100000"),
        ("no-file-size", "ulimit -f 0"),
        ("no-locked-memory", "ulimit -l 0"),
    ] {
        cases.extend(limited(name, limit));
    }
    cases
}

/// Under a resource limit, set by a shell. Output goes where no limit applies.
fn limited(name: &str, limit: &str) -> Vec<Case> {
    let script = format!("exec > /dev/null; {limit} && exec \"$@\"");
    let case = |part: &str| {
        Case::new(format!("confined/{name}-{part}")).within(&["/bin/bash", "-c", &script, "bash"])
    };
    vec![
        case("true").run(&["/bin/true"]),
        case("static").build(Build::c_with("threads.c", "static", &["-static"])),
        case("threads").build(Build::c("threads.c")),
        case("children")
            .shell("for i in 1 2 3; do /bin/true || exit 9; done; (exit 3); exit $?")
            .exits(3),
        case("spawn").build(Build::c("spawn.c")),
    ]
}
