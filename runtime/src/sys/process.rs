//! Processes and threads.

use crate::digits::hexadecimal;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Errno, Result, call, raise, set_signal_mask, signal_action};
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

/// `sched_yield(2)`.
pub fn give_way() {
    // SAFETY: no arguments. It does not fail (sched_yield(2)).
    let _ = unsafe { call(nr::__NR_sched_yield, []) };
}

/// Sleeps for less than a second, or until a signal is handled.
pub fn sleep(nanoseconds: usize) {
    let time = [0, nanoseconds];
    // SAFETY: the kernel reads a timespec of two words. A signal that ends it early is what is said.
    let _ = unsafe { call(nr::__NR_nanosleep, [time.as_ptr() as usize, 0]) };
}

/// `prctl(2)`.
///
/// # Safety
/// As the option says.
pub unsafe fn prctl(option: u32, args: [usize; 4]) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_prctl, [option as usize, args[0], args[1], args[2], args[3]]) }
}

/// Whether a seccomp filter judges the thread's calls, or may (`prctl(PR_GET_SECCOMP)`).
pub fn is_filtered() -> bool {
    const PR_GET_SECCOMP: u32 = 21;
    // SAFETY: it takes no arguments.
    let mode = unsafe { prctl(PR_GET_SECCOMP, [0; 4]) };
    // A kernel that has no filters does not know the option.
    !matches!(mode, Ok(0) | Err(Errno::INVAL))
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
    hexadecimal(digits.get(..length.ok()?)?)?.try_into().ok()
}

/// `getrandom(2)`: a random word; 0 where the call is forbidden or has no entropy yet.
pub fn random() -> Result<u64> {
    let mut word = 0u64;
    // SAFETY: eight bytes of ours.
    unsafe { call(nr::__NR_getrandom, [&raw mut word as usize, 8, 0]) }?;
    Ok(word)
}

/// `getrandom(2)` to an address of the target's, which the kernel checks: how many bytes it has filled.
pub fn fill_random(address: usize, length: usize) -> Result<usize> {
    /// As `/dev/urandom`: it never waits (linux/random.h).
    const GRND_INSECURE: usize = 4;
    // SAFETY: the caller overwrites these bytes.
    unsafe { call(nr::__NR_getrandom, [address, length, GRND_INSECURE]) }
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

/// `setsid(2)`.
pub fn begin_session() -> Result<()> {
    // SAFETY: no memory is passed.
    unsafe { call(nr::__NR_setsid, []) }.map(drop)
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

/// `ptrace(2)`.
///
/// # Safety
/// What the request reads and writes at `data` must be there.
pub unsafe fn ptrace(request: usize, tid: i32, address: usize, data: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_ptrace, [request, tid as usize, address, data]) }
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
