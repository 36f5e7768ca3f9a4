//! The record of a layer: in the session's memory, where it is read while it may be written, and as it was at one moment.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::arena::Stored;
use super::numbers::Wanted;
use super::rooms::Room;
use super::views::ViewId;

/// Bytes of a name.
pub(super) const NAME: usize = 32;
/// Bytes of a description.
pub(super) const DESCRIPTION: usize = 128;

/// [`Record::kind`], and so on: what `vload_module::abi` calls them.
pub type Kind = u32;

/// The place of a layer's record. It is used again when the layer is gone: epoch and place together name a
/// layer for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayerId(pub u32);

/// A layer that shall be.
pub struct NewLayer<'a> {
    /// Its module's name.
    pub name: &'a [u8],
    /// What it does, in a line; cut where it is too long.
    pub description: &'a [u8],
    /// `RAW`, `SERVICE` or `FRAMEWORK`.
    pub kind: Kind,
    /// The module's flags, and in the upper half what of the vector state its code touches.
    pub flags: u64,
    /// Where its image is.
    pub image: Stored,
    /// Its arguments, as `-m` takes them behind the colon.
    pub arguments: &'a [u8],
    /// Bytes of memory that all processes share.
    pub area: u64,
    /// The numbers of the calls that it wants by the native entry; `None`: every call.
    pub wants: Option<&'a [usize]>,
}

/// A layer, as its record said at one moment.
#[derive(Clone, Copy)]
pub struct Record {
    /// Where the record is.
    pub id: LayerId,
    /// The view that it is in.
    pub view: ViewId,
    /// Its place in time: older layers have smaller numbers.
    pub epoch: u64,
    /// As in [`NewLayer`].
    pub kind: Kind,
    /// As in [`NewLayer`].
    pub flags: u64,
    /// As in [`NewLayer`].
    pub image: Stored,
    /// Where its arguments are.
    pub arguments: Stored,
    /// Where its locks are, [`LAYER_LOCKS`](super::layers::LAYER_LOCKS) pages, and behind them its area.
    pub shared: Stored,
    /// When it was loaded, in seconds since 1970.
    pub since: u64,
    /// How many calls it wants; `u32::MAX`: every one.
    pub wants: u32,
    name: [u8; NAME],
    description: [u8; DESCRIPTION],
}

impl Record {
    /// Its module's name.
    pub fn name(&self) -> &[u8] {
        text(&self.name)
    }

    /// What it does.
    pub fn description(&self) -> &[u8] {
        text(&self.description)
    }
}

fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Bytes that are read while they may be written.
#[repr(C)]
pub(super) struct Text<const WORDS: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize> Text<WORDS> {
    pub fn set(&self, text: &[u8]) {
        for (index, word) in self.0.iter().enumerate() {
            let mut bytes = [0; 8];
            let part = text.get(index * 8..).unwrap_or_default();
            let length = part.len().min(8);
            bytes[..length].copy_from_slice(&part[..length]);
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }

    pub fn get(&self, into: &mut [u8]) {
        for (bytes, word) in into.chunks_exact_mut(8).zip(&self.0) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
    }
}

#[repr(C)]
pub(super) struct Place {
    offset: AtomicU64,
    length: AtomicU64,
}

impl Place {
    /// Who is killed on the way has left what was there, nothing, or this.
    pub fn set(&self, stored: Stored) {
        self.length.store(0, Ordering::Relaxed);
        self.offset.store(stored.offset, Ordering::Release);
        self.length.store(stored.length as u64, Ordering::Release);
    }

    pub fn get(&self) -> Stored {
        let offset = self.offset.load(Ordering::Relaxed);
        Stored { offset, length: self.length.load(Ordering::Relaxed) as usize }
    }
}

/// A record in the session's memory. All zero bytes are a free one.
#[repr(C)]
pub(super) struct Slot {
    /// The generation in which it is there first; 0: it is free.
    pub born: AtomicU64,
    /// The generation in which it is there no more; 0: none is known.
    pub died: AtomicU64,
    pub epoch: AtomicU64,
    pub view: AtomicU32,
    pub kind: AtomicU32,
    pub flags: AtomicU64,
    pub since: AtomicU64,
    pub image: Place,
    pub arguments: Place,
    /// What tells these arguments from others.
    pub hash: AtomicU64,
    pub shared: Place,
    /// What the layers of this place have.
    pub room: Room,
    pub name: Text<{ NAME / 8 }>,
    pub description: Text<{ DESCRIPTION / 8 }>,
    pub wanted: Wanted,
}

impl Slot {
    pub fn is_there(&self, generation: u64) -> bool {
        let (born, died) = (self.born.load(Ordering::Acquire), self.died.load(Ordering::Acquire));
        born != 0 && born <= generation && (died == 0 || died > generation)
    }

    /// What the record says in `generation`; `None`: it says nothing, or has changed meanwhile.
    pub fn read(&self, index: usize, generation: u64) -> Option<Record> {
        let born = self.born.load(Ordering::Acquire);
        if !self.is_there(generation) {
            return None;
        }
        let record = self.copy(index);
        fence(Ordering::Acquire);
        (self.born.load(Ordering::Relaxed) == born).then_some(record)
    }

    pub fn copy(&self, index: usize) -> Record {
        let (mut name, mut description) = ([0; NAME], [0; DESCRIPTION]);
        self.name.get(&mut name);
        self.description.get(&mut description);
        Record {
            id: LayerId(index as u32),
            view: ViewId(self.view.load(Ordering::Relaxed)),
            epoch: self.epoch.load(Ordering::Relaxed),
            kind: self.kind.load(Ordering::Relaxed),
            flags: self.flags.load(Ordering::Relaxed),
            image: self.image.get(),
            arguments: self.arguments.get(),
            shared: self.shared.get(),
            since: self.since.load(Ordering::Relaxed),
            wants: self.wanted.count(),
            name,
            description,
        }
    }
}
