//! A run that failed, made again: whether it fails always or was a matter of luck.
//!
//! Among ten thousand runs on a loaded machine one may lose a race that has never been seen before. A change that
//! did not bring it must not wait for it, and it must not be lost either: it is printed with what differed, and
//! counted apart. More than [`TOLERATED`] of them in one go are a failure, and so is a single one where nothing is
//! made again, which is the default.

use crate::case::Mode;
use crate::execute::Machine;
use crate::runner::make;
use crate::verdict::{Round, Verdict};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many runs of one go may be unsteady.
pub const TOLERATED: usize = 3;

/// What a run came to after `again` more.
pub enum Settled {
    /// It passed at once.
    Passed,
    /// It failed once, and passed each time afterwards.
    Unsteady(anyhow::Error),
    /// It failed, and was not made again or failed once more.
    Failed(anyhow::Error),
}

/// The verdicts of `round`, each that failed settled by as many more runs.
pub fn settled(round: &Round<'_>, modes: &[Mode], again: usize) -> Vec<Verdict<Settled>> {
    let settle = |verdict: Verdict| {
        let outcome = match verdict.outcome {
            Ok(()) => Settled::Passed,
            Err(error) if again > 0 && passes(round, modes, &verdict.mode, again) => {
                Settled::Unsteady(error)
            }
            Err(error) => Settled::Failed(error),
        };
        Verdict { mode: verdict.mode, outcome, works_natively: verdict.works_natively }
    };
    round.verdicts(modes).into_iter().map(settle).collect()
}

/// Whether the mode that is called `name`, or all of them where it was the native run that failed, passes `times`
/// times in turn: at first with nothing in vload's cache, because the run that failed may have found nothing there.
fn passes(round: &Round<'_>, modes: &[Mode], name: &str, times: usize) -> bool {
    static HOMES: AtomicUsize = AtomicUsize::new(0);
    let one: Vec<Mode> = modes.iter().filter(|mode| mode.name == name).cloned().collect();
    let modes = if one.is_empty() { modes } else { &one };
    let number = HOMES.fetch_add(1, Ordering::Relaxed);
    let home = round.machine.work.join(format!("home-{number}"));
    if let Err(error) = make(&home) {
        println!("not made again: {error:#}");
        return false;
    }
    let machine = Machine { home, ..round.machine.clone() };
    let round = Round { machine: &machine, ..*round };
    (0..times).all(|_| round.verdicts(modes).iter().all(|verdict| verdict.outcome.is_ok()))
}

#[cfg(test)]
mod tests {
    use super::{Settled, settled};
    use crate::arch::Arch;
    use crate::case::{Case, Mode};
    use crate::confinement::Confinement;
    use crate::execute::{Bench, Machine};
    use crate::scratch::Scratch;
    use crate::verdict::Round;
    use anyhow::ensure;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What becomes of a check in one mode.
    fn of(check: fn(&Bench<'_>) -> anyhow::Result<()>, again: usize) -> Settled {
        let work = Scratch::new().expect("a folder");
        let machine = Machine {
            work: work.path().into(),
            home: PathBuf::new(),
            vload: PathBuf::new(),
            programs: PathBuf::new(),
            arch: Arch::X86_64,
            full: false,
            patience: 1,
        };
        let case = Case::new("repeat").check(check);
        let confinement = &Confinement::NONE;
        let round = Round { machine: &machine, case: &case, binaries: &[], confinement };
        let mut verdicts = settled(&round, &[Mode::plain()], again);
        assert_eq!(verdicts.len(), 1);
        verdicts.remove(0).outcome
    }

    #[test]
    fn what_fails_once_is_unsteady_only_where_it_is_made_again() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let check = |_: &Bench<'_>| {
            ensure!(RUNS.fetch_add(1, Ordering::Relaxed) != 0, "the first");
            Ok(())
        };
        assert!(matches!(of(check, 3), Settled::Unsteady(_)));
        assert_eq!(RUNS.swap(0, Ordering::Relaxed), 4);
        assert!(matches!(of(check, 0), Settled::Failed(_)));
        assert!(matches!(of(check, 0), Settled::Passed));
    }

    #[test]
    fn what_fails_twice_has_failed() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let check = |_: &Bench<'_>| {
            ensure!(!RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(3), "each third");
            Ok(())
        };
        assert!(matches!(of(check, 3), Settled::Failed(_)));
        assert_eq!(RUNS.load(Ordering::Relaxed), 4);
    }
}
