//! Finding sites, and the call number that the code before one fixes.

use super::decode::word;
use crate::patch::{Around, Entry, Kind, Shape, Site};

/// `mov x8, #n`, with the number in bits 5 to 20, and the same of 32 bits.
const MOV_X8: u32 = 0xd280_0008;
const MOV_W8: u32 = 0x5280_0008;
const NUMBER: u32 = 0xffff << 5;

/// How many instructions before a site are looked at for the call number.
const MAX_LOOK_BACK: usize = 12;

/// Whether the word is `svc`. Linux does not look at its number (`el0_svc`,
/// arch/arm64/kernel/entry-common.c).
pub fn is_svc(word: u32) -> bool {
    word & 0xffe0_001f == 0xd400_0001
}

/// Calls `found` for every `svc`.
pub fn candidates(text: &[u8], mut found: impl FnMut(usize, Entry)) {
    for (at, bytes) in text.chunks_exact(4).enumerate() {
        if word(bytes).is_some_and(is_svc) {
            found(at * 4, Entry::Syscall);
        }
    }
}

/// The call number, if every way to the site leads through an instruction that fixes it.
pub fn number_before(around: &Around<'_>) -> Option<u32> {
    for step in around.backward().take(MAX_LOOK_BACK) {
        let found = word(around.bytes(step))?;
        if !matches!(step.kind, Kind::Movable | Kind::Fixed | Kind::Filler | Kind::Branch)
            || is_call(found)
        {
            return None;
        }
        if matches!(found & !NUMBER, MOV_X8 | MOV_W8) {
            let closed = around.is_closed(around.run.address(step)..around.vaddr + 1);
            return closed.then_some(found >> 5 & 0xffff);
        }
        // Whatever changes x8 names it in one of these fields: Rd or Rt, Rn of an address that is
        // written back, Rt2, Rs.
        let may_change = [0, 5, 10, 16].iter().any(|field| found >> field & 0x1f == 8);
        if may_change && !matches!(step.kind, Kind::Branch | Kind::Filler) {
            return None;
        }
    }
    None
}

/// `bl` and `blr`: what is called may change x8.
fn is_call(word: u32) -> bool {
    word & 0xfc00_0000 == 0x9400_0000 || word & 0xfe00_0000 == 0xd600_0000
}

/// One shape for one site, or `None` if it does not fit.
pub fn apply(shape: Shape, number: Option<u32>, around: &mut Around<'_>) -> Option<Site> {
    match shape {
        Shape::Direct | Shape::Trap if around.vaddr.is_multiple_of(4) => {
            Some(around.site(shape, number))
        }
        _ => None,
    }
}
