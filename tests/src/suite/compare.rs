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
    for piece in (suite.pieces)(&work)? {
        let chosen = plan.filter.as_ref().is_none_or(|part| piece.name.contains(part.as_str()));
        if !chosen || !(plan.full || piece.share || plan.filter.is_some()) {
            continue;
        }
        let native = match natively(suite, &piece, &work) {
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
            under_vload(name, &piece, &native, forward, plan, &work, &mut tally);
        }
    }
    Ok(tally)
}

/// What the piece comes to natively: as it is kept, or from two runs.
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
    let (first, second) = (once()?, once()?);
    let native = Native {
        passed: first.passed.intersection(&second.passed).cloned().collect(),
        code: first.code.filter(|_| first.code == second.code),
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
    let judged = outcome.and_then(|outcome| {
        let text =
            if forward { Some(fs::read_to_string(&counts).context("no counts")?) } else { None };
        judge(native, &outcome, text.as_deref()).map(|said| (outcome, said))
    });
    match judged {
        Ok((outcome, said)) => {
            tally.passed += native.passed.len();
            println!(
                "ok {name}: {} cases{said} ({:.1} s)",
                native.passed.len(),
                outcome.took.as_secs_f64()
            );
        }
        Err(error) => {
            tally.failed += 1;
            println!("FAILED {name}: {error:#}\n    log: {}", log.display());
        }
    }
}

/// Whether all is there that passes natively; what is to be said of the counts.
fn judge(native: &Native, outcome: &Outcome, counts: Option<&str>) -> Result<String> {
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
    let Some(text) = counts else { return Ok(String::new()) };
    Ok(format!("; {}", table::read(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn cases(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn what_passes_natively_must_pass() {
        let native = Native { passed: cases(&["a", "b"]), code: Some(0) };
        let outcome = |names: &[&str], code| Outcome {
            passed: cases(names),
            code: Some(code),
            took: Duration::ZERO,
        };
        assert!(judge(&native, &outcome(&["a", "b", "c"], 0), None).is_ok());
        assert!(judge(&native, &outcome(&["a"], 0), None).is_err());
        assert!(judge(&native, &outcome(&["a", "b"], 1), None).is_err());
        assert!(judge(&native, &outcome(&["a", "b"], 0), Some("")).is_err());
        let unsteady = Native { code: None, ..native };
        assert!(judge(&unsteady, &outcome(&["a", "b"], 1), None).is_ok());
    }
}
