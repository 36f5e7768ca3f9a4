//! Argument and environment vectors that fill the kernel's limit leave no room for vload's own
//! arguments: they cross in a file instead.
//!
//! The file holds two counts, then the strings of both vectors one after the other, with their NULs.

use super::argument_limit::longest_string;
use super::exec::count_words;
use crate::memory::{User, read_words};
use crate::session;
use crate::sys::{self, Errno, Result};
use linux_raw_sys::general::RLIMIT_FSIZE;

/// What the file starts with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    /// Number of arguments.
    pub arguments: u64,
    /// Number of environment strings.
    pub environment: u64,
    /// Bytes of all strings.
    pub bytes: u64,
}

/// Writes both vectors; gives a descriptor that crosses exec.
pub fn write(arguments: &[usize], envp: usize) -> Result<i32> {
    let environment = count_words(envp)?;
    let mut header =
        Header { arguments: arguments.len() as u64, environment: environment as u64, bytes: 0 };
    let mut each = |visit: &mut dyn FnMut(&[u8])| -> Result<()> {
        let mut string = |address: usize| -> Result<()> {
            let length = User::<u8>::new(address).length(longest_string())?;
            // SAFETY: that many bytes were readable just now, and belong to the call that the
            // target made.
            visit(unsafe { core::slice::from_raw_parts(address as *const u8, length) });
            Ok(())
        };
        for &address in arguments {
            string(address)?;
        }
        for index in 0..environment {
            let mut word = [0usize];
            read_words(envp + index * size_of::<usize>(), &mut word)?;
            string(word[0])?;
        }
        Ok(())
    };
    each(&mut |string| header.bytes += string.len() as u64)?;
    let length = size_of::<Header>() + header.bytes as usize;
    // To lengthen a file beyond the limit would be a signal.
    if sys::limit(RLIMIT_FSIZE)?.soft < length as u64 {
        return Err(Errno::TOOBIG);
    }
    let fd = session::scratch_file()?;
    let filled = fill(fd, length, &header, &mut each);
    if let Err(error) = filled {
        sys::close(fd);
        return Err(error);
    }
    Ok(fd)
}

/// Calls what it is given with every string of both vectors.
type Strings<'a> = dyn FnMut(&mut dyn FnMut(&[u8])) -> Result<()> + 'a;

/// Fills the file through a mapping: with `RLIMIT_FSIZE` at 0 a write would be a signal.
fn fill(fd: i32, length: usize, header: &Header, each: &mut Strings<'_>) -> Result<()> {
    sys::truncate(fd, length as u64)?;
    let start = sys::map_shared(fd, 0, length, true)?;
    // SAFETY: the mapping is at least as long as the header, page-aligned and ours.
    unsafe { (start as *mut Header).write(*header) };
    let mut at = start + size_of::<Header>();
    let end = start + length;
    let mut changed = false;
    let result = each(&mut |bytes| {
        if at + bytes.len() > end {
            changed = true;
            return;
        }
        // SAFETY: the place lies inside the mapping.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        at += bytes.len();
    });
    // SAFETY: mapped above, and not used any more.
    unsafe { sys::munmap(start, length) };
    // Another thread lengthened a string meanwhile: the kernel would have seen it so or so.
    if changed { Err(Errno::TOOBIG) } else { result }
}
