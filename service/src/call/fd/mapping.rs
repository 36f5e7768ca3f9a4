//! `mmap(2)` of a virtual file: of a copy of what it holds, by the ordinary way, so that text is patched as any.
//!
//! What is mapped shared would have to change with the file, and the file with it, for which there is no way without the
//! kernel: to write `ENODEV`, as on file systems that have no such mappings; to read, the content is that of the moment.

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::abi::service::FILE_UNMAPPED;
use vload_module::{Errno, Result};

use core::sync::atomic::Ordering;

use crate::descriptor::{Held, Temporary, image};
use crate::{kernel, vload};

const PAGE: usize = 4096;
/// `MAP_SHARED`, `MAP_PRIVATE`, `MAP_SHARED_VALIDATE` (mman.h).
const TYPE: usize = nr::MAP_TYPE as usize;

/// Maps it; `offset` is in bytes, and `offset_at` how the call says that it is at the copy's start.
pub fn map(held: &Held, call: &mut Call, offset: i64) -> Result<usize> {
    let [_, length, protection, flags, ..] = call.arguments;
    held.usable()?;
    if offset < 0 || !(offset as usize).is_multiple_of(PAGE) || length == 0 {
        return Err(Errno::INVAL);
    }
    held.readable().map_err(|_| Errno::ACCES)?;
    let unmapped = held.record().is.load(Ordering::Relaxed) & FILE_UNMAPPED != 0;
    match (flags & TYPE) as u32 {
        nr::MAP_PRIVATE => {}
        nr::MAP_SHARED | nr::MAP_SHARED_VALIDATE if protection & nr::PROT_WRITE as usize == 0 => {}
        nr::MAP_SHARED | nr::MAP_SHARED_VALIDATE => {
            return Err(if held.writable().is_ok() { Errno::NODEV } else { Errno::ACCES });
        }
        _ => return Err(Errno::INVAL),
    }
    if unmapped || held.is_directory() || held.is_stream() {
        return Err(Errno::NODEV);
    }
    let mut copy = image(held, offset, length as u64)?;
    if (flags & TYPE) as u32 != nr::MAP_PRIVATE {
        // So that it cannot be made writable later either.
        let to_read = || kernel::reopen(copy.fd(), nr::O_RDONLY | nr::O_CLOEXEC);
        copy = Temporary::make(to_read).map_err(|_| Errno::NODEV)?;
    }
    (call.arguments[4], call.arguments[5]) = (copy.fd() as usize, 0);
    let result = vload::next(call);
    Errno::check(result).map(|_| result as usize)
}
