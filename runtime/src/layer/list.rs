//! The layers of this process, and the way of a call through them.
//!
//! Each has its epoch: a call goes from newer to older ones. Those of the session's options come first
//! and stay. Others come and go while threads are in calls (`refresh.rs`): a call goes on below the
//! epoch of the layer that has it, whatever has become of that.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::raw::{Event, Raw, Wants};
use super::spec::Spec;
use super::{Call, modules, system, wanted};
use crate::abi::Entry;
use crate::memory::guard;
use crate::module::framework;
use crate::process::OPTIONS;
use crate::session::{self, Lock, Record};
use crate::sys::{Errno, Result};
use crate::thread::{Block, POOL};

/// Layers that the options can ask for, and the trace.
pub const FIXED: usize = 16;
/// Layers that a process can have.
pub const LAYERS: usize = FIXED + session::LAYERS;

/// Above the epochs of all layers.
const ABOVE: u64 = u64::MAX;
/// What the parts of the session's file begin at multiples of.
const PAGE: u64 = 4096;
/// The epoch of the trace.
const CROWN: u64 = ABOVE - 1;

/// One loaded module with its arguments.
pub struct Layer {
    raw: AtomicPtr<Raw>,
    /// Its place in the list; 0 where no layer has been yet: what is 0 takes no byte of the file.
    index: AtomicUsize,
    /// Its place in time.
    epoch: AtomicU64,
    /// It is being found out whether a thread is in it, which is gone.
    is_leaving: AtomicBool,
    /// A fault in it has been said in this process.
    pub told: AtomicBool,
    /// A word of the layer's own, for this process.
    pub word: AtomicUsize,
    /// Where its area is mapped.
    area: AtomicUsize,
    /// All that is mapped with it: start and length.
    mapped: (AtomicUsize, AtomicUsize),
    /// Where that begins in the session's file, in pages.
    page: AtomicUsize,
    /// What `-m` would be given for it, where the options do not say it.
    text: AtomicPtr<Vec<u8>>,
}

impl Layer {
    const fn none() -> Self {
        Self {
            raw: AtomicPtr::new(core::ptr::null_mut()),
            index: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            is_leaving: AtomicBool::new(false),
            told: AtomicBool::new(false),
            word: AtomicUsize::new(0),
            area: AtomicUsize::new(0),
            mapped: (AtomicUsize::new(0), AtomicUsize::new(0)),
            page: AtomicUsize::new(0),
            text: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// The module.
    pub fn raw(&self) -> &'static Raw {
        // SAFETY: a layer that the list gives out has been put there with a `&'static Raw`.
        unsafe { &*self.raw.load(Ordering::Acquire) }
    }

    /// Its place in the list: for those that the options ask for the same in all processes of a session.
    pub fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    /// Its place in time: what it asks itself goes to layers with smaller ones.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Its arguments.
    pub fn spec(&self) -> Option<Spec<'static>> {
        if self.index() < FIXED {
            return Spec::parse(OPTIONS.values(modules::OPTION).nth(self.index())?).ok();
        }
        let text = self.text.load(Ordering::Acquire);
        // SAFETY: a layer's text stays until another layer comes in its place, which is when no thread is in
        // a call of it.
        Spec::parse(unsafe { text.as_ref() }?).ok()
    }

    /// Where its area is mapped in this process, or 0.
    pub fn area(&self) -> usize {
        self.area.load(Ordering::Relaxed)
    }

    /// Gives a layer that the options ask for the area that its module wants, which is the session's from the first
    /// process on.
    pub fn have_area(&self, new: bool) -> Result<()> {
        let size = self.raw().area;
        if size == 0 {
            return Ok(());
        }
        if new {
            session::reserve_area(self.index(), size)?;
        }
        self.area.store(session::map_area(self.index(), size)?, Ordering::Release);
        Ok(())
    }

    /// Where its area begins in the session's file.
    pub fn area_offset(&self) -> u64 {
        self.page.load(Ordering::Relaxed) as u64 * PAGE + session::LOCKS as u64
    }

    /// How long its area is.
    pub fn area_size(&self) -> usize {
        self.mapped.1.load(Ordering::Relaxed).saturating_sub(session::LOCKS)
    }

