//! Signals.

use super::{Result, call, getpid, gettid};
use linux_raw_sys::general as nr;

/// Every signal.
pub const ALL_SIGNALS: u64 = !0;

/// `rt_sigprocmask(SIG_SETMASK)`; gives the old mask.
pub fn set_signal_mask(mask: u64) -> u64 {
    const SIG_SETMASK: usize = 2;
    let mut old = 0u64;
    // SAFETY: both sets are ours, and 8 bytes long.
    let set = unsafe {
        call(
            nr::__NR_rt_sigprocmask,
            [SIG_SETMASK, &raw const mask as usize, &raw mut old as usize, 8],
        )
    };
    debug_assert!(set.is_ok() || !can_set_signal_mask());
    old
}

/// Whether the mask can be set: a filter of the target's may forbid it.
pub fn can_set_signal_mask() -> bool {
    !crate::seccomp::refuses(nr::__NR_rt_sigprocmask as usize, &[2, 0, 0, 8, 0, 0])
}

/// `rt_sigprocmask(2)` with pointers of the target's or ours.
///
/// # Safety
/// What is at `old` is overwritten.
pub unsafe fn signal_mask(how: usize, new: usize, old: usize) -> Result<usize> {
    // SAFETY: the caller's promise; the kernel checks both pointers.
    unsafe { call(nr::__NR_rt_sigprocmask, [how, new, old, 8]) }
}

/// `rt_sigpending(2)`; `size` is the caller's idea of a set's length, which the kernel judges.
pub fn pending_signals(size: usize) -> Result<u64> {
    let mut set = 0u64;
    if size > size_of::<u64>() {
        return Err(super::Errno::INVAL);
    }
    // SAFETY: the kernel writes `size` bytes, which `set` has.
    unsafe { call(nr::__NR_rt_sigpending, [&raw mut set as usize, size]) }?;
    Ok(set)
}

/// `rt_sigaction(2)` with our own structures.
pub fn signal_action(
    signal: i32,
    new: Option<&crate::arch::KernelAction>,
    old: Option<&mut crate::arch::KernelAction>,
) -> Result<()> {
    let new = new.map_or(0, |a| core::ptr::from_ref(a) as usize);
    let old = old.map_or(0, |a| core::ptr::from_mut(a) as usize);
    // SAFETY: both are complete kernel structures.
    unsafe { call(nr::__NR_rt_sigaction, [signal as usize, new, old, 8]) }.map(drop)
}

/// `rt_tgsigqueueinfo(2)`: sends the calling thread a signal with `info`.
pub fn queue_signal(signal: i32, info: usize) -> Result<()> {
    let (pid, tid) = (getpid() as usize, gettid() as usize);
    // SAFETY: the kernel reads a siginfo at `info`, which the caller has.
    unsafe { call(nr::__NR_rt_tgsigqueueinfo, [pid, tid, signal as usize, info]) }.map(drop)
}

/// `rt_sigqueueinfo(2)`: sends the calling process a signal with `info`.
pub fn queue_process_signal(signal: i32, info: &crate::arch::SigInfo) -> Result<()> {
    // Any thread's id names the process, and what looks like the kernel's own or kill's is taken from
    // the thread that names itself alone (do_rt_sigqueueinfo, kernel/signal.c).
    let args = [gettid() as usize, signal as usize, core::ptr::from_ref(info) as usize];
    // SAFETY: the kernel reads the siginfo.
    unsafe { call(nr::__NR_rt_sigqueueinfo, args) }.map(drop)
}

/// `rt_tgsigqueueinfo(2)`: sends thread `tid` of a process a signal with `info`.
pub fn queue_signal_to(
    process: i32,
    tid: i32,
    signal: i32,
    info: &crate::arch::SigInfo,
) -> Result<()> {
    let at = core::ptr::from_ref(info) as usize;
    let args = [process as usize, tid as usize, signal as usize, at];
    // SAFETY: the kernel reads the siginfo.
    unsafe { call(nr::__NR_rt_tgsigqueueinfo, args) }.map(drop)
}

