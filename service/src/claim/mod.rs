//! Which layer owns which place.
//!
//! Claims lie in the session's memory, so one that any process makes holds in all others from their next call
//! on. A reader takes no lock: it finds a claim by its epoch, which no other ever has, and looks again whether it is
//! still that one when it has read what it wanted. A writer fills a claim that nobody can see, and shows it by one store.

pub mod offered;
mod table;
pub mod target;

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use vload_module::abi::service::core_side::{vload_lives, vload_new_epoch, vload_sees, vload_view};
use vload_module::abi::service::{CLAIM_CONFIRM, CLAIM_EXACT, CLAIM_NEGATIVE, CLAIM_NUMBERS};
use vload_module::{Errno, Result};

use crate::path::is_within;

pub use table::{Record, Table};
pub use target::Target;

/// Where the session's claims are in this process.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(core::ptr::null_mut());

/// Learns where the session's claims are, in each program.
pub fn attach(table: &'static Table) {
    TABLE.store(core::ptr::from_ref(table).cast_mut(), Ordering::Release);
}

/// The session's claims.
pub fn table() -> Option<&'static Table> {
    // SAFETY: null, or what `attach` was given.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }
}

/// The longest path that can be claimed, with its zero.
pub const LONGEST: usize = 1024;

/// In [`Record::origin`]: the claim was made by `mount`, and is seen in the view that is noted.
const MOUNTED: u32 = 1 << 31;

/// A claim as it was at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Its number.
    pub number: u32,
    /// When it was made; no other claim has the same.
    pub epoch: u64,
    /// The number of its layer in the session.
    pub layer: u32,
    /// A set of `CLAIM_*`.
    pub flags: u32,
    /// The word that it was made with.
    pub private: u64,
    /// How much of a path that it owns is the claim's own.
    pub length: usize,
    /// Whether `mount` made it.
    pub mounted: bool,
}

/// What a path is to a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fit {
    /// Nothing.
    Not,
    /// It owns it; so many bytes are the claim's.
    Owns(usize),
}

/// Whether a claim of `own` with `flags` owns the canonical path.
fn fit(own: &[u8], flags: u32, path: &[u8]) -> Fit {
    // The root claims everything: its own part of a path is none.
    let own = if own == b"/" { b"" } else { own };
    let Some(rest) = path.strip_prefix(own) else { return Fit::Not };
    let rest = if own.is_empty() && rest == b"/" { b"" } else { rest };
    let digits = match flags & CLAIM_NUMBERS {
        0 => 0,
        _ => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
    };
    match rest.get(digits) {
        None => Fit::Owns(own.len()),
        Some(b'/') if flags & CLAIM_EXACT == 0 => Fit::Owns(own.len()),
        Some(_) => Fit::Not,
    }
}

/// Which claims count for a call.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// Only those that are older than this.
    pub epoch: u64,
    /// Whether a layer is effective in this process.
    pub effective: &'a dyn Fn(u32) -> bool,
    /// Whether the process sees what was mounted in a view.
    pub sees: &'a dyn Fn(u32) -> bool,
}

impl Table {
    /// The newest claim that owns a canonical path. `confirm` is asked about claims that want to be.
    pub fn owner(
        &self,
        path: &[u8],
        limit: Limit<'_>,
        confirm: &dyn Fn(&Claim) -> bool,
    ) -> Option<Claim> {
        let mut below = limit.epoch;
        // Newest first: each round finds the newest one that is older than the last.
        while let Some(claim) = self.newest(path, below, limit) {
            if claim.flags & CLAIM_NEGATIVE != 0 {
                return None;
            }
            if claim.flags & CLAIM_CONFIRM == 0 || confirm(&claim) {
                return Some(claim);
            }
            below = claim.epoch;
        }
        None
    }

    #[inline(never)]
    fn newest(&self, path: &[u8], below: u64, limit: Limit<'_>) -> Option<Claim> {
        let mut newest: Option<Claim> = None;
        for (number, record) in self.used() {
            let epoch = record.epoch();
            if epoch == 0 || epoch >= below || newest.is_some_and(|found| found.epoch > epoch) {
                continue;
            }
            let mut text = [0; LONGEST];
            let Some(found) = record.read(number, epoch, &mut text) else { continue };
            let Fit::Owns(length) = fit(&text[..found.length], found.flags, path) else { continue };
            let seen = !found.mounted || (limit.sees)(record.view());
            if seen && (limit.effective)(found.layer) {
                newest = Some(Claim { length, ..found });
            }
        }
        newest
    }

    /// Whether any claim, seen or not, owns a directory or lies in it.
    pub fn is_any_in(&self, directory: &[u8]) -> bool {
        self.used().any(|(number, record)| {
            let mut text = [0; LONGEST];
            let epoch = record.epoch();
            // One that is being changed may be one.
            epoch != 0
                && record.read(number, epoch, &mut text).is_none_or(|found| {
                    let path = &text[..found.length];
                    is_within(path, directory) || fit(path, found.flags, directory) != Fit::Not
                })
        })
    }

