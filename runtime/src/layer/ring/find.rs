//! Which rings and contexts a process has.

use super::name;
use crate::digits::decimal;
use crate::seccomp;
use crate::sys;
use crate::sys::maps::each_in;
use linux_raw_sys::general as nr;

/// What a descriptor or a mapping of a ring is named in `/proc` (`io_uring_get_file`, io_uring/io_uring.c).
const RING_FILE: &[u8] = b"anon_inode:[io_uring]";
/// The same of an aio context (`aio_private_file`, fs/aio.c).
const CONTEXT_FILE: &[u8] = b"/[aio]";

/// Rings that have been found, and the inodes of those that are descriptors. For which there is no room may be named twice.
pub(super) struct Found {
    inodes: [u64; 8],
    count: usize,
    pub(super) descriptors: u32,
    pub(super) any: bool,
}

impl Found {
    pub(super) fn new() -> Self {
        Self { inodes: [0; 8], count: 0, descriptors: 0, any: false }
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

/// Names each descriptor that is a ring. Whether all could be seen.
pub(super) fn descriptors(found: &mut Found) -> bool {
    list_descriptors(found).is_ok() || ask_descriptors(found)
}

fn list_descriptors(found: &mut Found) -> sys::Result<()> {
    let flags = nr::O_RDONLY | nr::O_DIRECTORY | nr::O_CLOEXEC;
    let folder = sys::openat(sys::CWD, c"/proc/thread-self/fd", flags, 0)?;
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

/// The same without `/proc`: each number is asked, up to where programs have them. A filter that is not the target's own is not
/// known here, and might end who asks.
fn ask_descriptors(found: &mut Found) -> bool {
    const NUMBERS: usize = 4096;
    if sys::is_filtered() {
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
