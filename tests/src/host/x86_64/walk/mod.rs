//! Dangerous windows, walked through: a tracer runs a program to a mark, single-steps one of its
//! threads from there, and before one instruction sends it signals. That is done anew for each
//! instruction in turn, natively and under vload. What comes of it under vload must be something that
//! comes of it natively too.

mod asleep;
pub mod cases;
pub mod command;
mod follow;
mod place;
mod run;
mod step;
mod timer;
mod tracee;

pub use place::Places;
pub use run::{Outcome, Walker};

use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// Which points of a walk are tried.
#[derive(Clone, Copy)]
pub struct Share {
    /// The first.
    pub first: usize,
    /// How many points further the next is.
    pub stride: usize,
    /// Each address only when the walk comes to it for the first time.
    pub distinct: bool,
}

impl Share {
    /// All of them.
    pub const ALL: Share = Share { first: 0, stride: 1, distinct: false };
}

/// What came of a walk: each outcome, and the addresses at which a signal had it.
pub struct Found {
    /// Instructions at which a signal was sent.
    pub points: usize,
    /// Those that their run did not come to.
    pub missed: usize,
    /// The outcome when none was sent.
    pub undisturbed: Outcome,
    /// The others.
    pub outcomes: BTreeMap<Outcome, Vec<u64>>,
}

/// Walks from mark to mark.
pub fn walk(walker: &mut Walker, share: Share) -> Result<Found> {
    let whole = walker.run(None)?;
    ensure!(whole.points > 0, "the mark was not reached: {}", whole.outcome);
    let mut outcomes: BTreeMap<Outcome, Vec<u64>> = BTreeMap::new();
    let (mut points, mut missed) = (0, 0);
    let all = if share.distinct { walker.distinct() } else { (0..whole.points).collect() };
    for &point in all.iter().skip(share.first).step_by(share.stride) {
        let run = walker.run(Some(point))?;
        if !run.sent {
            missed += 1;
            continue;
        }
        points += 1;
        outcomes.entry(run.outcome).or_default().push(run.pc);
    }
    ensure!(missed <= points / 10, "{missed} points were not come to, and {points} were");
    Ok(Found { points, missed, undisturbed: whole.outcome, outcomes })
}
