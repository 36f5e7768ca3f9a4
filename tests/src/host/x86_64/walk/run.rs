//! One run of a walked program.

use super::asleep::Asleep;
use super::place::Places;
use super::tracee::{self, Event, Go};
use anyhow::{Context, Result, bail, ensure};
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

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
    track: Vec<Point>,
    /// The program handles `SIGTRAP`, or traps. A trap that finds it blocked resets its handler
    /// (force_sig_info_to_task, kernel/signal.c), so none may.
    traps: bool,
}

/// A point of a walk.
#[derive(Clone, Copy)]
struct Point {
    pc: u64,
    /// How often the walk has come to this address before.
    before: usize,
    /// A trap would find its signal blocked.
    blocked: bool,
    /// That holds here, or when the walk came to this address before.
    blind: bool,
    /// The call that is made there has begun: no breakpoint leads into the kernel.
    inside: bool,
}

/// What must be known of an instruction before it is stepped over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
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
const TRAP_BIT: u64 = 1 << (libc::SIGTRAP - 1);
/// How long a run may go on without anything that the tracer hears of.
const LIMIT: Duration = Duration::from_secs(60);

/// What the run is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
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
struct State<'a> {
    walker: &'a mut Walker,
    phase: Phase,
    point: Option<usize>,
    points: usize,
    pc: u64,
    sent: bool,
    /// What the walk has come to, in the run that nothing disturbs.
    track: Vec<Point>,
    seen: HashMap<u64, (usize, bool)>,
    /// How often calls were made before, by the address behind them.
    calls: HashMap<u64, usize>,
    /// The thread group of each thread that is traced.
    threads: HashMap<i32, i32>,
    /// New threads whose first stop came before the event that names them.
    early: HashSet<i32>,
    main: i32,
    /// Where the breakpoint is, `SIGTRAP` is blocked.
    blocked: bool,
    /// The walked thread's own mask has `SIGTRAP`, which the tracer took out for the step.
    lent: bool,
    /// The mask was not looked at since it may have changed.
    mask_unknown: bool,
    stepping: Kind,
    entered: bool,
}

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
    fn anchor(&self, point: usize) -> Option<usize> {
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
    fn kind(&mut self, tid: i32, pc: u64) -> Result<Kind> {
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

impl State<'_> {
    /// Follows the program to its end.
    fn follow(&mut self) -> Result<String> {
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

    fn resume(&mut self, tid: i32, how: Go, signal: i32) -> Result<()> {
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
            return self.resume(tid, Go::On, signal);
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

    /// The walked thread is before an instruction: sends the signals, or steps over it.
    fn at_point(&mut self, tid: i32) -> Result<()> {
        loop {
            let pc = tracee::pc(tid)?;
            let point = self.points;
            self.points += 1;
            if self.point == Some(point) {
                self.pc = pc;
                self.inject(tid);
                self.phase = Phase::Free;
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

    fn record(&mut self, tid: i32, pc: u64) -> Result<()> {
        let blocked = self.lent || tracee::mask(tid)? & TRAP_BIT != 0;
        let (before, blind) = self.seen.get(&pc).copied().unwrap_or((0, false));
        let blind = blind || blocked;
        self.seen.insert(pc, (before + 1, blind));
        self.track.push(Point { pc, before, blocked, blind, inside: false });
        Ok(())
    }

    /// The walked thread has entered the kernel: what comes now finds it in its call.
    fn inside_call(&mut self, tid: i32) -> Result<()> {
        let pc = tracee::pc(tid)?;
        let point = self.points;
        self.points += 1;
        if self.point == Some(point) {
            self.pc = pc;
            self.inject(tid);
            self.phase = Phase::Free;
            return self.resume(tid, Go::On, 0);
        }
        if self.point.is_none() {
            let before = *self.calls.entry(pc).and_modify(|times| *times += 1).or_insert(0);
            self.track.push(Point { pc, before, blocked: true, blind: true, inside: true });
        }
        self.resume(tid, Go::Call, 0)
    }

    /// Blocks `SIGTRAP` again where the thread itself does.
    fn give_back(&mut self, tid: i32) -> Result<()> {
        if self.lent {
            let mask = tracee::mask(tid)?;
            tracee::set_mask(tid, mask | TRAP_BIT)?;
            self.lent = false;
            self.mask_unknown = true;
        }
        Ok(())
    }

    /// The walked thread sleeps in a call: that is a point too. `true` when nothing will wake it.
    fn slept(&mut self, tid: i32) -> Result<bool> {
        let point = self.points;
        self.points += 1;
        if self.point.is_none() {
            let (before, inside) = (usize::MAX, true);
            self.track.push(Point { pc: 0, before, blocked: true, blind: true, inside });
        }
        if self.point == Some(point) {
            self.pc = 0;
            self.inject(tid);
            self.phase = Phase::Free;
            return Ok(false);
        }
        Ok(true)
    }

    fn inject(&mut self, tid: i32) {
        self.sent = true;
        let group = self.threads.get(&tid).copied().unwrap_or(tid);
        for &signal in &self.walker.signals {
            tracee::send(group, tid, signal);
        }
    }

    /// Ends what is left of the run.
    fn finish(&mut self) {
        for &tid in self.threads.keys().chain(&self.early) {
            // SAFETY: no memory is involved; the threads are traced by us.
            unsafe { libc::kill(tid, libc::SIGKILL) };
        }
        disarm();
        while let Ok(Some(_)) = tracee::next(true) {}
    }
}

fn pipe() -> Result<(File, OwnedFd)> {
    let (output, input) = std::io::pipe().context("no pipe")?;
    Ok((File::from(OwnedFd::from(output)), OwnedFd::from(input)))
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

extern "C" fn interrupt(_signal: i32) {}

/// A blocking wait ends a few times in this long, whatever ended waits before.
fn arm(limit: Duration) {
    let part = limit.as_secs().div_ceil(4) as libc::time_t;
    // SAFETY: the handler does nothing; without SA_RESTART it ends the wait.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupt as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
    }
    set_timer(part);
}

fn disarm() {
    set_timer(0);
}

/// Raises `SIGALRM` every so many seconds.
fn set_timer(seconds: libc::time_t) {
    let every = libc::timeval { tv_sec: seconds, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the times are ours.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}
