//! Calls that wait with a signal mask of their own. When a signal ends the wait, its handler runs
//! with that mask, and the caller's comes back after (`set_user_sigmask`, `signal_delivered`,
//! kernel/signal.c). The frame tells the second only.

use super::mask::{HELD_BACK, hand_back, open, open_again, settle_opened, waiting};
use super::{SIGCALL, bit, deliver, shared};
use crate::arch::{self, SigInfo};
use crate::layer::Call;
use crate::memory::{User, read_words};
use crate::sys::{self, Errno, Result};

/// Where a call has the address of its mask.
#[derive(Clone, Copy)]
pub enum MaskArgument {
    /// In the argument of this index.
    Pointer(usize),
    /// In the first word of a structure that the argument of this index points to.
    Structure(usize),
    /// The argument of this index is the mask.
    Value(usize),
}

impl MaskArgument {
    /// Whether a wait with `args` that was interrupted for nothing can be made anew: the kernel has written to its time what is
    /// left (poll(2), select(2)), or it has none. Those of epoll and of rings end then natively, too.
    fn can_go_on(self, args: &[usize; 6]) -> bool {
        match self {
            Self::Pointer(4) => matches!(args[3] as i32, -1 | 0),
            Self::Structure(4) => false,
            _ => true,
        }
    }

    /// The mask; `None` when the call has none.
    fn read(self, args: &[usize; 6]) -> Result<Option<u64>> {
        let mut pointer = [0];
        match self {
            Self::Value(index) => return Ok(Some(args[index] as u64)),
            Self::Pointer(index) => pointer[0] = args[index],
            Self::Structure(index) if args[index] != 0 => read_words(args[index], &mut pointer)?,
            Self::Structure(_) => {}
        }
        match pointer[0] {
            0 => Ok(None),
            at => User::<u64>::new(at).read().map(Some),
        }
    }
}

/// Makes the call, and notes its mask when a signal has ended it.
#[inline(never)]
pub fn wait_masked(call: &mut Call<'_>, mask: MaskArgument) -> isize {
    let (mut handed, mut while_waiting) = (0, 0);
    if open() & HELD_BACK != 0
        && let Ok(Some(during)) = mask.read(&call.args)
    {
        while_waiting = during;
        call.block.blocked.wait_with(during);
        handed = hand_back(call.block, !during);
    }
    let result = call.pass();
    call.block.blocked.wait_is_over();
    open_again(call.block, handed);
    settle_opened(call.block, while_waiting);
    if result == sys::raw(Err(Errno::INTR)) {
        if deliver::is_nothing_held(call.block) {
            return if mask.can_go_on(&call.args) { arch::ABORTED } else { result };
        }
        // The kernel has read it; another thread may have taken it away since.
        call.block.temporary_mask = mask.read(&call.args).unwrap_or(None);
    }
    result
}

/// `rt_sigtimedwait(2)`: what was held back is taken like the rest.
pub fn rt_sigtimedwait(call: &mut Call<'_>) -> isize {
    let blocked = call.block.blocked.get();
    let mut handed = 0;
    if (blocked != 0 || waiting(call.block) != 0)
        && let Ok(set) = User::<u64>::new(call.args[0]).read()
    {
        // Another signal would end the wait.
        call.block.blocked.wait_with(blocked & !set | bit(SIGCALL));
        handed = hand_back(call.block, set);
    }
    let given = call.args[1];
    let mut info = arch::queued_info(0, 0, 0);
    let looks = open() & HELD_BACK != 0;
    if looks {
        call.args[1] = (&raw mut info).addr();
    }
    let result = loop {
        let result = call.pass();
        if !looks || result <= 0 {
            break result;
        }
        let Some(wanted) = shared::called_for(call.block, result as i32, &info) else {
            break result;
        };
        if wanted != result as i32 {
            shared::call_self(call.block, bit(wanted));
        } else if let Some(taken) = shared::take(call.block, wanted) {
            info = taken;
            break result;
        }
        // If another thread has taken it the wait goes on, where it has no end.
        if call.args[2] != 0 {
            break sys::raw(Err(Errno::INTR));
        }
    };
    call.args[1] = given;
    call.block.blocked.wait_is_over();
    open_again(call.block, handed);
    if !looks || result <= 0 {
        return result;
    }
    shared::settle(call.block);
    if given != 0
        && let Err(error) = User::<SigInfo>::new(given).write(deliver::as_sent(&info))
    {
        return sys::raw(Err(error));
    }
    result
}

/// `io_uring_enter(2)`. Whoever submits hears how much, and not that a signal has ended the wait; one that waits
/// in vain is told so only when the ring is empty (`io_cqring_wait`, io_uring/io_uring.c).
pub fn io_uring_enter(call: &mut Call<'_>) -> isize {
    const GETEVENTS: usize = 1 << 0;
    const EXT_ARG: usize = 1 << 3;
    /// The mask is where the ring was once told (docs/limits.md).
    const EXT_ARG_REG: usize = 1 << 6;
    let [_, submitted, _, flags, ..] = call.args;
    if flags & GETEVENTS == 0 || flags & EXT_ARG_REG != 0 {
        return call.pass();
    }
    let mask = match flags & EXT_ARG {
        0 => MaskArgument::Pointer(4),
        _ => MaskArgument::Structure(4),
    };
    let result = wait_masked(call, mask);
    let block = &mut *call.block;
    if result == submitted as isize && super::is_held(block) {
        let signal = super::bit(block.held_signal);
        // The caller's own mask has let it through, or cannot have.
        let is_caller_deaf = block.blocked.believed(block.exit_mask) & signal != 0;
        if let Ok(Some(during)) = mask.read(&call.args)
            && during & signal == 0
            && (submitted != 0 || is_caller_deaf)
        {
            block.temporary_mask = Some(during);
        }
    }
    result
}
