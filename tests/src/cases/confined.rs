//! Where vload must run too: under resource limits.

use crate::case::Case;
use crate::programs::Build;

/// The cases. What a confinement makes of every other case, the harness's own dimension shows
/// ([`crate::confinement`]).
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
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
