//! What becomes of a site beyond what its surroundings say: for `vload bisect`, and for its tests.

use super::plan::Plan;
use super::shape::Shape;
use super::site::{KEEPS_NEXT, KEEPS_SITE, Refusal, Refused, Site};
use crate::arch;
use alloc::vec::Vec;

/// What becomes of a proven site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It gets the shape that was found for it.
    Kept,
    /// It traps.
    Trap,
    /// It stays as the file has it.
    Native,
}

/// A fault put in on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The stub of the site at this address loses a register that the caller keeps something in.
    Register(u64),
    /// The stubs of this shape lack the instructions that moved there.
    Moved(Shape),
}

impl Fault {
    /// What tells an image with it from others.
    #[must_use]
    pub fn key(self) -> u64 {
        match self {
            Self::Register(vaddr) => vaddr.rotate_left(8) | 1,
            Self::Moved(shape) => u64::from(shape as u8) << 8 | 2,
        }
    }
}

impl Plan<'_> {
    /// Puts a fault in.
    pub fn spoil(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    /// Decides on every site. The shapes are those that were found with all sites in place, so that what
    /// is kept is what it is in any run.
    pub fn decide(&mut self, fate: &dyn Fn(&Site) -> Fate) {
        let mut sites = Vec::new();
        for site in core::mem::take(&mut self.sites) {
            match fate(&site) {
                Fate::Kept => sites.push(site),
                // A function that is left alone makes its call at a site of its own.
                Fate::Trap if site.shape != Shape::Function => sites.push(Site {
                    shape: Shape::Trap,
                    keeps: KEEPS_SITE | KEEPS_NEXT,
                    head: site.vaddr,
                    tail: site.vaddr + arch::patch::SITE_LEN,
                    jump: site.vaddr,
                    ..site
                }),
                _ => self.refused.push(Refused {
                    vaddr: site.vaddr,
                    entry: site.entry,
                    reason: Refusal::Skipped,
                }),
            }
        }
        self.sites = sites;
    }
}
