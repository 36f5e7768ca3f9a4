//! What 32-bit x86 alone has, and every way its programs can be linked.

use crate::arch::Arch;
use crate::case::Case;
use crate::programs::Build;

/// The cases.
pub fn cases() -> Vec<Case> {
    const ONLY: &[Arch] = &[Arch::I686];
    let c = |suffix, flags| Build::c_with("oldsignals.c", suffix, flags);
    let linked = |name: &str, source, suffix, flags| {
        Case::new(format!("i686/{name}")).build(Build::c_with(source, suffix, flags)).on(ONLY)
    };
    vec![
        Case::new("i686/old-frames").build(Build::c("oldsignals.c")).on(ONLY),
        Case::new("i686/old-frames-static").build(c("static", &["-static"])).on(ONLY),
        Case::new("i686/old-frames-static-pie")
            .build(c("static-pie", &["-static-pie", "-fPIE"]))
            .on(ONLY),
        linked("threads-static", "threads.c", "static", &["-static"]).run(&["{0}", "200"]),
        linked("spawn-static", "spawn.c", "static", &["-static"]),
        linked("vfork-static", "vforks.c", "static", &["-static"]),
        linked("restart-static", "restart.c", "static", &["-static"]),
        linked("longjmp-static", "jumps.c", "static", &["-static"]),
        linked("no-pie", "handler.c", "no-pie", &["-no-pie", "-fno-pie"]),
        // A program of the other word size is the kernel's.
        Case::new("i686/other-word-size").build(Build::c("hello.c")).on(ONLY).run(&[
            "/bin/sh",
            "-c",
            "\"$1\" && /bin/echo done",
            "sh",
            "{0}",
        ]),
    ]
}
