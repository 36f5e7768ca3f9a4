//! Service modules that fault: in any operation, in any way. The call ends with `EIO`; the thread, its process, the other
//! processes and the session go on.

use super::modules::{NO_PROC, expect, inside, kept, module};
use crate::arch::Arch;
use crate::case::Case;
use crate::execute::Bench;
use crate::programs::Build;
use anyhow::{Result, ensure};
use std::fs;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        let program = Build::c_with("erring.c", "", &["-pthread"]);
        let case = Case::new(format!("modules/{name}")).build(program).run(&["{0}"]).seconds(180);
        // A descriptor of a virtual file is opened through /proc.
        case.plain_only().not_under(NO_PROC)
    };
    vec![
        case("erring").check(in_c),
        case("erring-in-rust").on(&[Arch::X86_64]).check(|bench| both(bench, "erring_rust")),
    ]
}

fn in_c(bench: &Bench<'_>) -> Result<()> {
    module(bench, "erring.c", "erring.so", &[])?;
    both(bench, "./erring.so")
}

fn both(bench: &Bench<'_>, layer: &str) -> Result<()> {
    fs::create_dir_all(kept(bench))?;
    operations(bench, layer)?;
    elsewhere(bench, layer)
}

/// The calls that the program makes in each of its two processes.
const CALLS: usize = 1593;

/// In the operations, by two programs at a time; then the layer has no users and can be removed.
fn operations(bench: &Bench<'_>, layer: &str) -> Result<()> {
    let outcome = inside(
        bench,
        &["-m", "hello"],
        &format!(
            "vload insmod {layer}; {{0}} /erring >other 2>>errors & {{0}} /erring 2>>errors; wait; cat other; \
             vload lsmod --json | tr ',' '\\n' | grep -A20 '\"erring\"' | grep users; \
             vload rmmod erring; cat /erring/well 2>/dev/null || echo gone; cat /hello; \
             grep -c 'module erring: ' errors"
        ),
    )?;
    let each = format!("{CALLS} calls\nchild: 0\n");
    expect(&outcome, &format!("{each}{each}\"users\":0\ngone\nHello UMView!\n2\n"))
}

/// In what is no operation. One that faults in its `fini` is not removed; its fault is said of each layer.
fn elsewhere(bench: &Bench<'_>, layer: &str) -> Result<()> {
    let outcome = inside(
        bench,
        &["-m", "hello"],
        &format!(
            "here() {{ cat /erring/well 2>/dev/null || echo none; cat /hello; }}; \
             for how in null panic deep locks claim locked-null locked-panic locked-deep; do \
             echo $how; for at in init attach; do vload insmod {layer} at=$at how=$how 2>>errors || here; done; \
             vload insmod {layer} at=event how=$how; (here); read line </erring/open-$how; read line </erring/open-$how; \
             vload rmmod erring && here; done; \
             vload insmod {layer} at=fini how=locked-deep; vload rmmod erring 2>>errors || here; \
             grep -c 'Input/output error' errors"
        ),
    )?;
    let hello = "Hello UMView!\n";
    let one = format!("none\n{hello}none\n{hello}0\n{hello}none\n{hello}");
    let ways =
        ["null", "panic", "deep", "locks", "claim", "locked-null", "locked-panic", "locked-deep"];
    let all: String = ways.iter().map(|how| format!("{how}\n{one}")).collect();
    expect(&outcome, &format!("{all}0\n{hello}17\n"))?;
    let errors = outcome.error_text();
    // By the shell, which has had the layers one after the other, and by the processes that hear of their begin.
    ensure!(errors.matches("module erring: ").count() >= ways.len(), "{errors}");
    Ok(())
}
