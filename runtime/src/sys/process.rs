//! Processes, threads, signals.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::{Result, call};
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY};

/// `gettid(2)`.
pub fn gettid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call(nr::__NR_gettid, []) }.map_or(0, |id| id as i32)
}

/// `getpid(2)`.
pub fn getpid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call(nr::__NR_getpid, []) }.map_or(0, |id| id as i32)
}

/// `getppid(2)`.
pub fn getppid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call(nr::__NR_getppid, []) }.map_or(0, |id| id as i32)
}

/// `uname(2)`: the first two numbers of the kernel's version; 0 where a filter keeps it from us.
pub fn kernel_version() -> (u32, u32) {
    /// The fields of `struct new_utsname` (linux/utsname.h), and which of them is the release.
    const FIELD: usize = 65;
    const RELEASE: usize = 2;
    let mut names = [0u8; 6 * FIELD];
    // SAFETY: the kernel writes as many bytes as the structure has.
    let asked = unsafe { call(nr::__NR_uname, [names.as_mut_ptr() as usize]) };
    asked.map_or((0, 0), |_| version_of(&names[RELEASE * FIELD..]))
}

/// The first two numbers of a release.
pub fn version_of(release: &[u8]) -> (u32, u32) {
    let mut numbers = release.split(|byte| !byte.is_ascii_digit()).map(|digits| {
        digits.iter().fold(0u32, |sum, digit| sum.wrapping_mul(10) + u32::from(digit - b'0'))
    });
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// `exit_group(2)`.
pub fn exit(status: i32) -> ! {
    let args = [status as usize, 0, 0, 0, 0, 0];
    loop {
        for number in [nr::__NR_exit_group, nr::__NR_exit] {
            // SAFETY: no memory is passed; the call returns only where a filter of the target's says so.
            let _ = unsafe { crate::arch::syscall_unasked(number as usize, args) };
        }
    }
}

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

/// `sched_yield(2)`.
pub fn give_way() {
    // SAFETY: no arguments. It does not fail (sched_yield(2)).
    let _ = unsafe { call(nr::__NR_sched_yield, []) };
}

const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;

/// `futex(2)`: sleeps while `word` is `value`; comes back for nothing, too.
pub fn wait_while(word: &AtomicU32, value: u32) {
    let args = [word.as_ptr() as usize, FUTEX_WAIT_PRIVATE, value as usize, 0];
    // SAFETY: the kernel reads the word. Whatever ends the wait, the caller looks again.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// `futex(2)`: wakes all that sleep on `word`.
pub fn wake_all(word: &AtomicU32) {
    let args = [word.as_ptr() as usize, FUTEX_WAKE_PRIVATE, i32::MAX as usize];
    // SAFETY: the word is only an address here. That nobody sleeps is no error.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;

/// [`wait_while`] for a word that processes share, for at most so many nanoseconds, less than a second.
pub fn wait_while_shared(word: &AtomicU32, value: u32, nanoseconds: usize) {
    let limit = [0, nanoseconds];
    let args = [word.as_ptr() as usize, FUTEX_WAIT, value as usize, limit.as_ptr() as usize];
    // SAFETY: the kernel reads the word and a timespec of two words. Whatever ends the wait, the caller
    // looks again.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// Wakes one that sleeps on a word that processes share.
pub fn wake_one_shared(word: &AtomicU32) {
    let args = [word.as_ptr() as usize, FUTEX_WAKE, 1];
    // SAFETY: the word is only an address here. That nobody sleeps is no error.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// `get_robust_list(2)` of the calling thread: where its list's head is, or 0.
pub fn robust_list() -> Result<usize> {
    let (mut head, mut length) = (0usize, 0usize);
    let args = [0, &raw mut head as usize, &raw mut length as usize];
    // SAFETY: the kernel writes two words, which are ours.
    unsafe { call(nr::__NR_get_robust_list, args) }?;
    Ok(head)
}

/// `set_robust_list(2)`. The length is the only one that the kernel takes (kernel/futex/syscalls.c).
///
/// # Safety
/// `head` must be 0, or lead to a list for as long as it is the thread's: the kernel follows it when the
/// thread ends.
pub unsafe fn set_robust_list(head: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_set_robust_list, [head, 3 * size_of::<usize>()]) }.map(drop)
}

/// Sleeps for less than a second, or until a signal is handled.
pub fn sleep(nanoseconds: usize) {
    let time = [0, nanoseconds];
    // SAFETY: the kernel reads a timespec of two words. A signal that ends it early is what is said.
    let _ = unsafe { call(nr::__NR_nanosleep, [time.as_ptr() as usize, 0]) };
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

/// `prctl(2)`.
///
/// # Safety
/// As the option says.
pub unsafe fn prctl(option: u32, args: [usize; 4]) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_prctl, [option as usize, args[0], args[1], args[2], args[3]]) }
}

/// `personality(0xffffffff)`: the flags in force, from `/proc/self/personality` (proc_pid(5)) where
/// the call is forbidden; 0 where both are.
pub fn personality() -> u32 {
    // SAFETY: no memory is passed; this value changes nothing (personality(2)).
    match unsafe { call(nr::__NR_personality, [0xffff_ffff]) } {
        Ok(flags) => flags as u32,
        Err(_) => personality_in_proc().unwrap_or(0),
    }
}

fn personality_in_proc() -> Option<u32> {
    let mut digits = [0; 8];
    let fd = super::openat(super::CWD, c"/proc/self/personality", O_RDONLY | O_CLOEXEC, 0).ok()?;
    let length = super::pread(fd, &mut digits, 0);
    super::close(fd);
    u32::from_str_radix(core::str::from_utf8(digits.get(..length.ok()?)?).ok()?, 16).ok()
}

/// `getrandom(2)`: a random word; 0 where the call is forbidden or has no entropy yet.
pub fn random() -> Result<u64> {
    let mut word = 0u64;
    // SAFETY: eight bytes of ours.
    unsafe { call(nr::__NR_getrandom, [&raw mut word as usize, 8, 0]) }?;
    Ok(word)
}

/// `getrandom(2)` to an address of the target's, which the kernel checks.
pub fn fill_random(address: usize, length: usize) -> Result<()> {
    /// As `/dev/urandom`: it never waits (linux/random.h).
    const GRND_INSECURE: usize = 4;
    // SAFETY: the caller overwrites these bytes.
    unsafe { call(nr::__NR_getrandom, [address, length, GRND_INSECURE]) }.map(drop)
}

/// A soft and a hard limit (`struct rlimit64`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The limit in force.
    pub soft: u64,
    /// What an unprivileged process may raise it to.
    pub hard: u64,
}

