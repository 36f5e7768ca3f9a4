//! vload's own heap: process-private, never used in a signal path.
//!
//! Small pieces come from one region that `linked_list_allocator` manages; large ones, and small ones
//! that it has no room for, are mappings of their own, so that what the analysis of a big file took goes back to the system.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use linked_list_allocator::Heap as List;

use super::{Mutex, guard};
use crate::sys;

/// Pieces of at least this many bytes are mappings of their own.
const LARGE: usize = 32 * 1024;
/// Bytes of the region for small pieces; only what is used is ever backed by memory.
const REGION: usize = 1024 * 1024;
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
            if list.size() == 0
                && let Ok(region) = sys::map_anonymous(REGION)
            {
                guard::own(region, REGION);
                // SAFETY: the region is fresh, writable and never unmapped.
                unsafe { list.init(region as *mut u8, REGION) };
            }
            if let Ok(piece) = list.allocate_first_fit(layout) {
                return piece.as_ptr();
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
