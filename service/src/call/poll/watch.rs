//! How a process that waits hears that something has been done with a file of a layer's, by whichever process.
//!
//! Who waits watches the file that placeholders are opened from (inotify(7)), and who has done something opens it once
//! more. Each watch has a queue of its own, so nobody takes another's news.

use core::cell::Cell;
use core::ffi::{c_int, c_long};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use linux_raw_sys::general as nr;
use vload_module::abi::Layer;
use vload_module::abi::service::core_side::vload_wait;
use vload_module::{Errno, Result};

use super::{PPOLL, ready};
use crate::descriptor::temporary::AWAY;
use crate::descriptor::{self, Held, Temporary};
use crate::{kernel, vload};

/// `IN_OPEN` (linux/inotify.h).
const IN_OPEN: usize = 0x20;
/// `IN_CLOSE_WRITE`: the last descriptor of a placeholder has gone. What is opened to wake is not opened to write.
const IN_CLOSE_WRITE: usize = 0x8;

/// Milliseconds until what nobody has open any more is looked for again, at first and at last: twice as long each time, eight
/// seconds in all.
const FIRST: u32 = 1;
const LAST: u32 = 4096;

/// Becomes ready when something is done with a file of a layer's, and when it is time to look whether a process has ended.
pub struct Watch {
    news: Temporary,
    /// `None` where there are no timers to be had: a filter, no descriptor.
    timed: Option<Timed>,
}

/// A timer, and what is ready when it or the news are.
struct Timed {
    timer: Temporary,
    both: Temporary,
    /// Milliseconds that the timer was last set to.
    delay: Cell<u32>,
}

/// A descriptor of the framework's, where programs do not look.
fn away(number: u32, arguments: &[usize]) -> Result<Temporary> {
    Temporary::make(|| {
        let mut all = [0; 3];
        all[..arguments.len()].copy_from_slice(arguments);
        // SAFETY: no memory is passed.
        let low = unsafe { kernel::call(number, all) }? as i32;
        let Ok(high) = kernel::fcntl(low, nr::F_DUPFD_CLOEXEC, AWAY) else { return Ok(low) };
        kernel::close(low);
        Ok(high as i32)
    })
}

impl Timed {
    fn with(news: &Temporary) -> Result<Self> {
        let flags = (nr::TFD_NONBLOCK | nr::TFD_CLOEXEC) as usize;
        let timer = away(nr::__NR_timerfd_create, &[nr::CLOCK_MONOTONIC as usize, flags])?;
        let both = away(nr::__NR_epoll_create1, &[nr::EPOLL_CLOEXEC as usize])?;
        for one in [news, &timer] {
            let event = nr::epoll_event { events: nr::POLLIN, data: 0 };
            let add = nr::EPOLL_CTL_ADD as usize;
            let at = ptr::from_ref(&event) as usize;
            // SAFETY: the kernel reads the event.
            unsafe {
                kernel::call(nr::__NR_epoll_ctl, [both.fd() as usize, add, one.fd() as usize, at])
            }?;
        }
        let timed = Self { timer, both, delay: Cell::new(0) };
        timed.set(FIRST)?;
        Ok(timed)
    }

    /// Says when to look again.
    fn set(&self, delay: u32) -> Result<()> {
        self.delay.set(delay);
        // A `struct itimerspec` of words: once, after so long.
        let when = [0, 0, (delay / 1000) as usize, (delay % 1000 * 1_000_000) as usize];
        let arguments = [self.timer.fd() as usize, 0, when.as_ptr() as usize, 0];
        // SAFETY: four words, and the old ones are not asked for.
        unsafe { kernel::call(nr::__NR_timerfd_settime, arguments) }.map(drop)
    }

    /// Whether it is time, which is taken.
    fn is_time(&self) -> bool {
        let mut times = 0u64;
        let arguments = [self.timer.fd() as usize, ptr::from_mut(&mut times) as usize, 8];
        // SAFETY: eight bytes (timerfd_create(2)).
        unsafe { kernel::call(nr::__NR_read, arguments) }.is_ok()
    }
}

