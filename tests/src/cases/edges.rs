//! What the kernel does at the edges: masks of single calls, stacks that are too small, flags and
//! filters of the program's own, structures longer than any kernel knows.

use crate::case::Case;
use crate::programs::Build;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("edges/waits").build(Build::c("waits.c")),
        Case::new("edges/waits-static").build(Build::c_with("waits.c", "static", &["-static"])),
        // Under a module that answers calls there are no rings (`options/ring-refused`).
        Case::new("edges/ring-waits").build(Build::c("waits.c")).run(&["{0}", "ring"]).plain_only(),
        Case::new("edges/frames").build(Build::c("frames.c")),
        Case::new("edges/no-frame").build(Build::c("noframe.c")),
        Case::new("edges/bad-alternate-stack").build(Build::c("badstack.c")),
        Case::new("edges/unreadable-frame").build(Build::c("unreadable.c")).everywhere(),
        Case::new("edges/filtered").build(Build::c("filtered.c")),
        Case::new("edges/flags").build(Build::c("flags.c")),
        Case::new("edges/order").build(Build::c("order.c")),
        Case::new("edges/vectors").build(Build::c_with("vectors.c", "avx", &["-mavx"])),
        Case::new("edges/pipe-as-program")
            .prepare("mkfifo pipe; chmod +x pipe; printf '#!./pipe\\n' >script; chmod +x script")
            .shell("./pipe 2>/dev/null; echo $?; ./script 2>/dev/null; echo $?"),
        Case::new("edges/limits").build(Build::c("limits.c")),
    ]
}