    /// The claim of that number, if it is still the one that was made then.
    pub fn get(&self, number: u32, epoch: u64) -> Option<Claim> {
        self.record(number)?.read(number, epoch, &mut [0; LONGEST])
    }

    /// The claim that has that number now, and its path.
    pub fn now<'a>(&self, number: u32, path: &'a mut [u8; LONGEST]) -> Option<(Claim, &'a [u8])> {
        let record = self.record(number)?;
        let epoch = record.epoch();
        let claim = record.read(number, epoch, path).filter(|_| epoch != 0)?;
        Some((claim, &path[..claim.length]))
    }

    /// Adds a claim. The caller holds the lock of the table.
    pub fn add(&self, path: &[u8], new: Claim, view: u32) -> Result<u32> {
        check(path, new.flags)?;
        if self.free().is_none() {
            self.sweep();
        }
        let (number, record) = self.free().ok_or(Errno::NOSPC)?;
        record.fill(path, &new, view);
        record.show(new.epoch);
        self.note_used(number);
        self.change();
        Ok(number)
    }

    /// Takes a claim away. The caller holds the lock of the table.
    pub fn remove(&self, number: u32, layer: u32) -> Result<()> {
        let mut text = [0; LONGEST];
        let (_, record) = (self.now(number, &mut text))
            .filter(|(claim, _)| claim.layer == layer)
            .zip(self.record(number))
            .ok_or(Errno::INVAL)?;
        record.show(0);
        self.change();
        Ok(())
    }

    /// Takes away the claim that was made at `epoch`. The caller holds the lock of the table.
    pub fn remove_made(&self, number: u32, epoch: u64) -> Result<()> {
        let record = self.record(number).filter(|record| record.epoch() == epoch);
        record.ok_or(Errno::INVAL)?.show(0);
        self.change();
        Ok(())
    }

    /// How many file systems of a layer's are mounted.
    pub fn mounts_of(&self, layer: u32) -> usize {
        let mut text = [0; LONGEST];
        let numbers = self.of_layer(layer);
        numbers
            .filter(|number| self.now(*number, &mut text).is_some_and(|(claim, _)| claim.mounted))
            .count()
    }

    /// Takes away what nobody can see any more: the claims of layers that are gone, and what was mounted in views that
    /// are. Who has removed a layer does so, if nobody has killed it. The caller holds the lock of the table.
    pub fn sweep(&self) {
        let mut swept = false;
        for (_, record) in self.used().filter(|(_, record)| record.epoch() != 0 && !lives(record)) {
            record.show(0);
            swept = true;
        }
        if swept {
            self.change();
        }
    }

    /// All claims of a layer that somebody can see.
    pub fn of_layer(&self, layer: u32) -> impl Iterator<Item = u32> {
        self.used().filter_map(move |(number, record)| {
            let is_its = record.epoch() != 0 && record.layer() == layer;
            (is_its && lives(record)).then_some(number)
        })
    }
}

/// Whether a claim's layer is in the session, and, if it was mounted, the view where that was done.
fn lives(record: &Record) -> bool {
    let view = if record.is_mounted() { record.view() } else { 0 };
    // SAFETY: numbers are all it takes.
    unsafe { vload_lives(record.layer(), view) != 0 }
}

/// Whether a path can be claimed: absolute, without empty names, `.`, `..` and a slash at the end.
fn check(path: &[u8], flags: u32) -> Result<()> {
    if path.len() >= LONGEST {
        return Err(Errno::NAMETOOLONG);
    }
    let known = CLAIM_EXACT | CLAIM_NUMBERS | CLAIM_NEGATIVE | CLAIM_CONFIRM;
    let names = path.strip_prefix(b"/").ok_or(Errno::INVAL)?;
    let odd = |name: &[u8]| name.is_empty() || name == b"." || name == b".." || name.len() > 255;
    if flags & !known != 0 || (!names.is_empty() && names.split(|&byte| byte == b'/').any(odd)) {
        return Err(Errno::INVAL);
    }
    Ok(())
}

/// A layer's claim with the epoch that it gets now, made in a `mount` or not.
pub fn new(layer: u32, flags: u32, private: u64, mounted: bool) -> (Claim, u32) {
    // SAFETY: both only read the session's state, or count on in it.
    let (epoch, view) = unsafe { (vload_new_epoch(), vload_view()) };
    (Claim { number: 0, epoch, layer, flags, private, length: 0, mounted }, view)
}

/// Whether the process sees what was mounted in a view.
pub fn sees(view: u32) -> bool {
    // SAFETY: a number is all it takes.
    unsafe { vload_sees(view) != 0 }
}

/// Loads a number that others may change.
fn load(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
