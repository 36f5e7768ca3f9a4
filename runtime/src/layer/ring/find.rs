//! Which rings and contexts a process has.

use core::ffi::CStr;
use core::sync::atomic::Ordering;

use super::name;
use crate::digits::decimal;
use crate::log::Line;
use crate::seccomp;
use crate::sys::maps::each_in;
use crate::sys::{self, Errno};
use crate::thread::others::{self, Thread};
use crate::thread::{Block, POOL};
use linux_raw_sys::general as nr;

/// What a descriptor or a mapping of a ring is named in `/proc` (`io_uring_get_file`, io_uring/io_uring.c).
const RING_FILE: &[u8] = b"anon_inode:[io_uring]";
/// The same of an aio context (`aio_private_file`, fs/aio.c).
const CONTEXT_FILE: &[u8] = b"/[aio]";

/// Rings that have been found, and the inodes of those that are descriptors. For which there is no room may be named twice.
pub(super) struct Found {
    inodes: [u64; 64],
    count: usize,
    pub(super) descriptors: u32,
    pub(super) any: bool,
}

impl Found {
    pub(super) fn new() -> Self {
        Self { inodes: [0; 64], count: 0, descriptors: 0, any: false }
    }

    fn descriptor(&mut self, number: usize) {
        self.any = true;
        self.descriptors += 1;
        name::ring(number, false);
    }

    fn has_inode(&mut self, inode: u64) {
        /// Before, all rings have one (`anon_inode_getfile`, fs/anon_inodes.c).
        const EACH_HAS_ONE: (u32, u32) = (5, 16);
        if sys::kernel_version() < EACH_HAS_ONE {
            return;
        }
        if let Some(place) = self.inodes.get_mut(self.count) {
            *place = inode;
            self.count += 1;
        }
    }
}

/// Names each descriptor that is a ring, in any table that threads in this memory have. Whether all could be seen.
pub(super) fn descriptors(found: &mut Found) -> bool {
    let has_proc = list_descriptors(c"/proc/thread-self/fd", found).is_ok();
    if !has_proc {
        *found = Found::new();
    }
    let mut is_whole = has_proc || ask_descriptors(found);
    // For which there is no room are listed again.
    let mut listed = [Block::own().table.load(Ordering::Relaxed); 8];
    let mut count = 1;
    POOL.each_in_use(|block| {
        let [process, id] = [&block.process, &block.tid].map(|id| id.load(Ordering::Relaxed));
        let table = block.table.load(Ordering::Relaxed);
        if id == 0 || listed[..count].contains(&table) {
            return;
        }
        // What has executed another program, or has been killed, has left its block.
        let thread = Thread { process, id };
        if thread.is_there() == Ok(false) {
            return;
        }
        let is_listed =
            has_proc && others::is_proc_ours() && list_descriptors_of(id, found).is_ok();
        match listed.get_mut(count) {
            Some(place) if is_listed => {
                *place = table;
                count += 1;
            }
            _ => {}
        }
        // It may have ended meanwhile.
        is_whole &= is_listed || thread.is_there() == Ok(false);
    });
    is_whole
}

fn list_descriptors_of(tid: i32, found: &mut Found) -> sys::Result<()> {
    let mut line = Line::new();
    line.text("/proc/").decimal(tid.into()).raw(b"/fd\0");
    let folder = CStr::from_bytes_with_nul(line.bytes()).map_err(|_| Errno::INVAL)?;
    list_descriptors(folder, found)
}

fn list_descriptors(folder: &CStr, found: &mut Found) -> sys::Result<()> {
    let flags = nr::O_RDONLY | nr::O_DIRECTORY | nr::O_CLOEXEC;
    let folder = sys::openat(sys::CWD, folder, flags, 0)?;
    let listed = sys::list(folder, &mut |entry| {
        let mut target = [0; 64];
        if sys::readlink(folder, entry, &mut target) != Ok(RING_FILE) {
            return;
        }
        if let Some(number) = decimal::<usize>(entry.to_bytes()) {
            found.descriptor(number);
        }
        if let Ok(ring) = sys::stat(folder, entry) {
            found.has_inode(ring.ino);
        }
    });
    sys::close(folder);
    listed
}

/// The same of the thread's own table without `/proc`: each number is asked, up to where programs have them. A filter that is not the
/// target's own is not known here, and might end who asks; a tracer might answer for the kernel.
fn ask_descriptors(found: &mut Found) -> bool {
    const NUMBERS: usize = 4096;
    if sys::is_filtered() || !sys::can_ask_for_rings() {
        return false;
    }
    for number in (0..NUMBERS).filter(|&number| sys::is_ring(number as i32)) {
        found.descriptor(number);
    }
    true
}

/// Names each mapping of a ring that no descriptor was, and each aio context, which is the address of a mapping.
pub(super) fn mappings(rings: bool, contexts: bool, found: &mut Found) -> sys::Result<()> {
    each_in(0, usize::MAX, &mut |mapped, _| {
        // A ring has others, at offsets that are no place in it (IORING_OFF_SQES, linux/io_uring.h).
        if rings && mapped.name == RING_FILE && mapped.offset == 0 {
            found.any = true;
            if !found.inodes[..found.count].contains(&mapped.inode) {
                name::mapping(mapped.start);
            }
        } else if contexts && mapped.name.starts_with(CONTEXT_FILE) && is_context(mapped.start) {
            name::context(mapped.start);
        }
        true
    })
}

/// Whether `id` is one of this memory's contexts, and no copy of one that a parent has. Where a filter lets nobody ask it may be.
pub(super) fn is_context(id: usize) -> bool {
    let arguments = [id, 0, 0, 0, 0, 0];
    seccomp::refuses(nr::__NR_io_getevents as usize, &arguments) || sys::is_aio_context(id)
}
