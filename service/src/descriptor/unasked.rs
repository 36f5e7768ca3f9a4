//! What the framework does for modules that have no `open`: a file that is there can be read and written, a directory
//! listed; and for those that have no `stat`, whose claim is one file.

use core::ffi::c_int;

use linux_raw_sys::general as nr;
use vload_module::abi::service::{
    FILE_DIRECTORY, FILE_UNMAPPED, File, Node, ServiceOperations, Stat,
};
use vload_module::{Errno, Result};

use crate::layers::Service;

/// What is known of a place or an open file, as the kernel gives it. A module that does not say it has one file, of which nobody
/// knows the length, as of those in `/proc`.
pub fn stat(operations: &ServiceOperations, node: &Node, to: &mut Stat) -> c_int {
    match said(operations, node, to) {
        Some(said) => said,
        None => of_one_file(operations, node, to),
    }
}

/// What the module says of it.
fn said(operations: &ServiceOperations, node: &Node, to: &mut Stat) -> Option<c_int> {
    // SAFETY: the node and the structure are valid for the call.
    let said = unsafe { operations.stat?(node, to) };
    (said != -Errno::NOSYS.0).then_some(said)
}

fn of_one_file(operations: &ServiceOperations, node: &Node, to: &mut Stat) -> c_int {
    // SAFETY: null, or the framework's string, of at least its zero.
    if !node.path.is_null() && unsafe { *node.path } as u8 == b'/' {
        return -Errno::NOTDIR.0;
    }
    let read = if operations.read.is_some() { 0o444 } else { 0 };
    let write = if operations.write.is_some() { 0o222 } else { 0 };
    *to = Stat { inode: 1, mode: nr::S_IFREG | read | write, links: 1, ..Stat::default() };
    0
}

/// Opens a file without its module (`do_open`, fs/namei.c).
pub fn open(service: &Service, node: &Node, flags: u32, file: *mut File) -> Result<c_int> {
    let mut known = Stat::default();
    let mut is_said = true;
    let found = Errno::check(service.ask(|| {
        let said = said(service.operations, node, &mut known);
        is_said = said.is_some();
        said.unwrap_or_else(|| of_one_file(service.operations, node, &mut known)).into()
    }));
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
    if !is_said {
        // There is no length to map.
        // SAFETY: as above.
        unsafe { (*file).is |= FILE_UNMAPPED };
    }
    if flags & nr::O_TRUNC != 0
        && let Some(truncate) = service.operations.truncate
    {
        // SAFETY: the node is valid for the call.
        Errno::check(service.ask(|| unsafe { truncate(node, 0) }.into()))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vload_module::service::{Service as Operations, Value, operations};

    struct OnlyRead;

    impl Operations for OnlyRead {
        const WRITES: bool = false;
    }

    struct Both;

    impl Operations for Both {}

    impl Value for OnlyRead {
        type Service = Self;
        fn value() -> &'static Self {
            &Self
        }
    }

    impl Value for Both {
        type Service = Self;
        fn value() -> &'static Self {
            &Self
        }
    }

    #[test]
    fn a_module_in_rust_says_what_it_leaves_out() {
        let mode = |operations: &ServiceOperations| {
            // SAFETY: numbers and pointers, for which zeros are values.
            let node: Node = unsafe { core::mem::zeroed() };
            let mut known = Stat::default();
            assert_eq!(stat(operations, &node, &mut known), 0);
            known.mode & 0o777
        };
        assert_eq!(mode(&operations::<Both>(core::ptr::null(), None)), 0o666);
        assert_eq!(mode(&operations::<OnlyRead>(core::ptr::null(), None)), 0o444);
    }
}
