//! System calls as such: inline ones, registers, threads, clones, code that comes and goes.

use crate::arch::Arch;
use crate::case::Case;
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, Host};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Result, ensure};

/// Mounts the control groups on the folder that is its name, if it may, and executes its arguments.
const MOUNTED: &str = r#"mount -t cgroup2 none "$0" 2>/dev/null; exec "$@""#;

/// A trace that may not be written does not end the program.
fn traced_below_limits(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let traced = bench.vload(&["trace", "-o", "calls"])?;
    ensure!(native.text() == traced.text(), "{:?}", traced.text());
    ensure!(traced.success(), "{}", traced.end);
    Ok(())
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let static_c = |source| Build::c_with(source, "static", &["-static"]);
    vec![
        Case::new("calls/inline").build(Build::c("raw.c")).everywhere(),
        Case::new("calls/inline-static").build(static_c("raw.c")).everywhere(),
        Case::new("calls/inline-unoptimised").build(Build::c_with("raw.c", "o0", &["-O0"])),
        Case::new("calls/inline-small").build(Build::c_with("raw.c", "os", &["-Os"])),
        Case::new("calls/page-ends").build(Build::c("straddle.c")),
        Case::new("calls/page-ends-static").build(static_c("straddle.c")),
        Case::new("calls/islands").build(Build::c("islands.c")),
        Case::new("calls/islands-static").build(static_c("islands.c")),
        Case::new("calls/storm").build(Build::c_with("storm.c", "", &["-ldl"])).seconds(120),
        Case::new("calls/go-load").build(Build::go("load.go")),
        Case::new("calls/int80").build(Build::c("int80.c")),
        Case::new("calls/registers").build(Build::c("registers.c")),
        Case::new("calls/registers-static").build(static_c("registers.c")),
        Case::new("calls/threads").build(Build::c("threads.c")).run(&["{0}", "200"]).everywhere(),
        Case::new("calls/threads-static").build(static_c("threads.c")).run(&["{0}", "200"]),
        Case::new("calls/threads-musl")
            .build(Build::musl("threads.c", "musl-static", &["-static"]))
            .run(&["{0}", "200"]),
        Case::new("calls/threads-detached")
            .build(Build::c("detached.c"))
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("calls/threads-detached-musl").build(Build::musl(
            "detached.c",
            "musl-static",
            &["-static"],
        )),
        Case::new("calls/cancel").build(Build::c("cancel.c")).on(&[Arch::X86_64, Arch::I686]),
        Case::new("calls/cancel-static").build(static_c("cancel.c")),
        Case::new("calls/spawn").build(Build::c("spawn.c")).everywhere(),
        Case::new("calls/spawn-static").build(static_c("spawn.c")),
        Case::new("calls/spawn-musl").build(Build::musl("spawn.c", "musl", &[])),
        Case::new("calls/vfork").build(Build::c("vforks.c")).on(&[Arch::X86_64, Arch::I686]),
        // It is executed by a path in `/proc`.
        Case::new("calls/asked").build(Build::c("asked.c")).not_under(WITHOUT_PROC).never_bounced(),
        Case::new("calls/asked-about-keys").build(Build::c("rekeyed.c")),
        Case::new("calls/vfork-with-threads")
            .build(Build::c_with("vforking.c", "", &["-pthread"]))
            .on(&[Arch::X86_64, Arch::I686])
            .seconds(60),
        Case::new("calls/killed-asleep")
            .build(Build::c_with("dormant.c", "", &["-pthread"]))
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("calls/tables-apart")
            .build(Build::c_with("apart.c", "", &["-pthread"]))
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("calls/tables-apart-by-close-range")
            .build(Build::c_with("apart.c", "", &["-pthread"]))
            .run(&["{0}", "close_range"]),
        // Where nothing may be mounted, the folder is none of a control group, and all calls are refused.
        Case::new("calls/clone-into-cgroup")
            .build(Build::c("grouped.c"))
            .prepare("mkdir groups")
            .run(&["{0}", "groups"])
            .within(&["unshare", "--mount", "sh", "-c", MOUNTED, "groups"])
            .needs(Need::Root)
            .plain_only(),
        Case::new("calls/sequences").build(Build::c("sequences.c")),
        Case::new("calls/sequences-static").build(static_c("sequences.c")),
        Case::new("calls/sequence-before-a-call").build(Build::c("committed.c")),
        Case::new("calls/clone").build(Build::c("clones.c")).on(&[Arch::X86_64, Arch::I686]),
        Case::new("calls/gs-base").build(Build::c_with("gsbase.c", "", &["-pthread"])),
        Case::new("calls/gs-base-static").build(static_c("gsbase.c")),
        // A site that traps needs rt_sigreturn, which these filters forbid.
        Case::new("calls/sandboxes")
            .build(Build::c_with("sandboxes.c", "", &["-pthread"]))
            .build(Build::c_with("tiny.c", "static", &["-nostdlib", "-static"]))
            .run(&["{0}", "{1}"])
            // Strict mode is refused where a filter is there already, and the tracer's is.
            .never_bounced()
            // One filter leaves an exec no way but /proc (docs/limits.md).
            .not_under(&["bwrap", "no-proc"])
            .plain_only(),
        Case::new("calls/user-dispatch").build(Build::c_with("dispatch.c", "", &["-pthread"])),
        Case::new("calls/lifecycles")
            .build(Build::c_with("lifecycles.c", "", &["-pthread"]))
            // Its last part prints its number where it gets no pid namespace.
            .not_under(&["docker", "deny-unshare"])
            .seconds(120),
        Case::new("calls/limits-lowered")
            .build(Build::c_with("lowered.c", "", &["-pthread"]))
            .seconds(60),
        Case::new("calls/limits-lowered-traced")
            .check(traced_below_limits)
            .plain_only()
            .build(Build::c_with("lowered.c", "", &["-pthread"])),
        // Under a module that answers calls there are none (`options/ring-refused`).
        Case::new("calls/rings").build(Build::c("rings.c")).plain_only(),
        Case::new("calls/dlopen").build(Build::c_with("dlopens.c", "", &["-ldl"])),
        Case::new("calls/clocks").build(Build::c("clocks.c")).everywhere(),
        Case::new("calls/clocks-static").build(static_c("clocks.c")),
        Case::new("calls/made-by-the-program").build(Build::c("jit.c")),
        Case::new("calls/read-implies-exec").build(Build::c("jit.c")).within(&["setarch", "-X"]),
        Case::new("calls/executable-stack").build(Build::c_with(
            "jit.c",
            "execstack",
            &["-Wl,-z,execstack"],
        )),
        Case::new("calls/trampolines").build(Build::c("trampolines.c")).everywhere(),
        Case::new("calls/trampolines-static").build(static_c("trampolines.c")),
        Case::new("calls/exceptions").build(Build::cxx("exceptions.cpp")).exits(9),
        Case::new("calls/go").build(Build::go("goroutines.go")).run(&["{0}", "x"]).exits(3),
        Case::new("calls/go-processes").build(Build::go("processes.go")),
    ]
}