/// `prlimit64(2)` of the calling process, reading.
pub fn limit(resource: u32) -> Result<Limit> {
    let mut limit = Limit { soft: 0, hard: 0 };
    // SAFETY: the kernel fills `limit`.
    unsafe { call(nr::__NR_prlimit64, [0, resource as usize, 0, &raw mut limit as usize]) }?;
    Ok(limit)
}

/// `prlimit64(2)` of the calling process, writing.
pub fn set_limit(resource: u32, limit: Limit) -> Result<()> {
    // SAFETY: the kernel reads `limit`.
    unsafe { call(nr::__NR_prlimit64, [0, resource as usize, &raw const limit as usize, 0]) }
        .map(drop)
}

/// The time of day in nanoseconds since the epoch; `None` where it cannot be asked.
pub fn now() -> Option<i64> {
    const CLOCK_REALTIME: usize = 0;
    clock(CLOCK_REALTIME)
}

/// A clock that only goes forward, in nanoseconds.
pub fn monotonic() -> Option<i64> {
    const CLOCK_MONOTONIC: usize = 1;
    clock(CLOCK_MONOTONIC)
}

/// `clock_gettime(2)` in nanoseconds.
pub fn clock(which: usize) -> Option<i64> {
    let mut time = [0i64; 2];
    // SAFETY: the kernel fills a timespec of two 64-bit words (arch::numbers::CLOCK_GETTIME).
    unsafe { call(crate::arch::numbers::CLOCK_GETTIME, [which, &raw mut time as usize]) }.ok()?;
    Some(time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1]))
}

/// `brk(0)`: where the heap ends.
pub fn brk() -> usize {
    // SAFETY: 0 changes nothing.
    unsafe { call(nr::__NR_brk, [0]) }.unwrap_or(0)
}

/// `clone(2)` as a plain fork, before the target runs.
pub fn fork() -> Result<usize> {
    const SIGCHLD: usize = 17;
    // SAFETY: the child has a copy of all memory and one thread.
    unsafe { call(nr::__NR_clone, [SIGCHLD, 0, 0, 0, 0]) }
}

/// `rt_sigprocmask(SIG_BLOCK)`; gives the old mask.
pub fn block_signals(set: u64) -> u64 {
    let mut old = 0u64;
    // SAFETY: both sets are ours.
    let done = unsafe { signal_mask(0, &raw const set as usize, &raw mut old as usize) };
    debug_assert!(done.is_ok());
    old
}

/// `wait4(2)` with `WNOHANG`: the status of `child` if it has ended (or cannot be waited for).
pub fn wait_without_blocking(child: i32) -> Option<i32> {
    const WNOHANG: usize = 1;
    let mut status = 0i32;
    let at = &raw mut status as usize;
    // SAFETY: the kernel fills `status`.
    match unsafe { call(nr::__NR_wait4, [child as usize, at, WNOHANG, 0]) } {
        Ok(0) | Err(super::Errno::INTR) => None,
        Ok(_) => Some(status),
        Err(_) => Some(0),
    }
}

