//! Signals: delivery, contexts, stacks, masks, interrupted calls, deaths.

use crate::arch::Arch;
use crate::case::Case;
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Result, ensure};

/// The cases.
pub fn cases() -> Vec<Case> {
    const X86: &[Arch] = &[Arch::X86_64, Arch::I686];
    let static_c = |source| Build::c_with(source, "static", &["-static"]);
    vec![
        Case::new("signals/handler").build(Build::c("handler.c")).everywhere(),
        Case::new("signals/handler-static").build(static_c("handler.c")),
        Case::new("signals/handler-musl").build(Build::musl("handler.c", "musl", &[])),
        Case::new("signals/waiting-exec")
            .build(Build::c_with("spilled.c", "", &["-pthread"]))
            .on(X86),
        Case::new("signals/longjmp").build(Build::c("jumps.c")).on(X86),
        Case::new("signals/longjmp-static").build(static_c("jumps.c")),
        Case::new("signals/restart").build(Build::c("restart.c")).on(X86),
        Case::new("signals/restart-musl").build(Build::musl(
            "restart.c",
            "musl-static",
            &["-static"],
        )),
        Case::new("signals/altstack").build(Build::c("altstack.c")).on(X86),
        Case::new("signals/profile").build(Build::c("profile.c")).on(X86).seconds(60),
        Case::new("signals/profile-static").build(static_c("profile.c")).seconds(60),
        Case::new("signals/measured").build(Build::c("measured.c")).on(X86),
        Case::new("signals/contexts").build(Build::c("contexts.c")),
        Case::new("signals/contexts-static").build(static_c("contexts.c")),
        // Whether a thread sleeps is read in /proc.
        Case::new("signals/interrupted")
            .build(Build::c("interrupted.c"))
            .plain_only()
            .not_under(WITHOUT_PROC),
        Case::new("signals/interrupted-static")
            .build(static_c("interrupted.c"))
            .plain_only()
            .not_under(WITHOUT_PROC),
        Case::new("signals/pipe").build(Build::c("pipes.c")).on(X86),
        Case::new("signals/deaths").build(Build::c("deaths.c")).on(X86).exits(200),
        Case::new("signals/deaths-static").build(static_c("deaths.c")).exits(200),
        Case::new("signals/faults").build(Build::c("faults.c")).on(X86),
        Case::new("signals/handlers-at-a-fork")
            .build(Build::c_with("handlers.c", "", &["-pthread"]))
            .on(X86)
            .seconds(60),
        // QEMU itself loses such signals.
        Case::new("signals/newborn").build(Build::c("newborn.c")).everywhere().on(X86),
        Case::new("signals/returns").build(Build::c("returns.c")),
        Case::new("signals/returns-static").build(static_c("returns.c")),
        Case::new("signals/crossed").build(Build::c_with("crossed.c", "", &["-pthread"])).on(X86),
        Case::new("signals/stepping").build(Build::c("stepping.c")).on(X86),
        Case::new("signals/stepping-unreasoned")
            .build(Build::c("stepping.c"))
            .run(&["{0}", "unreasoned"])
            .not_under(&["deny-ptrace"])
            .never_bounced()
            .on(X86),
        Case::new("signals/unwinds").build(Build::cxx_with(
            "unwinds.cpp",
            &["-rdynamic", "-fnon-call-exceptions", "-fasynchronous-unwind-tables"],
        )),
        Case::new("signals/together").build(Build::c("together.c")).on(X86),
        Case::new("signals/together-static").build(static_c("together.c")),
        Case::new("signals/without-cpuid").build(Build::c("cpuidless.c")),
        // Where the machine has none it says so, natively and under vload.
        Case::new("signals/protection-keys")
            .build(Build::c_with("keys.c", "", &["-pthread"]))
            .seconds(60),
        Case::new("signals/masks").build(Build::c("masks.c")).on(X86),
        Case::new("signals/addressed")
            .build(Build::c_with("addressed.c", "", &["-pthread"]))
            .run(&["{0}", "31"])
            .not_under(WITHOUT_PROC)
            .on(&[Arch::X86_64]),
        // Where sites trap, threads that block the signal are not told apart by who sends it.
        Case::new("signals/addressed-trap")
            .build(Build::c_with("addressed.c", "", &["-pthread"]))
            .run(&["{0}", "5"])
            .plain_only()
            .not_under(WITHOUT_PROC)
            .on(&[Arch::X86_64]),
        // By this one threads are called to be watched: what is sent by others goes back to the kernel.
        Case::new("signals/addressed-call")
            .build(Build::c_with("addressed.c", "", &["-pthread"]))
            .run(&["{0}", "33"])
            .not_under(WITHOUT_PROC)
            .seconds(120)
            .on(&[Arch::X86_64]),
        Case::new("signals/takers").build(takers()).on(X86).seconds(60),
        Case::new("signals/takers-watched")
            .build(takers())
            .plain_only()
            .seconds(120)
            .check(as_watched),
        Case::new("signals/takers-seen")
            .build(takers())
            .run(&["{0}", "seen"])
            .not_under(WITHOUT_PROC)
            .on(X86),
        Case::new("signals/masks-across-exec")
            .build(Build::c("masks.c"))
            .build(Build::c("target.c"))
            .run(&["{0}", "exec", "{1}", "argument"])
            .on(X86),
        Case::new("signals/carried")
            .build(Build::c("carried.c"))
            .run(&["{0}", "process", "{0}"])
            .on(X86),
        Case::new("signals/carried-of-a-thread")
            .build(Build::c("carried.c"))
            .run(&["{0}", "thread", "{0}"])
            .on(X86),
        Case::new("signals/carried-watched")
            .build(Build::c("carried.c"))
            .run(&["{0}", "process", "{0}"])
            .plain_only()
            .check(as_watched),
        Case::new("signals/carried-to-vload")
            .build(Build::c("carried.c"))
            .within(&["{0}", "process"])
            .run(&["{0}"])
            .on(X86),
        Case::new("signals/bombarded").build(Build::c("bombarded.c")).on(X86),
        Case::new("signals/bombarded-watched")
            .build(Build::c("bombarded.c"))
            .run(&["{0}"])
            .check(as_watched)
            .plain_only(),
        Case::new("signals/carried-to-vload-static")
            .build(static_c("carried.c"))
            .within(&["{0}", "process"])
            .run(&["{0}"])
            .on(X86),
    ]
}

/// Signals that are sent to a process with threads.
fn takers() -> Build {
    Build::c_with("takers.c", "", &["-pthread", "-lrt"])
}

/// The same, what waits and what is lost of it, in a process that is watched, of which `SIGSYS` is never blocked in the kernel.
fn as_watched(bench: &Bench<'_>) -> Result<()> {
    let native = bench.run(Host::Native)?;
    let vload = bench.machine.vload.display().to_string();
    for options in [
        &["--watch=always"][..],
        &["--watch=always", "--shapes=trap"],
        &["--watch=always", "-m", "forward"],
    ] {
        let words: Vec<&str> = [vload.as_str()].iter().chain(options).copied().collect();
        let under = bench.run(Host::Words(&words))?;
        let (expected, found) = (native.text(), under.text());
        ensure!(expected == found && native.end == under.end, "{options:?}: {found}\n{under:?}");
    }
    Ok(())
}
