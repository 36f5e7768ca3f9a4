//! What a module can claim, and how little it takes: each with a module in C and one in Rust, which do the same, and with what
//! programs find natively where the same is there really.

use super::modules::{NO_PROC, expect, kept, module};
use crate::arch::Arch;
use crate::case::Case;
use crate::compare::difference;
use crate::confinement::FILTERED;
use crate::execute::{Bench, Host};
use crate::programs::Build;
use anyhow::{Context, Result, bail, ensure};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("claims/{name}"));
    let script = |name: &str| {
        // A descriptor of a virtual file is opened through /proc.
        let case = case(name).run(&["/bin/sh", "{programs}/claims.sh", name]).not_under(NO_PROC);
        case.prepare("mkdir -p place/real; echo kept | tee place/kept >place/real/kept")
    };
    vec![
        script("confirm").check(|bench| agree(bench, "claiming", &["make"])),
        script("negative").check(|bench| agree(bench, "claiming", &["make"])),
        script("numbers").prepare(":").check(|bench| agree(bench, "claiming", &["make"])),
        script("rows").prepare("mkdir place").check(|bench| agree(bench, "rows", &["make"])),
        case("bare")
            .build(Build::c("bare.c"))
            .run(&["{0}", "place"])
            .not_under(NO_PROC)
            .check(|bench| agree(bench, "bare", &[])),
        case("calls")
            .build(Build::c("claimed.c"))
            .not_under(NO_PROC)
            .not_under(FILTERED)
            .check(calls),
    ]
}

/// The modules: a file that is compiled, and the name of one that is in Rust.
fn modules(bench: &Bench<'_>, name: &str) -> Result<[String; 2]> {
    module(bench, &format!("{name}.c"), &format!("{name}.so"), &[])?;
    Ok([format!("{}/{name}.so", kept(bench).display()), format!("{name}_rust")])
}

/// What the case's program finds natively, with `natively` behind its words, and where a module claims `place`.
fn agree(bench: &Bench<'_>, name: &str, natively: &[&str]) -> Result<()> {
    let words: Vec<&str> = bench.case.command.iter().map(String::as_str).collect();
    let native = if name == "bare" {
        // A file of the kernel's, which must be there.
        bench.run_command(Host::Words(&["/bin/sh", "-c", ": >place; exec \"$@\"", "sh"]), &words)?
    } else {
        bench.run_command(Host::Native, &[&words, natively].concat())?
    };
    ensure!(native.success(), "natively: {}, {}", native.end, native.error_text());
    let how = match name {
        "claiming" => format!(",how={}", words.last().copied().unwrap_or_default()),
        _ => String::new(),
    };
    for module in modules(bench, name)? {
        let layer = bench.word(&format!("{module}:at={{dir}}/place{how}"));
        let outcome = bench.vload_in_mode(&[&["-m", &layer, "--"], &words[..]].concat())?;
        if let Some(found) = difference(&[], &native, &outcome) {
            bail!("with {layer}: {found}");
        }
        let place = bench.folder().join("place");
        let real = |name: &str| place.join(name).exists();
        ensure!(!place.is_file() && !real("one.v") && !real("row-000"), "{layer}: it is real");
    }
    Ok(())
}

/// A service has a call by its number before its paths are looked at; it gives on to older services what it does not answer, and
/// then to what paths stand for, whoever of them is newer.
fn calls(bench: &Bench<'_>) -> Result<()> {
    let program = bench.word("{0}");
    for module in modules(bench, "claiming")? {
        let (answers, adds) =
            (format!("{module}:how=calls,answer=1"), format!("{module}:how=calls"));
        for (layers, unknown, negative) in [
            (&[&answers[..]][..], "9000000", "9009999"),
            // Nobody below it knows the number.
            (&[&adds], "9000000", "9009999"),
            (&[&answers, &adds], "9000001", "9010000"),
            (&[&adds, &answers], "9000000", "9009999"),
        ] {
            let mut words: Vec<&str> = layers.iter().flat_map(|layer| ["-m", *layer]).collect();
            words.extend(["--", &program]);
            let outcome = bench.vload_in_mode(&words)?;
            let wide = match bench.machine.arch {
                Arch::X86_64 => {
                    "int 0x80: real\nanother by int 0x80: real\nx32: ENOSYS\nanother by x32: ENOSYS\n"
                }
                _ => "",
            };
            let expected = format!(
                "-1: {negative}\n-2: ENOSYS\nunknown: {unknown}\ngetppid: real\nmmap: real\n\
                 mmap of another length: real\n{wide}"
            );
            expect(&outcome, &expected).with_context(|| words.join(" "))?;
            ensure!(outcome.code() == Some(77), "{}", outcome.end);
        }
        // The call `openat` is claimed by the newer or the older of two, and the path by the other one.
        for layers in [[&adds[..], "hello"], ["hello", &adds]] {
            let words =
                ["-m", layers[0], "-m", layers[1], "--", "sh", "-c", "cat /hello; cat /none"];
            let outcome = bench.vload_in_mode(&words)?;
            expect(&outcome, "Hello UMView!\n").with_context(|| layers.join(", "))?;
            ensure!(outcome.error_text().contains("/none: No such file"), "{layers:?}");
        }
    }
    Ok(())
}
