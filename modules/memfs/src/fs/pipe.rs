//! FIFOs: what is written at one end is read at the other, as in a pipe of the kernel's (`fs/pipe.c`).
//!
//! What is on the way lies in a ring of the file's own blocks. It is gone, and they are given back, when nobody has the FIFO
//! open any more. Who opens one end waits for the other: the framework does, as long as [`Fs::ready`] says so.

use super::area::{BLOCK, copy_in};
use super::data::{BLOCK_BYTES, BUDGET};
use super::inode::Field;
use super::{Caller, Fs, Slot, Time};
use vload_module::linux::general::{
    O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT,
    S_IFIFO,
};
use vload_module::{Errno, Result};

/// Bytes that can be on the way.
const ROOM: u64 = 16 * BLOCK_BYTES;
/// What is written all at once, or not yet (`PIPE_BUF`).
const WHOLE: u64 = BLOCK_BYTES;

// What the words that other files have for other things are to a FIFO.
/// Where in the ring the next byte is to be read.
const START: Field = Field::Names;
/// How many bytes are on the way.
const LENGTH: Field = Field::Extent;
/// By whom it is open: to read, to write.
const ENDS: [Field; 2] = [Field::Hint, Field::BlockLimit];
/// By how many it has been opened: to read, to write.
const OPENED: [Field; 2] = [Field::InodeLimit, Field::InodesUsed];
const READERS: usize = 0;
const WRITERS: usize = 1;

/// What is known of an open file, in the word of its number: the inode, and of a FIFO how it was opened.
#[derive(Clone, Copy)]
pub(super) struct Opened(pub(super) u64);

impl Opened {
    const READS: u64 = 1 << 32;
    const WRITES: u64 = 1 << 33;
    /// It waits for who opens the other end.
    const WAITS: u64 = 1 << 34;
    /// Where the count of those who had opened the other end is: it is compared alone.
    const SINCE: u32 = 35;

    pub(super) fn slot(self) -> Slot {
        self.0 & u64::from(u32::MAX)
    }

    fn has(self, end: usize) -> bool {
        self.0 & [Self::READS, Self::WRITES][end] != 0
    }
}

