//! Which call numbers some layer wants. Stubs ask a table of all, indexed by the number's low 16 bits,
//! whose address their link page has.
//!
//! It is the table that the processes of a view share (`tables.rs`), or, where that cannot be had, one of
//! this process alone, which then hears of a change when it next comes to the resident. In a
//! watched process every number looks wanted.

use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use super::{system, tables};
use crate::arch;
use crate::memory::guard;
use crate::text;
use crate::thread::POOL;
use crate::view::{self, maps};

/// Numbers that a table tells apart.
pub const ENTRIES: usize = 1 << 16;
/// And behind them a byte for each function of the vDSO.
const ALL: usize = ENTRIES + 64;

type Table = [AtomicU8; ALL];

/// This process's own.
static OWN: Table = [const { AtomicU8::new(0) }; ALL];
/// One in which every number is wanted.
static EVERY: Table = [const { AtomicU8::new(0) }; ALL];

/// The table that says what is wanted: what stubs ask, but in a watched process, where the resident does.
pub static TABLE: AtomicPtr<AtomicU8> = AtomicPtr::new((&raw const OWN).cast_mut().cast());

/// In a byte of [`OWN`]: the call is wanted for good.
const ALWAYS: u8 = 1;
/// A layer that came later wants it.
const LOADED: u8 = 2;
/// The first of the bits for [`CLASSES`].
const CLASS: u8 = 4;

/// What some processes want besides: a process joins a class, or leaves it.
pub const CLASSES: [&[usize]; 4] = [system::MASKS, maps::CALLS, VIRTUAL_CALLS, &[guard::IOCTL]];

/// The calls that are wanted while a descriptor is virtual.
const VIRTUAL_CALLS: &[usize] = &abi::held::NUMBERS;

/// A class of processes: its place in `CLASSES`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Class {
    /// With a signal that is never blocked in the kernel.
    Masks = 0,
    /// With a descriptor that shows mappings.
    Maps = 1,
    /// With a virtual descriptor.
    Virtual = 2,
    /// With a userfaultfd.
    Faults = 3,
}

/// The classes that this process is in, a bit each.
static CLASS_SET: AtomicU32 = AtomicU32::new(0);
/// Why every call is wanted here for the process's own sake, if it is.
static EVERYTHING: AtomicU32 = AtomicU32::new(0);

/// A reason to want every call of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Reason {
    /// A thread has asked for a dispatch of its own.
    Dispatched = 1,
    /// Only so it is known which threads sleep in a call (`watch/gather.rs`).
    Asleep = 2,
}
/// Whether stubs see every number as wanted.
static SHOWN: AtomicBool = AtomicBool::new(false);
/// Whether the tables that are shared are asked.
static SHARED: AtomicBool = AtomicBool::new(false);
/// Whether numbers beyond those that calls have are wanted always, more than a list has room for.
static WIDE: AtomicBool = AtomicBool::new(false);
/// Those that are, if they are few; 0: none.
static BEYOND: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
/// A bit for each function of the vDSO's (`arch::patch::FUNCTIONS`) that is owned always.
static OWNED: AtomicU64 = AtomicU64::new(0);

/// Wants a call always: in all processes of a session alike, and before the first instruction of the
/// program.
pub fn want(number: usize) {
    OWN[number % ENTRIES].fetch_or(ALWAYS, Ordering::Relaxed);
    let low = number % ENTRIES;
    if low >= tables::NUMBERS && !BEYOND.iter().any(|one| take(one, low)) {
        WIDE.store(true, Ordering::Relaxed);
    }
}

/// Puts a number into a place that is free, or has it.
fn take(place: &AtomicUsize, low: usize) -> bool {
    let taken = place.compare_exchange(0, low, Ordering::Relaxed, Ordering::Relaxed);
    taken.is_ok() || taken == Err(low)
}

/// The numbers beyond those that calls have that are wanted always, where [`is_base_wide`] does not say that there are
/// more.
pub fn beyond() -> impl Iterator<Item = usize> {
    BEYOND.iter().map(|one| one.load(Ordering::Relaxed)).filter(|&low| low != 0)
}

/// Wants every call always, as [`want`] does.
pub fn want_everything() {
    for byte in &OWN[..ENTRIES] {
        byte.fetch_or(ALWAYS, Ordering::Relaxed);
    }
    WIDE.store(true, Ordering::Relaxed);
}

/// Wants what the system layer itself must see.
pub fn want_base() {
    let own =
        [system::WANTED, system::VIEWS, arch::numbers::WANTED, arch::numbers::VIEWS, &view::NAMED];
    for number in own.iter().copied().flatten().chain(guard::WANTED) {
        want(*number);
    }
}

/// Owns the functions that stand for the calls of which `which` says so: what the program asks
/// them arrives as that call.
pub fn own_functions(which: impl Fn(u32) -> bool) {
    for (index, function) in arch::patch::FUNCTIONS.iter().enumerate() {
        if which(function.number) {
            OWNED.fetch_or(1 << index, Ordering::Relaxed);
            OWN[ENTRIES + index].store(1, Ordering::Relaxed);
        }
    }
}

