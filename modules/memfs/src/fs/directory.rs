//! Names in a directory.
//!
//! A directory's blocks hold records, one behind the other, that together fill each block. A record is a word
//! ([`Record`]), a word that leads to the next record of its bucket, and the name. What a record does not use is
//! room for another; one without an inode is all room. A directory of one block is searched as it is, a larger
//! one has a table of buckets by the hash of the name. A position is a byte offset in the directory: a record stays
//! where it is as long as it has an inode, so a position is a cookie too.

use super::area::{BLOCK, BLOCK_WORDS, Word, bytes, copy_in};
use super::inode::{Field, Slot};
use super::map::Range;
use super::{Fs, Time, blocks::LEVELS, blocks::TOP};
use core::sync::atomic::Ordering::Relaxed;
use vload_module::Result;

const BLOCK_BYTES: u64 = BLOCK as u64;
/// Bytes of a record before the name.
const FIXED: u64 = 16;

/// The first word of a record.
#[derive(Clone, Copy)]
struct Record {
    /// 0 for none.
    inode: Slot,
    /// Bytes up to the next record.
    length: u64,
    /// Bytes of the name.
    name: u64,
    /// `S_IFMT` of the inode, shifted down.
    kind: u64,
}

impl Record {
    fn load(word: &Word) -> Self {
        let word = word.get();
        Self {
            inode: word & 0xffff_ffff,
            length: word >> 32 & 0xffff,
            name: word >> 48 & 0xff,
            kind: word >> 56,
        }
    }

    fn word(self) -> u64 {
        self.inode | self.length << 32 | self.name << 48 | self.kind << 56
    }

    /// Bytes that it needs.
    fn used(self) -> u64 {
        if self.inode == 0 { 0 } else { needed(self.name) }
    }
}

fn needed(name: u64) -> u64 {
    FIXED + name.next_multiple_of(8)
}

/// Where a name can be put, and how many blocks that takes.
pub(super) struct Gap {
    /// The record that has the room, or the start of a block that is not there.
    position: u64,
    /// Blocks for the directory.
    pub(super) cost: u64,
}

/// A name that was found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) slot: Slot,
}

fn hash(name: &[u8]) -> usize {
    // FNV-1a.
    let step = |hash: u32, &byte: &u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.iter().fold(0x811c_9dc5, step);
    (hash ^ hash >> 16) as usize % BLOCK_WORDS
}

fn hash_of(record: &[Word], name: u64) -> usize {
    let mut copy = [0; 256];
    let name = &mut copy[..name as usize];
    super::area::copy_out(bytes(&record[2..]), name);
    hash(name)
}

