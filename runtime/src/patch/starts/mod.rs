//! The addresses in its code that a file itself names: where functions begin, where exceptions
//! land, what relocations and symbols point at.

mod eh_frame;
mod gopclntab;
mod lsda;
pub mod relocations;
pub mod symbols;

use super::elf::Elf;
use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;
use goblin::elf64::dynamic::{DT_FINI, DT_INIT};
use goblin::elf64::section_header::SHF_EXECINSTR;

/// What one FDE covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first instruction.
    pub start: u64,
    /// The address after the last one.
    pub end: u64,
    /// Its exception table could not be read: any instruction may be a landing pad.
    pub opaque: bool,
}

/// All named addresses of a file.
#[derive(Default)]
pub struct Landmarks {
    /// Where an instruction begins, sorted.
    pub starts: Vec<u64>,
    /// Addresses that are named without a promise that code begins there, sorted.
    pub labels: Vec<u64>,
    /// What FDEs cover, sorted and disjoint.
    pub extents: Vec<Extent>,
    /// The executable sections; the whole segments if the file has no section headers.
    pub code: Vec<Range<u64>>,
}

impl Landmarks {
    /// Collects everything that `elf` names.
    pub fn collect(elf: &Elf<'_>) -> Self {
        let mut found = Self::default();
        found.find_code(elf);
        eh_frame::collect(elf, &mut found);
        gopclntab::collect(elf, &mut found);
        symbols::collect(elf, &mut found);
        relocations::collect(elf, &mut found);
        found.starts.push(elf.entry);
        found.starts.extend([DT_INIT, DT_FINI].into_iter().filter_map(|tag| elf.tag(tag)));
        found.starts.extend(found.code.iter().map(|range| range.start));
        found.settle(elf);
        found
    }

    fn find_code(&mut self, elf: &Elf<'_>) {
        let text = |range: &Range<u64>| {
            elf.load_of(range.start).is_some_and(|load| {
                load.executable() && range.start < range.end && range.end <= load.range().end
            })
        };
        self.code = elf
            .sections
            .iter()
            .filter(|section| section.flags & u64::from(SHF_EXECINSTR) != 0)
            .filter_map(|section| Some(section.addr..section.addr.checked_add(section.size)?))
            .filter(text)
            .collect();
        sort::by_key(&mut self.code, |range| (range.start, range.end));
        let disjoint = self.code.windows(2).all(|two| two[0].end <= two[1].start);
        if self.code.is_empty() || !disjoint {
            self.code = elf
                .loads
                .iter()
                .filter(|load| load.executable())
                .map(|load| load.range())
                .collect();
        }
    }

    /// Sorts, and drops what is no code or contradicts itself.
    fn settle(&mut self, elf: &Elf<'_>) {
        for list in [&mut self.starts, &mut self.labels] {
            list.retain(|&address| elf.is_text(address));
            sort::addresses(list);
            list.dedup();
        }
        self.extents.retain(|extent| elf.is_text(extent.start) && extent.start < extent.end);
        sort::by_key(&mut self.extents, |extent| (extent.start, extent.end));
        self.extents.dedup();
        // Two FDEs that overlap cannot both be believed; the later one is as good as a label.
        let mut end = 0;
        self.extents.retain(|extent| {
            let disjoint = extent.start >= end;
            end = end.max(extent.end);
            disjoint
        });
    }

    /// The FDE range that contains `address`.
    pub fn extent_of(&self, address: u64) -> Option<&Extent> {
        let next = self.extents.partition_point(|extent| extent.start <= address);
        let extent = self.extents.get(next.checked_sub(1)?)?;
        (address < extent.end).then_some(extent)
    }

    /// The executable section that contains `address`.
    pub fn code_of(&self, address: u64) -> Option<&Range<u64>> {
        let next = self.code.partition_point(|range| range.start <= address);
        let range = self.code.get(next.checked_sub(1)?)?;
        (address < range.end).then_some(range)
    }

    /// The last start at or before `address`.
    pub fn start_before(&self, address: u64) -> Option<u64> {
        let next = self.starts.partition_point(|&start| start <= address);
        self.starts.get(next.checked_sub(1)?).copied()
    }

    /// The first start after `address`.
    pub fn start_after(&self, address: u64) -> Option<u64> {
        self.starts.get(self.starts.partition_point(|&start| start <= address)).copied()
    }

    /// The starts within a range.
    pub fn starts_in(&self, range: Range<u64>) -> &[u64] {
        let from = self.starts.partition_point(|&start| start < range.start);
        let to = self.starts.partition_point(|&start| start < range.end);
        self.starts.get(from..to).unwrap_or(&[])
    }

    /// Adds starts that decoding found.
    pub fn add_starts(&mut self, more: impl Iterator<Item = u64>) {
        self.starts.extend(more);
        sort::addresses(&mut self.starts);
        self.starts.dedup();
    }
}