    /// One of its locks; `None` where there is no such one.
    pub fn lock(&self, which: usize) -> Option<&'static Lock> {
        let start = self.mapped.0.load(Ordering::Relaxed);
        if which >= session::LAYER_LOCKS || start == 0 {
            return None;
        }
        // SAFETY: the locks are mapped before the area for as long as a thread is in the layer, and all bytes
        // of shared memory are one.
        Some(unsafe { &*(start as *const Lock).add(which) })
    }

    /// The layer's word in a thread's block: 0 at first, and in a thread that has just been started
    /// what its starter's was.
    pub fn thread_word<'b>(&self, block: &'b mut Block) -> &'b mut usize {
        block.layer_words[self.index()].get_mut()
    }

    fn set(&self, index: usize, raw: &'static Raw, epoch: u64) {
        self.index.store(index, Ordering::Relaxed);
        self.word.store(0, Ordering::Relaxed);
        self.told.store(false, Ordering::Relaxed);
        self.raw.store(core::ptr::from_ref(raw).cast_mut(), Ordering::Release);
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Whether no thread is in a layer that is gone.
    fn is_empty(&self) -> bool {
        let mut inside = 0;
        POOL.each_in_use(|block| inside |= block.inside.load(Ordering::SeqCst));
        inside & self.bit() == 0
    }

    /// Takes its epoch from a layer that is gone, where no thread is in it, as `is_empty` says: none comes any more ([`stay_in`]).
    /// A thread that is in it finds its epoch all the time: what it asks for goes to older layers.
    fn leave(&self, is_empty: impl Fn() -> bool) -> bool {
        self.is_leaving.store(true, Ordering::SeqCst);
        let is_left = is_empty();
        if is_left {
            self.epoch.store(0, Ordering::SeqCst);
        }
        self.is_leaving.store(false, Ordering::SeqCst);
        is_left
    }

    /// The bit of [`Block::inside`] that says that a thread is in it. The fixed ones need none.
    pub fn bit(&self) -> u64 {
        self.index().checked_sub(FIXED).map_or(0, |index| 1 << index)
    }
}

struct List {
    layers: [Layer; LAYERS],
    /// A bit for each of the fixed layers to which calls come.
    fixed: AtomicU64,
    /// And for each of the others ([`Layer::bit`]).
    loaded: AtomicU64,
}

static LIST: List = List::new();

impl List {
    const fn new() -> Self {
        let layers = [const { Layer::none() }; LAYERS];
        Self { layers, fixed: AtomicU64::new(0), loaded: AtomicU64::new(0) }
    }

    /// Puts a fixed layer in its place. `None` when there is no such place.
    fn fix(&self, index: usize, raw: &'static Raw, epoch: u64) -> Option<&Layer> {
        let layer = self.layers.get(index).filter(|_| index < FIXED)?;
        layer.set(index, raw, epoch);
        self.set_live(layer, true);
        Some(layer)
    }

    fn set_live(&self, layer: &Layer, live: bool) {
        let (set, bit) = match layer.bit() {
            0 => (&self.fixed, 1 << layer.index()),
            bit => (&self.loaded, bit),
        };
        match live {
            true => set.fetch_or(bit, Ordering::SeqCst),
            false => set.fetch_and(!bit, Ordering::SeqCst),
        };
    }

    /// Whether calls come to one of the layers that come and go.
    fn is_live(&self, layer: &Layer) -> bool {
        self.loaded.load(Ordering::SeqCst) & layer.bit() != 0
    }

    /// The layers to which calls come.
    fn all(&self) -> impl Iterator<Item = &Layer> {
        let of = |set: &AtomicU64, layers| Bits(set.load(Ordering::SeqCst)).zip_with(layers);
        let (fixed, loaded) = self.layers.split_at(FIXED);
        of(&self.fixed, fixed).chain(of(&self.loaded, loaded))
    }

    /// The newest layer below the epoch `below` that wants the call, and its own epoch.
    fn newest(&self, below: u64, entry: Entry, number: usize) -> Option<(&Layer, u64)> {
        let mut newest: Option<(&Layer, u64)> = None;
        for layer in self.all() {
            let epoch = layer.epoch.load(Ordering::Acquire);
            if epoch < below
                && newest.is_none_or(|(_, newest)| epoch > newest)
                && !layer.raw().is_service
                && layer.raw().wants.has(entry, number)
            {
                newest = Some((layer, epoch));
            }
        }
        newest
    }

    /// The oldest layer above the epoch `above`.
    fn oldest(&self, above: u64) -> Option<(&Layer, u64)> {
        let live = self.all().map(|layer| (layer, layer.epoch()));
        live.filter(|&(_, epoch)| epoch > above).min_by_key(|&(_, epoch)| epoch)
    }
}

/// The places that a set has, from the lowest on.
struct Bits(u64);

impl Bits {
    fn zip_with(self, layers: &[Layer]) -> impl Iterator<Item = &Layer> {
        self.filter_map(|index| layers.get(index))
    }
}

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let lowest = self.0.trailing_zeros() as usize;
        // Of none there is no lowest to take away.
        self.0 &= self.0.wrapping_sub(1);
        (lowest < 64).then_some(lowest)
    }
}

