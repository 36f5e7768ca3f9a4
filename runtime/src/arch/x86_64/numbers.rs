//! Call numbers and constants that differ between architectures.

use crate::layer::{Compat, Legacy};
use crate::view;
use linux_raw_sys::general as nr;

pub use crate::arch::numbers64::*;

const STATX: usize = nr::__NR_statx as usize;
const LSTAT: usize = nr::__NR_lstat as usize;
const SETRLIMIT: usize = nr::__NR_setrlimit as usize;
const GETDENTS: usize = nr::__NR_getdents as usize;
const DUP2: usize = nr::__NR_dup2 as usize;
const READLINK: usize = nr::__NR_readlink as usize;
const OPEN: usize = nr::__NR_open as usize;
const STAT: usize = nr::__NR_stat as usize;
const ACCESS: usize = nr::__NR_access as usize;
const NEWFSTATAT: usize = nr::__NR_newfstatat as usize;
const FORK: usize = nr::__NR_fork as usize;
const VFORK: usize = nr::__NR_vfork as usize;
const ARCH_PRCTL: usize = nr::__NR_arch_prctl as usize;
/// The x32 `execve` (arch/x86/entry/syscalls/syscall_64.tbl), without the bit of its table.
const X32_EXECVE: usize = 520;
const X32_BIT: usize = 0x4000_0000;

/// The kernel whose `rt_sigreturn` restores the alternate stack before the registers (arch/x86/kernel/signal_64.c:
/// "x86/pkeys: Restore altstack access in sigreturn()").
pub const ALTSTACK_FIRST: (u32, u32) = (6, 12);

/// Whether `number` is the x32 `execve`, and the kernel has such calls.
pub fn is_x32_exec(number: usize) -> bool {
    let getpid = X32_BIT | nr::__NR_getpid as usize;
    // SAFETY: asks for a number alone.
    number == X32_BIT | X32_EXECVE && unsafe { crate::arch::syscall(getpid, [0; 6]) } > 0
}

/// Whether `number` is `dup2`.
pub fn is_dup2(number: usize) -> bool {
    number == DUP2
}

/// What the system layer wants on this architecture alone.
pub const WANTED: &[usize] = &[
    DUP2, READLINK, OPEN, STAT, LSTAT, ACCESS, NEWFSTATAT, FORK, VFORK, ARCH_PRCTL, X32_EXECVE,
    SETRLIMIT, GETDENTS,
];

/// Where a call of the `stat` family has put the length of the file: the address of the low word.
pub fn stat_size(number: usize, args: &[usize; 6]) -> Option<usize> {
    /// `st_size` of `struct stat` (asm/stat.h).
    const SIZE_AT: usize = 48;
    Some(match number {
        STAT | LSTAT => args[1] + SIZE_AT,
        NEWFSTATAT => args[2] + SIZE_AT,
        // `stx_size` (linux/stat.h).
        STATX => args[4] + 40,
        _ => return None,
    })
}

/// The calls that only this architecture's table has.
pub fn legacy(number: usize) -> Option<Legacy> {
    Some(match number {
        DUP2 => Legacy::Dup2,
        READLINK => Legacy::Readlink,
        OPEN => Legacy::Open,
        STAT | ACCESS => Legacy::Stat,
        LSTAT => Legacy::Own(|call| view::stat(call, 0, false)),
        SETRLIMIT => Legacy::SetLimit,
        GETDENTS => Legacy::Own(|call| view::getdents(call, view::NAME)),
        NEWFSTATAT => Legacy::Fstatat,
        FORK | VFORK => Legacy::Fork,
        ARCH_PRCTL => Legacy::Own(super::thread::arch_prctl),
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

/// The i386 calls that start and end processes (arch/x86/entry/syscalls/syscall_32.tbl).
pub fn native_of_compat(number: usize) -> Option<Compat> {
    Some(match number {
        1 => Compat::Same(nr::__NR_exit as usize),
        2 => Compat::Same(FORK),
        6 => Compat::Same(nr::__NR_close as usize),
        11 => Compat::Exec,
        63 => Compat::Same(DUP2),
        120 => Compat::Clone(nr::__NR_clone as usize),
        190 => Compat::Same(VFORK),
        252 => Compat::Same(nr::__NR_exit_group as usize),
        330 => Compat::Same(nr::__NR_dup3 as usize),
        435 => Compat::Clone(nr::__NR_clone3 as usize),
        _ => return None,
    })
}

/// Whether an `int $0x80` number can map executable memory: old_mmap, ipc (which attaches shared
/// memory), mprotect, mremap, mmap2, pkey_mprotect, shmat.
pub fn compat_maps(number: usize) -> bool {
    matches!(number, 90 | 117 | 125 | 163 | 192 | 380 | 397)
}
