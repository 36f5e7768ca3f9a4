//! The layers of a session: one record for each (`records.rs`), which says in which view it is and since when.
//!
//! Everything has a time: the number of changes that have been made when it came, and when it went. So a
//! change is made by one store, of that number ([`Registry::generation`]): a layer is there from the
//! generation on in which it is born, until the one in which it dies. Readers take no lock. Writers
//! hold the registry's, and whoever takes it next throws away what a killed one has left: what is born or
//! dies after the present generation.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::arena::{self, Stored};
use super::lock::{Kept, Lock};
use super::numbers::Numbers;
use super::records::{DESCRIPTION, LayerId, NAME, NewLayer, Record, Slot};
use super::views::{VIEWS, View, ViewId};
use crate::layer::{self, FIXED};
use crate::sys::{self, Errno, Result};
use crate::thread::Block;

/// Layers that a session can have at once, besides those that are part of vload.
pub const LAYERS: usize = 64;
/// Locks that each layer has.
pub const LAYER_LOCKS: usize = 16;
/// Bytes that they take, before the layer's area.
pub const LOCKS: usize = LAYER_LOCKS * size_of::<Lock>();
/// What an area and arguments begin at multiples of.
const PAGE: usize = 4096;

/// All that the session knows of views and layers.
#[repr(C)]
pub struct Registry {
    lock: Lock,
    /// How many changes have been made.
    generation: AtomicU64,
    /// The last place in time that was given out.
    epoch: AtomicU64,
    pub(super) views: [View; VIEWS],
    slots: [Slot; LAYERS],
}

/// Epochs below this are those of the layers that the session's options ask for, and of what these claim as they are loaded.
pub const FIRST_EPOCH: u64 = 1 << 16;

/// The epoch of the layer that the session's options ask for at `place`, the first of which is 1. What it claims as it is loaded
/// comes right behind, and before the next layer.
pub const fn epoch_of(place: usize) -> u64 {
    place as u64 * (FIRST_EPOCH / FIXED as u64)
}

/// Runs `load` at the time of that layer. There is no process in the session yet but this one.
pub fn at_place<T>(place: usize, load: impl FnOnce() -> T) -> T {
    let Some(registry) = arena::registry() else { return load() };
    let now = registry.epoch.swap(epoch_of(place) - 1, Ordering::Relaxed);
    let loaded = load();
    registry.epoch.store(now, Ordering::Relaxed);
    loaded
}

/// The registry while its lock is held.
pub(super) struct Held<'a> {
    pub registry: &'a Registry,
    kept: &'a mut Kept,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.registry.lock.give_back(self.kept);
    }
}

impl Registry {
    /// Begins the registry of a new session.
    pub(super) fn begin(&self) {
        self.generation.store(FIRST_EPOCH, Ordering::Relaxed);
        self.epoch.store(FIRST_EPOCH, Ordering::Relaxed);
    }

    /// How many changes have been made: a process whose list is of another generation looks again.
    pub(super) fn generation(&self) -> &AtomicU64 {
        &self.generation
    }

    pub(super) fn hold<'a>(
        &'a self,
        kept: &'a mut Kept,
        block: Option<NonNull<Block>>,
    ) -> Result<Held<'a>> {
        self.lock.take(kept, 0..0, block)?;
        let held = Held { registry: self, kept };
        held.recover();
        Ok(held)
    }

    /// Calls `visit` with what each record says that `view` or one of those it comes from has.
    fn each(&self, generation: u64, view: ViewId, visit: &mut dyn FnMut(usize, &Slot)) {
        for (index, slot) in self.slots.iter().enumerate() {
            let of = ViewId(slot.view.load(Ordering::Relaxed));
            if slot.is_there(generation) && self.is_in(view, of) {
                visit(index, slot);
            }
        }
    }

    /// The calls that the view's layers want.
    pub(super) fn wanted(&self, generation: u64, view: ViewId) -> Numbers {
        let mut set = Numbers::NONE;
        self.each(generation, view, &mut |_, slot| slot.wanted.add_to(&mut set));
        set
    }
}

