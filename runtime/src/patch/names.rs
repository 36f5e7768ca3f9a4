//! The addresses near sites that something names: a shape must not move an instruction that
//! somebody comes to from elsewhere.

use super::code::Code;
use super::elf::Elf;
use super::insn::{Naming, Reference};
use super::near::Near;
use crate::arch;
use crate::arch::patch::{REACH, SHORT_REACH};
use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;
use goblin::elf64::header::ET_EXEC;

/// A sorted set of addresses.
pub struct Names(Vec<u64>);

impl Names {
    /// Sorts what was collected.
    pub fn new(mut addresses: Vec<u64>) -> Self {
        sort::addresses(&mut addresses);
        addresses.dedup();
        Self(addresses)
    }

    /// Whether any address of the range is named.
    pub fn any_in(&self, range: Range<u64>) -> bool {
        let next = self.0.partition_point(|&name| name < range.start);
        self.0.get(next).is_some_and(|&name| name < range.end)
    }

    /// Everything that names an address near one of `sites`, which are sorted and proven.
    pub fn collect(elf: &Elf<'_>, code: &mut Code<'_>, sites: &[u64]) -> Self {
        let around = |&site: &u64| site.saturating_sub(REACH)..site + REACH;
        let near = Near::new(elf, sites.iter().map(around));
        let mut runs: Vec<Range<u64>> = sites.iter().map(|&site| code.run_of(site).0).collect();
        runs.dedup();
        let inside = Near::new(elf, runs.iter().cloned());
        let mut names = Vec::new();
        let mut add = |name: u64| {
            if near.has(name) {
                names.push(name);
            }
        };
        code.marks.starts.iter().chain(&code.marks.labels).for_each(|&name| add(name));
        let mut jumps: Vec<Reference> = Vec::new();
        let mut functions = Vec::new();
        for load in elf.loads.iter().filter(|load| load.executable()) {
            let text = elf.slice(load.vaddr, load.filesz).unwrap_or(&[]);
            arch::patch::references(text, load.vaddr, &mut |reference| {
                if inside.has(reference.target) {
                    match reference.kind {
                        Naming::Jump => jumps.push(reference),
                        Naming::Call | Naming::Address => functions.push(reference.target),
                    }
                }
                add(reference.target);
            });
        }
        sort::addresses(&mut functions);
        for jump in jumps {
            let next = runs.partition_point(|run| run.start <= jump.target);
            let Some(run) = next.checked_sub(1).and_then(|index| runs.get(index)) else { continue };
            let own = run.contains(&jump.source) || !run.contains(&jump.target);
            // A jump to a function that is called elsewhere is a tail call.
            if !own && functions.binary_search(&jump.target).is_err() {
                code.join(jump.source, jump.target, &mut add);
            }
        }
        if elf.kind == ET_EXEC {
            absolute_words(elf, &mut add);
        }
        let mut done = 0;
        for &site in sites {
            let from = site.saturating_sub(REACH + SHORT_REACH).max(done);
            done = site + REACH + SHORT_REACH;
            code.short_targets(from..done, &mut add);
        }
        Self::new(names)
    }
}

/// A program that is not position independent names addresses by value, in data as in code: every
/// four bytes of it may be one.
pub fn absolute_words(elf: &Elf<'_>, add: &mut dyn FnMut(u64)) {
    let texts = || elf.loads.iter().filter(|load| load.executable()).map(|load| load.range());
    let (low, high) = (texts().map(|text| text.start).min(), texts().map(|text| text.end).max());
    let (Some(low), Some(high)) = (low, high) else { return };
    for load in &elf.loads {
        for word in elf.slice(load.vaddr, load.filesz).unwrap_or(&[]).windows(4) {
            let value = u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            if low <= value && value < high {
                add(value);
            }
        }
    }
}
