//! What a new program finds: its initial stack for every way it can be linked, memory, addresses.

use crate::arch::Arch;
use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::Need;
use crate::programs::Build;
use anyhow::{Context, Result, ensure};

/// Position-independent or not, static or not, with segments aligned to more than a page.
fn linkings(source: &'static str) -> Vec<(&'static str, Build)> {
    let c = |suffix, flags| Build::c_with(source, suffix, flags);
    vec![
        ("pie", c("pie", &["-pie", "-fPIE"])),
        ("no-pie", c("no-pie", &["-no-pie"])),
        ("static", c("static", &["-static"])),
        ("static-pie", c("static-pie", &["-static-pie", "-fPIE"])),
        ("64k-pages", c("64k", &["-Wl,-z,max-page-size=65536"])),
        ("2m-pages", c("2m", &["-Wl,-z,max-page-size=2097152"])),
        ("2m-pages-no-pie", c("2m-no-pie", &["-no-pie", "-Wl,-z,max-page-size=2097152"])),
        ("code-with-headers", c("noseparate", &["-Wl,-z,noseparate-code"])),
        ("execstack", c("execstack", &["-Wl,-z,execstack"])),
    ]
}

/// Where a linking can be had. Debian's C library for riscv64 makes no static-pie, and programs
/// of riscv64 that are not position-independent begin at 64 KiB, which aligned to 2 MiB is 0.
fn arches_of(linking: &str) -> &'static [Arch] {
    const ALL: [Arch; 4] = [Arch::X86_64, Arch::I686, Arch::Aarch64, Arch::Riscv64];
    match linking {
        "static-pie" | "2m-pages-no-pie" => &ALL[..3],
        _ => &ALL,
    }
}

