//! The system calls that the layer makes, and what differs in them between word sizes.

use core::ffi::CStr;
use vload_module::linux::general::AT_FDCWD;
use vload_module::{Layer, Result};

/// The numbers of those that every machine has with the same arguments.
pub mod numbers {
    use vload_module::linux::general as nr;

    pub const OPENAT: u32 = nr::__NR_openat;
    pub const READLINKAT: u32 = nr::__NR_readlinkat;
    pub const SYMLINKAT: u32 = nr::__NR_symlinkat;
    pub const LINKAT: u32 = nr::__NR_linkat;
    pub const UNLINKAT: u32 = nr::__NR_unlinkat;
    pub const MKDIRAT: u32 = nr::__NR_mkdirat;
    pub const MKNODAT: u32 = nr::__NR_mknodat;
    pub const FCHMODAT: u32 = nr::__NR_fchmodat;
    pub const FCHOWNAT: u32 = nr::__NR_fchownat;
    pub const RENAMEAT2: u32 = nr::__NR_renameat2;
    pub const STATX: u32 = nr::__NR_statx;
    pub const LGETXATTR: u32 = nr::__NR_lgetxattr;
    pub const LSETXATTR: u32 = nr::__NR_lsetxattr;
    pub const LLISTXATTR: u32 = nr::__NR_llistxattr;
    pub const LREMOVEXATTR: u32 = nr::__NR_lremovexattr;
    #[cfg(target_pointer_width = "64")]
    pub const UTIMENSAT: u32 = nr::__NR_utimensat;
    #[cfg(target_pointer_width = "32")]
    pub const UTIMENSAT: u32 = nr::__NR_utimensat_time64;
}

/// `AT_FDCWD`, as an argument.
pub fn at() -> usize {
    AT_FDCWD as usize
}

/// Makes a system call for the layer. Addresses among the arguments are of what the caller has borrowed
/// for as long as the call takes.
pub fn ask(layer: Layer<'_>, number: u32, arguments: &[usize]) -> Result<usize> {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: every caller in this module gives the call the strings, buffers and structures that it takes, with
    // their lengths.
    unsafe { layer.system(number, all) }
}

/// `truncate(2)`.
pub fn truncate(layer: Layer<'_>, path: &CStr, size: i64) -> Result<()> {
    let path = path.as_ptr() as usize;
    #[cfg(target_pointer_width = "64")]
    let result = ask(layer, vload_module::linux::general::__NR_truncate, &[path, size as usize]);
    #[cfg(target_pointer_width = "32")]
    let result = {
        // Two halves (truncate64(2)).
        let halves = [path, size as usize, (size >> 32) as usize];
        ask(layer, vload_module::linux::general::__NR_truncate64, &halves)
    };
    result.map(drop)
}
