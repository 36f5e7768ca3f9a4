//! What processes with memory of their own share (`CLONE_FS` without `CLONE_VM`): it lies in the session's memory.
//!
//! One is had by each memory that has an anchor for it (`mapped/backing.rs`), and by who executes a program and has left its
//! number (`handover.rs`) until that has one. So it is free again when the last of them has ended, however that was.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use vload_module::{Errno, Result};

use super::Fs;
use super::paths::in_session;
use crate::descriptor::MOST as OPEN_FILES;
use crate::framework;
use crate::mapped::backing;

/// How many there can be in a session.
const MOST: usize = 32;
/// Bits of a [`ticket`] that are the number.
const NUMBER_BITS: u32 = 8;

/// One of them.
#[repr(C)]
struct Shared {
    /// How often it has been taken.
    generation: AtomicU32,
    _reserved: u32,
    fs: Fs,
}

/// All of a session. All bytes zero are none.
#[repr(C)]
pub struct Table {
    all: [Shared; MOST],
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(core::ptr::null_mut());

/// Learns where they are, in each program.
pub fn attach(table: &'static Table) {
    TABLE.store(core::ptr::from_ref(table).cast_mut(), Ordering::Release);
}

fn find(number: u32) -> Option<&'static Shared> {
    // SAFETY: null, or what `attach` was given.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }?.all.get(number as usize)
}

/// One by its number.
pub fn get(number: u32) -> Option<&'static Fs> {
    Some(&find(number)?.fs)
}

/// Which byte an anchor locks: behind those of open files.
fn byte(number: u32) -> u32 {
    OPEN_FILES as u32 + number
}

/// What a program that is executed is told of one; never 0.
pub fn ticket(number: u32) -> u32 {
    let generation = find(number).map_or(0, |shared| shared.generation.load(Ordering::Relaxed));
    generation << NUMBER_BITS | (number + 1)
}

/// Makes one of that which threads of this process share, unless it is one; `anchored` has the address of its anchor then. `ENXIO`
/// where there is no `/proc`, `EAGAIN` where there is no room.
pub fn share(own: &Fs, anchored: &AtomicUsize) -> Result<()> {
    if own.shared().is_some() {
        return Ok(());
    }
    in_session(|| {
        // Another thread may have made it since.
        if own.shared().is_some() {
            return Ok(());
        }
        let is_free = |&number: &u32| {
            let is_left = |left| (left & ((1 << NUMBER_BITS) - 1)) == number + 1;
            !backing::is_mapped(byte(number))
                && !framework::left().is_some_and(|table| table.names(is_left))
        };
        let number = (0..MOST as u32).find(is_free);
        let shared = number.and_then(find);
        let anchor = backing::anchor(byte(number.unwrap_or_default()), (0, 0))?;
        match (number, shared) {
            (Some(number), Some(shared)) => {
                shared.generation.fetch_add(1, Ordering::Relaxed);
                anchored.store(anchor, Ordering::Release);
                own.become_shared(number, &shared.fs);
                Ok(())
            }
            _ => {
                backing::weigh(anchor);
                Err(Errno::AGAIN)
            }
        }
    })
}

/// Takes that which the program before this one had: its number. `anchored` has the address of its anchor then.
pub fn enter(ticket_left: u32, anchored: &AtomicUsize) -> Option<u32> {
    let number = (ticket_left & ((1 << NUMBER_BITS) - 1)).checked_sub(1)?;
    // While it is the same nobody has taken it: what was left is still there.
    in_session(|| {
        let anchor =
            (ticket(number) == ticket_left).then(|| backing::anchor(byte(number), (0, 0)))?.ok()?;
        anchored.store(anchor, Ordering::Release);
        Some(number)
    })
}