fn musl_linkings(source: &'static str) -> Vec<(&'static str, Build)> {
    vec![
        ("musl", Build::musl(source, "musl", &[])),
        ("musl-static", Build::musl(source, "musl-static", &["-static"])),
        ("musl-static-pie", Build::musl(source, "musl-static-pie", &["-static-pie", "-fPIE"])),
    ]
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let initial = |name: &str, build| {
        Case::new(format!("stack/initial-{name}"))
            .build(build)
            .run(&["{0}", "one", "", "two words", "--three", "-c"])
            .variable("EMPTY", "")
    };
    let bss = |name: &str, build| Case::new(format!("stack/bss-{name}")).build(build);
    let mut cases = Vec::new();
    for (name, build) in linkings("initial.c") {
        cases.push(initial(name, build).on(arches_of(name)));
    }
    for (name, build) in musl_linkings("initial.c") {
        cases.push(initial(name, build));
    }
    for (name, build) in linkings("bss.c") {
        cases.push(bss(name, build).on(arches_of(name)));
    }
    for (name, build) in musl_linkings("bss.c") {
        cases.push(bss(name, build));
    }
    let growth = Build::c("growth.c");
    let alone = Build::c_with("below.c", "static-pie", &["-static-pie", "-fPIE"]);
    let below = |name: &str, build| {
        Case::new(format!("stack/below-{name}")).build(build).on(&[Arch::X86_64, Arch::I686])
    };
    let entry = |name, flags: &'static [&'static str]| {
        Case::new(format!("stack/entry-{name}"))
            .build(Build::c_with("entry.c", name, flags))
            .on(&[Arch::X86_64, Arch::I686])
    };
    let aligned = Build::c_with("heap.c", "static-pie", &["-static-pie", "-fPIE"]);
    let grows = Build::c_with("brk.c", "static", &["-static", "-no-pie"]);
    let aslr = |name: &str| {
        Case::new(format!("stack/aslr-{name}"))
            .needs(Need::File("/proc/self/exe"))
            .check(addresses)
            .seconds(40)
    };
    cases.extend([
        Case::new("stack/growth").build(growth).everywhere(),
        Case::new("stack/growth-static").build(Build::c_with("growth.c", "static", &["-static"])),
        Case::new("stack/growth-unlimited").build(growth).within(&[
            "/bin/sh",
            "-c",
            r#"ulimit -s unlimited && exec "$@""#,
            "sh",
        ]),
        Case::new("stack/growth-large-limit").build(growth).within(&[
            "/bin/sh",
            "-c",
            r#"ulimit -s 65536 && exec "$@""#,
            "sh",
        ]),
        Case::new("stack/growth-no-randomisation").build(growth).within(&["setarch", "-R"]),
        Case::new("stack/initial-no-randomisation")
            .build(Build::c_with("initial.c", "pie", &["-pie", "-fPIE"]))
            .within(&["setarch", "-R"]),
        Case::new("stack/initial-no-environment")
            .build(Build::c_with("initial.c", "pie", &["-pie", "-fPIE"]))
            .within(&["env", "-i"]),
        Case::new("stack/initial-small-stack")
            .build(Build::c_with("initial.c", "pie", &["-pie", "-fPIE"]))
            .within(&["/bin/sh", "-c", r#"ulimit -s 100 && exec "$@""#, "sh"]),
        Case::new("stack/initial-no-arguments")
            .build(Build::c_with("initial.c", "pie", &["-pie", "-fPIE"]))
            .run(&["{0}"])
            .everywhere(),
        entry("static", &["-static", "-nostdlib", "-nostartfiles"]),
        entry("static-pie", &["-static-pie", "-fPIE", "-nostdlib", "-nostartfiles"]),
        below("static-pie", alone),
        Case::new("stack/heap-static").build(grows).on(&[Arch::X86_64, Arch::I686]),
        Case::new("stack/heap-static-no-randomisation")
            .build(grows)
            .on(&[Arch::X86_64, Arch::I686])
            .within(&["setarch", "-R"]),
        Case::new("stack/heap-static-pie").build(aligned).on(&[Arch::X86_64, Arch::I686]),
        below("interp", Build::c("below.c")),
        below("interp-no-pie", Build::c_with("below.c", "no-pie", &["-no-pie"])),
        below("no-randomisation", alone).within(&["setarch", "-R"]),
        aslr("pie").build(Build::c("aslr.c")).on(&[Arch::X86_64, Arch::I686]),
        aslr("static-pie").build(Build::c_with("aslr.c", "static-pie", &["-static-pie", "-fPIE"])),
        aslr("no-pie")
            .build(Build::c_with("aslr.c", "no-pie", &["-no-pie"]))
            .on(&[Arch::X86_64, Arch::I686]),
        aslr("no-randomisation").build(Build::c("aslr.c")).within(&["setarch", "-R"]),
    ]);
    cases
}

/// Addresses are as random as natively, in the number of bits that change from run to run.
fn addresses(bench: &Bench<'_>) -> Result<()> {
    /// The carry of a sum changes a bit or two more, now and then.
    const CARRY: u32 = 2;
    /// That of a difference goes further where the two lie on both sides of a round address.
    const BORROW: u32 = 4;
    let bits = |outcome: &Outcome| -> Result<Vec<(String, u32)>> {
        ensure!(outcome.success(), "{} with {:?}", outcome.end, outcome.error_text());
        let row = |line: &str| {
            let (name, bits) = line.split_once(": ").context("not a row")?;
            Ok((name.to_owned(), bits.parse()?))
        };
        outcome.text().lines().map(row).collect()
    };
    let natively = bits(&bench.run(Host::Native)?)?;
    let under = bits(&bench.run(Host::Vload)?)?;
    ensure!(natively.len() == 9 && under.len() == 9, "{natively:?}, {under:?}");
    for ((name, native), (_, ours)) in natively.iter().zip(&under) {
        let carry = if name.contains(" from ") { BORROW } else { CARRY };
        let as_random = ours + carry >= *native && (*native > 0 || *ours == 0);
        ensure!(as_random, "{name}: {native} bits natively, {ours} under vload; all: {under:?}");
    }
    Ok(())
}
