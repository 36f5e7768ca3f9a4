//! The tables of wanted calls that the processes of a view share. They lie in the session's memory, and
//! each process maps them to read: what one process stores there, the stubs of every other one see
//! at their next call.
//!
//! A process may want more than its view does: what that is makes its class, and each class has a table of
//! its own. One is filled when the first process needs it.

use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::wanted::{self, ENTRIES};
use crate::arch;
use crate::memory::guard;
use crate::session::{self, Numbers, Tables, ViewId};
use crate::sys::{self, Errno, Result};
use crate::view::OWN;

/// Things that a process can want besides, a bit each ([`wanted::CLASSES`]).
pub const CLASSES: usize = 1 << wanted::CLASSES.len();
/// Bytes of a table: one for each low half of a number, and one for each function of the vDSO.
const TABLE: usize = ENTRIES + 4096;
/// Bytes of all tables of a view.
pub const TABLES: usize = CLASSES * TABLE;

/// Numbers that calls have; beyond them a table is a hole until something wants one.
pub const NUMBERS: usize = 1024;

/// Makes the tables of `view` say that its layers want `numbers`.
pub fn show_wanted(view: ViewId, numbers: &Numbers) -> Result<()> {
    let Some(tables) = session::tables(view) else { return Ok(()) };
    let filled = tables.filled.load(Ordering::Acquire) as usize;
    (0..CLASSES)
        .filter(|class| filled >> class & 1 != 0)
        .try_for_each(|class| write(&tables, class, numbers, true))
}

/// Fills a table, if nobody has.
pub fn fill(view: ViewId, class: usize) -> Result<()> {
    let tables = session::tables(view).ok_or(Errno::NOENT)?;
    if tables.filled.load(Ordering::Acquire) >> class & 1 != 0 {
        return Ok(());
    }
    session::with_wanted(view, &mut |numbers| {
        write(&tables, class, numbers, false)?;
        tables.filled.fetch_or(1 << class, Ordering::Release);
        Ok(())
    })
}

/// Writes the table of a class. Where it was written before, only bytes change that must: stubs read them
/// all the time.
fn write(tables: &Tables<'_>, class: usize, numbers: &Numbers, again: bool) -> Result<()> {
    let offset = tables.offset + (class * TABLE) as u64;
    let start = sys::map_shared(OWN.session.get(), offset, TABLE, true)?;
    // SAFETY: mapped just now, and as long.
    let bytes = unsafe { &*(start as *const [AtomicU8; TABLE]) };
    if numbers.is_wide() || wanted::is_base_wide() {
        // For good: what is wanted there now will have to be taken back.
        tables.is_wide.store(1, Ordering::Relaxed);
    }
    // To read a hole would fill it.
    let end = if tables.is_wide.load(Ordering::Relaxed) != 0 { ENTRIES } else { NUMBERS };
    let show = |at: usize, is_wanted: bool| {
        let byte = &bytes[at];
        if byte.load(Ordering::Relaxed) != u8::from(is_wanted) {
            byte.store(is_wanted.into(), Ordering::Release);
        }
    };
    let of_class = |low: usize| {
        let calls = wanted::CLASSES.iter().enumerate();
        calls.filter(|(index, _)| class >> index & 1 != 0).any(|(_, calls)| calls.contains(&low))
    };
    match first_table(tables).filter(|_| class != 0 && !again && end == NUMBERS) {
        Some(first) => {
            // SAFETY: mapped just now, longer, and a page begins there.
            let words = unsafe { &*(start as *const [AtomicU64; NUMBERS / 8]) };
            for (word, from) in words.iter().zip(first) {
                word.store(from.load(Ordering::Relaxed), Ordering::Release);
            }
        }
        None => {
            for low in 0..end {
                let for_all = numbers.has(low) || wanted::is_always(low);
                show(low, for_all || (again && low < NUMBERS && of_class(low)));
            }
        }
    }
    wanted::beyond().for_each(|low| show(low, true));
    for (index, calls) in wanted::CLASSES.iter().enumerate() {
        if class >> index & 1 != 0 {
            calls.iter().for_each(|&call| show(call, true));
        }
    }
    for (index, function) in arch::patch::FUNCTIONS.iter().enumerate() {
        let owned = numbers.has(function.number as usize) || wanted::is_owned(index);
        show(ENTRIES + index, owned);
    }
    // SAFETY: nothing refers to it any more.
    unsafe { sys::munmap(start, TABLE) };
    Ok(())
}

/// The table that has no more than the view wants, if these are the tables of this process's view and it is filled: the
/// numbers that calls have. The others are that and a few bytes.
fn first_table(tables: &Tables<'_>) -> Option<&'static [AtomicU64; NUMBERS / 8]> {
    let own = session::tables(session::view())?;
    let start = MAPPED.load(Ordering::Acquire);
    let is_filled = tables.filled.load(Ordering::Acquire) & 1 != 0;
    if start == 0 || own.offset != tables.offset || !is_filled {
        return None;
    }
    // SAFETY: mapped to be read for as long as the process is in the view; no class has a smaller offset.
    Some(unsafe { &*(start as *const [AtomicU64; NUMBERS / 8]) })
}

/// Where this process has the tables of its view mapped, or 0.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Maps the tables of this process's view.
pub fn map() -> Result<()> {
    let tables = session::tables(session::view()).ok_or(Errno::NOENT)?;
    let start = sys::map_shared(OWN.session.get(), tables.offset, TABLES, false)?;
    guard::own(start, TABLES);
    MAPPED.store(start, Ordering::Release);
    Ok(())
}

/// The shared table of a class: its address.
pub fn at(class: usize) -> Result<usize> {
    match MAPPED.load(Ordering::Acquire) {
        0 => Err(Errno::NOENT),
        start => fill(session::view(), class).map(|()| start + class * TABLE),
    }
}
