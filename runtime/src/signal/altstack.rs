//! `sigaltstack(2)`: the target's alternate stack is a belief; the kernel's is the resident's.

use crate::memory::User;
use crate::sys::{Errno, Result};
use crate::thread::AltStack;

/// `stack_t` (asm-generic/signal.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct Stack {
    sp: usize,
    flags: i32,
    size: usize,
}

/// `MINSIGSTKSZ` of the architectures whose kernel header does not say more.
const MINIMUM: usize = 2048;

/// The call itself, for code whose stack pointer is `sp` (`do_sigaltstack`, kernel/signal.c).
pub fn sigaltstack(current: &mut AltStack, sp: usize, new: usize, old: usize) -> Result<usize> {
    let wanted = match new {
        0 => None,
        at => Some(User::<Stack>::new(at).read()?),
    };
    let before = *current;
    if let Some(wanted) = wanted {
        *current = change(&before, sp, wanted)?;
    }
    if old != 0 {
        let report = Stack { sp: before.sp, flags: before.reported_flags(sp), size: before.size };
        User::<Stack>::new(old).write(report)?;
    }
    Ok(0)
}

/// What `rt_sigreturn(2)` makes of the stack that a frame names (`restore_altstack`): an error is
/// ignored.
pub fn restore(current: &mut AltStack, sp: usize, (start, flags, size): (usize, i32, usize)) {
    if let Ok(restored) = change(current, sp, Stack { sp: start, flags, size }) {
        *current = restored;
    }
}

fn change(before: &AltStack, sp: usize, wanted: Stack) -> Result<AltStack> {
    if before.enabled() && before.holds(sp) {
        return Err(Errno::PERM);
    }
    let mode = wanted.flags & !AltStack::AUTODISARM;
    if !matches!(mode, AltStack::DISABLE | AltStack::ONSTACK | 0) {
        return Err(Errno::INVAL);
    }
    if mode == AltStack::DISABLE {
        return Ok(AltStack { flags: wanted.flags, ..AltStack::NONE });
    }
    let same = (wanted.sp, wanted.flags, wanted.size) == (before.sp, before.flags, before.size);
    if wanted.size < MINIMUM && !same {
        return Err(Errno::NOMEM);
    }
    Ok(AltStack { sp: wanted.sp, flags: wanted.flags, size: wanted.size })
}
