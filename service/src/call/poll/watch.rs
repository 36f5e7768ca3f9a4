//! How a process that waits hears that something has been done with a file of a layer's, by whichever process.
//!
//! Who waits watches the file that placeholders are opened from (inotify(7)), and who has done something opens it once
//! more. Each watch has a queue of its own, so nobody takes another's news.

use core::ffi::{c_int, c_long};
use core::sync::atomic::{AtomicU32, Ordering, fence};

use linux_raw_sys::general as nr;
use vload_module::abi::Layer;
use vload_module::abi::service::core_side::vload_wait;
use vload_module::{Errno, Result};

use super::ready;
use crate::descriptor::{self, Held, Temporary};
use crate::{kernel, vload};

/// The watch lies where programs do not look.
const AWAY: usize = 200;
/// `IN_OPEN` (linux/inotify.h).
const IN_OPEN: usize = 0x20;
/// `IN_CLOSE_WRITE`: the last descriptor of a placeholder has gone. What is opened to wake is not opened to write.
const IN_CLOSE_WRITE: usize = 0x8;

/// Becomes ready when something is done with a file of a layer's.
pub struct Watch(Temporary);

impl Watch {
    /// From now on. `ENOMEM` where the kernel has no room for one.
    pub fn new() -> Result<Self> {
        Self::with(nr::O_NONBLOCK)
    }

    fn with(flags: u32) -> Result<Self> {
        let flags = (nr::O_CLOEXEC | flags) as usize;
        let made = Temporary::make(|| {
            // SAFETY: no memory is passed.
            let low = unsafe { kernel::call(nr::__NR_inotify_init1, [flags]) }? as i32;
            let Ok(high) = kernel::fcntl(low, nr::F_DUPFD_CLOEXEC, AWAY) else { return Ok(low) };
            kernel::close(low);
            Ok(high as i32)
        });
        let watch = Self(made.map_err(|_| Errno::NOMEM)?);
        // Before what can fail: what is dropped is counted down.
        descriptor::waiters(|waiters| waiters.fetch_add(1, Ordering::SeqCst));
        kernel::with_link(kernel::placeholders()?, |path| {
            let arguments = [watch.fd() as usize, path.as_ptr() as usize, IN_OPEN | IN_CLOSE_WRITE];
            // SAFETY: the path ends with a zero.
            unsafe { kernel::call(nr::__NR_inotify_add_watch, arguments) }
        })
        .map_err(|_| Errno::NOMEM)?;
        Ok(watch)
    }

    /// Its descriptor.
    pub fn fd(&self) -> i32 {
        self.0.fd()
    }

    /// Takes the news.
    pub fn drain(&self) {
        let mut news = [0u8; 512];
        let arguments = [self.fd() as usize, news.as_mut_ptr() as usize, news.len()];
        // SAFETY: the room is as long as it says.
        while let Ok(length) = unsafe { kernel::call(nr::__NR_read, arguments) } {
            look_at(&news[..length]);
        }
    }
}

/// Looks at news, each a `struct inotify_event` without a name. A process that ends closes nothing itself: that
/// nobody has a file open any more is found here, by who waits for what its module says then.
fn look_at(news: &[u8]) {
    let is_close = |event: &[u8]| {
        let mask = u32::from_ne_bytes([event[4], event[5], event[6], event[7]]);
        mask as usize & IN_CLOSE_WRITE != 0
    };
    if !news.chunks_exact(16).any(is_close) {
        return;
    }
    // The kernel tells of a close right before it gives the lock back (`__fput`, fs/file_table.c).
    for _ in 0..8 {
        descriptor::reclaim();
        vload::let_others_run();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        descriptor::waiters(|waiters| waiters.fetch_sub(1, Ordering::SeqCst));
    }
}

/// Whether anybody waits. One who was killed while he did is counted for good.
fn is_waited_for() -> bool {
    // What was done is seen by who is counted later.
    fence(Ordering::SeqCst);
    descriptor::waiters(|waiters: &AtomicU32| waiters.load(Ordering::SeqCst)).unwrap_or(0) != 0
}

/// Something has been done with a file: who waits looks again.
pub fn wake() {
    if is_waited_for()
        && let Ok(file) = kernel::placeholders()
    {
        // What it was opened for has been done, or there is no descriptor to be had.
        let _ = Temporary::make(|| kernel::reopen(file, nr::O_RDONLY | nr::O_CLOEXEC));
    }
}

/// `vload_wake`.
///
/// # Safety
/// None is needed: the layer is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_wake(_: *mut Layer) -> c_int {
    wake();
    0
}

/// Waits until one of `events` holds of a file. What waits is a read, so that a signal ends it, or has it begin anew, as it
/// does a read of the program's (signal(7)).
pub fn wait_for(held: &Held, events: u32) -> Result<()> {
    let watch = Watch::with(0)?;
    loop {
        let now = ready(held);
        if now & events != 0 {
            return Ok(());
        }
        // It will not be any more, and its module has nothing else to say.
        if now & super::ALWAYS != 0 {
            return Err(Errno::AGAIN);
        }
        let mut news = [0u8; 512];
        let arguments = [watch.fd() as usize, news.as_mut_ptr() as usize, news.len(), 0, 0, 0];
        // SAFETY: the room is as long as it says.
        let length = Errno::check(unsafe { vload_wait(nr::__NR_read as c_long, &arguments) })?;
        look_at(&news[..length as usize]);
    }
}
