//! Mounting, for the verbs of that name.

use core::ffi::CStr;

use linux_raw_sys::general as nr;

use super::{Result, call};

/// `mount(2)`.
pub fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: u32,
    data: Option<&CStr>,
) -> Result<()> {
    let address = |text: Option<&CStr>| text.map_or(0, |text| text.as_ptr() as usize);
    let (source, target) = (source.as_ptr() as usize, target.as_ptr() as usize);
    let given = [source, target, address(kind), flags as usize, address(data)];
    // SAFETY: each of them is a string, or null, which the kernel takes for none.
    unsafe { call(nr::__NR_mount, given) }.map(drop)
}

/// `umount2(2)`.
pub fn umount(target: &CStr, flags: u32) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(nr::__NR_umount2, [target.as_ptr() as usize, flags as usize]) }.map(drop)
}
