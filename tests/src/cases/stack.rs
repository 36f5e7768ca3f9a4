//! What a new program finds: its initial stack, for every way a program can be linked.

use crate::arch::Arch;
use crate::case::Case;
use crate::programs::Build;

/// Every way that a C program can be linked, by name.
fn linkings(source: &'static str) -> Vec<(&'static str, Build, bool)> {
    let c = |suffix, flags| Build::c_with(source, suffix, flags);
    vec![
        ("pie", c("pie", &["-pie", "-fPIE"]), true),
        ("no-pie", c("no-pie", &["-no-pie"]), true),
        ("static", c("static", &["-static"]), true),
        ("static-pie", c("static-pie", &["-static-pie", "-fPIE"]), true),
        ("64k-pages", c("64k", &["-Wl,-z,max-page-size=65536"]), true),
        ("2m-pages", c("2m", &["-Wl,-z,max-page-size=2097152"]), true),
        ("2m-pages-no-pie", c("2m-no-pie", &["-no-pie", "-Wl,-z,max-page-size=2097152"]), true),
        ("no-phdr-page", c("noseparate", &["-Wl,-z,noseparate-code"]), true),
        ("execstack", c("execstack", &["-Wl,-z,execstack"]), true),
        ("musl", Build::musl(source, "musl", &[]), false),
        ("musl-static", Build::musl(source, "musl-static", &["-static"]), false),
        (
            "musl-static-pie",
            Build::musl(source, "musl-static-pie", &["-static-pie", "-fPIE"]),
            false,
        ),
    ]
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, build, everywhere) in linkings("initial.c") {
        let case = Case::new(format!("stack/initial-{name}"))
            .build(build)
            .run(&["{0}", "one", "", "two words", "--three", "-c"])
            .variable("EMPTY", "");
        cases.push(if everywhere { case.everywhere() } else { case.on(&[Arch::X86_64]) });
    }
    cases
}
