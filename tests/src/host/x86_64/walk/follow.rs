//! Following a program from stop to stop.

use super::asleep::Asleep;
use super::run::{Kind, Point, Walker};
use super::timer::{arm, disarm};
use super::tracee::{self, Event, Go};
use anyhow::{Result, bail, ensure};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Marks in the program (`tests/programs/walked.c`): `nopl 0x564c57NN(%rax)` behind a breakpoint.
const MARK: u64 = 0x56_4c57_0080_1f0f;
const MARK_BITS: u64 = 0xff_ffff_00ff_ffff;
const BEGIN: u64 = 1;
const BEGIN_NEXT: u64 = 2;
const END: u64 = 3;

/// `si_code` of a breakpoint instruction (`SI_KERNEL`).
const BREAKPOINT: i32 = 0x80;
/// `si_code` of a breakpoint in a debug register (`TRAP_HWBKPT`).
const MET: i32 = 4;
/// `si_code` where a virtual machine has lost what the processor said of a trap (`TRAP_BRKPT`; seen under KVM): nothing
/// was done yet of what `MET` has the kernel do, and the breakpoint is met again.
const LOST: i32 = 1;
/// `SIGTRAP` in a mask.
pub(super) const TRAP_BIT: u64 = 1 << (libc::SIGTRAP - 1);

/// What the run is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// On the way to the mark.
    Start,
    /// The next new thread is walked.
    Next,
    /// This thread is on the way to a breakpoint, which it has to meet so often.
    Seek(i32, usize),
    /// This thread is walked.
    Walk(i32),
    /// The signal was sent, or the end was passed.
    Free,
}

/// The state of one run.
pub(super) struct State<'a> {
    pub(super) walker: &'a mut Walker,
    pub(super) phase: Phase,
    pub(super) point: Option<usize>,
    pub(super) points: usize,
    pub(super) pc: u64,
    pub(super) sent: bool,
    /// What the walk has come to, in the run that nothing disturbs.
    pub(super) track: Vec<Point>,
    pub(super) seen: HashMap<u64, (usize, bool)>,
    /// How often calls were made before, by the address behind them.
    pub(super) calls: HashMap<u64, usize>,
    /// The thread group of each thread that is traced.
    pub(super) threads: HashMap<i32, i32>,
    /// New threads whose first stop came before the event that names them.
    pub(super) early: HashSet<i32>,
    pub(super) main: i32,
    /// Where the breakpoint is, `SIGTRAP` is blocked.
    pub(super) blocked: bool,
    /// The walked thread's own mask has `SIGTRAP`, which the tracer took out for the step.
    pub(super) lent: bool,
    /// The mask was not looked at since it may have changed.
    pub(super) mask_unknown: bool,
    pub(super) stepping: Kind,
    pub(super) entered: bool,
}

