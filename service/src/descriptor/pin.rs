//! A file stays open while a call on it goes on, though another thread closes the last descriptor of it: natively the
//! call has a reference of its own.
//!
//! A call notes its descriptor before it looks what that is. Who closes one says so, and then looks for calls that have
//! noted it: for each it makes a copy, which the call closes at its end. A call that finds somebody closing makes its
//! own. So nothing is paid where nobody closes.
//!
//! What a call has found is kept if nobody was closing when it had noted its descriptor, and nobody had made a copy when it had
//! found the file: who closes that comes later, and sees the note. Otherwise it is kept by a copy that is of that very file:
//! the record of a file that is gone is soon another's, in which the same number leads to another layer's.

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use linux_raw_sys::general::F_DUPFD_CLOEXEC;
use vload_module::Result;

use super::temporary::AWAY;
use super::{Held, held, temporary};
use crate::{kernel, vload};

/// Calls that can be noted; more at a time go on as before, without.
const MOST: usize = 64;

/// In [`Slot::fd`]: the call is over, and its copy not yet closed.
const OVER: u32 = u32::MAX;
/// How often a call looks again whose copy is not of its file, because others close descriptors.
const TRIES: u32 = 64;

struct Slot {
    /// The descriptor that a call uses, plus one; 0 for none.
    fd: AtomicU32,
    /// The copy that keeps the file open, plus one; 0 for none.
    copy: AtomicI32,
    /// In which table the copy is.
    table: AtomicU32,
}

impl Slot {
    const fn free() -> Self {
        Self { fd: AtomicU32::new(0), copy: AtomicI32::new(0), table: AtomicU32::new(0) }
    }
}

static SLOTS: [Slot; MOST] = [const { Slot::free() }; MOST];
/// How many threads are closing descriptors of virtual files.
static CLOSING: AtomicU32 = AtomicU32::new(0);

/// A descriptor that a call uses.
pub struct Pin(Option<&'static Slot>);

impl Pin {
    fn new(fd: i32) -> Self {
        let word = (fd as u32).wrapping_add(1);
        let take = |slot: &&Slot| {
            slot.fd.compare_exchange(0, word, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        };
        Self(SLOTS.iter().find(take))
    }
}

impl Slot {
    /// The call is over: closes its copy.
    fn release(&self) {
        // Who would make a copy from now on finds the call over.
        let word = self.fd.swap(OVER, Ordering::SeqCst);
        debug_assert!(word != 0 && word != OVER, "a slot is freed by who took it");
        if self.copy.load(Ordering::SeqCst) != 0 {
            self.close_copy();
        }
        // Not sooner: the next call would take the copy for its own.
        self.fd.store(0, Ordering::SeqCst);
    }

    fn close_copy(&self) {
        // The number is one of the table of who has made it.
        let is_ours = |alone: temporary::Alone| alone.table == self.table.load(Ordering::SeqCst);
        let (copy, is_ours) = match temporary::alone() {
            None => (self.copy.swap(0, Ordering::SeqCst) - 1, true),
            Some(alone) => (self.copy.swap(0, Ordering::SeqCst) - 1, is_ours(alone)),
        };
        if copy >= 0 && is_ours {
            let number = super::placeholder::identify(copy).map(|(number, _)| number);
            kernel::close(copy);
            if let Some(number) = number {
                super::left(number);
            }
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.inspect(|slot| slot.release());
    }
}

/// The file behind a descriptor, which stays open as long as the pin is there; none when it is a real one's.
pub fn use_of(fd: i32) -> Option<Result<(Held, Pin)>> {
    if fd < 0 { None } else { pinned(fd, || held::find(fd)) }
}

/// The same, where `find` finds it.
pub fn pinned(
    fd: i32,
    mut find: impl FnMut() -> Option<Result<Held>>,
) -> Option<Result<(Held, Pin)>> {
    for _ in 0..TRIES {
        let pin = Pin::new(fd);
        let was_quiet = CLOSING.load(Ordering::SeqCst) == 0;
        let found = match find()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let is_kept = |slot: &Slot| {
            if was_quiet && slot.copy.load(Ordering::SeqCst) == 0 {
                return true;
            }
            keep(slot, fd);
            let copy = slot.copy.load(Ordering::SeqCst) - 1;
            copy >= 0 && super::placeholder::identify(copy) == Some(found.identity())
        };
        if pin.0.is_none_or(is_kept) {
            return Some(Ok((found, pin)));
        }
        // It was closed before the copy was made, or the copy is what somebody has made for the call before this one.
        drop(pin);
        vload::let_others_run();
    }
    // No copy can be made.
    Some(find()?.map(|found| (found, Pin(None))))
}

/// Makes the copy of a call's descriptor, unless there is one.
fn keep(slot: &Slot, fd: i32) {
    if slot.copy.load(Ordering::SeqCst) != 0 {
        return;
    }
    // A process that is copied meanwhile finds the copy in the slot.
    let alone = temporary::alone();
    let copied =
        kernel::fcntl(fd, F_DUPFD_CLOEXEC, AWAY).or_else(|_| kernel::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    let Ok(copy) = copied else { return };
    let word = copy as i32 + 1;
    if let Some(alone) = &alone
        && slot.copy.load(Ordering::SeqCst) == 0
    {
        slot.table.store(alone.table, Ordering::SeqCst);
    }
    let ours = slot.copy.compare_exchange(0, word, Ordering::SeqCst, Ordering::Relaxed).is_ok();
    // The call may have ended, or somebody else made one.
    let is_over = slot.fd.load(Ordering::SeqCst) != (fd as u32).wrapping_add(1);
    let undone =
        || slot.copy.compare_exchange(word, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok();
    if !ours || (is_over && undone()) {
        kernel::close(copy as i32);
    }
}

/// The process has just been forked, and has none of the threads whose calls are noted here. `copied` says of which
/// table of descriptors it has a copy.
pub fn forked(copied: Option<u32>) {
    CLOSING.store(0, Ordering::SeqCst);
    for slot in &SLOTS {
        slot.fd.store(0, Ordering::SeqCst);
        let copy = slot.copy.swap(0, Ordering::SeqCst) - 1;
        if copy >= 0 && copied == Some(slot.table.load(Ordering::SeqCst)) {
            kernel::close(copy);
        }
    }
}

/// Does something that closes descriptors, from `first` to `last`.
pub fn closing<R>(first: u32, last: u32, close: impl FnOnce() -> R) -> R {
    // The calls noted here are of descriptors that stay open.
    if vload::is_borrowed() {
        return close();
    }
    CLOSING.fetch_add(1, Ordering::SeqCst);
    for slot in &SLOTS {
        let word = slot.fd.load(Ordering::SeqCst);
        if let Some(fd) = word.checked_sub(1)
            && word != OVER
            && (first..=last).contains(&fd)
        {
            keep(slot, fd as i32);
        }
    }
    let result = close();
    CLOSING.fetch_sub(1, Ordering::SeqCst);
    result
}