impl Watch {
    /// From now on. `ENOMEM` where the kernel has no room for one.
    pub fn new() -> Result<Self> {
        let flags = (nr::O_CLOEXEC | nr::O_NONBLOCK) as usize;
        let news = away(nr::__NR_inotify_init1, &[flags]).map_err(|_| Errno::NOMEM)?;
        let timed = Timed::with(&news).ok();
        let watch = Self { news, timed };
        // Before what can fail: what is dropped is counted down.
        descriptor::waiters(|waiters| waiters.fetch_add(1, Ordering::SeqCst));
        kernel::with_link(kernel::placeholders()?, |path| {
            let events = IN_OPEN | IN_CLOSE_WRITE;
            let arguments = [watch.news.fd() as usize, path.as_ptr() as usize, events];
            // SAFETY: the path ends with a zero.
            unsafe { kernel::call(nr::__NR_inotify_add_watch, arguments) }
        })
        .map_err(|_| Errno::NOMEM)?;
        // Of a process that has ended before this nobody is told any more. The timer is set already.
        descriptor::reclaim();
        Ok(watch)
    }

    /// Its descriptor.
    pub fn fd(&self) -> i32 {
        self.timed.as_ref().map_or(&self.news, |timed| &timed.both).fd()
    }

    /// Takes the news.
    pub fn drain(&self) {
        let mut news = [0u8; 512];
        let mut is_closed = false;
        while let Ok(length) = kernel::read(self.news.fd(), &mut news) {
            is_closed |= is_any_close(&news[..length]);
        }
        self.heed(is_closed);
    }

    /// Waits for news, or until it is time, and takes them.
    fn sleep(&self) -> Result<()> {
        let mut entry = nr::pollfd { fd: self.fd(), events: nr::POLLIN as i16, revents: 0 };
        let arguments = [ptr::from_mut(&mut entry) as usize, 1, 0, 0, 0, 0];
        // SAFETY: one entry, no limit and no mask.
        match Errno::check(unsafe { vload_wait(PPOLL as c_long, &arguments) }) {
            // A filter forbids that.
            Err(Errno::NOSYS) => self.read(),
            Err(error) => Err(error),
            Ok(_) => {
                self.drain();
                Ok(())
            }
        }
    }

    /// Waits for news by the call that takes them, which does not hear the timer. `ENOMEM` where that is forbidden too.
    fn read(&self) -> Result<()> {
        let fd = self.news.fd();
        kernel::fcntl(fd, nr::F_SETFL, 0).map_err(|_| Errno::NOMEM)?;
        let mut news = [0u8; 512];
        let arguments = [fd as usize, news.as_mut_ptr() as usize, news.len(), 0, 0, 0];
        // SAFETY: the room is as long as it says.
        let length = match Errno::check(unsafe { vload_wait(nr::__NR_read as c_long, &arguments) })
        {
            Err(Errno::NOSYS) => Err(Errno::NOMEM),
            read => read,
        }?;
        self.heed(is_any_close(&news[..length as usize]));
        Ok(())
    }

    /// Looks for what nobody has open any more, if the news are of a close or it is time.
    fn heed(&self, is_closed: bool) {
        let is_time = self.timed.as_ref().is_some_and(Timed::is_time);
        if is_closed {
            // The kernel tells of a close right before it gives the lock back (`__fput`, fs/file_table.c).
            for _ in 0..8 {
                descriptor::reclaim();
                vload::let_others_run();
            }
            self.look(FIRST);
        } else if is_time && let Some(timed) = &self.timed {
            self.look(timed.delay.get() * 2);
        }
    }

    /// A process that ends closes nothing itself: that nobody has a file open any more is found here, by who waits for what
    /// its module says then. One that has been interrupted between the news and the end of its lock is found
    /// when the processor is its again, so it is looked for again.
    fn look(&self, delay: u32) {
        descriptor::reclaim();
        if let Some(timed) = &self.timed
            && delay <= LAST
        {
            // As it could be set once, it fails if another thread has had a filter forbid it since: no more is heard of it then,
            // as where there is none.
            let _ = timed.set(delay);
        }
    }
}

/// Whether there is one of the news, each a `struct inotify_event` without a name, that is of a close.
fn is_any_close(news: &[u8]) -> bool {
    news.chunks_exact(16).any(|event| {
        let mask = u32::from_ne_bytes([event[4], event[5], event[6], event[7]]);
        mask as usize & IN_CLOSE_WRITE != 0
    })
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

/// Waits until one of `events` holds of a file. A signal ends it, or has it begin anew, as it does a read of the program's
/// (signal(7)).
pub fn wait_for(held: &Held, events: u32) -> Result<()> {
    let watch = Watch::new()?;
    loop {
        let now = ready(held);
        if now & events != 0 {
            return Ok(());
        }
        // It will not be any more, and its module has nothing else to say.
        if now & super::ALWAYS != 0 {
            return Err(Errno::AGAIN);
        }
        watch.sleep()?;
    }
}
