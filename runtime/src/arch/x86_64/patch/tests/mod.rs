//! Every shape on code typed for it: what is chosen, what is refused, and that the patched code
//! does what the original did.

mod execute;
mod function;
mod proof;
mod shapes;
mod snapshot;
mod vectors;
mod vsyscall;

use crate::patch::tests::file::{File, TEXT};
use crate::patch::{Plan, Shape, ShapeSet, Site, analyze};
use std::vec::Vec;

/// A function that gives the bytes of some assembly.
macro_rules! snippet {
    ($name:ident, $($line:literal),+ $(,)?) => {
        fn $name() -> &'static [u8] {
            let (start, end): (*const u8, *const u8);
            // SAFETY: two addresses are made; nothing else is executed.
            unsafe {
                core::arch::asm!(
                    ".pushsection .rodata",
                    ".balign 64",
                    "222:",
                    $($line,)+
                    "333:",
                    ".popsection",
                    "lea 222b(%rip), {start}",
                    "lea 333b(%rip), {end}",
                    start = out(reg) start,
                    end = out(reg) end,
                    options(att_syntax, nomem, nostack, preserves_flags)
                );
                // SAFETY: the bytes between two labels of one constant section.
                core::slice::from_raw_parts(start, end.offset_from_unsigned(start))
            }
        }
    };
}
pub(super) use snippet;

/// The set of that list.
pub fn set(list: &str) -> ShapeSet {
    ShapeSet::parse(list).expect("names of shapes")
}

/// The sites of a library whose only function is `text`, with the default shapes.
pub fn sites(text: &[u8]) -> Vec<Site> {
    sites_with(text, &ShapeSet::default())
}

/// The same with other shapes.
pub fn sites_with(text: &[u8], shapes: &ShapeSet) -> Vec<Site> {
    let file = File::new(text).bytes();
    let plan = analyze(&file, shapes, &|_| false).expect("an ELF file");
    assert_eq!(holes(&plan), 0, "{:?}", plan.refused());
    plan.sites().into()
}

/// How many candidates may make calls unseen.
pub fn holes(plan: &Plan<'_>) -> usize {
    plan.refused().iter().filter(|refused| refused.reason.is_hole()).count()
}

/// The shape of the only site.
pub fn shape(text: &[u8]) -> Shape {
    let sites = sites(text);
    assert_eq!(sites.len(), 1);
    sites[0].shape
}

/// An address of the text.
pub fn at(offset: u64) -> u64 {
    TEXT + offset
}
