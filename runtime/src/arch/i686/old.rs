//! Calls that i386 alone has: structures of their own for what other calls mean.

use super::frame::OldFrame;
use super::{ABORTED, KernelAction};
use crate::layer::Call;
use crate::memory::{User, guard, read_words};
use crate::signal::{self as signals, MaskArgument, SigHand};
use crate::sys::{self, Errno, Result};
use crate::text;
use crate::thread::AltStack;

const PAGE: usize = 4096;

/// `mmap(2)` with its arguments in memory and its offset in bytes (`ia32_mmap`,
/// arch/x86/kernel/sys_ia32.c).
pub fn mmap(call: &mut Call<'_>) -> isize {
    let mut args = [0; 6];
    if let Err(error) = read_words(call.args[0], &mut args) {
        return sys::raw(Err(error));
    }
    if !args[5].is_multiple_of(PAGE) {
        return sys::raw(Err(Errno::INVAL));
    }
    args[5] /= PAGE;
    call.number = super::numbers::MMAP;
    call.args = args;
    guard::mmap(call, &mut text::mmap)
}

/// `struct compat_old_sigaction` (include/linux/compat.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct OldAction {
    handler: usize,
    mask: u32,
    flags: usize,
    restorer: usize,
}

fn sighand<'a>(call: &Call<'a>) -> &'a SigHand {
    // SAFETY: a bound block has its handlers.
    unsafe { &*call.block.sighand }
}

/// `sigaction(2)` as it was before masks had 64 bits.
pub fn sigaction(call: &mut Call<'_>) -> isize {
    let [signal, new, old, ..] = call.args;
    let set = || -> Result<usize> {
        let wanted = match new {
            0 => None,
            at => Some(User::<OldAction>::new(at).read()?),
        };
        let wanted = wanted.map(|action| KernelAction {
            handler: action.handler,
            flags: action.flags,
            restorer: action.restorer,
            mask: u64::from(action.mask),
        });
        let before = signals::set_action(sighand(call), signal as i32, wanted)?;
        if old != 0 {
            User::<OldAction>::new(old).write(OldAction {
                handler: before.handler,
                mask: before.mask as u32,
                flags: before.flags,
                restorer: before.restorer,
            })?;
        }
        Ok(0)
    };
    sys::raw(set())
}

/// `signal(2)`: for one delivery.
pub fn signal(call: &mut Call<'_>) -> isize {
    // SA_ONESHOT | SA_NOMASK (SYSCALL_DEFINE2(signal), kernel/signal.c).
    const FLAGS: usize = 0x8000_0000 | 0x4000_0000;
    let [signal, handler, ..] = call.args;
    let wanted = KernelAction { handler, flags: FLAGS, restorer: 0, mask: 0 };
    let before = signals::set_action(sighand(call), signal as i32, Some(wanted));
    sys::raw(before.map(|action| action.handler))
}

/// `sigreturn(2)`, from the frame of a handler without `SA_SIGINFO`. The kernel gets it in the other
/// kind, which it may read from the resident's stack.
pub fn sigreturn(call: &mut Call<'_>) -> isize {
    // The return address and the signal's number have been taken off the stack.
    let at = call.regs.sp().wrapping_sub(8);
    let stack = call.block.altstack;
    let mode = if stack.enabled() { 0 } else { AltStack::DISABLE };
    let flags = mode | stack.flags & AltStack::AUTODISARM;
    let frame = User::<OldFrame>::new(at).read();
    let frame = frame.map(|frame| frame.widened((stack.sp, flags, stack.size)));
    signals::return_through(frame, call.block, call.regs)
}

/// `sigprocmask(2)` of the first 32 signals; some are never blocked in the kernel (`signal/mask.rs`).
pub fn sigprocmask(call: &mut Call<'_>) -> isize {
    const BLOCK: usize = 0;
    const UNBLOCK: usize = 1;
    const SETMASK: usize = 2;
    let open = signals::open_signals() as u32;
    if open == 0 {
        return call.pass();
    }
    if signals::is_held(call.block) {
        return ABORTED;
    }
    let [how, new, old, ..] = call.args;
    let was = call.block.blocked.get();
    let mut wanted = 0;
    let mut told = 0;
    let mut handed = 0;
    if new != 0 {
        wanted = match User::<u32>::new(new).read() {
            Ok(mask) => mask,
            Err(error) => return sys::raw(Err(error)),
        };
        told = if how == UNBLOCK { wanted } else { wanted & !open };
        let freed = signals::freed(how, u64::from(wanted)) & u64::from(u32::MAX);
        handed = signals::hand_back(call.block, freed);
        call.args[1] = &raw const told as usize;
    }
    let result = call.pass();
    let _alive_until_here = &raw const told;
    signals::open_again(call.block, handed);
    if result < 0 {
        return result;
    }
    match how {
        SETMASK if new != 0 => call.block.blocked.set_from(u64::from(wanted)),
        BLOCK => call.block.blocked.add(u64::from(wanted & open)),
        UNBLOCK => call.block.blocked.set(was & !u64::from(wanted)),
        _ => {}
    }
    signals::settle_opened(call.block, was);
    if old != 0 && was != 0 {
        // SAFETY: the kernel has just written the old mask there.
        unsafe { *(old as *mut u32) |= was as u32 };
    }
    result
}

/// `sigsuspend(2)`, whose mask is its third argument.
pub fn sigsuspend(call: &mut Call<'_>) -> isize {
    signals::wait_masked(call, MaskArgument::Value(2))
}
