//! One run of the command of `vload bisect`: what of vload it does without, and which sites it has
//! executed. Both lie in the session's memory, which `bisect` has made and reads when the run has ended.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::layer::{self, FIXED};
use crate::memory::guard;
use crate::patch::{Fate, Site, SiteRecord};
use crate::session;
use crate::sys::Result;

/// What a run does without at the sites that are not chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Off {
    /// Nothing: every site is as in any run.
    Nothing = 0,
    /// The shape: they trap.
    Shape = 1,
    /// The stub: they stay as the file has them, as far as vload can do without their calls; the
    /// others trap, and their calls go around their stubs.
    Stub = 2,
    /// The layers: their calls go to the system at once.
    Layers = 3,
}

/// Sites that can be told apart.
const SITES: usize = 1 << 13;

/// A run, in the session's memory. All zero bytes are a run with everything that records nothing.
#[repr(C)]
pub struct Trial {
    off: AtomicU32,
    records: AtomicU32,
    /// Calls so far.
    calls: AtomicU64,
    sites: [Entry; SITES],
}

/// Which site of which file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The file's device.
    pub dev: u64,
    /// Its inode.
    pub ino: u64,
    /// The site's address in it; [`Place::FILE`] stands for the file itself.
    pub vaddr: u64,
}

impl Place {
    /// No site's address.
    pub const FILE: u64 = u64::MAX;
}

/// A site of the run. A process that dies while it fills one leaves it unusable, and nothing else.
#[repr(C)]
struct Entry {
    state: AtomicU32,
    chosen: AtomicU32,
    place: [AtomicU64; 3],
    /// When its last call came; 0: none has.
    last: AtomicU64,
    number: AtomicU32,
    shape: AtomicU32,
    /// The last error of its calls.
    error: AtomicU32,
    _pad: u32,
}

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;

/// What a run has shown of a site.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Which it is.
    pub place: Place,
    /// When its last call came, counted in calls; 0: none came.
    pub last: u64,
    /// That call's number; of a file ([`Place::FILE`]), the place of its path in the session's table.
    pub number: u32,
    /// A [`crate::patch::Shape`].
    pub shape: u8,
    /// The last error of its calls, or 0.
    pub error: u32,
}

static TRIAL: AtomicPtr<Trial> = AtomicPtr::new(core::ptr::null_mut());

/// The run that this process is part of.
pub fn current() -> Option<&'static Trial> {
    // SAFETY: null, or where `attach` mapped the area; it stays mapped in whoever runs a program.
    unsafe { TRIAL.load(Ordering::Acquire).as_ref() }
}

/// Begins a run in the session that the caller has just made.
pub fn begin(off: Off, records: bool) -> Result<&'static Trial> {
    session::reserve_area(FIXED, size_of::<Trial>())?;
    let trial = attach()?;
    trial.off.store(off as u32, Ordering::Relaxed);
    trial.records.store(records.into(), Ordering::Relaxed);
    Ok(trial)
}

/// Maps the run of this process's session.
fn attach() -> Result<&'static Trial> {
    let start = session::map_area(FIXED, size_of::<Trial>())?;
    TRIAL.store(start as *mut Trial, Ordering::Release);
    // SAFETY: mapped just now, and as long; every bit pattern is a valid `Trial`.
    Ok(unsafe { &*(start as *const Trial) })
}

/// Gives the memory of the run back.
///
/// # Safety
/// Nothing that [`current`] or [`begin`] gave may be used any more.
pub unsafe fn end() {
    let trial = TRIAL.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !trial.is_null() {
        // SAFETY: mapped by `attach`; the caller's promise.
        unsafe { guard::unmap(trial as usize, size_of::<Trial>()) };
    }
}

/// Joins the run that the session is for, if it is for one: every process of the session does so before
/// it patches anything.
pub fn join() {
    if attach().is_ok_and(|trial| trial.records.load(Ordering::Relaxed) != 0) {
        layer::record_trial();
    }
}

