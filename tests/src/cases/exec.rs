//! execve in all its forms, scripts, and what must fail.

use crate::arch::Arch;
use crate::case::{Case, Rule};
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, End, Host};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Result, bail};
use std::fs;

/// The ways of `execs.c` that need no rights.
const WAYS: [&str; 16] = [
    "execve",
    "empty-environment",
    "null-environment",
    "null-arguments",
    "execvp",
    "fexecve",
    "fexecve-path",
    "execveat-dirfd",
    "execveat-cwd",
    "memfd",
    "memfd-proc",
    "thread",
    "close-range",
    "close-range-cloexec",
    "close-all",
    "dup-over-all",
];

/// Those of them that an emulator has too.
const EMULATED: [&str; 7] =
    ["execve", "empty-environment", "execvp", "thread", "close-range", "close-all", "dup-over-all"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let execs = Build::c("execs.c");
    let target = Build::c("target.c");
    let static_target = Build::c_with("target.c", "static", &["-static"]);
    let mut cases = Vec::new();
    for way in WAYS {
        // What is named by an O_PATH descriptor can be read through /proc only (docs/limits.md).
        let unfit: &[&str] = if way == "fexecve-path" { WITHOUT_PROC } else { &[] };
        let case = |kind: &str, target| {
            Case::new(format!("exec/{way}-{kind}"))
                .not_under(unfit)
                .build(execs)
                .build(target)
                .variable("EMPTY", "")
                .variable("PATH", format!("{{work}}/bin:{}", crate::needs::PATH))
                .run(&["{0}", way, "{1}", "one", "", "three words"])
                // The target cannot print where everything is closed.
                .exits(if way == "close-all" { 43 } else { 0 })
        };
        cases.push(case("dynamic", target));
        let static_case = case("static", static_target);
        // qemu-user 7.2 knows no execveat, executes a descriptor under another name, and shows no
        // /proc/self/exe for a memfd.
        cases.push(if EMULATED.contains(&way) { static_case.everywhere() } else { static_case });
    }
    // A script is opened by name, so descriptors that only the kernel knows do not serve it.
    for way in ["execve", "close-range", "execvp", "execveat-cwd", "thread"] {
        cases.push(
            Case::new(format!("exec/{way}-script"))
                .build(execs)
                .given("script", 0o755, "#!/bin/sh -f\necho $0 \"$@\" *\n")
                .run(&["{0}", way, "{dir}/script", "one", "two words"])
                .variable("PATH", format!("{{dir}}:{}", crate::needs::PATH)),
        );
    }
    for flags in ["", "P", "F", "C", "OC"] {
        cases.push(
            Case::new(format!("exec/binfmt-misc-{flags}"))
                .needs(Need::UserNamespaces)
                .build(execs)
                .build(target)
                .given("file", 0o755, "VTEST\n")
                .within(&["unshare", "--user", "--map-root-user", "--mount"])
                .within(&["/bin/sh", "{programs}/binfmt.sh", flags, "{1}"])
                .run(&["{0}", "execve", "{dir}/file", "one", "two words"]),
        );
        cases.push(
            Case::new(format!("exec/binfmt-misc-first-{flags}"))
                .needs(Need::UserNamespaces)
                .build(target)
                .given("file", 0o755, "VTEST\n")
                .within(&["unshare", "--user", "--map-root-user", "--mount"])
                .within(&["/bin/sh", "{programs}/binfmt.sh", flags, "{0}"])
                .run(&["./file", "one", "two words"]),
        );
    }
    cases.extend(with_rights(execs));
    cases.extend(scripts());
    cases.extend([
        // Their limit is above the soft one, where vload opens what it must.
        Case::new("exec/crowded")
            .build(Build::c("crowded.c"))
            .build(Build::c_with("crowded.c", "static", &["-static"]))
            .run(&["{0}", "{1}"]),
        Case::new("exec/landlocked")
            .build(Build::c("landlocked.c"))
            .not_under(&["no-execve-check"]),
        Case::new("exec/errors").build(Build::c("execerrors.c")).on(&[Arch::X86_64, Arch::I686]),
        // Only the kernel knows whether somebody writes to a file.
        Case::new("exec/errors-busy")
            .build(Build::c("execerrors.c"))
            .run(&["{0}", "busy"])
            .not_under(&["no-execve-check"]),
        Case::new("exec/errors-static").build(Build::c_with(
            "execerrors.c",
            "static",
            &["-static"],
        )),
        Case::new("exec/errors-as-nobody")
            .build(Build::c("execerrors.c"))
            .needs(Need::Root)
            .within(AS_NOBODY),
        Case::new("exec/argument-limit")
            .build(Build::c("arglimit.c"))
            .run(&["{0}", "/bin/true"])
            .seconds(60),
        Case::new("exec/argument-limit-script")
            .build(Build::c("arglimit.c"))
            .given("script", 0o755, "#!/bin/true with an argument\n")
            .run(&["{0}", "./script"])
            .seconds(60),
        Case::new("exec/argument-limit-small-stack")
            .build(Build::c("arglimit.c"))
            .run(&["{0}", "/bin/true"])
            .within(&["/bin/sh", "-c", r#"ulimit -s 1024 && exec "$@""#, "sh"])
            .seconds(60),
        Case::new("exec/ld.so").build(target).run(&[
            "/lib64/ld-linux-x86-64.so.2",
            "{0}",
            "one",
            "two",
        ]),
        Case::new("exec/ld.so-argv0").build(target).run(&[
            "/lib64/ld-linux-x86-64.so.2",
            "--argv0",
            "other",
            "{0}",
            "one",
        ]),
        Case::new("exec/ld.so-list")
            .build(target)
            .run(&["/lib64/ld-linux-x86-64.so.2", "--list", "{0}"])
            .rule(Rule::Replace("0x[0-9a-f]+", "ADDRESS")),
        Case::new("exec/ld.so-static")
            .build(static_target)
            .run(&["/lib64/ld-linux-x86-64.so.2", "{0}"]),
        Case::new("exec/other-name").build(target).run(&[
            "bash",
            "-c",
            "exec -a 'another name' {0} x",
        ]),
        Case::new("exec/by-path-search").run(&["uname", "-s"]),
        Case::new("exec/relative").build(target).run(&["../../bin/target", "x"]),
        Case::new("exec/through-link")
            .build(target)
            .prepare("ln -s {0} link")
            .run(&["./link", "x"]),
        Case::new("exec/self-extracting-memory")
            .build(Build::c("selfextract.c"))
            .build(target)
            .prepare("{programs}/pack.sh {0} {1} packed")
            .run(&["./packed", "memory"])
            // The name of a memory file's descriptor depends on which are free.
            .rule(Rule::Replace(r"/dev/fd/\d+", "/dev/fd/N")),
        Case::new("exec/self-extracting-file")
            .build(Build::c("selfextract.c"))
            .build(static_target)
            .prepare("{programs}/pack.sh {0} {1} packed")
            .run(&["./packed", "file"])
            .leaves("extracted"),
        Case::new("exec/self-extracting-static")
            .build(Build::c_with("selfextract.c", "static", &["-static"]))
            .build(target)
            .prepare("{programs}/pack.sh {0} {1} packed")
            .run(&["./packed", "file"])
            .leaves("extracted"),
        packed("pie", target),
        packed("no-pie", Build::c_with("target.c", "no-pie", &["-no-pie"])),
        packed("static", static_target),
        packed("static-pie", Build::c_with("target.c", "static-pie", &["-static-pie", "-fPIE"])),
        packed("musl", Build::musl("target.c", "musl", &[])),
        upx("pie", target),
        upx("no-pie", Build::c_with("target.c", "no-pie", &["-no-pie"])),
        upx("static", static_target),
        Case::new("exec/path-descriptor")
            .build(execs)
            .build(target)
            .needs(Need::UserNamespaces)
            .needs_program("bwrap")
            .within(&["bwrap", "--unshare-user", "--dev-bind", "/", "/", "--tmpfs", "/proc", "--"])
            // bwrap itself asks /proc for what it may map.
            .not_under(&["bwrap", "no-proc", "foreign-proc"])
            .run(&["{0}", "fexecve-path", "{1}"])
            .check(path_descriptor)
            .plain_only(),
        Case::new("exec/nested").shell("\"$VLOAD\" /bin/echo nested").variable("VLOAD", "{vload}"),
        Case::new("exec/unreadable")
            .build(target)
            .needs(Need::Root)
            .prepare("cp {0} unreadable && chmod 711 unreadable")
            .within(AS_NOBODY)
            .run(&["./unreadable"])
            .check(unreadable)
            .plain_only(),
        Case::new("exec/not-found").run(&["no-such-program"]).check(not_found).plain_only(),
        Case::new("exec/no-program").run(&["/etc/passwd"]).check(no_program).plain_only(),
    ]);
    cases
}

/// A program that carries another in few bytes and becomes it by itself.
fn packed(kind: &str, target: Build) -> Case {
    Case::new(format!("exec/packed-{kind}"))
        .build(Build::packer())
        .build(target)
        .prepare("{0} pack {1} packed")
        .run(&["./packed", "one", "two words"])
        // What asks is code that the program has made, which nothing but the kernel can dispatch.
        .not_under(&["deny-user-dispatch"])
}

/// The same, made by UPX.
fn upx(kind: &str, target: Build) -> Case {
    Case::new(format!("exec/upx-{kind}"))
        .needs(Need::Extra("upx"))
        .not_under(&["deny-user-dispatch"])
        .build(target)
        // It packs nothing that is small.
        .prepare("cat {0} > large; head -c 100000 /dev/zero >> large; chmod 755 large; upx -qq --force -o packed large")
        .run(&["./packed", "one", "two words"])
}

/// Becomes a user without rights.
const AS_NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

fn with_rights(execs: Build) -> Vec<Case> {
    let static_target = Build::c_with("target.c", "static", &["-static"]);
    let target = Build::c("target.c");
    let way = |way: &'static str, target| {
        Case::new(format!("exec/{way}")).build(execs).build(target).run(&["{0}", way, "{1}", "x"])
    };
    vec![
        Case::new("exec/chroot")
            .build(execs)
            .build(static_target)
            .needs(Need::Root)
            .prepare("cp {1} inside")
            .run(&["{0}", "chroot", "/inside", "x"]),
        way("setuid", target).needs(Need::Root),
        way("unshare-user", target).needs(Need::UserNamespaces),
        way("unshare-mount", target).needs(Need::Root),
        way("rlimit-files", target),
        Case::new("exec/as-nobody").build(target).needs(Need::Root).within(AS_NOBODY),
        Case::new("exec/children-as-nobody")
            .needs(Need::Root)
            .within(AS_NOBODY)
            .shell("id -u; for i in 1 2 3; do /bin/true && echo $i; done; ls -d /"),
    ]
}

fn scripts() -> Vec<Case> {
    let script = |name: &str, text: &str| {
        Case::new(format!("exec/script-{name}")).given("script", 0o755, text).run(&[
            "./script",
            "one",
            "two words",
        ])
    };
    vec![
        script("plain", "#!/bin/sh\necho \"$0\" \"$@\" $#\n"),
        script("argument", "#!/bin/echo one long argument  \n"),
        script("no-newline", "#!/bin/echo x"),
        script("blanks", "#! \t /bin/echo \t x \t \necho unreached\n"),
        script("env", "#!/usr/bin/env -S sh -f\necho $0 * \"$@\"\n"),
        script("python", "#!/usr/bin/python3\nimport sys\nprint(sys.argv)\n")
            .needs_program("python3"),
        script("nested", "#!./middle first\n").given("middle", 0o755, "#!/bin/echo second\n"),
        script("by-path", "#!/bin/sh\necho \"$0\" \"$@\"\n")
            .variable("PATH", format!("{{dir}}:{}", crate::needs::PATH))
            .run(&["script", "x"]),
        script("from-shell", "#!/bin/sh\necho \"$0\" \"$@\"\n").shell("./script a b; ./script c"),
        script("without-line", "echo run by the shell \"$@\"\n").shell("./script a b"),
    ]
}

/// A file that can be executed but not read cannot be loaded: vload says why.
fn unreadable(bench: &Bench<'_>) -> Result<()> {
    refused(bench, 126, "ermission")
}

/// What an O_PATH descriptor names cannot be read without /proc: the error says that, and the log.
fn path_descriptor(bench: &Bench<'_>) -> Result<()> {
    let vload = bench.machine.vload.display().to_string();
    let outcome = bench.run(Host::Words(&[&vload, "--log", "log", "--"]))?;
    let log = fs::read_to_string(bench.folder().join("log"))?;
    let expected = outcome.text() == "fexecve-path: Permission denied\n";
    if !expected || !log.contains("it can be executed but not read") {
        bail!("{}, standard output {:?}, log {log:?}", outcome.end, outcome.text());
    }
    Ok(())
}

fn not_found(bench: &Bench<'_>) -> Result<()> {
    refused(bench, 127, "no-such-program")
}

fn no_program(bench: &Bench<'_>) -> Result<()> {
    refused(bench, 126, "/etc/passwd")
}

/// vload ends with `code`, prints nothing, and says `reason`.
fn refused(bench: &Bench<'_>, code: i32, reason: &str) -> Result<()> {
    let outcome = bench.run(Host::Vload)?;
    let expected = matches!(outcome.end, End::Status(status) if status.code() == Some(code));
    let message = outcome.error_text();
    if !expected || !outcome.stdout.is_empty() || !message.contains(reason) {
        bail!("{}, standard error {message:?}, expected {code} and {reason:?}", outcome.end);
    }
    Ok(())
}