/// `wait4(2)`: the status of `child`, which ends sooner or later.
pub fn wait(child: i32) -> i32 {
    let mut status = 0i32;
    loop {
        // SAFETY: the kernel fills `status`.
        match unsafe { call(nr::__NR_wait4, [child as usize, &raw mut status as usize, 0, 0]) } {
            Err(super::Errno::INTR) => {}
            Ok(_) => return status,
            Err(_) => return 0,
        }
    }
}

/// `wait4(2)` for any child with `WNOHANG`: which has ended and its status, or 0 while some live. `ECHILD`
/// when there is none.
pub fn wait_for_any() -> Result<(i32, i32)> {
    const WNOHANG: usize = 1;
    let mut status = 0i32;
    let args = [usize::MAX, &raw mut status as usize, WNOHANG, 0];
    // SAFETY: the kernel fills `status`.
    unsafe { call(nr::__NR_wait4, args) }.map(|child| (child as i32, status))
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

/// Ends as a process with `status` (of wait(2)) ended: with its exit status or by its signal.
pub fn end_like(status: i32) -> ! {
    let signal = status & 0x7f;
    if signal == 0 {
        exit(status >> 8 & 0xff)
    }
    const RLIMIT_CORE: u32 = 4;
    // The core is the program's; a second one would replace it.
    let limited = set_limit(RLIMIT_CORE, Limit { soft: 0, hard: 0 });
    debug_assert!(limited.is_ok());
    let default = crate::arch::KernelAction::default();
    // SIGKILL and SIGSTOP cannot be set, and need not be.
    let _ = signal_action(signal, Some(&default), None);
    set_signal_mask(0);
    let _ = raise(signal);
    exit(128 + signal)
}

/// `prctl(PR_GET_NO_NEW_PRIVS)`.
pub fn has_no_new_privs() -> bool {
    const PR_GET_NO_NEW_PRIVS: u32 = 39;
    // SAFETY: no memory is passed.
    let set = unsafe { prctl(PR_GET_NO_NEW_PRIVS, [0; 4]) };
    set == Ok(1)
}

/// `getegid(2)`.
pub fn getegid() -> u32 {
    // SAFETY: no arguments.
    unsafe { call(crate::arch::numbers::GETEGID, []) }.map_or(u32::MAX, |id| id as u32)
}

/// `geteuid(2)`.
pub fn geteuid() -> u32 {
    // SAFETY: no arguments.
    unsafe { call(crate::arch::numbers::GETEUID, []) }.map_or(u32::MAX, |id| id as u32)
}

/// `process_vm_readv(2)`: numbers in another process's memory. `T` is an integer.
pub fn read_process<T: Copy>(pid: i32, address: usize, into: &mut [T]) -> Result<()> {
    let length = size_of_val(into);
    let (here, there) = ([into.as_mut_ptr() as usize, length], [address, length]);
    let (here, there) = (here.as_ptr() as usize, there.as_ptr() as usize);
    // SAFETY: the kernel writes `length` bytes at `into`.
    match unsafe { call(nr::__NR_process_vm_readv, [pid as usize, here, 1, there, 1, 0]) }? {
        read if read == length => Ok(()),
        _ => Err(super::Errno::FAULT),
    }
}

/// Whether `id` is the number of this process or one of its threads.
pub fn is_own_thread(id: i32) -> bool {
    let pid = getpid();
    // SAFETY: no memory is passed; signal 0 is not sent (kill(2)).
    id == pid || id > 0 && unsafe { call(nr::__NR_tgkill, [pid as usize, id as usize, 0]) }.is_ok()
}

/// Whether thread `id`, of whatever process, shares the caller's memory. `ESRCH`: there is none.
pub fn shares_memory(id: i32) -> Result<bool> {
    const KCMP_VM: usize = 1;
    let args = [getpid() as usize, id as usize, KCMP_VM, 0, 0];
    // SAFETY: no memory is passed (kcmp(2)).
    match unsafe { call(nr::__NR_kcmp, args) } {
        Ok(differs) => Ok(differs == 0),
        Err(super::Errno::SRCH) => Err(super::Errno::SRCH),
        // Kernels can be without it (CONFIG_KCMP), and the filters of containers forbid it where they allow to read:
        // a process with memory of its own has not what is written just now.
        Err(_) => {
            static WRITTEN: AtomicUsize = AtomicUsize::new(0);
            let time = monotonic().unwrap_or(0) as usize;
            WRITTEN.store(time, Ordering::SeqCst);
            loop {
                let before = WRITTEN.load(Ordering::SeqCst);
                let mut seen = [0usize];
                read_process(id, WRITTEN.as_ptr() as usize, &mut seen)?;
                // Another thread may write meanwhile.
                if before == WRITTEN.load(Ordering::SeqCst) {
                    break Ok(seen == [before]);
                }
            }
        }
    }
}
