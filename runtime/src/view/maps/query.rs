//! `PROCMAP_QUERY` (linux/fs.h, since 6.11): one mapping of `/proc/PID/maps`, asked for by an address
//! (`do_procmap_query`, fs/proc/task_mmu.c). The answer is of the text that is shown; what that does not tell, the
//! size of pages and the build id, the kernel says of the same file.

use core::mem::{offset_of, size_of};

use super::buffer::Buffer;
use super::filter::entries;
use super::{Kind, content};
use crate::memory::{User, copy_in, copy_out};
use crate::sys::maps::Mapped;
use crate::sys::{self, Errno, Result};

/// Kind and number of the command; its other bits are the size of the structure, and that it goes both ways.
pub const COMMAND: usize = (b'f' as usize) << 8 | 17;

const READABLE: u64 = 1;
const WRITABLE: u64 = 2;
const EXECUTABLE: u64 = 4;
const SHARED: u64 = 8;
const COVERING_OR_NEXT: u64 = 16;
const FILE_BACKED: u64 = 32;
const VALID: u64 = 63;

/// `struct procmap_query`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    rights: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    major: u32,
    minor: u32,
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

/// Answers the query at `at`, for an open file that is one of those whose content is made here.
pub fn answer(fd: i32, command: usize, at: usize, of: (Kind, i32)) -> Result<usize> {
    const PAGE: usize = 4096;
    let ask = |at: usize| {
        // SAFETY: the kernel reads and fills a structure of its own size there, and checks that it can.
        unsafe { sys::ioctl(fd, command, at) }
    };
    // Without a structure the kernel gets no further than to say whether it knows the command.
    match ask(0) {
        Err(Errno::FAULT) => {}
        other => return other,
    }
    let size = User::<u64>::new(at).read()? as usize;
    if size > PAGE {
        return Err(Errno::TOOBIG);
    }
    if size < offset_of!(Query, address) + size_of::<u64>() {
        return Err(Errno::INVAL);
    }
    let mut bytes = [0u8; PAGE];
    copy_in(at, &mut bytes[..size])?;
    // A structure that is longer than ours asks for nothing that we do not know (copy_struct_from_user).
    if bytes[size_of::<Query>()..].iter().any(|byte| *byte != 0) {
        return Err(Errno::TOOBIG);
    }
    // SAFETY: as many bytes, any of which are a query; they need not be aligned.
    let mut query = unsafe { bytes.as_ptr().cast::<Query>().read_unaligned() };
    if query.flags & !VALID != 0
        || (query.name_size == 0) != (query.name == 0)
        || (query.build_id_size == 0) != (query.build_id == 0)
    {
        return Err(Errno::INVAL);
    }
    let text: Buffer = content(fd, of)?;
    let Some(line) = find(text.bytes(), query.flags, query.address) else {
        // A process that has ended has none at all, which is another error.
        let (name_size, name, build_id_size, build_id) = (0, 0, 0, 0);
        let mut any = Query { name_size, name, build_id_size, build_id, ..query };
        any.size = size_of::<Query>() as u64;
        ask((&raw mut any).addr())?;
        return Err(Errno::NOENT);
    };
    // The first mapping of a file has its head, and is not patched text.
    let same = |other: &Mapped<'_>| {
        line.has_file() && (other.device, other.inode) == (line.device, line.inode)
    };
    let first = entries(text.bytes()).map(|entry| entry.line).find(same).unwrap_or(line);
    let mut theirs = Query {
        size: size_of::<Query>() as u64,
        flags: 0,
        address: first.start as u64,
        name_size: 0,
        name: 0,
        ..query
    };
    ask((&raw mut theirs).addr())?;
    let shared = if line.is_private() { 0 } else { SHARED };
    query = Query {
        start: line.start as u64,
        end: line.end as u64,
        rights: u64::from(line.prot()) | shared,
        page_size: theirs.page_size,
        offset: line.offset,
        inode: line.inode,
        major: line.device.0 as u32,
        minor: line.device.1 as u32,
        build_id_size: theirs.build_id_size,
        ..query
    };
    if query.name_size != 0 {
        let length = if line.name.is_empty() { 0 } else { line.name.len() as u32 + 1 };
        if length > query.name_size {
            return Err(Errno::NAMETOOLONG);
        }
        query.name_size = length;
    }
    // SAFETY: `Query` has no padding.
    let bytes = unsafe {
        core::slice::from_raw_parts((&raw const query).cast::<u8>(), size_of::<Query>().min(size))
    };
    copy_out(at, bytes)?;
    if query.name_size != 0 {
        copy_out(query.name as usize, line.name)?;
        copy_out(query.name as usize + line.name.len(), b"\0")?;
    }
    Ok(0)
}

/// The mapping that is asked for (`query_matching_vma`). The kernel finds none above the program's addresses.
fn find(text: &[u8], flags: u64, address: u64) -> Option<Mapped<'_>> {
    const { assert!(READABLE | WRITABLE | EXECUTABLE == 7, "as PROT_READ and its likes") };
    let last = if flags & COVERING_OR_NEXT != 0 { u64::MAX } else { address };
    let rights = flags & (READABLE | WRITABLE | EXECUTABLE);
    entries(text).map(|entry| entry.line).find(|line| {
        line.name != b"[vsyscall]"
            && line.end as u64 > address
            && line.start as u64 <= last
            && u64::from(line.prot()) & rights == rights
            && (flags & SHARED == 0 || !line.is_private())
            && (flags & FILE_BACKED == 0 || line.has_file())
    })
}
