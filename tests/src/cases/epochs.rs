//! What a layer itself asks of the system sees the layers that are older than it, and no others (UMView, section 3.3): raw ones
//! and services, by whatever way each has come.

use crate::case::Case;
use crate::cases::modules::{NO_PROC, expect, inside, module};
use crate::execute::Bench;
use crate::programs::Build;
use anyhow::{Context, Result};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        let parent = Build::c("parent.c");
        Case::new(format!("epochs/{name}"))
            .build(parent)
            .run(&["{0}"])
            .plain_only()
            .not_under(NO_PROC)
    };
    vec![case("raw-asks").check(raw_asks), case("service-asks").check(service_asks)]
}

/// Runs `line` with two layers, each as a module and its arguments, the older first: both by `-m`, the newer by `insmod`, and
/// both so.
fn each_way(
    bench: &Bench<'_>,
    [older, newer]: [&str; 2],
    line: &str,
    expected: &str,
) -> Result<()> {
    let words = |module: &str| format!("vload insmod {};", module.replace(':', " "));
    let (first, second) = (words(older), words(newer));
    let ways: [(&[&str], String); 3] = [
        (&["-m", older, "-m", newer], line.into()),
        (&["-m", older], format!("{second} {line}")),
        (&[], format!("{first} {second} {line}")),
    ];
    for (options, line) in ways {
        let outcome = inside(bench, options, &line)?;
        expect(&outcome, expected).with_context(|| format!("{options:?} {line}"))?;
    }
    Ok(())
}

/// A raw layer opens what an older service has, and not what a newer one has.
fn raw_asks(bench: &Bench<'_>) -> Result<()> {
    module(bench, "asks.c", "asks.so", &[])?;
    let raw = "./asks.so:path=/hello";
    each_way(bench, ["hello", raw], "parent 1; sh -c 'parent 1'", "4242\n4242\n")?;
    each_way(bench, [raw, "hello"], "parent 1; cat /hello", "errno 2\nHello UMView!\n")?;
    // A layer that hands all on is in the way of none.
    each_way(bench, ["hello", raw], "vload insmod forward; parent 1", "4242\n")
}

/// A service's own calls go through an older raw layer, and not through a newer one, which has those of the program.
fn service_asks(bench: &Bench<'_>) -> Result<()> {
    module(bench, "asking.c", "asking.so", &[])?;
    module(bench, "parent.c", "parent.so", &[])?;
    let line = "cat /asking; parent 1";
    each_way(bench, ["./asking.so", "./parent.so"], line, "real\nreal\n4242\n")?;
    each_way(bench, ["./parent.so", "./asking.so"], line, "fake\nfake\n4242\n")?;
    // What a layer has claimed by its number is not what the layer itself asks for, though its path is claimed after it is there.
    module(bench, "asking.c", "answering.so", &["-DCLAIMING"])?;
    each_way(bench, ["./answering.so", "forward"], line, "real\nreal\n4242\n")?;
    each_way(bench, ["./answering.so", "./asking.so"], line, "fake\nfake\n4242\n")?;
    each_way(bench, ["./asking.so", "./answering.so"], line, "real\nreal\n4242\n")
}
