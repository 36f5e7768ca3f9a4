//! What the framework does for modules that have no `open`: a file that is there can be read and written, a directory
//! listed.

use core::ffi::c_int;

use linux_raw_sys::general as nr;
use vload_module::abi::service::{FILE_DIRECTORY, File, Node, Stat};
use vload_module::{Errno, Result};

use crate::layers::Service;

/// Opens a file without its module (`do_open`, fs/namei.c).
pub fn open(service: &Service, node: &Node, flags: u32, file: *mut File) -> Result<c_int> {
    let mut known = Stat::default();
    let to = &raw mut known;
    let stat = service.operations.stat.ok_or(Errno::NXIO)?;
    // SAFETY: the node and the structure are valid for the call.
    let found = Errno::check(service.ask(|| unsafe { stat(node, to) }.into()));
    match found {
        Err(Errno::NOENT) if flags & nr::O_CREAT != 0 => return Err(Errno::ROFS),
        Ok(_) if flags & (nr::O_CREAT | nr::O_EXCL) == nr::O_CREAT | nr::O_EXCL => {
            return Err(Errno::EXIST);
        }
        other => other?,
    };
    let writes = flags & nr::O_ACCMODE != nr::O_RDONLY;
    let is_directory = known.mode & nr::S_IFMT == nr::S_IFDIR;
    if is_directory {
        if writes || flags & nr::O_CREAT != 0 {
            return Err(Errno::ISDIR);
        }
        // SAFETY: the file is the caller's.
        unsafe { (*file).is |= FILE_DIRECTORY };
        return Ok(0);
    }
    if flags & nr::O_DIRECTORY != 0 {
        return Err(Errno::NOTDIR);
    }
    if writes && service.operations.write.is_none() {
        return Err(Errno::ROFS);
    }
    if flags & nr::O_TRUNC != 0
        && let Some(truncate) = service.operations.truncate
    {
        // SAFETY: the node is valid for the call.
        Errno::check(service.ask(|| unsafe { truncate(node, 0) }.into()))?;
    }
    Ok(0)
}