impl State<'_> {
    /// Follows the program to its end.
    pub(super) fn follow(&mut self) -> Result<String> {
        let mut since = Instant::now();
        let mut asleep = Asleep::new();
        let limit = self.walker.limit;
        arm(limit);
        loop {
            let in_call = matches!(self.phase, Phase::Walk(_)) && self.stepping == Kind::Call;
            let Some((tid, event)) = tracee::next(!in_call)? else {
                if since.elapsed() >= limit {
                    return Ok("hung".into());
                }
                let Phase::Walk(tid) = self.phase else { continue };
                if self.entered && asleep.look(&self.threads) && self.slept(tid)? {
                    return Ok("asleep".into());
                }
                std::thread::yield_now();
                continue;
            };
            asleep.forget();
            since = Instant::now();
            if let Event::Ended(status) = event {
                self.threads.remove(&tid);
                if tid == self.main {
                    return Ok(shown(status));
                }
                if self.is_walked(tid) {
                    self.phase = Phase::Free;
                }
                continue;
            }
            self.stopped(tid, event)?;
        }
    }

    /// A thread has stopped: looks why, and lets it go on.
    fn stopped(&mut self, tid: i32, event: Event) -> Result<()> {
        if !self.threads.contains_key(&tid) {
            // A new thread, before the event of the one that started it; or its first stop.
            self.early.insert(tid);
            return Ok(());
        }
        match event {
            Event::Ptrace(number) => self.ptrace_event(tid, number),
            Event::Call if self.phase == Phase::Walk(tid) && !self.entered => {
                self.entered = true;
                self.inside_call(tid)
            }
            Event::Call if self.phase == Phase::Walk(tid) => {
                self.entered = false;
                self.mask_unknown = true;
                self.at_point(tid)
            }
            Event::Call => self.resume(tid, Go::On, 0),
            Event::Signal(signal) => self.signal(tid, signal),
            Event::Ended(_) => Ok(()),
        }
    }

    fn ptrace_event(&mut self, tid: i32, number: i32) -> Result<()> {
        match number {
            libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                let child = event_message(tid)? as i32;
                let mut groups = self.threads.values();
                let group = groups.find(|&&pid| tracee::is_thread_of(child, pid)).copied();
                let group = group.unwrap_or(child);
                self.threads.insert(child, group);
                // The child's first stop may be here already; if not, it is waited for, so that it
                // goes on before anything else does.
                let seen = self.early.remove(&child);
                if !seen {
                    wait_for_stop(child)?;
                }
                if self.phase == Phase::Next {
                    self.resume(tid, Go::On, 0)?;
                    return self.begin(child);
                }
                self.resume(child, Go::On, 0)?;
            }
            libc::PTRACE_EVENT_EXEC => {
                // The other threads are gone, and this one has the first one's id.
                let group = self.threads.get(&tid).copied().unwrap_or(tid);
                self.threads.retain(|&thread, &mut of| of != group || thread == tid);
                if self.is_walked(tid) {
                    self.phase = Phase::Free;
                }
            }
            _ => {}
        }
        self.keep_going(tid, 0)
    }

    /// Goes on as before: the walked thread to the end of its step.
    fn keep_going(&mut self, tid: i32, signal: i32) -> Result<()> {
        let how = match self.phase {
            Phase::Walk(walked) if walked == tid && self.stepping == Kind::Call => Go::Call,
            Phase::Walk(walked) if walked == tid => Go::Step,
            _ => Go::On,
        };
        self.resume(tid, how, signal)
    }

    pub(super) fn resume(&mut self, tid: i32, how: Go, signal: i32) -> Result<()> {
        tracee::go(tid, how, signal)?;
        Ok(())
    }

    fn signal(&mut self, tid: i32, signal: i32) -> Result<()> {
        let walked = self.phase == Phase::Walk(tid);
        let code = tracee::signal_code(tid);
        if signal == libc::SIGSTOP && code.is_none_or(|code| code <= 0) && !walked {
            return self.resume(tid, Go::On, 0);
        }
        if signal == libc::SIGTRAP && code == Some(BREAKPOINT) {
            let pc = tracee::pc(tid)?;
            if let Some(mark) = mark_at(tid, pc) {
                return self.mark(tid, mark);
            }
            self.walker.traps = true;
        }
        if let Phase::Seek(sought, before) = self.phase
            && sought == tid
            && signal == libc::SIGTRAP
            && code == Some(MET)
        {
            if self.blocked {
                tracee::set_mask(tid, tracee::mask(tid)? | TRAP_BIT)?;
            }
            if before > 0 {
                self.phase = Phase::Seek(tid, before - 1);
                return self.resume(tid, Go::On, 0);
            }
            tracee::set_breakpoint(tid, None)?;
            tracee::forget_breakpoint(tid)?;
            self.phase = Phase::Walk(tid);
            self.stepping = Kind::Plain;
            return self.at_point(tid);
        }
        if !walked {
            let is_lost = signal == libc::SIGTRAP && code == Some(LOST) && self.is_walked(tid);
            let passed = if is_lost && tracee::is_at_breakpoint(tid)? { 0 } else { signal };
            return self.resume(tid, Go::On, passed);
        }
        // The end of a step has a code of its own, and so has the first instruction of a handler
        // (ptrace_notify); everything else is a signal of the program's.
        const STEP: [i32; 4] = [1, 2, 4, libc::SIGTRAP];
        if signal == libc::SIGTRAP && code.is_some_and(|code| STEP.contains(&code)) {
            if code == Some(libc::SIGTRAP) {
                self.mask_unknown = true;
            }
            self.stepping = Kind::Plain;
            self.give_back(tid)?;
            return self.at_point(tid);
        }
        // Delivered before the next instruction: its handler's first is the next point.
        self.give_back(tid)?;
        self.mask_unknown = true;
        self.stepping = Kind::Plain;
        self.resume(tid, Go::Step, signal)
    }

    fn mark(&mut self, tid: i32, mark: u64) -> Result<()> {
        match mark {
            BEGIN if self.phase == Phase::Start => {
                self.walker.places.read(tid);
                self.begin(tid)
            }
            BEGIN_NEXT if self.phase == Phase::Start => {
                self.phase = Phase::Next;
                self.walker.places.read(tid);
                self.resume(tid, Go::On, 0)
            }
            END => {
                if self.phase == Phase::Walk(tid) {
                    self.give_back(tid)?;
                    self.phase = Phase::Free;
                }
                self.resume(tid, Go::On, 0)
            }
            _ => self.resume(tid, Go::On, 0),
        }
    }

    /// The walk begins: with steps, or with a breakpoint on the way to the point.
    fn begin(&mut self, tid: i32) -> Result<()> {
        self.mask_unknown = true;
        if let Some(anchor) = self.point.and_then(|point| self.walker.anchor(point))
            && let Some(&Point { pc, before, blocked, .. }) = self.walker.track.get(anchor)
            && tracee::set_breakpoint(tid, Some(pc)).is_ok()
        {
            self.points = anchor;
            self.phase = Phase::Seek(tid, before);
            self.blocked = blocked;
            return self.resume(tid, Go::On, 0);
        }
        self.phase = Phase::Walk(tid);
        self.at_point(tid)
    }

    fn is_walked(&self, tid: i32) -> bool {
        matches!(self.phase, Phase::Walk(walked) | Phase::Seek(walked, _) if walked == tid)
    }

    /// Ends what is left of the run.
    pub(super) fn finish(&mut self) {
        for &tid in self.threads.keys().chain(&self.early) {
            // SAFETY: no memory is involved; the threads are traced by us.
            unsafe { libc::kill(tid, libc::SIGKILL) };
        }
        disarm();
        while let Ok(Some(_)) = tracee::next(true) {}
    }
}

fn mark_at(tid: i32, pc: u64) -> Option<u64> {
    let word = tracee::peek(tid, pc).ok()?;
    (word & MARK_BITS == MARK).then_some(word >> 24 & 0xff)
}

fn shown(status: i32) -> String {
    if libc::WIFEXITED(status) {
        format!("exit {}", libc::WEXITSTATUS(status))
    } else {
        format!("signal {}", libc::WTERMSIG(status))
    }
}

/// The process id of the new thread or process that an event is about.
fn event_message(tid: i32) -> Result<u64> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one word.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut message) };
    ensure!(result == 0, "PTRACE_GETEVENTMSG: {}", std::io::Error::last_os_error());
    Ok(message)
}

/// The first stop of a new thread.
fn wait_for_stop(tid: i32) -> Result<()> {
    let mut status = 0;
    let waited = loop {
        // SAFETY: the status is ours.
        let waited = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) };
        let error = std::io::Error::last_os_error();
        if waited >= 0 || error.kind() != std::io::ErrorKind::Interrupted {
            break waited;
        }
    };
    if waited != tid || !libc::WIFSTOPPED(status) {
        bail!("a new thread did not stop");
    }
    Ok(())
}
