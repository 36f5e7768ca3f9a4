//! Which call numbers some layer wants. Stubs test it: a link page has a byte for each of the first
//! numbers, and the address of the table of all, indexed by the number's low 16 bits.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::system;
use crate::arch;
use crate::memory::guard;
use crate::patch::Link;
use crate::text;

/// Numbers that a link page has a byte for.
pub const DIRECT: usize = 1024;
/// Numbers that the table tells apart.
const ENTRIES: usize = 1 << 16;

/// One byte for each low half of a call number: not 0 when some layer wants it.
pub static TABLE: [AtomicU8; ENTRIES] = [const { AtomicU8::new(0) }; ENTRIES];

/// In a call's byte: it is wanted for good.
const ALWAYS: u8 = 1;
/// It is wanted while there are descriptors that vload gives a meaning (`view::claims`).
const WHILE_CLAIMED: u8 = 2;

/// Wants a call from now on.
pub fn want(number: usize) {
    change(number, |byte| byte | ALWAYS);
}

/// Wants a call, or does not any more, for the sake of some descriptors.
pub fn want_while_claimed(number: usize, claimed: bool) {
    change(number, |byte| if claimed { byte | WHILE_CLAIMED } else { byte & !WHILE_CLAIMED });
}

fn change(number: usize, to: impl Fn(u8) -> u8) {
    let entry = &TABLE[number % ENTRIES];
    let mut before = entry.load(Ordering::Relaxed);
    while let Err(now) =
        entry.compare_exchange_weak(before, to(before), Ordering::AcqRel, Ordering::Relaxed)
    {
        before = now;
    }
    text::each_link_page(|page| {
        if number < DIRECT {
            // SAFETY: link pages are mapped writable for as long as their text is.
            let byte = unsafe { &(*(page as *const [AtomicU8; DIRECT]))[number] };
            let shown = if SHOWN.load(Ordering::SeqCst) { &EVERY[number % ENTRIES] } else { entry };
            byte.store(shown.load(Ordering::Acquire), Ordering::Relaxed);
        }
    });
}

/// A bit for each function of the vDSO's (`arch::patch::FUNCTIONS`) that some layer owns.
static OWNED: AtomicU64 = AtomicU64::new(0);

/// Owns the functions that stand for the calls of which `which` says so: what the program asks
/// them arrives as that call.
pub fn own_functions(which: impl Fn(u32) -> bool) {
    for (index, function) in arch::patch::FUNCTIONS.iter().enumerate() {
        if which(function.number) {
            OWNED.fetch_or(1 << index, Ordering::Relaxed);
        }
    }
    text::each_link_page(fill_functions);
}

fn fill_functions(page: usize) {
    for (index, _) in arch::patch::FUNCTIONS.iter().enumerate() {
        let owned = (OWNED.load(Ordering::Relaxed) >> index & 1) as u8;
        let byte = page + Link::FUNCTIONS as usize + index;
        // SAFETY: link pages are mapped writable for as long as their text is.
        unsafe { (*(byte as *const AtomicU8)).store(owned, Ordering::Relaxed) };
    }
}

/// Wants what the system layer itself must see.
pub fn want_base() {
    for number in system::WANTED {
        want(*number);
    }
    for number in arch::numbers::WANTED.iter().chain(guard::WANTED) {
        want(*number);
    }
}

/// Wants the calls that set a signal mask.
pub fn want_signal_masks() {
    for number in system::MASKS {
        want(*number);
    }
}

/// Wants every call.
pub fn want_everything() {
    for byte in &TABLE {
        byte.store(ALWAYS, Ordering::Relaxed);
    }
    text::each_link_page(fill_link_page);
}

/// A table in which every number is wanted: what stubs see in a watched process.
static EVERY: [AtomicU8; ENTRIES] = [const { AtomicU8::new(0) }; ENTRIES];
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Shows every number as wanted to the stubs, which come to the entry of a watched process with it.
pub fn show_everything() {
    for byte in &EVERY {
        byte.store(1, Ordering::Relaxed);
    }
    SHOWN.store(true, Ordering::SeqCst);
    text::each_link_page(fill_link_page);
}

/// Fills the link page at `page`, which is mapped and writable (its layout: `patch`). Other threads may
/// run in its stubs.
pub fn fill_link_page(page: usize) {
    fill_functions(page);
    let every = SHOWN.load(Ordering::SeqCst);
    let (native, compat) = arch::syscall_entries();
    let (watched, returned) = arch::watched_entries();
    let (native, table) = if every { (watched, &EVERY) } else { (native, &TABLE) };
    // SAFETY: the caller mapped the page, and it is aligned.
    let words = unsafe { &*((page + DIRECT) as *const [AtomicUsize; 4]) };
    for (word, value) in words.iter().zip([native, table.as_ptr() as usize, compat, returned]) {
        word.store(value, Ordering::Relaxed);
    }
    // SAFETY: as above.
    let bytes = unsafe { &*(page as *const [AtomicU8; DIRECT]) };
    for (byte, wanted) in bytes.iter().zip(table) {
        byte.store(wanted.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
