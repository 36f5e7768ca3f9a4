//! The points of a walk: before each instruction of the walked thread, in its calls, and while it sleeps in one.

use super::follow::{Phase, State, TRAP_BIT};
use super::run::{Kind, Point};
use super::tracee::{self, Go};
use anyhow::Result;

impl State<'_> {
    /// The walked thread is before an instruction: sends the signals, or steps over it.
    pub(super) fn at_point(&mut self, tid: i32) -> Result<()> {
        loop {
            let pc = tracee::pc(tid)?;
            if self.comes_to(tid, pc) {
                return self.resume(tid, Go::On, 0);
            }
            if self.point.is_none() {
                self.record(tid, pc)?;
            }
            match self.walker.kind(tid, pc)? {
                Kind::PushFlags => tracee::push_flags(tid)?,
                Kind::PopFlags => tracee::pop_flags(tid)?,
                Kind::Returns => tracee::return_far(tid)?,
                kind => {
                    self.stepping = kind;
                    break;
                }
            }
        }
        if self.stepping == Kind::Call {
            self.entered = false;
            return self.resume(tid, Go::Call, 0);
        }
        // A step's trap that finds SIGTRAP blocked resets its handler (force_sig, kernel/signal.c).
        if self.mask_unknown {
            let mask = tracee::mask(tid)?;
            self.lent = mask & TRAP_BIT != 0;
            self.mask_unknown = false;
            if self.lent {
                tracee::set_mask(tid, mask & !TRAP_BIT)?;
            }
        }
        if let Kind::Repeats(length) = self.stepping {
            // Behind it the walk goes on.
            tracee::set_breakpoint(tid, Some(tracee::pc(tid)? + length))?;
            self.phase = Phase::Seek(tid, 0);
            self.blocked = false;
            return self.resume(tid, Go::On, 0);
        }
        self.resume(tid, Go::Step, 0)
    }

    /// A point, at `pc`: where it is the one that is looked for the signals are sent, and the walk is over.
    fn comes_to(&mut self, tid: i32, pc: u64) -> bool {
        let is_here = self.point == Some(self.points);
        self.points += 1;
        if is_here {
            self.pc = pc;
            self.inject(tid);
            self.phase = Phase::Free;
        }
        is_here
    }

    fn record(&mut self, tid: i32, pc: u64) -> Result<()> {
        let blocked = self.lent || tracee::mask(tid)? & TRAP_BIT != 0;
        let (before, blind) = self.seen.get(&pc).copied().unwrap_or((0, false));
        let blind = blind || blocked;
        self.seen.insert(pc, (before + 1, blind));
        self.track.push(Point { pc, before, blocked, blind, inside: false });
        Ok(())
    }

    /// The walked thread has entered the kernel: what comes now finds it in its call.
    pub(super) fn inside_call(&mut self, tid: i32) -> Result<()> {
        let pc = tracee::pc(tid)?;
        if self.comes_to(tid, pc) {
            return self.resume(tid, Go::On, 0);
        }
        if self.point.is_none() {
            let before = *self.calls.entry(pc).and_modify(|times| *times += 1).or_insert(0);
            self.track.push(Point { pc, before, blocked: true, blind: true, inside: true });
        }
        self.resume(tid, Go::Call, 0)
    }

    /// Blocks `SIGTRAP` again where the thread itself does.
    pub(super) fn give_back(&mut self, tid: i32) -> Result<()> {
        if self.lent {
            let mask = tracee::mask(tid)?;
            tracee::set_mask(tid, mask | TRAP_BIT)?;
            self.lent = false;
            self.mask_unknown = true;
        }
        Ok(())
    }

    /// The walked thread sleeps in a call: that is a point too. `true` when nothing will wake it.
    pub(super) fn slept(&mut self, tid: i32) -> Result<bool> {
        if self.point.is_none() {
            let (before, inside) = (usize::MAX, true);
            self.track.push(Point { pc: 0, before, blocked: true, blind: true, inside });
        }
        Ok(!self.comes_to(tid, 0))
    }

    fn inject(&mut self, tid: i32) {
        self.sent = true;
        let group = self.threads.get(&tid).copied().unwrap_or(tid);
        for &signal in &self.walker.signals {
            tracee::send(group, tid, signal);
        }
    }
}
