//! Runs the pieces of a suite natively, under vload, and under a layer that takes every call.

use super::native::{self, Native};
use super::piece::Outcome;
use super::{Piece, SUITES, Suite, table};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What is to be run.
pub struct Plan {
    /// The vload under test.
    pub vload: PathBuf,
    /// Where results, logs and compiled tests are kept.
    pub work: PathBuf,
    /// Every piece, not only the share.
    pub full: bool,
    /// Only pieces whose name contains this.
    pub filter: Option<String>,
    /// Only this piece and those after it: how a run that was ended is gone on with.
    pub from: Option<String>,
}

/// How many cases passed and failed under vload; each counts once for each way of running it.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Those that passed.
    pub passed: usize,
    /// Those that did not, and pieces that could not be run.
    pub failed: usize,
}

/// Runs the suite called `name`.
pub fn run(name: &str, plan: &Plan) -> Result<Tally> {
    let suite = SUITES.iter().find(|suite| suite.name == name).context("no such suite")?;
    let work = plan.work.join(name);
    for folder in ["scratch", "scratch/cache", "logs", "native"] {
        // Who is not root must find the way.
        fs::DirBuilder::new()
            .mode(if folder == "scratch" { 0o711 } else { 0o700 })
            .recursive(true)
            .create(work.join(folder))?;
    }
    let mut tally = Tally::default();
    let pieces = (suite.pieces)(&work)?;
    let first = first(&pieces, plan.from.as_deref())?;
    for piece in &pieces[first..] {
        let chosen = plan.filter.as_ref().is_none_or(|part| piece.name.contains(part.as_str()));
        if !chosen || !(plan.full || piece.share || plan.filter.is_some()) {
            continue;
        }
        let native = match natively(suite, piece, &work) {
            Ok(native) => native,
            Err(error) => {
                println!("FAILED {name}/{} natively: {error:#}", piece.name);
                tally.failed += 1;
                continue;
            }
        };
        if native.passed.is_empty() {
            println!("-- {name}/{}: nothing passes natively", piece.name);
            continue;
        }
        for forward in [false, true] {
            under_vload(name, piece, &native, forward, plan, &work, &mut tally);
        }
    }
    Ok(tally)
}

/// Where the piece of this name is among them, in the order in which they are run.
fn first(pieces: &[Piece], from: Option<&str>) -> Result<usize> {
    let Some(from) = from else { return Ok(0) };
    pieces
        .iter()
        .position(|piece| piece.name == from)
        .with_context(|| format!("no piece is called {from}"))
}

/// What the piece comes to natively: as it is kept, or from two runs, or one in which nothing passed.
fn natively(suite: &Suite, piece: &Piece, work: &Path) -> Result<Native> {
    if let Some(prepare) = &piece.prepare {
        prepare(piece)?;
    }
    let key = native::key(suite, piece)?;
    let file = work.join("native").join(&piece.name);
    if let Some(native) = native::kept(&file, &key) {
        return Ok(native);
    }
    let log = work.join("logs").join(format!("{}-native", piece.name));
    let once = || piece.run(&[], &log, &work.join("scratch"));
    let first = once()?;
    let native = if first.passed.is_empty() {
        Native { passed: first.passed, code: first.code }
    } else {
        let second = once()?;
        Native {
            passed: first.passed.intersection(&second.passed).cloned().collect(),
            code: first.code.filter(|_| first.code == second.code),
        }
    };
    native::keep(&file, &key, &native)?;
    Ok(native)
}

fn under_vload(
    suite: &str,
    piece: &Piece,
    native: &Native,
    forward: bool,
    plan: &Plan,
    work: &Path,
    tally: &mut Tally,
) {
    let mode = if forward { "forward" } else { "vload" };
    let name = format!("{suite}/{} {mode}", piece.name);
    let counts = work.join("scratch/counts");
    let mut before = vec![plan.vload.display().to_string()];
    if forward {
        let count = format!("count:file={}", counts.display());
        before.extend(["-m", "forward", "-m", &count].map(String::from));
    }
    before.push("--".into());
    let log = work.join("logs").join(format!("{}-{mode}", piece.name));
    // A table of the run before must not be taken for this one's.
    let outcome = match fs::remove_file(&counts) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => piece.run(&before, &log, &work.join("scratch")),
    };
    let limit = piece.limited.filter(|_| forward);
    let judged = outcome.and_then(|outcome| {
        let text =
            if forward { Some(fs::read_to_string(&counts).context("no counts")?) } else { None };
        let said = match limit {
            Some(limit) => limited(&outcome, limit, &fs::read_to_string(&log)?)?,
            None => passed(native, &outcome)?,
        };
        let counted = text.map(|text| table::read(&text)).transpose()?;
        let counted = counted.map(|counts| format!("; {counts}")).unwrap_or_default();
        Ok(format!("{said}{counted} ({:.1} s)", outcome.took.as_secs_f64()))
    });
    match judged {
        Ok(said) if limit.is_some() => println!("-- {name}: {said}"),
        Ok(said) => {
            tally.passed += native.passed.len();
            println!("ok {name}: {said}");
        }
        Err(error) => {
            tally.failed += 1;
            println!("FAILED {name}: {error:#}\n    log: {}", log.display());
        }
    }
}

/// Whether all is there that passes natively.
fn passed(native: &Native, outcome: &Outcome) -> Result<String> {
    let missing: Vec<_> = native.passed.difference(&outcome.passed).collect();
    if !missing.is_empty() {
        bail!("{} of {} cases do not pass: {missing:?}", missing.len(), native.passed.len());
    }
    ensure!(
        native.code.is_none() || native.code == outcome.code,
        "natively exit code {:?}, under vload {:?}",
        native.code,
        outcome.code
    );
    Ok(format!("{} cases", native.passed.len()))
}

/// Whether a piece has met the limit that it is known to meet, and said so.
fn limited(outcome: &Outcome, limit: &str, log: &str) -> Result<String> {
    ensure!(outcome.passed.is_empty(), "the limit is no more: {:?} pass", outcome.passed);
    ensure!(
        log.contains(limit),
        "nothing passes, and not by the limit: \"{limit}\" is not in the log"
    );
    Ok(format!("a limit (docs/limits.md): {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn cases(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    fn outcome(names: &[&str], code: i32) -> Outcome {
        Outcome { passed: cases(names), code: Some(code), took: Duration::ZERO }
    }

    #[test]
    fn what_passes_natively_must_pass() {
        let native = Native { passed: cases(&["a", "b"]), code: Some(0) };
        assert!(passed(&native, &outcome(&["a", "b", "c"], 0)).is_ok());
        assert!(passed(&native, &outcome(&["a"], 0)).is_err());
        assert!(passed(&native, &outcome(&["a", "b"], 1)).is_err());
        let unsteady = Native { code: None, ..native };
        assert!(passed(&unsteady, &outcome(&["a", "b"], 1)).is_ok());
    }

    #[test]
    fn a_limit_is_met_and_said() {
        assert!(limited(&outcome(&[], 2), "refused", "fail: refused here").is_ok());
        assert!(limited(&outcome(&[], 2), "refused", "fail: something else").is_err());
        assert!(limited(&outcome(&["a"], 0), "refused", "refused").is_err());
    }
}
