//! Who the program is: `/proc`, `ps`, its descriptors.

use crate::arch::Arch;
use crate::case::{Case, Rule};
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Result, ensure};
use std::fs;

/// Messages name the pid where /proc has no such folder.
const WHERE_PROC_IS_MISSING: Rule = Rule::Replace(r"/proc/\d+", "/proc/PID");

/// What another process has is read from it, which these forbid (the limits).
const OTHERS: &[&str] = &["deny-process-vm"];

/// Whether a descriptor of a process stands for the caller is read in its own `/proc` (the limits).
const OWN_PROC: &[&str] = &["bwrap", "no-proc", "foreign-proc"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let fields = Build::c_with("fields.c", "", &["-pthread"]);
    vec![
        Case::new("identity/proc")
            .build(Build::c("identity.c"))
            .run(&["{0}", "an argument", ""])
            .rule(Rule::Replace(r"PID \d+", "PID"))
            .rule(WHERE_PROC_IS_MISSING),
        Case::new("identity/proc-static")
            .build(Build::c_with("identity.c", "static", &["-static"]))
            .rule(WHERE_PROC_IS_MISSING),
        Case::new("identity/proc-script")
            .given(
                "script",
                0o755,
                "#!/bin/sh\nreadlink /proc/$$/exe\ntr '\\0' '|' </proc/$$/cmdline\n\
                                     cat /proc/$$/comm\nps -o comm=,args= -p $$\n",
            )
            .run(&["./script", "first", "second"])
            .rule(WHERE_PROC_IS_MISSING),
        Case::new("identity/shell")
            .shell("readlink /proc/$$/exe /proc/self/exe; cat /proc/self/comm /proc/$$/comm")
            .rule(WHERE_PROC_IS_MISSING),
        Case::new("identity/descriptors").build(Build::c("descriptors.c")),
        Case::new("identity/descriptors-listed").run(&["ls", "/proc/self/fd"]),
        Case::new("identity/descriptors-closed")
            .build(Build::c("target.c"))
            .run(&["{0}"])
            .within(&["/bin/sh", "-c", r#"exec "$@" <&- 2>&-"#, "sh"]),
        Case::new("identity/descriptors-inherited").build(Build::c("target.c")).within(&[
            "/bin/bash",
            "-c",
            r#"exec 9</dev/null 255</dev/null "$@""#,
            "sh",
        ]),
        Case::new("identity/folders-and-maps").build(Build::c("foldered.c")).not_under(OTHERS),
        Case::new("identity/limit-while-crowded")
            .build(Build::c_with("raising.c", "", &["-pthread"]))
            .seconds(120),
        Case::new("identity/folder-size").build(Build::c("foldersize.c")).not_under(OTHERS),
        Case::new("identity/folder-size-musl")
            .build(Build::musl("foldersize.c", "musl", &[]))
            .not_under(OTHERS),
        Case::new("identity/thread-descriptors")
            .build(Build::c_with("threadfds.c", "", &["-pthread"]))
            .not_under(&["foreign-proc"]),
        Case::new("identity/pieces").build(Build::c("pieces.c")),
        Case::new("identity/readlinks").build(Build::c("readlinks.c")),
        Case::new("identity/readlinks-longer")
            .build(Build::c("readlinks.c"))
            .plain_only()
            .check(longer),
        Case::new("identity/memory").build(Build::c("memory.c")).seconds(60).not_under(OWN_PROC),
        Case::new("identity/memory-static")
            .build(Build::c_with("memory.c", "static", &["-static"]))
            .seconds(60)
            .not_under(OWN_PROC),
        // Its own mappings are found in `/proc` (the limits).
        Case::new("identity/pinned").build(Build::c("pinned.c")).not_under(&["no-proc"]),
        Case::new("identity/pinned-static")
            .build(Build::c_with("pinned.c", "static", &["-static"]))
            .not_under(&["no-proc"]),
        Case::new("identity/populated").build(Build::c("populated.c")),
        Case::new("identity/ranges").build(Build::c("ranges.c")),
        Case::new("identity/ranges-static").build(Build::c_with(
            "ranges.c",
            "static",
            &["-static"],
        )),
        Case::new("identity/memory-alone").build(Build::c("alone.c")),
        Case::new("identity/memory-alone-static").build(Build::c_with(
            "alone.c",
            "static",
            &["-static"],
        )),
        // Above the soft limit there is room for what is vload's.
        Case::new("identity/hidden")
            .build(Build::c_with("hidden.c", "large", &["-D_FILE_OFFSET_BITS=64"]))
            .not_under(OTHERS)
            .run(&["{0}"])
            .within(&["/bin/sh", "-c", r#"ulimit -S -n 1024; exec "$@""#, "sh"])
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("identity/unopened").build(Build::c("unopened.c")).not_under(OTHERS),
        Case::new("identity/taken")
            .build(Build::c("taken.c"))
            .not_under(OTHERS)
            .not_under(OWN_PROC),
        Case::new("identity/own-file")
            .build(Build::c("ownfile.c"))
            .not_under(&["deny-process-vm", "foreign-proc"]),
        Case::new("identity/own-file-static")
            .build(Build::c_with("ownfile.c", "static", &["-static"]))
            .not_under(&["deny-process-vm", "foreign-proc"]),
        Case::new("identity/renamed")
            .build(Build::c_with("renamed.c", "large", &["-D_FILE_OFFSET_BITS=64"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("identity/renamed-static")
            .build(Build::c_with("renamed.c", "static", &["-static"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"]),
        Case::new("identity/changes")
            .build(Build::c_with("changes.c", "large", &["-D_FILE_OFFSET_BITS=64"]))
            .not_under(&["foreign-proc"])
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("identity/records").build(Build::c("records.c")).not_under(OTHERS),
        Case::new("identity/readers")
            .build(Build::c_with("readers.c", "", &["-pthread"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"]),
        Case::new("identity/maps")
            .build(Build::c_with("maps.c", "", &["-pthread"]))
            .not_under(OTHERS),
        Case::new("identity/emptied")
            .build(Build::c("emptied.c"))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .never_bounced(),
        Case::new("identity/maps-of-one-segment")
            .build(Build::c("others.c"))
            .build(Build::c_with(
                "single.c",
                "",
                &["-nostdlib", "-static", "-Wl,-z,noseparate-code", "-Wl,--build-id=none"],
            ))
            .run(&["{0}", "{1}"])
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"]),
        Case::new("identity/maps-static")
            .build(Build::c_with("maps.c", "static", &["-static", "-pthread"]))
            .not_under(OTHERS),
        Case::new("identity/fields")
            .build(fields)
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("identity/fields-static")
            .build(Build::c_with("fields.c", "static", &["-static", "-pthread"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"]),
        // Its text is mapped from the cache by then, which may lie on a tmpfs.
        Case::new("identity/fields-cached")
            .build(Build::c_with("fields.c", "static", &["-static", "-pthread"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .run(&[
                "/bin/sh",
                "-c",
                r#""$1" >/dev/null; "$1" >/dev/null; "$1" | grep 'shared memory'"#,
                "sh",
                "{0}",
            ]),
        Case::new("identity/fields-no-randomisation")
            .build(fields)
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .within(&["setarch", "-R"]),
        Case::new("identity/given")
            .build(Build::c_with("given.c", "", &["-pthread"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .on(&[Arch::X86_64, Arch::I686]),
        // What is its own a process need not ask for as another's. The filter knows the calls of one machine.
        Case::new("identity/given-own")
            .build(Build::c_with("given.c", "", &["-pthread"]))
            .run(&["{0}", "thread"])
            .within(&["{confine}", "deny-process-vm"])
            .not_under(&["deny-memfd", "foreign-proc", "no-proc"]),
        Case::new("identity/given-static")
            .build(Build::c_with("given.c", "static", &["-static", "-pthread"]))
            .not_under(&["deny-process-vm", "foreign-proc", "no-proc"])
            .on(&[Arch::X86_64, Arch::I686]),
        Case::new("identity/queries")
            .build(Build::c("queries.c"))
            .rule(Rule::Replace(r"size [0-9a-f]+000 page 4096 '\[stack\]'", "[stack]"))
            .not_under(&["deny-process-vm", "foreign-proc"]),
        Case::new("identity/maps-of-another")
            .shell(
                // It has copied a line, so it is all there.
                "mkfifo in out; cat <in >out & exec 3>in 4<out; echo line >&3; read line <&4; \
             grep / /proc/$!/maps | sed 's/^[^ ]* //' | sort; grep -c / /proc/$!/smaps; \
             exec 3>&-; wait",
            )
            .rule(WHERE_PROC_IS_MISSING)
            .not_under(OTHERS),
        Case::new("identity/mask-inherited")
            .build(Build::c("masks.c"))
            .build(Build::c("target.c"))
            .within(&["{0}", "exec"])
            .run(&["{1}"]),
    ]
}

/// The link that the kernel has is longer than the one that is shown.
fn longer(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.work.join("v".repeat(200));
    fs::copy(&bench.machine.vload, &vload)?;
    let native = bench.run(Host::Native)?;
    let under = bench.run(Host::Words(&[&vload.display().to_string()]));
    fs::remove_file(&vload)?;
    let under = under?;
    ensure!(native.text() == under.text(), "{}{}", native.text(), under.text());
    Ok(())
}
