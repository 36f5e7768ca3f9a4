//! vload's own heap: process-private, never used in a signal path.
//!
//! Small pieces come from one region that `linked_list_allocator` manages; large ones, and small ones
//! that it has no room for, are mappings of their own, so that what the analysis of a big file took goes back to the system.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use linked_list_allocator::Heap as List;

use super::{Mutex, guard};
use crate::sys;
use linux_raw_sys::general::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE};

/// Pieces of at least this many bytes are mappings of their own.
const LARGE: usize = 32 * 1024;
/// Bytes of the region for small pieces. What of it is not in use yet cannot be accessed: so it is no
/// program's data to the kernel (`RLIMIT_DATA`).
const REGION: usize = 1024 * 1024;
/// Bytes by which what is in use of it becomes longer.
const STEP: usize = 64 * 1024;
const PAGE: usize = 4096;

/// The region for small pieces. A fork takes this lock, so that the child's copy is whole.
pub static LOCK: Mutex<List> = Mutex::new(List::empty());

/// The global allocator of the resident.
pub struct Heap;

/// A mapping of its own.
fn map(layout: Layout) -> *mut u8 {
    // Mappings are page-aligned, and nothing in vload asks for more.
    if layout.align() > PAGE {
        return null_mut();
    }
    let Ok(at) = sys::map_anonymous(layout.size()) else { return null_mut() };
    guard::own(at, layout.size());
    at as *mut u8
}

/// Makes what is in use of the region longer, from nothing at first. Whether that has been done.
fn grow(list: &mut List) -> bool {
    let used = list.size();
    let start = match used {
        // SAFETY: without MAP_FIXED the kernel takes unused addresses.
        0 => unsafe { sys::mmap(0, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) },
        REGION => return false,
        _ => Ok(list.bottom() as usize),
    };
    let Ok(start) = start else { return false };
    // SAFETY: it is a part of the region in which nothing is yet.
    let opened = unsafe { sys::mprotect(start + used, STEP, PROT_READ | PROT_WRITE) };
    match (used, opened) {
        (0, Ok(())) => {
            guard::own(start, REGION);
            // SAFETY: the region is fresh, writable so far and never unmapped.
            unsafe { list.init(start as *mut u8, STEP) };
        }
        // SAFETY: the region goes on there, and is writable now.
        (_, Ok(())) => unsafe { list.extend(STEP) },
        // SAFETY: nobody knows of it.
        (0, Err(_)) => unsafe { sys::munmap(start, REGION) },
        (_, Err(_)) => {}
    }
    opened.is_ok()
}

/// Whether the region for small pieces holds the piece.
fn in_region(list: &List, at: *mut u8) -> bool {
    list.size() != 0 && (list.bottom()..list.top()).contains(&at)
}

// SAFETY: memory comes from mappings of vload's own or from `linked_list_allocator`, each given
// back to where it came from: the address tells.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() < LARGE {
            let mut list = LOCK.lock();
            loop {
                if let Ok(piece) = list.allocate_first_fit(layout) {
                    return piece.as_ptr();
                }
                if !grow(&mut list) {
                    break;
                }
            }
        }
        map(layout)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let mut list = LOCK.lock();
        if in_region(&list, at) {
            if let Some(at) = NonNull::new(at) {
                // SAFETY: `alloc` took it from this list with this layout.
                unsafe { list.deallocate(at, layout) };
            }
        } else {
            // SAFETY: `alloc` mapped exactly this.
            unsafe { guard::unmap(at as usize, layout.size().next_multiple_of(PAGE)) };
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Two large pieces are two mappings.
        if layout.size() >= LARGE && size >= LARGE {
            let (old, new) = (layout.size().next_multiple_of(PAGE), size.next_multiple_of(PAGE));
            // SAFETY: the mapping is ours and the caller uses the new address from now on.
            return unsafe { guard::resize(at as usize, old, new) }
                .map_or(null_mut(), |at| at as *mut u8);
        }
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
        // SAFETY: `new` is the caller's layout with a size that fits it; the pieces do not overlap.
        unsafe {
            let to = self.alloc(new);
            if !to.is_null() {
                core::ptr::copy_nonoverlapping(at, to, layout.size().min(size));
                self.dealloc(at, layout);
            }
            to
        }
    }
}
