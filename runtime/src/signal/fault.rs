//! The signals that a fault raises. The resident always handles them, so that a fault of its own
//! ends in a message that says where, and so that sites of the trap shape work. For the target they
//! stay what it made them.

use core::sync::atomic::{AtomicBool, Ordering};

use super::action::{SA_RESTART, resident_action};
use super::mask::SECOND_CALL;
use super::{SIGCALL, SigHand, bit};
use crate::arch::{self, Context, KernelAction, SigInfo};
use crate::log::{self, Line};
use crate::sys;
use crate::thread::Block;
use linux_raw_sys::general::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

/// The signals that a fault raises. `SIGTRAP` comes last, because a debugger keeps it for itself.
const FAULTS: [u32; 5] = [SIGILL, SIGFPE, SIGBUS, SIGSEGV, SIGTRAP];

const OURS: u64 = {
    let (mut set, mut at) = (0, 0);
    while at < FAULTS.len() {
        set |= bit(FAULTS[at] as i32);
        at += 1;
    }
    set
};

/// The signals that threads are called by: the second one those that block the first in the kernel.
const CALLS: [i32; 2] = [SIGCALL, SECOND_CALL];

/// The signals that a fault raises, as a mask.
pub const fn faults() -> u64 {
    OURS
}

/// Whether the resident keeps its handler for `signal` whatever the target asks for (`SIG_IGN` is
/// told to the kernel, because exec hands it on).
pub fn is_ours(signal: i32) -> bool {
    (OURS | super::open_signals()) & bit(signal) != 0
}

/// A signal of which the resident hears in a thread that blocks `blocked` and has the handlers `sighand`;
/// `None` where it blocks or ignores them all.
pub fn heard(blocked: u64, sighand: &SigHand) -> Option<i32> {
    // Who has the kernel block the first hears the second even where the target ignores it.
    let open = super::open_signals() & !blocked;
    if let Some(call) = CALLS.into_iter().find(|&call| open & bit(call) != 0) {
        return Some(call);
    }
    // Of these what is ignored is told to the kernel.
    let heard = |&signal: &i32| blocked & bit(signal) == 0 && !sighand.get(signal).is_ignore();
    FAULTS.iter().map(|&signal| signal as i32).find(heard)
}

/// Whether the signal comes again by itself when its handler has done nothing: a fault, but for a
/// trap, which leaves the program counter behind it.
pub fn happens_again(signal: i32, info: &SigInfo) -> bool {
    is_fault(signal, info) && signal != SIGTRAP as i32
}

/// `si_code`: more than 0 when the kernel itself raised the signal.
pub fn code(info: &SigInfo) -> i32 {
    arch::si_code(info)
}

/// `si_code` of what the kernel forces without an address (asm-generic/siginfo.h).
const SI_KERNEL: i32 = 0x80;

/// What the kernel forces on a thread of which it cannot build the frame of a handler (`force_sigsegv`, kernel/signal.c).
pub fn no_frame() -> SigInfo {
    let mut info = arch::queued_info(SIGSEGV as i32, 0, 0);
    arch::set_si_code(&mut info, SI_KERNEL);
    info
}

/// Whether the signal is a fault of the code it interrupted.
pub fn is_fault(signal: i32, info: &SigInfo) -> bool {
    OURS & bit(signal) != 0 && code(info) > 0 && !is_of_event(info)
}

/// Whether a performance event of the target's has sent the signal to the thread (`perf_event_open(2)`, `sigtrap`).
pub fn is_of_event(info: &SigInfo) -> bool {
    const TRAP_PERF: i32 = 6;
    arch::si_signo(info) == SIGTRAP as i32 && code(info) == TRAP_PERF
}

/// Whether that event waits for an access to memory, or for an instruction to be executed.
pub fn is_watchpoint(info: &SigInfo) -> bool {
    is_of_event(info) && arch::si_perf_type(info) == PERF_TYPE_BREAKPOINT
}

/// Of `perf_type_id` (linux/perf_event.h).
const PERF_TYPE_BREAKPOINT: u32 = 5;

/// Whether a seccomp filter has raised the signal instead of a call (`SYS_SECCOMP`).
pub fn is_filtered(signal: i32, info: &SigInfo) -> bool {
    const SYS_SECCOMP: i32 = 1;
    signal == SIGSYS as i32 && code(info) == SYS_SECCOMP
}

/// Whether the signal is the trap after a single step (`TRAP_TRACE`), which has come to `pc`.
pub fn is_step(signal: i32, info: &SigInfo, pc: usize) -> bool {
    const TRAP_TRACE: i32 = 2;
    // What a program has sent itself with that code has no such address.
    let is_unreasoned = || Some(code(info)) == arch::UNREASONED && arch::si_addr(info) == pc;
    signal == SIGTRAP as i32 && (code(info) == TRAP_TRACE || is_unreasoned())
}