/// Puts a layer in place that the options ask for: the one at `index` of them.
pub fn fix(index: usize, raw: &'static Raw) -> Option<&'static Layer> {
    LIST.fix(index, raw, session::epoch_of(index + 1))
}

/// Puts a layer above all others, for good.
pub fn crown(raw: &'static Raw) -> Option<&'static Layer> {
    LIST.fix(FIXED - 1, raw, CROWN)
}

/// Finds a place for a layer of the session's, with `text` as `-m` would be given it. No call comes to it
/// yet. The caller is the only one that changes the list.
pub fn put(record: &Record, raw: &'static Raw, text: Vec<u8>) -> Result<&'static Layer> {
    let is_free = |layer: &Layer| !LIST.is_live(layer) && layer.leave(|| layer.is_empty());
    let mut places = LIST.layers.iter().enumerate().skip(FIXED);
    let (index, layer) = places.find(|(_, layer)| is_free(layer)).ok_or(Errno::NOSPC)?;
    POOL.each(|block| block.layer_words[index].store(0, Ordering::Relaxed));
    let text = Box::into_raw(Box::new(text));
    let before = layer.text.swap(text, Ordering::AcqRel);
    if !before.is_null() {
        // SAFETY: made as the one above was, and no thread is in a call of the layer whose it was.
        drop(unsafe { Box::from_raw(before) });
    }
    let (start, length) = (&layer.mapped.0, &layer.mapped.1);
    let before = start.swap(0, Ordering::Relaxed);
    if before != 0 {
        // SAFETY: mapped below for that layer.
        unsafe { guard::unmap(before, length.load(Ordering::Relaxed) + session::ANCHOR) };
    }
    let shared = record.shared;
    let at = session::map_shared(record)?;
    guard::own(at, shared.length + session::ANCHOR);
    length.store(shared.length, Ordering::Relaxed);
    layer.page.store((shared.offset / PAGE) as usize, Ordering::Relaxed);
    start.store(at, Ordering::Relaxed);
    layer.area.store(at + session::LOCKS, Ordering::Relaxed);
    layer.set(index, raw, record.epoch);
    Ok(layer)
}

/// Runs `act`, which is work of the layer with this epoch's low half: no other comes to its place meanwhile. `None`: one has.
pub fn stay_in<T>(layer: &Layer, epoch: u32, block: &Block, act: impl FnOnce() -> T) -> Option<T> {
    let before = block.inside.load(Ordering::Relaxed);
    block.inside.store(before | layer.bit(), Ordering::SeqCst);
    // Who looks whether it leaves finds a thread that was in it before.
    let stays = before & layer.bit() != 0 || !layer.is_leaving.load(Ordering::SeqCst);
    let is_its = stays && layer.epoch.load(Ordering::SeqCst) as u32 == epoch;
    let result = is_its.then(act);
    block.inside.store(before, Ordering::Release);
    result
}

/// Lets calls come to a layer, or keeps them from it.
pub fn set_live(layer: &'static Layer, live: bool) {
    LIST.set_live(layer, live);
}

/// The layers that come and go, in no order.
pub fn loaded() -> impl Iterator<Item = &'static Layer> {
    LIST.all().filter(|layer| layer.index() >= FIXED)
}

/// Makes stubs send what the layer wants.
pub fn want(raw: &Raw) {
    match raw.wants {
        Wants::Every => wanted::want_everything(),
        Wants::Numbers(numbers) => numbers.iter().for_each(|&number| wanted::want(number)),
    }
}

/// What lies below a layer.
#[derive(Clone, Copy)]
pub struct Next {
    layer: &'static Layer,
    epoch: u64,
}

impl Next {
    /// The layer whose turn it is.
    pub fn own(self) -> &'static Layer {
        self.layer
    }

    /// Whether the layer has been taken out while it had the call.
    pub fn is_gone(self) -> bool {
        self.layer.bit() != 0 && !(LIST.is_live(self.layer) && self.layer.epoch() == self.epoch)
    }

    /// Below all others.
    pub fn system(layer: &'static Layer) -> Self {
        Self { layer, epoch: 0 }
    }

    /// Below a layer that has the call by its place in time `epoch`.
    pub fn below(layer: &'static Layer, epoch: u64) -> Self {
        Self { layer, epoch }
    }

    /// Gives the call to the next layer down that wants it; the system comes last.
    pub fn call(self, call: &mut Call<'_>) -> isize {
        if self.layer.raw().is_service {
            return to_services(self.epoch, call);
        }
        pass_below(self.epoch, call)
    }
}

/// Gives the call to the newest layer that wants it among those older than `epoch`; then come the services, and the
/// system last. Nothing is older than 0 but the system.
pub fn pass_below(epoch: u64, call: &mut Call<'_>) -> isize {
    loop {
        let Some((layer, own)) = LIST.newest(epoch, call.entry, call.number) else {
            return to_services(if epoch == 0 { 0 } else { ABOVE }, call);
        };
        let next = Next { layer, epoch: own };
        let bit = layer.bit();
        if bit == 0 {
            return (layer.raw().call)(call, next);
        }
        // First it is said that we are in it, then asked whether it is still there: whoever takes it out
        // does it the other way round, so its place is not another's while we are (`put`).
        let before = call.block.inside.load(Ordering::Relaxed);
        call.block.inside.store(before | bit, Ordering::SeqCst);
        let is_there = LIST.is_live(layer) && layer.epoch() == own;
        let result = is_there.then(|| (layer.raw().call)(call, next));
        call.block.inside.store(before, Ordering::Release);
        if let Some(result) = result {
            return result;
        }
    }
}

/// Gives the call to the services, of those that have claimed its number to the ones older than `below`, and then to the system.
/// Nothing is older than 0 but that.
fn to_services(below: u64, call: &mut Call<'_>) -> isize {
    let services = if below == 0 { None } else { framework::call(call, below) };
    services.unwrap_or_else(|| system::call(call))
}

/// Gives the call to the newest layer that wants it.
pub fn dispatch(call: &mut Call<'_>) -> isize {
    pass_below(ABOVE, call)
}

/// Tells every layer, oldest first.
pub fn tell(event: Event, block: &mut Block) {
    let mut above = 0;
    while let Some((layer, epoch)) = LIST.oldest(above) {
        // As in `pass_below`.
        let before = block.inside.load(Ordering::Relaxed);
        block.inside.store(before | layer.bit(), Ordering::SeqCst);
        if layer.bit() == 0 || (LIST.is_live(layer) && layer.epoch() == epoch) {
            (layer.raw().event)(layer, event, block);
        }
        block.inside.store(before, Ordering::Release);
        above = epoch;
    }
}

/// The layers, in no order.
pub fn layers() -> impl Iterator<Item = &'static Layer> {
    LIST.all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn raw(name: &'static str, wants: Wants) -> Raw {
        Raw { name, wants, ..Raw::PLAIN }
    }

    static EVERY: Raw = raw("every", Wants::Every);
    static SOME: Raw = raw("some", Wants::Numbers(&[1, 60]));

    #[test]
    fn the_newest_that_wants_a_call_is_first_and_the_next_is_older() {
        let list = List::new();
        // Their places say nothing of their order.
        for (index, raw, epoch) in [(0, &EVERY, 1), (1, &SOME, 9), (2, &EVERY, 5), (3, &SOME, 4)] {
            assert!(list.fix(index, raw, epoch).is_some());
        }
        let order = |entry, number| {
            let mut below = ABOVE;
            let mut order = std::vec::Vec::new();
            while let Some((layer, epoch)) = list.newest(below, entry, number) {
                assert_eq!(layer.epoch(), epoch);
                below = epoch;
                order.push(below);
            }
            order
        };
        assert_eq!(order(Entry::Native, 60), [9, 5, 4, 1]);
        assert_eq!(order(Entry::Native, 61), [5, 1]);
        assert_eq!(order(Entry::Native, usize::MAX), [5, 1]);
        // A number of another table is not the number of that list.
        assert_eq!(order(Entry::Compat, 1), [5, 1]);
        // One that is taken out is passed over.
        list.set_live(&list.layers[1], false);
        assert_eq!(order(Entry::Native, 60), [5, 4, 1]);
        assert_eq!(list.oldest(1).map(|(_, epoch)| epoch), Some(4));
    }

    #[test]
    fn a_layer_has_its_epoch_for_as_long_as_a_thread_is_in_it() {
        let list = List::new();
        let layer = &list.layers[FIXED];
        layer.set(FIXED, &EVERY, 7);
        let stays = |is_empty| {
            layer.leave(|| {
                assert_eq!(layer.epoch(), 7);
                is_empty
            })
        };
        assert!(!stays(false));
        assert_eq!(layer.epoch(), 7);
        assert!(stays(true));
        assert_eq!(layer.epoch(), 0);
    }

    #[test]
    fn there_is_no_place_for_one_too_many() {
        let list = List::new();
        assert!(list.fix(FIXED - 1, &EVERY, 1).is_some());
        assert!(list.fix(FIXED, &EVERY, 1).is_none());
        assert_eq!(list.all().count(), 1);
    }
}