impl Fs<'_> {
    /// Whether an open file is a FIFO: that does not change.
    pub fn is_pipe(&self, slot: Slot) -> bool {
        self.kind(slot) == S_IFIFO
    }

    /// The word of a FIFO that is opened (`fifo_open`).
    pub(super) fn open_pipe(&self, slot: Slot, flags: u32) -> Result<Opened> {
        let is_open = |end: usize| self.get(slot, ENDS[end]) != 0;
        let waits = flags & O_NONBLOCK == 0;
        let mut opened = match flags & O_ACCMODE {
            O_RDONLY => Opened::READS,
            O_WRONLY if !waits && !is_open(READERS) => return Err(Errno::NXIO),
            O_WRONLY => Opened::WRITES,
            O_RDWR => Opened::READS | Opened::WRITES,
            _ => return Err(Errno::INVAL),
        };
        let other = if opened & Opened::READS != 0 { WRITERS } else { READERS };
        if opened.count_ones() == 1 && !is_open(other) {
            opened |= if waits { Opened::WAITS } else { 0 };
            opened |= self.get(slot, OPENED[other]) << Opened::SINCE;
        } else {
            // It has been open, whatever happens.
            opened |= self.get(slot, OPENED[other]).wrapping_sub(1) << Opened::SINCE;
        }
        let opened = Opened(slot | opened);
        for end in [READERS, WRITERS].into_iter().filter(|&end| opened.has(end)) {
            self.add(slot, ENDS[end], 1);
            self.add(slot, OPENED[end], 1);
        }
        Ok(opened)
    }

    /// An end of a FIFO is closed.
    pub(super) fn close_pipe(&self, opened: Opened) {
        let slot = opened.slot();
        for end in [READERS, WRITERS].into_iter().filter(|&end| opened.has(end)) {
            self.add(slot, ENDS[end], -1);
        }
        if ENDS.iter().all(|&end| self.get(slot, end) == 0) {
            self.put(slot, START, 0);
            self.put(slot, LENGTH, 0);
            self.put(slot, Field::Stale, 1);
        }
    }

    /// Reads from a FIFO: 0 when nobody can write to it any more, `EAGAIN` when nothing has been written yet.
    pub fn draw(&self, slot: Slot, to: &mut [u8], mark: Option<Time>) -> Result<usize> {
        self.step(|| {
            let (start, there) = (self.get(slot, START), self.get(slot, LENGTH));
            let length = there.min(to.len() as u64);
            if length == 0 {
                let is_over = to.is_empty() || self.get(slot, ENDS[WRITERS]) == 0;
                return if is_over { Ok(0) } else { Err(Errno::AGAIN) };
            }
            let (first, rest) =
                to[..length as usize].split_at_mut(length.min(ROOM - start) as usize);
            self.copy_range(slot, first, start);
            self.copy_range(slot, rest, 0);
            let next = if length == there { 0 } else { (start + length) % ROOM };
            self.put(slot, START, next);
            self.put(slot, LENGTH, there - length);
            if let Some(now) = mark {
                self.mark_read(slot, now);
            }
            Ok(length as usize)
        })
    }

    /// Writes to a FIFO: how much, `EPIPE` when nobody can read it, `EAGAIN` when there is no room for it yet.
    pub fn pour(&self, slot: Slot, from: &[u8], caller: &Caller) -> Result<usize> {
        loop {
            // What was on the way before is given back first.
            if let Some(length) = self.step(|| match self.clean(slot, BUDGET) {
                true => self.pour_step(slot, from, caller).map(Some),
                false => Ok(None),
            })? {
                return Ok(length);
            }
        }
    }

    fn pour_step(&self, slot: Slot, from: &[u8], caller: &Caller) -> Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        if self.get(slot, ENDS[READERS]) == 0 {
            return Err(Errno::PIPE);
        }
        let there = self.get(slot, LENGTH);
        let (wanted, room) = (from.len() as u64, ROOM - there);
        if room == 0 || wanted <= WHOLE && wanted > room {
            return Err(Errno::AGAIN);
        }
        let length = wanted.min(room);
        let start = self.get(slot, START) + there;
        let blocks = || (start / BLOCK_BYTES..(start + length).div_ceil(BLOCK_BYTES)).map(ring);
        let most = blocks().map(|index| self.cost(slot, index)).sum();
        self.can_take(self.get(slot, Field::Root), most)?;
        let (mut done, mut taken) = (0, 0);
        while done < length {
            let at = start + done;
            let index = ring(at / BLOCK_BYTES);
            let cost = self.cost(slot, index);
            let block = if cost == 0 { self.find(slot, index) } else { self.make(slot, index) };
            taken += cost;
            let within = (at % BLOCK_BYTES) as usize;
            let part = (BLOCK - within).min((length - done) as usize);
            let from = &from[done as usize..][..part];
            copy_in(from, &self.area.bytes(block)[within..]);
            done += part as u64;
        }
        self.charge(slot, taken as i64);
        self.put(slot, LENGTH, there + length);
        if self.check_writable(slot).is_ok() {
            self.touch(slot, caller.now);
        }
        Ok(length as usize)
    }

    /// How many bytes are on the way.
    pub fn waiting(&self, slot: Slot) -> Result<u64> {
        self.step(|| Ok(self.get(slot, LENGTH)))
    }

    /// What holds of an open FIFO (`pipe_poll`); `POLLNVAL`: it is not open yet.
    pub fn ready(&self, number: u64) -> Result<u16> {
        self.step(|| {
            let opened = Opened(self.file(number)?.get());
            let slot = opened.slot();
            let other = if opened.has(READERS) { WRITERS } else { READERS };
            let was_met = opened.0 >> Opened::SINCE
                != self.get(slot, OPENED[other]) << Opened::SINCE >> Opened::SINCE;
            if opened.0 & Opened::WAITS != 0 && !was_met {
                return Ok(POLLNVAL as u16);
            }
            let (there, is_open) = (self.get(slot, LENGTH), |end| self.get(slot, ENDS[end]) != 0);
            let mut events = 0;
            if opened.has(READERS) {
                events |= if there != 0 { POLLIN } else { 0 };
                events |= if was_met && !is_open(WRITERS) { POLLHUP } else { 0 };
            }
            if opened.has(WRITERS) {
                events |= if ROOM - there >= WHOLE { POLLOUT } else { 0 };
                events |= if is_open(READERS) { 0 } else { POLLERR };
            }
            Ok(events as u16)
        })
    }
}

/// The block of the ring that one behind its end is.
fn ring(index: u64) -> u64 {
    index % (ROOM / BLOCK_BYTES)
}
