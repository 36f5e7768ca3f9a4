//! Patched text, as it lies in the processes of a session.

use crate::case::Case;
use crate::confinement::WITHOUT_PROC;
use crate::execute::{Bench, Host};
use anyhow::{Context, Result, ensure};

/// The cases. What lies where is seen in /proc.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| {
        Case::new(format!("text/{name}"))
            .run(&["/bin/sh", "{programs}/shared.sh", "{vload}"])
            .plain_only()
            .not_under(WITHOUT_PROC)
    };
    vec![
        case("shared").check(shared),
        // Where memory cannot become executable there is no such fallback.
        case("private-pages").check(private_pages).not_under(&["mdwe"]),
    ]
}

/// What is seen of one process.
#[derive(Debug)]
struct Text {
    /// The files of vload's making.
    files: String,
    /// Kilobytes of pages that are nobody else's.
    own: u64,
    /// Mappings that are writable and executable.
    both: u64,
}

fn texts(bench: &Bench<'_>, option: Option<&str>) -> Result<[Text; 2]> {
    let words = bench.case.command.iter().map(String::as_str);
    let words: Vec<&str> = words.chain(option).collect();
    let outcome = bench.run_command(Host::Native, &words)?;
    let text = outcome.text();
    let value = |name: &str, process: usize| {
        let found = text.lines().filter_map(|line| line.strip_prefix(name)).nth(process);
        found.map(str::trim).with_context(|| format!("no {name}: {text:?}"))
    };
    let of = |process| -> Result<Text> {
        Ok(Text {
            files: value("files", process)?.into(),
            own: value("own", process)?.parse()?,
            both: value("both", process)?.parse()?,
        })
    };
    Ok([of(0)?, of(1)?])
}

/// Both processes map the files of the cache, or the one of their session, and neither has a page of text of
/// its own.
fn shared(bench: &Bench<'_>) -> Result<()> {
    for option in [None, Some("--no-cache")] {
        let [one, other] = texts(bench, option)?;
        ensure!(!one.files.is_empty() && one.files == other.files, "{one:?}, {other:?}");
        let mapped = |text: &Text| text.own == 0 && text.both == 0;
        ensure!(mapped(&one) && mapped(&other), "{one:?}, {other:?}");
    }
    Ok(())
}

/// The fallback is in force where it is forced: pages of the process's own, never writable and executable.
fn private_pages(bench: &Bench<'_>) -> Result<()> {
    let [one, other] = texts(bench, Some("--test-private-pages"))?;
    let private = |text: &Text| text.files.is_empty() && text.own > 0 && text.both == 0;
    ensure!(private(&one) && private(&other), "{one:?}, {other:?}");
    Ok(())
}
