//! The kinds of auxiliary entries (getauxval(3)) that vload reads or changes.

pub use linux_raw_sys::auxvec::{
    AT_BASE, AT_BASE_PLATFORM, AT_ENTRY, AT_EXECFD, AT_EXECFN, AT_NULL, AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM,
    AT_PLATFORM, AT_RANDOM, AT_SYSINFO_EHDR,
};
