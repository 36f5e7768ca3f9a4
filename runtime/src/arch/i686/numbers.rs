//! Call numbers and constants that differ between architectures.

use super::{old, thread};
use crate::layer::Legacy;
use crate::signal::{MaskArgument, wait_masked};
use crate::view;
use linux_raw_sys::general as nr;

pub use crate::arch::one_way_in::{compat_maps, is_x32_exec, native_of_compat};

/// `fstatat64`, and what it fills.
pub const FSTATAT: u32 = nr::__NR_fstatat64;
/// `fstat64`, which fills the same.
pub const FSTAT: usize = nr::__NR_fstat64 as usize;
/// See [`FSTATAT`].
pub type RawStat = nr::stat64;
/// The kernel whose `rt_sigreturn` restores the alternate stack before the registers: none does.
pub const ALTSTACK_FIRST: (u32, u32) = (u32::MAX, 0);

/// The `sigreturn` of seccomp's strict mode (asm/seccomp.h).
pub const STRICT_SIGRETURN: u32 = nr::__NR_sigreturn;
/// `fcntl` (`fcntl64` on 32-bit machines).
pub const FCNTL: u32 = nr::__NR_fcntl64;
/// Of the calls that other architectures do not have, those that are wanted to hide vload alone (`layer/system.rs`).
pub const VIEWS: &[usize] = &[FTRUNCATE64, FCHOWN32, GETDENTS];
/// `F_SETLKW` of a structure with 64-bit offsets.
pub const F_SETLKW64: u32 = nr::F_SETLKW64;
/// `mmap` (`mmap2` on 32-bit machines).
pub const MMAP: usize = nr::__NR_mmap2 as usize;
/// `clock_gettime` with 64-bit times (`clock_gettime64` on 32-bit machines).
pub const CLOCK_GETTIME: u32 = nr::__NR_clock_gettime64;
/// `geteuid` (`geteuid32` on 32-bit x86).
pub const GETEUID: u32 = nr::__NR_geteuid32;
/// `getegid` (`getegid32` on 32-bit x86).
pub const GETEGID: u32 = nr::__NR_getegid32;
/// `O_NOFOLLOW`.
pub const O_NOFOLLOW: usize = nr::O_NOFOLLOW as usize;

const SETRLIMIT: usize = nr::__NR_setrlimit as usize;
const STATX: usize = nr::__NR_statx as usize;
const OLD_LSTAT: usize = nr::__NR_lstat as usize;
const LSTAT64: usize = nr::__NR_lstat64 as usize;
const DUP2: usize = nr::__NR_dup2 as usize;
const READLINK: usize = nr::__NR_readlink as usize;
const OPEN: usize = nr::__NR_open as usize;
const OLD_STAT: usize = nr::__NR_stat as usize;
const STAT64: usize = nr::__NR_stat64 as usize;
const ACCESS: usize = nr::__NR_access as usize;
const FSTATAT64: usize = nr::__NR_fstatat64 as usize;
const FORK: usize = nr::__NR_fork as usize;
const VFORK: usize = nr::__NR_vfork as usize;
const SET_THREAD_AREA: usize = nr::__NR_set_thread_area as usize;
const OLD_FCNTL: usize = nr::__NR_fcntl as usize;
const OLD_MMAP: usize = nr::__NR_mmap as usize;
const SIGNAL: usize = nr::__NR_signal as usize;
const SIGACTION: usize = nr::__NR_sigaction as usize;
const SIGRETURN: usize = nr::__NR_sigreturn as usize;
const SIGSUSPEND: usize = nr::__NR_sigsuspend as usize;
const PPOLL_TIME64: usize = nr::__NR_ppoll_time64 as usize;
const PSELECT6_TIME64: usize = nr::__NR_pselect6_time64 as usize;
const IO_PGETEVENTS_TIME64: usize = nr::__NR_io_pgetevents_time64 as usize;
const RT_SIGTIMEDWAIT_TIME64: usize = nr::__NR_rt_sigtimedwait_time64 as usize;
const SIGPROCMASK: usize = nr::__NR_sigprocmask as usize;
const GETDENTS: usize = nr::__NR_getdents as usize;
const FTRUNCATE64: usize = nr::__NR_ftruncate64 as usize;
const FCHOWN32: usize = nr::__NR_fchown32 as usize;