/// The `si_code` by which the resident tells the signal that it sends for a call of the target's own user
/// dispatch (`process/dispatch.rs`): no code of the kernel's.
pub const DISPATCHED: i32 = 0x766c;

/// The `si_code` of a signal that calls a thread to take the one of its number that waits for the process (`shared.rs`).
pub const TAKE: i32 = -0x766c;

/// `info` as the target sees it, whose instruction is at `pc`: an address of code is one of its own.
pub fn shown(signal: i32, info: &SigInfo, pc: usize) -> SigInfo {
    let mut shown = super::deliver::as_sent(info);
    if is_filtered(signal, info) {
        let at = arch::si_addr(info);
        let is_ours = arch::image_contains(at);
        arch::set_si_addr(&mut shown, if is_ours { pc } else { crate::text::shown_pc(at) });
    } else if signal == SIGSYS as i32 && code(info) == DISPATCHED {
        const SYS_USER_DISPATCH: i32 = 2;
        arch::set_si_code(&mut shown, SYS_USER_DISPATCH);
    } else if is_fault(signal, info) && !matches!(signal as u32, SIGSEGV | SIGBUS) {
        arch::set_si_addr(&mut shown, crate::text::shown_pc(arch::si_addr(info)));
    }
    shown
}

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether [`install`] has run: before, the kernel's actions are those that were inherited.
pub fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Takes the signals that were inherited as ignored, and handlers that a process had before it was
/// adopted, into `sighand`, and installs the handler for the others that are ours.
pub fn install(sighand: &SigHand) {
    INSTALLED.store(true, Ordering::Relaxed);
    for signal in 1..=super::SIGNALS as i32 {
        let mut inherited = KernelAction::default();
        if sys::signal_action(signal, None, Some(&mut inherited)).is_err() {
            continue;
        }
        if inherited.handler > 1 {
            // A process that ran before it got a resident.
            let taken = super::change_action(sighand, signal, Some(inherited));
            debug_assert!(taken.is_ok());
        } else if inherited.handler == 1 {
            sighand.inherit_ignore(signal);
            if super::open_signals() & bit(signal) != 0 {
                keep_ours(signal);
            }
        } else if is_ours(signal) {
            keep_ours(signal);
        }
    }
}

/// Puts the resident's handler (back) in place for a signal that is ours, and that the target does not handle.
pub fn keep_ours(signal: i32) {
    if is_ours(signal) {
        let set = sys::signal_action(signal, Some(&resident_action(SA_RESTART)), None);
        debug_assert!(set.is_ok());
    }
}

/// Lets the kernel do by default what `signal` does, with `info`, as soon as the handler returns. Most faults happen again
/// by themselves; not so what was sent (rt_sigqueueinfo(2)) and looks like one, nor a trap, the program counter is behind it,
/// nor a frame that `rt_sigreturn(2)` cannot take. `false` when a filter of the target's does not allow it.
pub fn die_as_default(signal: i32, info: &SigInfo, is_sent: bool) -> bool {
    let default = KernelAction::default();
    if sys::signal_action(signal, Some(&default), None).is_err() {
        return false;
    }
    if (is_sent && arch::CAN_SEND_FAULTS) || !happens_again(signal, info) || code(info) == SI_KERNEL
    {
        super::deliver::again(signal, info);
    }
    true
}

/// A fault in the resident: says what, where and in which call, and ends the process with it.
pub fn report(signal: i32, info: &SigInfo, context: &Context, block: &Block) -> ! {
    let mut line = Line::new();
    line.text("vload: internal fault: signal ").decimal(signal as i64);
    line.text(" at image offset ").hex(context.pc().wrapping_sub(arch::image_range().0) as u64);
    line.text(", address ").hex(arch::si_addr(info) as u64);
    // SAFETY: `regs` is null or points into this thread's own resident stack.
    if let Some(regs) = unsafe { block.regs.as_ref() } {
        line.text(", call ").decimal(regs.number() as i64);
        line.text(", site ").hex(crate::text::shown_pc(regs.pc()) as u64);
    }
    line.text(", vload ").text(env!("CARGO_PKG_VERSION"));
    line.text(
        "\nvload: this is a fault of vload, not of the program. Please report it with this line",
    );
    line.text(" and the command; `--log FILE:debug` shows what led to it.\n");
    log::emergency(line.bytes());
    die(signal)
}

/// Ends the process with `signal`.
pub fn die(signal: i32) -> ! {
    // Where a filter of the target's forbids this, the exit status alone tells.
    let _ = sys::signal_action(signal, Some(&KernelAction::default()), None);
    // What else waits stays where it is.
    sys::set_signal_mask(!bit(signal));
    let _ = sys::raise(signal);
    sys::exit(128 + signal)
}