impl Held<'_> {
    /// The generation of the change that is being made.
    fn next(&self) -> u64 {
        self.registry.generation.load(Ordering::Relaxed) + 1
    }

    /// Makes the change that has been prepared.
    fn commit(&self) {
        self.registry.generation.store(self.next(), Ordering::Release);
    }

    /// Throws away what a killed writer has left.
    fn recover(&self) {
        let next = self.next();
        for slot in &self.registry.slots {
            let (born, died) =
                (slot.born.load(Ordering::Relaxed), slot.died.load(Ordering::Relaxed));
            if died >= next {
                slot.died.store(0, Ordering::Relaxed);
            }
            // Calls may be shown as wanted in its name.
            if born >= next || (born != 0 && died != 0 && died < next) {
                self.bury(slot);
            }
        }
    }

    /// Frees a record that no process has seen, or that none sees any more, and its memory.
    fn discard(&self, slot: &Slot) {
        slot.room.clear();
        slot.born.store(0, Ordering::Release);
    }

    /// Frees the record of a layer that is gone.
    fn bury(&self, slot: &Slot) {
        // Until then more calls than wanted come to the resident, which does no harm: so does an error.
        if let Err(error) = self.show_wants(ViewId(slot.view.load(Ordering::Relaxed)), 0) {
            crate::log!(Warn, "calls of a layer that is gone stay wanted: {}", error.text());
        }
        self.discard(slot);
    }

    /// What the layers of a view want now.
    pub fn wanted(&self, view: ViewId) -> Numbers {
        self.registry.wanted(self.next() - 1, view)
    }

    /// Takes all layers out of a view in which no process is.
    pub fn clear(&self, view: ViewId) {
        for slot in &self.registry.slots {
            let is_there = slot.is_there(self.next() - 1);
            if is_there && slot.view.load(Ordering::Relaxed) == view.0 {
                slot.died.store(self.next(), Ordering::Release);
                self.commit();
                self.discard(slot);
            }
        }
    }

    /// Makes the stubs of all that sees `view` send what is wanted `ahead` changes from now.
    fn show_wants(&self, view: ViewId, ahead: u64) -> Result<()> {
        let generation = self.registry.generation.load(Ordering::Relaxed) + ahead;
        let inside = |of: ViewId| self.registry.is_in(of, view);
        self.registry
            .used_views()
            .filter(|&of| inside(of))
            .try_for_each(|of| layer::show_wanted(of, &self.registry.wanted(generation, of)))
    }

    fn insert(
        &self,
        view: ViewId,
        new: &NewLayer<'_>,
        init: &mut dyn FnMut(&Record) -> Result<()>,
    ) -> Result<LayerId> {
        // Their layers take places.
        self.registry.free_views(self);
        let (registry, next) = (self.registry, self.next());
        let hash = arena::hash(new.arguments);
        let mut exists = false;
        registry.each(next - 1, view, &mut |index, slot| {
            // One that is part of vload gives nothing that there could be twice, and a view may have its own.
            let is_near =
                new.kind != layer::refresh::BUILT_IN || slot.view.load(Ordering::Relaxed) == view.0;
            let same = is_near
                && slot.hash.load(Ordering::Relaxed) == hash
                && slot.arguments.get().length == new.arguments.len();
            exists |= same && slot.copy(index).name() == new.name;
        });
        if exists {
            return Err(Errno::EXIST);
        }
        let area = usize::try_from(new.area).map_err(|_| Errno::NOSPC)?;
        let shared = LOCKS.saturating_add(area).next_multiple_of(PAGE);
        let is_free = |slot: &Slot| slot.born.load(Ordering::Relaxed) == 0;
        let free = registry.slots.iter().enumerate().filter(|(_, slot)| is_free(slot));
        let best =
            free.min_by_key(|(index, slot)| slot.room.fit(*index, shared + new.arguments.len()));
        let (index, slot) = best.ok_or(Errno::NOSPC)?;
        let nothing = Stored { offset: 0, length: 0 };
        slot.arguments.set(nothing);
        slot.shared.set(nothing);
        slot.died.store(0, Ordering::Relaxed);
        // From here on it is this change's, and thrown away if the change is not made.
        slot.born.store(next, Ordering::Release);
        let made = self.fill(slot, index, view, new, hash, shared, init);
        match made.and_then(|()| self.show_wants(view, 1)) {
            Ok(()) => {
                self.commit();
                Ok(LayerId(index as u32))
            }
            Err(error) => {
                self.discard(slot);
                Err(error)
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all that makes a record")]
    fn fill(
        &self,
        slot: &Slot,
        index: usize,
        view: ViewId,
        new: &NewLayer<'_>,
        hash: u64,
        shared: usize,
        init: &mut dyn FnMut(&Record) -> Result<()>,
    ) -> Result<()> {
        slot.epoch.store(new_epoch(), Ordering::Relaxed);
        let length = new.arguments.len();
        let room = slot.room.take(index, shared + length)?;
        slot.shared.set(Stored { length: shared, ..room });
        slot.arguments.set(Stored { offset: room.offset + shared as u64, length });
        arena::fill(slot.arguments.get(), new.arguments)?;
        slot.view.store(view.0, Ordering::Relaxed);
        slot.kind.store(new.kind, Ordering::Relaxed);
        slot.flags.store(new.flags, Ordering::Relaxed);
        slot.since.store(sys::now().unwrap_or(0) as u64 / 1_000_000_000, Ordering::Relaxed);
        slot.image.set(new.image);
        slot.hash.store(hash, Ordering::Relaxed);
        slot.name.set(new.name);
        slot.description.set(&new.description[..new.description.len().min(DESCRIPTION - 1)]);
        slot.wanted.clear();
        slot.wanted.add(new.wants);
        init(&slot.copy(index))
    }

    fn remove(
        &self,
        view: ViewId,
        name: &[u8],
        fini: &mut dyn FnMut(&Record) -> Result<()>,
    ) -> Result<()> {
        let mut found: Option<Record> = None;
        let generation = self.next() - 1;
        self.registry.each(generation, view, &mut |index, slot| {
            let record = slot.copy(index);
            let is_newer = found.is_none_or(|found| found.epoch < record.epoch);
            if record.name() == name && is_newer {
                found = Some(record);
            }
        });
        let found = found.ok_or(Errno::NOENT)?;
        if found.view != view {
            // Processes outside of the view have it, too.
            return Err(Errno::PERM);
        }
        fini(&found)?;
        let slot = &self.registry.slots[found.id.0 as usize];
        slot.died.store(self.next(), Ordering::Release);
        self.commit();
        self.bury(slot);
        Ok(())
    }
}

pub(super) fn with_held<T>(
    block: Option<NonNull<Block>>,
    act: impl FnOnce(&Held<'_>) -> Result<T>,
) -> Result<T> {
    let registry = arena::registry().ok_or(Errno::NOSPC)?;
    let mut kept = Kept::none();
    let held = registry.hold(&mut kept, block)?;
    act(&held)
}

/// Puts a layer in `view`, above all others. `init` is called before any process sees it, and
/// its error is that of the call. `block` is the calling thread's, once it has one.
///
/// [`Errno::EXIST`]: the view has a layer of this module with these arguments. [`Errno::NOSPC`]: there is
/// no room. [`Errno::DEADLK`]: the caller is in `init` or `fini` of a layer.
pub fn insert(
    view: ViewId,
    new: &NewLayer<'_>,
    block: Option<NonNull<Block>>,
    init: &mut dyn FnMut(&Record) -> Result<()>,
) -> Result<LayerId> {
    if new.name.is_empty() || new.name.len() >= NAME {
        return Err(Errno::NAMETOOLONG);
    }
    with_held(block, |held| held.insert(view, new, init))
}

/// Takes the newest layer of that name out of `view`. `fini` is called before, and its error keeps the
/// layer.
///
/// [`Errno::NOENT`]: there is none. [`Errno::PERM`]: it is in a view that
/// this one comes from.
pub fn remove(
    view: ViewId,
    name: &[u8],
    block: Option<NonNull<Block>>,
    fini: &mut dyn FnMut(&Record) -> Result<()>,
) -> Result<()> {
    with_held(block, |held| held.remove(view, name, fini))
}

/// Maps what a layer has, its locks and its area.
///
/// [`Errno::NOENT`]: it is gone, and another one may have that.
pub fn map_shared(record: &Record) -> Result<usize> {
    let registry = arena::registry().ok_or(Errno::NOSPC)?;
    let index = record.id.0 as usize;
    let slot = registry.slots.get(index).ok_or(Errno::NOENT)?;
    let is_its = || slot.epoch.load(Ordering::Relaxed) == record.epoch;
    slot.room.map(index, record.shared, is_its)
}

/// What the view's processes have: calls `visit` with each layer, oldest first. Gives the generation.
pub fn effective(view: ViewId, visit: &mut dyn FnMut(&Record)) -> u64 {
    let Some(registry) = arena::registry() else { return 0 };
    let generation = registry.generation.load(Ordering::Acquire);
    let mut above = None;
    loop {
        let mut next: Option<Record> = None;
        for (index, slot) in registry.slots.iter().enumerate() {
            let Some(record) = slot.read(index, generation) else { continue };
            let is_left = above.is_none_or(|above| record.epoch > above);
            let is_older = next.is_none_or(|next| record.epoch < next.epoch);
            if is_left && is_older && registry.is_in(view, record.view) {
                next = Some(record);
            }
        }
        let Some(record) = next else { return generation };
        above = Some(record.epoch);
        visit(&record);
    }
}

/// The next place in time, behind all others.
pub fn new_epoch() -> u64 {
    let last = arena::registry().map(|registry| &registry.epoch);
    last.map_or(0, |last| last.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Whether the session has a layer whose epoch has these low bits, in whatever view, or one is just being put in place.
pub fn is_there(epoch: u32) -> bool {
    arena::registry().is_some_and(|registry| {
        let now = registry.generation.load(Ordering::Acquire);
        registry.slots.iter().any(|slot| {
            let born = slot.born.load(Ordering::Acquire);
            slot.epoch.load(Ordering::Relaxed) as u32 == epoch && (born > now || slot.is_there(now))
        })
    })
}

/// The number of changes that the session has seen, where it can be looked at.
pub fn generation() -> Option<&'static AtomicU64> {
    arena::registry().map(Registry::generation)
}
