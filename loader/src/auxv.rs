//! The kinds of auxiliary entries (getauxval(3)) that vload reads or changes.

pub use linux_raw_sys::auxvec::{
    AT_BASE, AT_BASE_PLATFORM, AT_ENTRY, AT_EXECFD, AT_EXECFN, AT_HWCAP2, AT_NULL, AT_PAGESZ,
    AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM, AT_RANDOM, AT_SYSINFO_EHDR,
};

/// Where the C library of i386 enters the kernel (arch/x86/include/uapi/asm/auxvec.h).
pub const AT_SYSINFO: u32 = 32;
