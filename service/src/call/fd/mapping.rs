//! `mmap(2)` of a virtual file. What is shared is the file's own pages, where its module has such ([`mapped`]). All else
//! is a copy of what it holds, mapped by the ordinary way, so that text is patched as any.
//!
//! Without such pages what is mapped shared cannot change with the file, nor the file with it: to write `ENODEV`, as on file
//! systems that have no such mappings; to read, the content is that of the moment.

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::abi::service::FILE_UNMAPPED;
use vload_module::{Errno, Result};

use core::sync::atomic::Ordering;

use crate::descriptor::{Held, Temporary, image};
use crate::{kernel, mapped, vload};

const PAGE: usize = 4096;
/// `MAP_SHARED`, `MAP_PRIVATE`, `MAP_SHARED_VALIDATE` (mman.h).
const TYPE: usize = nr::MAP_TYPE as usize;

/// Maps it; `offset` is in bytes, and `offset_at` how the call says that it is at the copy's start.
pub fn map(held: &Held, call: &mut Call, offset: i64) -> Result<usize> {
    let [address, length, protection, flags, ..] = call.arguments;
    held.usable()?;
    if offset < 0 || !(offset as usize).is_multiple_of(PAGE) || length == 0 {
        return Err(Errno::INVAL);
    }
    held.readable().map_err(|_| Errno::ACCES)?;
    let is_shared = (flags & TYPE) as u32 != nr::MAP_PRIVATE;
    let is_to_write = protection & nr::PROT_WRITE as usize != 0;
    let unmapped = held.record().is.load(Ordering::Relaxed) & FILE_UNMAPPED != 0;
    match (flags & TYPE) as u32 {
        nr::MAP_PRIVATE => {}
        nr::MAP_SHARED | nr::MAP_SHARED_VALIDATE if is_to_write && held.writable().is_err() => {
            return Err(Errno::ACCES);
        }
        nr::MAP_SHARED | nr::MAP_SHARED_VALIDATE => {}
        _ => return Err(Errno::INVAL),
    }
    if unmapped || held.is_directory() || held.is_stream() {
        return Err(Errno::NODEV);
    }
    if is_shared && mapped::can_be(held) {
        match mapped::map(held, call, offset) {
            // A process that cannot open the session's file.
            Err(Errno::NODEV) if !is_to_write => {}
            other => return other,
        }
    }
    if is_shared && is_to_write {
        return Err(Errno::NODEV);
    }
    let mut copy = image(held, offset, length as u64)?;
    if is_shared {
        // So that it cannot be made writable later either.
        let to_read = || kernel::reopen(copy.fd(), nr::O_RDONLY | nr::O_CLOEXEC);
        copy = Temporary::make(to_read).map_err(|_| Errno::NODEV)?;
    }
    call.arguments[..4].copy_from_slice(&[address, length, protection, flags]);
    (call.arguments[4], call.arguments[5]) = (copy.fd() as usize, 0);
    let result = vload::next(call);
    Errno::check(result).map(|_| result as usize)
}
