//! One run of a walked program.

use super::follow::{Phase, State};
use super::place::Places;
use super::tracee::{self, Go};
use anyhow::{Context, Result};
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How a run ended and what it printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Outcome {
    /// `exit 0`, `signal 11`, `hung`.
    pub end: String,
    /// Its standard output and error.
    pub output: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.end, self.output.trim_end())
    }
}

/// What one run was.
pub struct Run {
    /// What came of it.
    pub outcome: Outcome,
    /// Points from mark to mark, at each of which a signal can be sent.
    pub points: usize,
    /// The address at which it was sent.
    pub pc: u64,
    /// It was sent: the run has come to the point.
    pub sent: bool,
}

/// A program that can be walked again and again.
pub struct Walker {
    /// The program and its arguments; no address is random, so every run is the same.
    pub argv: Vec<CString>,
    /// Its environment.
    pub environment: Vec<CString>,
    /// What is sent at the point, in this order.
    pub signals: Vec<i32>,
    /// What lies where.
    pub places: Places,
    /// How long a run may go on without anything that is heard of.
    pub limit: Duration,
    kinds: HashMap<u64, Kind>,
    /// The points of the run that nothing disturbed.
    pub(super) track: Vec<Point>,
    /// The program handles `SIGTRAP`, or traps. A trap that finds it blocked resets its handler
    /// (force_sig_info_to_task, kernel/signal.c), so none may.
    pub(super) traps: bool,
}

/// A point of a walk.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) pc: u64,
    /// How often the walk has come to this address before.
    pub(super) before: usize,
    /// A trap would find its signal blocked.
    pub(super) blocked: bool,
    /// That holds here, or when the walk came to this address before.
    pub(super) blind: bool,
    /// The call that is made there has begun: no breakpoint leads into the kernel.
    pub(super) inside: bool,
}

/// What must be known of an instruction before it is stepped over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// `syscall`, `int $0x80`: it may sleep, and the trap behind it would show in r11.
    Call,
    /// `pushfq`, which would push the trap flag of the step.
    PushFlags,
    /// `popfq`, after which the kernel takes the trap flag for the program's own
    /// (enable_single_step, arch/x86/kernel/step.c).
    PopFlags,
    /// `iretq`, for the same reason.
    Returns,
    /// `rep movsb` and its like, and how long it is. A breakpoint does not lead into it, and so it is one point.
    Repeats(u64),
}

/// How long a run may go on without anything that the tracer hears of.
const LIMIT: Duration = Duration::from_secs(60);

impl Walker {
    /// A program, to which `signals` are sent.
    pub fn new(
        argv: Vec<CString>,
        environment: Vec<CString>,
        signals: Vec<i32>,
        places: Places,
    ) -> Self {
        let traps = signals.contains(&libc::SIGTRAP);
        let (kinds, track) = (HashMap::new(), Vec::new());
        let limit = LIMIT;
        Walker { argv, environment, signals, places, limit, kinds, track, traps }
    }

    /// The first point of each address that the run without a signal has come to.
    pub fn distinct(&self) -> Vec<usize> {
        let points = self.track.iter().enumerate();
        points.filter(|(_, point)| point.before == 0).map(|(index, _)| index).collect()
    }

    /// The last point up to `point` to which a breakpoint leads.
    pub(super) fn anchor(&self, point: usize) -> Option<usize> {
        let until = self.track.len().min(point + 1);
        let unfit = |at: &Point| at.inside || (self.traps && at.blind) || at.before >= 50;
        self.track.get(1..until)?.iter().rposition(|at| !unfit(at)).map(|at| at + 1)
    }

    /// Runs the program; with a point, sends the signals there.
    pub fn run(&mut self, point: Option<usize>) -> Result<Run> {
        let (mut output, input) = pipe()?;
        let main = tracee::start(&self.argv, &self.environment, &input)?;
        drop(input);
        let mut state = State {
            walker: self,
            phase: Phase::Start,
            point,
            points: 0,
            pc: 0,
            sent: false,
            track: Vec::new(),
            seen: HashMap::new(),
            calls: HashMap::new(),
            threads: HashMap::from([(main, main)]),
            early: HashSet::new(),
            main,
            blocked: false,
            lent: false,
            mask_unknown: true,
            stepping: Kind::Plain,
            entered: false,
        };
        tracee::go(main, Go::On, 0)?;
        let end = state.follow();
        state.finish();
        let (points, pc, sent) = (state.points, state.pc, state.sent);
        if point.is_none() {
            let track = std::mem::take(&mut state.track);
            state.walker.track = track;
        }
        let mut text = Vec::new();
        output.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Run { outcome: Outcome { end: end?, output: text }, points, pc, sent })
    }

    /// What has to be known of the instruction at `pc`.
    pub(super) fn kind(&mut self, tid: i32, pc: u64) -> Result<Kind> {
        if let Some(&kind) = self.kinds.get(&pc) {
            return Ok(kind);
        }
        // Text is not written to between the marks.
        let bytes = match tracee::peek(tid, pc) {
            Ok(word) => word.to_le_bytes(),
            // The last bytes of a mapping.
            Err(_) => (tracee::peek(tid, pc - 6)? >> 48).to_le_bytes(),
        };
        let kind = match bytes {
            [0x0f, 0x05, ..] | [0xcd, 0x80, ..] => Kind::Call,
            [0x9c, ..] => Kind::PushFlags,
            [0x9d, ..] => Kind::PopFlags,
            [0x48, 0xcf, ..] => Kind::Returns,
            [0xf3, 0xa4 | 0xa5 | 0xaa | 0xab, ..] => Kind::Repeats(2),
            [0xf3, 0x48, 0xa5 | 0xab, ..] => Kind::Repeats(3),
            _ => Kind::Plain,
        };
        self.kinds.insert(pc, kind);
        Ok(kind)
    }
}

fn pipe() -> Result<(File, OwnedFd)> {
    let (output, input) = std::io::pipe().context("no pipe")?;
    Ok((File::from(OwnedFd::from(output)), OwnedFd::from(input)))
}