/// `tgkill(2)` of the calling thread.
pub fn raise(signal: i32) -> Result<()> {
    let (pid, tid) = (getpid() as usize, gettid() as usize);
    // SAFETY: no memory is passed.
    unsafe { call(nr::__NR_tgkill, [pid, tid, signal as usize]) }.map(drop)
}

/// `stack_t`.
#[repr(C)]
struct Stack {
    sp: usize,
    flags: i32,
    size: usize,
}

/// `sigaltstack(2)` of the kernel's own notion: start, flags and size.
pub fn kernel_altstack() -> Result<(usize, i32, usize)> {
    let mut stack = Stack { sp: 0, flags: 0, size: 0 };
    // SAFETY: the kernel fills the structure.
    unsafe { call(nr::__NR_sigaltstack, [0, &raw mut stack as usize]) }?;
    Ok((stack.sp, stack.flags, stack.size))
}

/// `sigaltstack(2)` of the kernel's own notion: enabled, not disarming.
pub fn set_kernel_altstack(start: usize, size: usize) -> Result<()> {
    let stack = Stack { sp: start, flags: 0, size };
    // SAFETY: the range is memory of ours that nothing else uses.
    unsafe { call(nr::__NR_sigaltstack, [&raw const stack as usize, 0]) }.map(drop)
}

/// Whether the kernel can be told of an alternate stack. Where a filter of the target's forbids it,
/// handlers run on the stack that they find.
pub fn can_set_kernel_altstack() -> bool {
    !crate::seccomp::refuses(nr::__NR_sigaltstack as usize, &[1, 0, 0, 0, 0, 0])
}

/// `rt_sigprocmask(SIG_BLOCK)`; gives the old mask.
pub fn block_signals(set: u64) -> u64 {
    let mut old = 0u64;
    // SAFETY: both sets are ours.
    let done = unsafe { signal_mask(0, &raw const set as usize, &raw mut old as usize) };
    debug_assert!(done.is_ok());
    old
}

/// `rt_sigtimedwait(2)`: the signal, and whether the kernel itself sent it. `None` when as many
/// nanoseconds have passed, or another signal came.
pub fn wait_for_signal(set: u64, limit: Option<i64>) -> Option<(i32, bool)> {
    let (signal, info) = wait_for_info(set, limit).ok()?;
    Some((signal, crate::arch::si_code(&info) > 0))
}

/// `rt_sigtimedwait(2)`, for as many nanoseconds at most: what has come.
pub fn wait_for_info(set: u64, limit: Option<i64>) -> Result<(i32, crate::arch::SigInfo)> {
    const SECOND: i64 = 1_000_000_000;
    // The kernel's `timespec` of this call has words of the machine's.
    let time = limit.map(|limit| [(limit / SECOND) as usize, (limit % SECOND) as usize]);
    let at = time.as_ref().map_or(0, |time| time.as_ptr() as usize);
    // SAFETY: all zero is a valid siginfo.
    let mut info: crate::arch::SigInfo = unsafe { core::mem::zeroed() };
    let args = [&raw const set as usize, &raw mut info as usize, at, 8];
    // SAFETY: the kernel reads the set and the time and fills the siginfo.
    let signal = unsafe { call(nr::__NR_rt_sigtimedwait, args) }?;
    Ok((signal as i32, info))
}

/// `rt_sigtimedwait(2)` without waiting: `signal` is not pending any more.
pub fn take_pending_signal(signal: u32) {
    let (set, no_time) = (1u64 << (signal - 1), [0u64; 2]);
    let args = [&raw const set as usize, 0, &raw const no_time as usize, 8];
    // SAFETY: the kernel reads the set and the time, both 16 bytes of zeros at most on any machine.
    let _ = unsafe { call(nr::__NR_rt_sigtimedwait, args) };
}

/// `kill(2)`.
pub fn send_signal(process: i32, signal: i32) {
    // SAFETY: no memory is passed. A process that has ended meanwhile needs no signal.
    let _ = unsafe { call(nr::__NR_kill, [process as usize, signal as usize]) };
}