impl Trial {
    /// The entry of a place, made if it is new and `make`.
    fn entry(&self, place: Place, make: bool) -> Option<&Entry> {
        let words = [place.dev, place.ino, place.vaddr];
        let hash = words.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, word| {
            (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
        });
        for probe in 0..SITES {
            let entry = &self.sites[(hash as usize).wrapping_add(probe) % SITES];
            match entry.state.load(Ordering::Acquire) {
                READY if entry.place() == place => return Some(entry),
                EMPTY if !make => return None,
                EMPTY => {
                    // Two that come at once make two entries; who reads them finds both.
                    let taken = entry.state.compare_exchange(
                        EMPTY,
                        FILLING,
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    );
                    if taken.is_ok() {
                        for (field, word) in entry.place.iter().zip(words) {
                            field.store(word, Ordering::Relaxed);
                        }
                        entry.state.store(READY, Ordering::Release);
                        return Some(entry);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Chooses a site: it is as in any run. `false` when there is no room.
    pub fn choose(&self, place: Place) -> bool {
        let entry = self.entry(place, true);
        entry.is_some_and(|entry| entry.chosen.swap(1, Ordering::Relaxed) == 0)
    }

    fn chosen(&self, place: Place) -> Option<&Entry> {
        self.entry(place, false).filter(|entry| entry.chosen.load(Ordering::Relaxed) != 0)
    }

    fn is_off(&self, off: Off) -> bool {
        self.off.load(Ordering::Relaxed) == off as u32
    }

    /// What is done to a site of a file.
    pub fn fate(&self, dev: u64, ino: u64, site: &Site) -> Fate {
        let shape = self.is_off(Off::Shape);
        if !(shape || self.is_off(Off::Stub)) {
            return Fate::Kept;
        }
        if let Some(entry) = self.chosen(Place { dev, ino, vaddr: site.vaddr }) {
            entry.shape.store(site.shape as u32, Ordering::Relaxed);
            return Fate::Kept;
        }
        if !shape && site.number.is_some_and(layer::can_do_without) {
            return Fate::Native;
        }
        Fate::Trap
    }

    /// Whether the call of a site that traps goes around its stub.
    pub fn has_no_stub(&self, place: Place) -> bool {
        self.is_off(Off::Stub) && self.chosen(place).is_none()
    }

    /// Notes the path of a file.
    pub fn name(&self, dev: u64, ino: u64, path: &[u8]) {
        let named = session::members().and_then(|members| members.place_of(path));
        if let Some(index) = named
            && let Some(entry) = self.entry(Place { dev, ino, vaddr: Place::FILE }, true)
        {
            entry.number.store(index, Ordering::Relaxed);
            entry.last.store(1, Ordering::Release);
        }
    }

    /// Notes a call of this number at a site, before it is made. Gives what [`Noted::failed`] is asked of, and
    /// whether it goes around the layers.
    pub fn note(&self, file: [u64; 2], site: &SiteRecord, number: usize) -> (Noted<'_>, bool) {
        let [dev, ino] = file;
        let place = Place { dev, ino, vaddr: site.vaddr };
        let around = self.is_off(Off::Layers) && self.chosen(place).is_none();
        let entry = self.entry(place, true);
        if let Some(entry) = entry {
            entry.number.store(number as u32, Ordering::Relaxed);
            entry.shape.store(site.shape as u32, Ordering::Relaxed);
            let now = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            entry.last.store(now, Ordering::Release);
        }
        (Noted(entry), around)
    }

    /// What the run has shown: the sites that were executed or chosen, and the files' paths.
    pub fn seen(&self) -> impl Iterator<Item = Seen> {
        self.sites.iter().filter_map(|entry| {
            let last = entry.last.load(Ordering::Acquire);
            (entry.state.load(Ordering::Acquire) == READY).then(|| Seen {
                place: entry.place(),
                last,
                number: entry.number.load(Ordering::Relaxed),
                shape: entry.shape.load(Ordering::Relaxed) as u8,
                error: entry.error.load(Ordering::Relaxed),
            })
        })
    }
}

/// A call that was noted.
pub struct Noted<'a>(Option<&'a Entry>);

impl Noted<'_> {
    /// The call has failed with this error.
    pub fn failed(&self, error: u32) {
        if let Some(entry) = self.0 {
            entry.error.store(error, Ordering::Relaxed);
        }
    }
}

impl Entry {
    fn place(&self) -> Place {
        let [dev, ino, vaddr] = [0, 1, 2].map(|index| self.place[index].load(Ordering::Relaxed));
        Place { dev, ino, vaddr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::{Entry as Way, Shape};
    use std::boxed::Box;

    fn trial(off: Off) -> Box<Trial> {
        // SAFETY: all zero bytes are a run.
        let trial = unsafe { Box::<Trial>::new_zeroed().assume_init() };
        trial.off.store(off as u32, Ordering::Relaxed);
        trial
    }

    fn site(vaddr: u64, number: Option<u32>) -> Site {
        Site {
            vaddr,
            entry: Way::Syscall,
            shape: Shape::Mov,
            keeps: 0,
            number,
            head: vaddr,
            tail: vaddr + 2,
            jump: vaddr,
        }
    }

    #[test]
    fn what_is_chosen_is_kept_and_the_rest_is_off() {
        let getpid = Some(linux_raw_sys::general::__NR_getpid);
        let execve = Some(linux_raw_sys::general::__NR_execve);
        let fates = |off| {
            let trial = trial(off);
            assert!(trial.choose(Place { dev: 1, ino: 2, vaddr: 0x10 }));
            [(0x10, getpid), (0x20, getpid), (0x20, execve), (0x20, None)]
                .map(|(vaddr, number)| trial.fate(1, 2, &site(vaddr, number)))
        };
        use Fate::{Kept, Native, Trap};
        assert_eq!(fates(Off::Nothing), [Kept; 4]);
        assert_eq!(fates(Off::Layers), [Kept; 4]);
        assert_eq!(fates(Off::Shape), [Kept, Trap, Trap, Trap]);
        assert_eq!(fates(Off::Stub), [Kept, Native, Trap, Trap]);
    }

    #[test]
    fn a_full_table_says_so_and_loses_nothing() {
        let trial = trial(Off::Shape);
        let place = |index| Place { dev: 1, ino: index % 7, vaddr: index };
        let all = SITES as u64;
        assert!((0..all).all(|index| trial.choose(place(index))));
        assert!(!trial.choose(place(all)));
        assert!((0..all).all(|index| trial.chosen(place(index)).is_some()));
        assert!(trial.chosen(place(all)).is_none());
        // Chosen is not executed.
        assert_eq!(trial.seen().filter(|seen| seen.last == 0).count(), SITES);
    }
}
