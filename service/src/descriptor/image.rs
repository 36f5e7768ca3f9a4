//! What a virtual file holds, as a file of the kernel's: to be mapped or executed.

use core::ffi::CStr;

use vload_module::{Errno, Result};

use super::{Held, Temporary};
use crate::call::buffer;
use crate::kernel;
use crate::path::Text;

/// The longest name that a file in memory can have, with its zero (`MFD_NAME_MAX_LEN`).
const NAME: usize = 250;

/// A copy of `length` bytes of a file from `offset` on, or of as many as there are: a descriptor that is closed by an
/// exec. The copy has the file's name.
pub fn image(held: &Held, offset: i64, length: u64) -> Result<Temporary> {
    let size = held.stat()?.size.saturating_sub(offset as u64).min(length);
    // To write behind the limit would be a signal.
    if kernel::file_size_limit().is_some_and(|limit| size > limit) {
        return Err(Errno::NOMEM);
    }
    let fd = named_file(held)?;
    fill(held, fd.fd(), offset, size)?;
    Ok(fd)
}

#[inline(never)]
fn named_file(held: &Held) -> Result<Temporary> {
    let mut path = Text::root();
    held.path(&mut path);
    let name = path.name();
    let name = &name[..name.len().min(NAME - 1)];
    let mut room = [0; NAME];
    room[..name.len()].copy_from_slice(name);
    let name = CStr::from_bytes_until_nul(&room).unwrap_or_default();
    Temporary::make(|| kernel::memory_file(name)).map_err(|_| Errno::NOMEM)
}

fn fill(held: &Held, fd: i32, offset: i64, size: u64) -> Result<()> {
    kernel::truncate(fd, size)?;
    buffer::with(usize::try_from(size).unwrap_or(usize::MAX), |buffer| {
        let mut done = 0u64;
        while done < size {
            let wanted = usize::try_from(size - done).unwrap_or(usize::MAX).min(buffer.len());
            let (to, at) = (buffer.as_mut_ptr(), offset + done as i64);
            let count = held.ask(Errno::NODEV, |operations, file| {
                // SAFETY: the buffer has the room.
                Some(unsafe { (operations.read?)(file, to.cast(), wanted, at) })
            })? as usize;
            let bytes = buffer.get(..count).filter(|_| count <= wanted).ok_or(Errno::IO)?;
            if bytes.is_empty() {
                // It has become shorter: zeros, as where a file is cut under a mapping.
                break;
            }
            if kernel::write_at(fd, bytes, done)? != count {
                return Err(Errno::NOMEM);
            }
            done += count as u64;
        }
        Ok(())
    })
}