/// Whether a function of the vDSO's is owned always.
pub fn is_owned(index: usize) -> bool {
    OWNED.load(Ordering::Relaxed) >> index & 1 != 0
}

/// Whether any number may be wanted always.
pub fn is_base_wide() -> bool {
    WIDE.load(Ordering::Relaxed)
}

/// Whether the call is wanted always.
pub fn is_always(low: usize) -> bool {
    OWN[low].load(Ordering::Relaxed) & ALWAYS != 0
}

/// Makes this process one of the class, or not any more.
pub fn set_class(class: Class, joins: bool) {
    let (index, bit) = (class as usize, 1 << class as u32);
    let before = match joins {
        true => CLASS_SET.fetch_or(bit, Ordering::SeqCst),
        false => CLASS_SET.fetch_and(!bit, Ordering::SeqCst),
    };
    if (before & bit != 0) == joins {
        return;
    }
    for &number in CLASSES[index] {
        let byte = &OWN[number % ENTRIES];
        match joins {
            true => byte.fetch_or(CLASS << index, Ordering::AcqRel),
            false => byte.fetch_and(!(CLASS << index), Ordering::AcqRel),
        };
    }
    lead();
}

/// Wants every call in this process.
pub fn want_everything_here(why: Reason) {
    fill_every();
    if EVERYTHING.fetch_or(why as u32, Ordering::SeqCst) & why as u32 == 0 {
        lead();
    }
}

/// There is not this reason any more.
pub fn is_reason_gone(why: Reason) {
    if EVERYTHING.fetch_and(!(why as u32), Ordering::SeqCst) & why as u32 != 0 {
        lead();
    }
}

/// Whether every call is wanted for this reason.
pub fn is_reason(why: Reason) -> bool {
    EVERYTHING.load(Ordering::SeqCst) & why as u32 != 0
}

/// Shows every number as wanted to the stubs, which come to the entry of a watched process with it.
pub fn show_everything() {
    fill_every();
    SHOWN.store(true, Ordering::SeqCst);
    lead();
}

fn fill_every() {
    for byte in &EVERY[..ENTRIES] {
        byte.store(1, Ordering::Relaxed);
    }
    for (every, own) in EVERY.iter().zip(&OWN).skip(ENTRIES) {
        every.store(own.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Asks the tables that the processes of this one's view share from now on, if they can be had.
pub fn share() {
    match tables::map() {
        Ok(()) => SHARED.store(true, Ordering::SeqCst),
        Err(error) => {
            crate::log!(
                Info,
                "layers that come later are seen only at calls that are wanted already: {}",
                error.text()
            );
        }
    }
    lead();
}

/// Whether this process must be told what layers want that came later.
pub fn is_alone() -> bool {
    core::ptr::eq(TABLE.load(Ordering::Relaxed), (&raw const OWN).cast())
}

/// What layers want that came later, where the process has only its own table.
pub fn set_loaded(wants: impl Fn(usize) -> bool, owns: impl Fn(u32) -> bool) {
    for (number, byte) in OWN[..ENTRIES].iter().enumerate() {
        match wants(number) {
            true => byte.fetch_or(LOADED, Ordering::Relaxed),
            false => byte.fetch_and(!LOADED, Ordering::Relaxed),
        };
    }
    for (index, function) in arch::patch::FUNCTIONS.iter().enumerate() {
        let owned = is_owned(index) || owns(function.number);
        OWN[ENTRIES + index].store(owned.into(), Ordering::Relaxed);
    }
}

/// Leads the stubs to the table that they shall ask.
pub fn lead() {
    let own = (&raw const OWN) as usize;
    loop {
        let state = || (CLASS_SET.load(Ordering::SeqCst), EVERYTHING.load(Ordering::SeqCst));
        let seen = state();
        let (class, every) = seen;
        let table = if every != 0 {
            (&raw const EVERY) as usize
        } else if SHARED.load(Ordering::SeqCst) {
            tables::at(class as usize).unwrap_or(own)
        } else {
            own
        };
        TABLE.store(table as *mut AtomicU8, Ordering::SeqCst);
        text::each_link_page(fill_link_page);
        POOL.each(|block| block.wanted_table.store(table, Ordering::Relaxed));
        // Another thread may have led them to the table that was right before.
        if seen == state() {
            return;
        }
    }
}

/// Fills the link page at `page`, which is mapped and writable (its layout: `patch`). Other threads may
/// run in its stubs.
pub fn fill_link_page(page: usize) {
    let shown = SHOWN.load(Ordering::SeqCst);
    let (native, compat) = arch::syscall_entries();
    let (watched, returned) = arch::watched_entries();
    let real = TABLE.load(Ordering::SeqCst) as usize;
    let (native, table) =
        if shown { (watched, (&raw const EVERY) as usize) } else { (native, real) };
    // SAFETY: link pages are mapped writable for as long as their text is, and aligned.
    let words = unsafe { &*(page as *const [AtomicUsize; 4]) };
    for (word, value) in words.iter().zip([native, table, compat, returned]) {
        word.store(value, Ordering::Relaxed);
    }
}
