//! Judging one case in one confinement.

use crate::case::{Case, Kind, Mode};
use crate::compare::difference;
use crate::confinement::Confinement;
use crate::count;
use crate::execute::{Bench, End, Host, Machine, Outcome};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// One case where it runs.
pub struct Round<'a> {
    /// What all runs share.
    pub machine: &'a Machine,
    /// The case.
    pub case: &'a Case,
    /// Its compiled programs.
    pub binaries: &'a [PathBuf],
    /// Where it runs.
    pub confinement: &'a Confinement,
}

/// What came of one mode.
pub struct Verdict<Outcome = Result<()>> {
    /// The mode's name.
    pub mode: String,
    /// What was wrong, if anything.
    pub outcome: Outcome,
    /// Whether the program did natively what the case is for; nothing where it did not run so.
    pub works_natively: Option<bool>,
}

impl Round<'_> {
    /// Runs the case in each mode. The native run is made once for all of them.
    pub fn verdicts(&self, modes: &[Mode]) -> Vec<Verdict> {
        let native = match (self.case.kind, modes.first()) {
            (Kind::Compare, Some(mode)) => match self.native(&self.bench(mode)) {
                Ok(native) => Some(native),
                Err(error) => {
                    let mode = "native".into();
                    return vec![Verdict { mode, outcome: Err(error), works_natively: None }];
                }
            },
            _ => None,
        };
        let works_natively = native.as_ref().map(|native| self.works(native));
        let verdict = |mode: &Mode| Verdict {
            mode: mode.name.clone(),
            outcome: self.judge(&self.bench(mode), native.as_ref()),
            works_natively,
        };
        let modes = modes.iter().filter(|mode| self.case.bounces || !mode.bounces);
        modes.map(verdict).collect()
    }

    fn bench<'a>(&'a self, mode: &'a Mode) -> Bench<'a> {
        Bench {
            machine: self.machine,
            case: self.case,
            binaries: self.binaries.to_vec(),
            mode,
            confinement: self.confinement,
        }
    }

    fn judge(&self, bench: &Bench<'_>, native: Option<&Outcome>) -> Result<()> {
        match (self.case.kind, native) {
            (Kind::Count, _) => count::compare(bench),
            (Kind::Check(check), _) => check(bench),
            (Kind::Compare, None) => Ok(()),
            (Kind::Compare, Some(native)) => {
                match difference(&self.case.rules, native, &bench.run(Host::Vload)?) {
                    Some(difference) => bail!(difference),
                    None => Ok(()),
                }
            }
        }
    }

    /// The run that the others are held against. One that does not do what the case is for proves
    /// nothing, unless it is a confinement that forbids it. That must be the program's failure,
    /// not the confinement's own.
    fn native(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let native = bench.run(Host::Native)?;
        let free = self.confinement.name == Confinement::NONE.name;
        let confined = || {
            let makers = ["bwrap: ", "confine: ", "unshare: ", "mount: ", "/bin/sh: "];
            !native
                .error_text()
                .lines()
                .any(|line| makers.iter().any(|name| line.starts_with(name)))
        };
        if self.works(&native) || !free && confined() {
            return Ok(native);
        }
        bail!(
            "the native run is not as the case says: {}, standard output {:?}, error {:?}",
            native.end,
            native.text(),
            native.error_text()
        )
    }

    fn works(&self, native: &Outcome) -> bool {
        let ended =
            matches!(native.end, End::Status(status) if status.code() == Some(self.case.code));
        // What the test programs say where one of their own checks fails.
        ended && !native.text().contains(": not so: ")
    }
}
