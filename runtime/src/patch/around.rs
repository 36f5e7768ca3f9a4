//! What a processor's shapes may know about a site and the code around it.

use super::insn::{Entry, Insn};
use super::names::Names;
use super::plan::PAGE;
use super::run::{Run, Step};
use super::shape::Shape;
use super::site::{KEEPS_NEXT, KEEPS_SITE, Site};
use crate::arch;
use crate::sort;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

/// The bytes of text that are spoken for, and the padding and the place for islands that are not.
pub struct Room {
    /// Where what is taken begins, and how long it is.
    taken: BTreeMap<u64, usize>,
    padding: Vec<Range<u64>>,
    islands: Range<u64>,
}

impl Room {
    /// Nothing is taken yet. `islands` is where there is nothing of the file.
    pub fn new(mut padding: Vec<Range<u64>>, islands: Range<u64>) -> Self {
        sort::by_key(&mut padding, |pad| pad.start);
        Self { taken: BTreeMap::new(), padding, islands }
    }

    /// Speaks for a range.
    pub fn take(&mut self, range: Range<u64>) {
        debug_assert!(range.start <= range.end);
        let length = self.taken.entry(range.start).or_default();
        *length = (*length).max((range.end - range.start) as usize);
    }

    /// Whether no byte of the range is spoken for.
    pub fn is_free(&self, range: Range<u64>) -> bool {
        // What is taken is shorter than this.
        let from = range.start.saturating_sub(64);
        !self.taken.range(from..range.end).any(|(&at, &length)| at + length as u64 > range.start)
    }

    /// Takes `len` bytes of padding that begin in `starts`.
    pub fn take_padding(&mut self, starts: Range<u64>, len: u64) -> Option<u64> {
        let first = self.padding.partition_point(|pad| pad.end <= starts.start);
        let (at, index) =
            self.padding.iter().enumerate().skip(first).find_map(|(index, pad)| {
                let at = pad.start.max(starts.start);
                (at < starts.end && pad.end.saturating_sub(at) >= len).then_some((at, index))
            })?;
        self.take(at..at + len);
        // What lies before stays unused: it is shorter than a jump or out of reach.
        if let Some(pad) = self.padding.get_mut(index) {
            pad.start = at + len;
        }
        Some(at)
    }

    /// Whether the range, in which no byte is a site's, can be kept as the file has it: no shape
    /// has changed a byte of it, nor will for its padding.
    pub fn can_stay(&self, range: Range<u64>) -> bool {
        let first = self.padding.partition_point(|pad| pad.end <= range.start);
        self.is_free(range.clone())
            && self.padding.get(first).is_none_or(|pad| pad.start >= range.end)
    }

    /// Takes `len` bytes of a page for islands that begin in `starts`.
    pub fn take_island(&mut self, starts: Range<u64>, len: u64) -> Option<u64> {
        let starts = starts.start.max(self.islands.start)..starts.end.min(self.islands.end);
        let at =
            starts.into_iter().find(|at| at % PAGE + len <= PAGE && self.is_free(*at..at + len))?;
        self.take(at..at + len);
        Some(at)
    }
}

/// A proven site with what is around it.
pub struct Around<'a> {
    /// The bytes of the run.
    pub text: &'a [u8],
    /// The run.
    pub run: &'a Run,
    /// Which of its steps is the site.
    pub index: usize,
    /// The address of the site.
    pub vaddr: u64,
    /// How it enters the kernel.
    pub entry: Entry,
    /// Whether an unresolved indirect jump may lead to any instruction around.
    pub indirect: bool,
    /// The addresses that something names.
    pub names: &'a Names,
    /// The bytes that are still free.
    pub room: &'a mut Room,
}

impl<'a> Around<'a> {
    /// The address behind the site.
    pub fn next(&self) -> u64 {
        self.vaddr + arch::patch::SITE_LEN
    }

    /// The bytes of the run from one of its steps on.
    pub fn bytes(&self, step: &Step) -> &'a [u8] {
        self.text.get(step.offset as usize..).unwrap_or(&[])
    }

    /// The step decoded again.
    pub fn decode(&self, step: &Step) -> Option<Insn> {
        arch::patch::decode(self.bytes(step), self.run.address(step))
    }

    /// The steps before the site, nearest first, as long as they adjoin.
    pub fn backward(&self) -> impl Iterator<Item = &'a Step> + use<'a> {
        let steps = self.run.steps.get(..self.index).unwrap_or(&[]);
        let mut edge = self.run.steps.get(self.index).map_or(0, |site| site.offset);
        steps.iter().rev().take_while(move |step| {
            let adjoins = step.offset + u32::from(step.len) == edge;
            edge = step.offset;
            adjoins
        })
    }

    /// The steps behind the site, as long as they adjoin.
    pub fn forward(&self) -> impl Iterator<Item = &'a Step> + use<'a> {
        let steps = self.run.steps.get(self.index + 1..).unwrap_or(&[]);
        let site = self.run.steps.get(self.index);
        let mut edge = site.map_or(0, |site| site.offset + u32::from(site.len));
        steps.iter().take_while(move |step| {
            let adjoins = step.offset == edge;
            edge = step.offset + u32::from(step.len);
            adjoins
        })
    }

    /// Whether control comes into `range` only at its first byte, so that all of it may change.
    pub fn is_closed(&self, range: Range<u64>) -> bool {
        !self.indirect && !self.names.any_in(range.start + 1..range.end)
    }

    /// Whether no other site's window, nor another site, has a byte of `range`. The site itself
    /// is always taken.
    pub fn is_free(&self, range: Range<u64>) -> bool {
        self.room.is_free(range.start..self.vaddr) && self.room.is_free(self.next()..range.end)
    }

    /// The site with a shape that changes nothing but its own bytes.
    pub fn site(&self, shape: Shape, number: Option<u32>) -> Site {
        Site {
            vaddr: self.vaddr,
            entry: self.entry,
            shape,
            keeps: KEEPS_SITE | KEEPS_NEXT,
            number,
            head: self.vaddr,
            tail: self.next(),
            jump: self.vaddr,
        }
    }
}
