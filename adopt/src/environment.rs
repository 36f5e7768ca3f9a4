//! What the kernel gave the process when it started: `/proc/self/environ`, `/proc/self/auxv`.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

use runtime::sys::{self, Result};

/// Kinds of auxiliary entries (getauxval(3)).
const AT_NULL: usize = 0;
/// What the processor can do, second word.
pub const AT_HWCAP2: usize = 26;
/// Where the kernel has put the vDSO.
pub const AT_SYSINFO_EHDR: usize = 33;

fn contents(path: &CStr) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    loop {
        let length = sys::read_file(path, &mut bytes)?;
        if length < bytes.len() {
            bytes.truncate(length);
            return Ok(bytes);
        }
        bytes.resize(2 * length, 0);
    }
}

/// The environment: `NAME=VALUE` texts with a NUL each.
pub fn read() -> Result<Vec<u8>> {
    contents(c"/proc/self/environ")
}

/// The value of a variable.
pub fn value<'a>(environment: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    environment
        .split(|&byte| byte == 0)
        .find_map(|text| text.strip_prefix(name)?.strip_prefix(b"="))
}

/// What the auxiliary vector says under `kind`.
pub fn auxiliary(kind: usize) -> Option<usize> {
    let bytes = contents(c"/proc/self/auxv").ok()?;
    let mut words = bytes
        .chunks_exact(size_of::<usize>())
        .filter_map(|word| Some(usize::from_ne_bytes(word.try_into().ok()?)));
    loop {
        match (words.next()?, words.next()?) {
            (AT_NULL, _) => return None,
            (found, value) if found == kind => return Some(value),
            _ => {}
        }
    }
}
