//! Syscall user dispatch that the target sets up for itself (`PR_SET_SYSCALL_USER_DISPATCH`,
//! kernel/entry/syscall_user_dispatch.c).
//!
//! The kernel judges by the address of the instruction that enters it, and that of a patched site is in
//! a stub. So the kernel is not told: the resident keeps what each thread asked for, judges by the
//! address of the site, and sends the thread the signal that the kernel would have sent. Every call of
//! the process is wanted then.

use crate::abi::Entry;
use crate::arch;
use crate::layer::{self, Call};
use crate::memory::User;
use crate::signal::{self, bit};
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use crate::watch;
use linux_raw_sys::general::{SIGSEGV, SIGSYS};

/// `PR_SET_SYSCALL_USER_DISPATCH` (linux/prctl.h).
pub const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;
const OFF: usize = 0;
const EXCLUSIVE_ON: usize = 1;
const INCLUSIVE_ON: usize = 2;

/// What a thread asked for.
#[derive(Clone, Copy)]
pub struct Dispatch {
    on: bool,
    /// Calls from here on are let through,
    start: usize,
    /// as many bytes long.
    length: usize,
    /// The address of the byte that says whether the others are; 0: they are not.
    selector: usize,
}

impl Dispatch {
    /// Nothing: what a new thread, a new process and a new program have.
    pub const OFF: Self = Self { on: false, start: 0, length: 0, selector: 0 };
}

/// `prctl(PR_SET_SYSCALL_USER_DISPATCH)`.
pub fn set(call: &mut Call<'_>) -> isize {
    sys::raw(change(call).map(|()| 0))
}

fn change(call: &mut Call<'_>) -> Result<()> {
    let [_, mode, start, length, selector, _] = call.args;
    let (start, length) = match mode {
        OFF if start == 0 && length == 0 && selector == 0 => {
            call.block.dispatch = Dispatch::OFF;
            return Ok(());
        }
        EXCLUSIVE_ON if start == 0 || start.wrapping_add(length) > start => (start, length),
        // The range is that of the calls which are dispatched: all but it is let through.
        INCLUSIVE_ON if length != 0 && start.wrapping_add(length) > start => {
            (start.wrapping_add(length), length.wrapping_neg())
        }
        // The kernel refuses it too, unless a filter does before.
        _ => return sys::check(call.pass()).and(Err(Errno::INVAL)),
    };
    arm_for_a_moment(call, mode, selector)?;
    call.block.dispatch = Dispatch { on: true, start, length, selector };
    layer::want_everything_here(layer::Reason::Dispatched);
    Ok(())
}

/// Lets the kernel judge the mode and the selector's address. What it is armed with lets the next call
/// through, which disarms it: the gate's own range, or all but an address that is never executed.
fn arm_for_a_moment(call: &Call<'_>, mode: usize, selector: usize) -> Result<()> {
    let (start, length) = match mode {
        INCLUSIVE_ON => (1, 1),
        _ => {
            let (start, end) = arch::gate_range();
            (start, end - start)
        }
    };
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
    let option = PR_SET_SYSCALL_USER_DISPATCH as u32;
    // SAFETY: until it is taken back, the thread makes calls from the gate alone.
    let armed = unsafe { sys::prctl(option, [mode, start, length, selector]) };
    if armed.is_ok() {
        // SAFETY: nothing is passed.
        let disarmed = unsafe { sys::prctl(option, [OFF, 0, 0, 0]) };
        debug_assert!(disarmed.is_ok());
        // In a watched process it was armed before.
        watch::is_disarmed(call.block);
    }
    if !signal::is_held(call.block) {
        sys::set_signal_mask(mask);
    }
    armed.map(drop)
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Course {
    /// It is made.
    Made,
    /// The signal stands for it.
    Dispatched,
    /// Another signal came first: the call is made again after that.
    Again,
}

/// Judges the call of the site at `address`, as `syscall_user_dispatch` does, and sends the signal.
#[inline]
pub fn judge(block: &mut Block, number: usize, entry: Entry, address: usize) -> Course {
    if block.dispatch.on { decide(block, number, entry, address) } else { Course::Made }
}

#[cold]
fn decide(block: &mut Block, number: usize, entry: Entry, address: usize) -> Course {
    const ALLOW: u8 = 0;
    const BLOCK: u8 = 1;
    let Dispatch { start, length, selector, .. } = block.dispatch;
    let after = address + arch::SYSCALL_INSTRUCTION;
    if after.wrapping_sub(start) < length {
        return Course::Made;
    }
    if selector != 0 {
        match User::<u8>::new(selector).read() {
            Ok(ALLOW) => return Course::Made,
            Ok(BLOCK) => {}
            Ok(_) => signal::die(SIGSYS as i32),
            Err(_) => signal::die(SIGSEGV as i32),
        }
    }
    let arch = match entry {
        Entry::Native | Entry::X32 => arch::AUDIT_ARCH,
        Entry::Compat => arch::AUDIT_ARCH_COMPAT,
    };
    let info = arch::user_dispatch_info(signal::DISPATCHED, after, number as u32, arch);
    send(block, &info)
}

/// Sends the calling thread the signal, so that it is held and delivered on the way out. Nothing else
/// comes in between.
fn send(block: &mut Block, info: &arch::SigInfo) -> Course {
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS & !bit(SIGSYS as i32));
    if signal::is_held(block) {
        sys::set_signal_mask(sys::ALL_SIGNALS);
        return Course::Again;
    }
    // SAFETY: a bound block has its handlers.
    let action = unsafe { &*block.sighand }.get(SIGSYS as i32);
    // A signal that the kernel forces and the thread blocks or ignores kills (force_sig_info_to_task).
    let blocked = block.blocked.believed(mask) & bit(SIGSYS as i32) != 0;
    if blocked || action.is_ignore() || action.is_default() {
        signal::die(SIGSYS as i32);
    }
    if sys::queue_signal(SIGSYS as i32, core::ptr::from_ref(info) as usize).is_err() {
        // A filter of the target's forbids it: the handler learns less.
        let _ = sys::raise(SIGSYS as i32);
    }
    // What is held was found with the mask set above.
    block.exit_mask = mask;
    Course::Dispatched
}