/// Whether `number` is `dup2`.
pub fn is_dup2(number: usize) -> bool {
    number == DUP2
}

/// What the system layer wants on this architecture alone.
pub const WANTED: &[usize] = &[
    DUP2,
    SETRLIMIT,
    OLD_LSTAT,
    LSTAT64,
    READLINK,
    OPEN,
    OLD_STAT,
    STAT64,
    ACCESS,
    FSTATAT64,
    FORK,
    VFORK,
    SET_THREAD_AREA,
    OLD_FCNTL,
    OLD_MMAP,
    SIGNAL,
    SIGACTION,
    SIGRETURN,
    SIGPROCMASK,
    SIGSUSPEND,
    PPOLL_TIME64,
    PSELECT6_TIME64,
    IO_PGETEVENTS_TIME64,
    RT_SIGTIMEDWAIT_TIME64,
];

/// Where a call of the `stat` family has put the length of the file: the address of the low word.
pub fn stat_size(number: usize, args: &[usize; 6]) -> Option<usize> {
    /// `st_size` of `struct stat64`, and of the `struct stat` before it (asm/stat.h).
    const SIZE_AT: usize = 44;
    const OLD_SIZE_AT: usize = 20;
    Some(match number {
        OLD_STAT | OLD_LSTAT => args[1] + OLD_SIZE_AT,
        STAT64 | LSTAT64 => args[1] + SIZE_AT,
        FSTATAT64 => args[2] + SIZE_AT,
        // `stx_size` (linux/stat.h).
        STATX => args[4] + 40,
        _ => return None,
    })
}

/// The calls that only this architecture's table has.
pub fn legacy(number: usize) -> Option<Legacy> {
    Some(match number {
        DUP2 => Legacy::Dup2,
        SETRLIMIT => Legacy::SetLimit,
        OLD_LSTAT | LSTAT64 => Legacy::Own(|call| view::stat(call, 0, false)),
        READLINK => Legacy::Readlink,
        OPEN => Legacy::Open,
        OLD_STAT | STAT64 | ACCESS => Legacy::Stat,
        FSTATAT64 => Legacy::Fstatat,
        FORK | VFORK => Legacy::Fork,
        SET_THREAD_AREA => Legacy::Own(thread::set_thread_area),
        GETDENTS => Legacy::Own(|call| view::getdents(call, view::NAME)),
        OLD_FCNTL => Legacy::Own(view::fcntl),
        OLD_MMAP => Legacy::Own(old::mmap),
        SIGNAL => Legacy::Own(old::signal),
        SIGACTION => Legacy::Own(old::sigaction),
        SIGRETURN => Legacy::Own(old::sigreturn),
        SIGPROCMASK => Legacy::Own(old::sigprocmask),
        SIGSUSPEND => Legacy::Own(old::sigsuspend),
        PPOLL_TIME64 => Legacy::Own(|call| wait_masked(call, MaskArgument::Pointer(3))),
        PSELECT6_TIME64 | IO_PGETEVENTS_TIME64 => {
            Legacy::Own(|call| wait_masked(call, MaskArgument::Structure(5)))
        }
        RT_SIGTIMEDWAIT_TIME64 => Legacy::Own(crate::signal::rt_sigtimedwait),
        _ => return None,
    })
}

/// The flags of a call that starts a process, if `number` is one without a flags argument.
pub fn implied_clone_flags(number: usize) -> Option<usize> {
    const CLONE_VFORK_VM_SIGCHLD: usize = 0x4000 | 0x100 | 17;
    match number {
        FORK => Some(17),
        VFORK => Some(CLONE_VFORK_VM_SIGCHLD),
        _ => None,
    }
}