impl Fs<'_> {
    /// The words from a position on to the end of its block.
    fn record(&self, directory: Slot, position: u64) -> &[Word] {
        let block = self.find(directory, position / BLOCK_BYTES);
        &self.area.block(block)[(position % BLOCK_BYTES / 8) as usize..]
    }

    /// The records of a block of the directory, with their positions.
    fn records(&self, directory: Slot, index: u64) -> impl Iterator<Item = (u64, Record)> + '_ {
        let block = self.find(directory, index);
        let mut offset = if block == 0 { BLOCK_BYTES } else { 0 };
        core::iter::from_fn(move || {
            if offset >= BLOCK_BYTES {
                return None;
            }
            let record = Record::load(&self.area.block(block)[(offset / 8) as usize]);
            let position = index * BLOCK_BYTES + offset;
            // A length of 0 can only be damage, and must not be an endless loop.
            offset += record.length.max(8);
            Some((position, record))
        })
    }

    fn is_named(&self, directory: Slot, position: u64, name: &[u8]) -> bool {
        let words = self.record(directory, position);
        let held = bytes(&words[2..]).iter().map(|byte| byte.load(Relaxed));
        Record::load(&words[0]).name == name.len() as u64 && held.zip(name).all(|(a, &b)| a == b)
    }

    /// Finds a name.
    pub(super) fn look_up(&self, directory: Slot, name: &[u8]) -> Option<Found> {
        let found = |position| {
            let slot = Record::load(&self.record(directory, position)[0]).inode;
            Found { position, slot }
        };
        let buckets = self.get(directory, Field::Buckets);
        if buckets == 0 {
            let mut records = self.records(directory, 0).filter(|(_, record)| record.inode != 0);
            let is_it = |(position, record): &(u64, Record)| {
                record.name == name.len() as u64 && self.is_named(directory, *position, name)
            };
            return records.find(is_it).map(|(position, _)| found(position));
        }
        let mut next = self.area.block(buckets)[hash(name)].get();
        while next != 0 {
            if self.is_named(directory, next - 1, name) {
                return Some(found(next - 1));
            }
            next = self.record(directory, next - 1)[1].get();
        }
        None
    }

    /// Where a name can be put.
    pub(super) fn gap(&self, directory: Slot, name: &[u8]) -> Gap {
        let wanted = needed(name.len() as u64);
        let extent = self.get(directory, Field::Extent);
        let has_room = |index: u64| {
            let mut records = self.records(directory, index);
            records.find(|(_, record)| record.length - record.used() >= wanted)
        };
        let hint = self.get(directory, Field::Hint);
        for index in [hint, extent.saturating_sub(1)] {
            if let Some((position, _)) = has_room(index) {
                return Gap { position, cost: 0 };
            }
        }
        let is_hole = hint < extent && self.find(directory, hint) == 0;
        let index = if is_hole { hint } else { extent };
        let table = u64::from(index != 0 && self.get(directory, Field::Buckets) == 0);
        let cost = self.cost(directory, index) + table;
        if self.can_take(self.get(directory, Field::Root), cost).is_err() {
            // The last resort: any room at all.
            if let Some((position, _)) = (0..extent).find_map(has_room) {
                return Gap { position, cost: 0 };
            }
        }
        Gap { position: index * BLOCK_BYTES, cost }
    }

    /// Puts a name where there is room for it: what that costs can be taken. The name is not there yet.
    pub(super) fn insert(&self, directory: Slot, gap: &Gap, name: &[u8], slot: Slot) {
        let mut position = gap.position;
        if gap.cost != 0 {
            self.grow(directory, position / BLOCK_BYTES);
            self.charge(directory, gap.cost as i64);
        }
        let old = Record::load(&self.record(directory, position)[0]);
        let used = old.used();
        if used != 0 {
            self.change(
                &self.record(directory, position)[0],
                Record { length: used, ..old }.word(),
            );
            position += used;
        }
        let record = self.record(directory, position);
        // The name lies in what was room before.
        copy_in(name, bytes(&record[2..]));
        let kind = u64::from(self.kind(slot) >> 12);
        let new = Record { inode: slot, length: old.length - used, name: name.len() as u64, kind };
        let buckets = self.get(directory, Field::Buckets);
        if buckets != 0 {
            let bucket = &self.area.block(buckets)[hash(name)];
            self.change(&record[1], bucket.get());
            self.change(bucket, position + 1);
        }
        self.change(&record[0], new.word());
        self.add(directory, Field::Names, 1);
    }

    /// Makes a block of room at an index, and the table of buckets with the second block.
    fn grow(&self, directory: Slot, index: u64) {
        let block = self.make(directory, index);
        let room = Record { inode: 0, length: BLOCK_BYTES, name: 0, kind: 0 };
        self.area.block(block)[0].set(room.word());
        let extent = self.get(directory, Field::Extent);
        self.put(directory, Field::Extent, extent.max(index + 1));
        if index == 0 || self.get(directory, Field::Buckets) != 0 {
            return;
        }
        // Neither the table nor what leads from record to record meant anything until now.
        let buckets = self.take_block();
        for (position, record) in (0..extent).flat_map(|index| self.records(directory, index)) {
            if record.inode != 0 {
                let words = self.record(directory, position);
                let bucket = &self.area.block(buckets)[hash_of(words, record.name)];
                words[1].set(bucket.get());
                bucket.set(position + 1);
            }
        }
        self.put(directory, Field::Buckets, buckets);
    }

    /// Leads a name to another inode.
    pub(super) fn redirect(&self, directory: Slot, position: u64, slot: Slot) {
        let word = &self.record(directory, position)[0];
        let kind = u64::from(self.kind(slot) >> 12);
        self.change(word, Record { inode: slot, kind, ..Record::load(word) }.word());
    }

    /// Removes a name.
    pub(super) fn remove(&self, directory: Slot, position: u64) {
        self.add(directory, Field::Names, -1);
        if self.get(directory, Field::Names) == 0 {
            return self.empty(directory);
        }
        let words = self.record(directory, position);
        let record = Record::load(&words[0]);
        let buckets = self.get(directory, Field::Buckets);
        if buckets != 0 {
            let mut at = &self.area.block(buckets)[hash_of(words, record.name)];
            while at.get() != position + 1 {
                at = &self.record(directory, at.get() - 1)[1];
            }
            self.change(at, words[1].get());
        }
        let index = position / BLOCK_BYTES;
        let before = self.records(directory, index).take_while(|(at, _)| *at < position).last();
        match before {
            Some((at, before)) => {
                let length = before.length + record.length;
                self.change(&self.record(directory, at)[0], Record { length, ..before }.word());
            }
            None => self.change(&words[0], Record { inode: 0, name: 0, ..record }.word()),
        }
        self.put(directory, Field::Hint, index);
        if self.records(directory, index).all(|(_, record)| record.inode == 0) {
            self.release(directory, Range { from: index, to: index + 1 }, 1);
        }
    }

    /// A directory without names has no blocks.
    fn empty(&self, directory: Slot) {
        let blocks = self.get(directory, Field::Blocks);
        let map = self.get(directory, Field::Map);
        self.free_tree(map & TOP, map >> LEVELS);
        self.free_tree(self.get(directory, Field::Buckets), 0);
        let kept = u64::from(self.get(directory, Field::Xattrs) != 0);
        self.charge(directory, kept as i64 - blocks as i64);
        for field in [Field::Map, Field::Buckets, Field::Extent, Field::Hint] {
            self.put(directory, field, 0);
        }
    }

    /// The first name at a position or behind it: its own position, and the name in `to`.
    pub(super) fn name_from(
        &self,
        directory: Slot,
        position: u64,
        to: &mut [u8; 256],
    ) -> Option<(Found, usize)> {
        let blocks = position / BLOCK_BYTES..self.get(directory, Field::Extent);
        let mut all = blocks.flat_map(|index| self.records(directory, index));
        let (at, record) = all.find(|(at, record)| *at >= position && record.inode != 0)?;
        let length = record.name as usize;
        super::area::copy_out(bytes(&self.record(directory, at)[2..]), &mut to[..length]);
        Some((Found { position: at, slot: record.inode }, length))
    }

    /// Reads a directory: the name that a cookie stands for, and the next cookie.
    pub fn list(
        &self,
        directory: Slot,
        cookie: u64,
        to: &mut [u8; 256],
        mark: Option<Time>,
    ) -> Result<Option<Listed>> {
        self.step(|| {
            if !self.is_directory(directory) {
                return Err(vload_module::Errno::NOTDIR);
            }
            if self.get(directory, Field::Links) == 0 {
                return Err(vload_module::Errno::NOENT);
            }
            if let Some(now) = mark {
                self.mark_read(directory, now);
            }
            let found = self.name_from(directory, cookie, to);
            Ok(found.map(|(found, length)| Listed {
                next: found.position + 1,
                number: self.get(found.slot, Field::Number),
                kind: (self.kind(found.slot) >> 12) as u8,
                length,
            }))
        })
    }
}

/// A name that was read.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The next cookie.
    pub next: u64,
    /// The number that the inode shows.
    pub number: u64,
    /// `DT_*`.
    pub kind: u8,
    /// Bytes of the name.
    pub length: usize,
}
