//! Locks of one process. A fork holds them all, so that the child's copy finds them free and what they guard
//! whole.
//!
//! One that waits until its child executes or ends (`CLONE_VFORK` without `CLONE_VM`) comes back long after the
//! copy is made, and the child may wait for a thread of ours meanwhile. The child says in a page that both see
//! that it has its copy; who waits for a lock then gives all of them back, instead of the thread that sleeps.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::{HEAP_LOCK, guard};
use crate::arch;
use crate::layer;
use crate::process::copying;
use crate::sys;
use crate::text;
use linux_raw_sys::general::{MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE};
use spin::relax::{RelaxStrategy, Spin};

/// A lock of this kind.
pub type Mutex<T> = spin::mutex::Mutex<T, Relax>;
/// What holds one.
pub type MutexGuard<'a, T> = spin::mutex::MutexGuard<'a, T, Relax>;

/// How a lock is waited for.
pub struct Relax;

impl RelaxStrategy for Relax {
    fn relax() {
        take_over();
        Spin::relax();
    }
}

const PAGE: usize = 4096;

/// The page in which children say that they have their copy: the number of their fork. Each process has its
/// own; it stays mapped.
static COPIED: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());
/// The number of the last such fork.
static LAST: AtomicU32 = AtomicU32::new(0);
/// The number of the fork that sleeps with the locks, or 0.
static ASLEEP: AtomicU32 = AtomicU32::new(0);

/// The caller, who holds all the locks, is about to sleep in a fork. Where no page can be had they stay its own.
pub fn fall_asleep() -> u32 {
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    if COPIED.load(Ordering::Relaxed).is_null() {
        let (access, kind) = (PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        // SAFETY: without MAP_FIXED the kernel takes unused addresses.
        let Ok(page) = (unsafe { sys::mmap(0, PAGE, access, kind, -1, 0) }) else { return number };
        guard::own(page, PAGE);
        COPIED.store(page as *mut AtomicU32, Ordering::Release);
    }
    ASLEEP.store(number, Ordering::Release);
    number
}

/// The caller has slept in fork `number`. Whether the locks are still its own.
pub fn wake_up(number: u32) -> bool {
    COPIED.load(Ordering::Relaxed).is_null() || end(number)
}

fn end(number: u32) -> bool {
    ASLEEP.compare_exchange(number, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

/// The caller is the child of a fork. It has copies of the locks.
pub fn forked() {
    let number = ASLEEP.swap(0, Ordering::Relaxed);
    let page = COPIED.swap(null_mut(), Ordering::Relaxed);
    // SAFETY: the page was mapped when the pointer was set, and is until the next line.
    if let Some(copied) = unsafe { page.as_ref() } {
        // A child that comes late must not take back what a later one has said.
        copied.fetch_max(number, Ordering::Release);
        // SAFETY: the parent's page is nobody's here.
        unsafe { guard::unmap(page as usize, PAGE) };
    }
}

/// Gives the locks back that a sleeping fork has, if its child has its copy.
pub fn take_over() {
    let number = ASLEEP.load(Ordering::Acquire);
    // SAFETY: the page stays mapped.
    let copied = unsafe { COPIED.load(Ordering::Acquire).as_ref() };
    if number != 0
        && copied.is_some_and(|copied| copied.load(Ordering::Acquire) >= number)
        && end(number)
    {
        layer::refresh::release_for_another();
        copying::release_for_another();
        arch::release_bindings();
        // SAFETY: who slept holds both, and has heard that they are not its own any more.
        unsafe {
            HEAP_LOCK.force_unlock();
            text::force_unlock();
        }
    }
}
