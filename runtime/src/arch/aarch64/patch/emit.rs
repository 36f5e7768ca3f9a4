//! The stub of a site, and the word of text that leads to it.
//!
//! ```text
//! start:  stp x16, x17, [sp, #-16]!
//! test:   adrp x16, LINK
//!         ldr x16, [x16, #8]                 # the table of wanted calls
//!         ldrb w16, [x16, #N]                # the number is known and below 4096, else:
//!                                            #   and w17, w8, #0xffff
//!                                            #   ldrb w16, [x16, x17]
//!         cbnz w16, slow
//!         ldp x16, x17, [sp], #16
//! gate:   svc #0                             # the gate
//!         b tail
//! slow:   adrp x16, LINK
//!         ldr x17, [x16, #0]
//!         adr x16, desc
//!         br x17
//! resume: ldp x16, x17, [sp], #16
//!         b tail
//! desc:   SiteDesc
//! ```
//!
//! The kernel preserves every register but x0, so none is free at a site: two are pushed, which is
//! no harm because nothing lies below the stack pointer (AAPCS64, 6.4.5). A call that comes back from the
//! resident comes with the two pushed again, and so does one that is to be made again (`test`).
//! No instruction writes the flags. x16 and x17 are those with which a branch may go to any landing
//! pad.

use super::decode::word;
use super::sites::is_svc;
use crate::patch::{Description, Link, Shape, Site, Stub};

const PUSH: u32 = 0xa9bf_47f0; // stp x16, x17, [sp, #-16]!
const POP: u32 = 0xa8c1_47f0; // ldp x16, x17, [sp], #16
const ADRP_X16: u32 = 0x9000_0010;
const ADR_X16: u32 = 0x1000_0010;
const LDRB_W16_X16: u32 = 0x3940_0210; // ldrb w16, [x16, #0]
const LDR_X16_X16: u32 = 0xf940_0210; // ldr x16, [x16, #0]
const LDR_X17_X16: u32 = 0xf940_0211; // ldr x17, [x16, #0]
const AND_W17_W8_FFFF: u32 = 0x1200_3d11; // and w17, w8, #0xffff
const LDRB_W16_X16_X17: u32 = 0x3871_6a10; // ldrb w16, [x16, x17]
const CBNZ_W16: u32 = 0x3500_0010;
const BR_X17: u32 = 0xd61f_0220;
const B: u32 = 0x1400_0000;
const BRK: u32 = 0xd420_0000; // brk #0

/// Where the 12-bit offsets of a load of bytes and of a load of eight bytes are.
const OFFSET: u32 = 10;

/// Appends the stub of `site`. `original` has the bytes of the site. `None` if something it names
/// is out of reach.
pub fn emit(stub: &mut Stub, site: &Site, original: &[u8]) -> Option<()> {
    let call = word(original).filter(|&word| is_svc(word))?;
    stub.begin();
    stub.shows(site.vaddr);
    let start = stub.here();
    put(stub, PUSH);
    let test = stub.here();
    let link = stub.link;
    page_of(stub, link)?;
    put(stub, LDR_X16_X16 | (Link::TABLE as u32 / 8) << OFFSET);
    match site.number.and_then(|number| u16::try_from(number).ok()) {
        Some(number) if number < Link::CONSTANTS => {
            put(stub, LDRB_W16_X16 | u32::from(number) << OFFSET);
        }
        _ => {
            put(stub, AND_W17_W8_FFFF);
            put(stub, LDRB_W16_X16_X17);
        }
    }
    // Over the pop, the call and the branch.
    put(stub, CBNZ_W16 | 4 << 5);
    put(stub, POP);
    let gate = stub.here();
    put(stub, call);
    stub.shows(site.tail);
    put(stub, branch(stub.here(), site.tail)?);
    stub.shows(site.vaddr);
    page_of(stub, link)?;
    put(stub, LDR_X17_X16 | (Link::SYSCALL as u32 / 8) << OFFSET);
    // Four instructions on.
    put(stub, ADR_X16 | 4 << 5);
    put(stub, BR_X17);
    let resume = stub.here();
    stub.shows(site.tail);
    put(stub, POP);
    put(stub, branch(stub.here(), site.tail)?);
    stub.describe(&Description {
        site: site.vaddr,
        start,
        test,
        gate,
        resume,
        entry: site.entry,
        keeps: site.keeps,
        shape: site.shape,
    })?;
    stub.end();
    Some(())
}

fn put(stub: &mut Stub, word: u32) {
    stub.put(&word.to_le_bytes());
}

/// `adrp x16, page`.
fn page_of(stub: &mut Stub, page: u64) -> Option<()> {
    let pages = (page >> 12).wrapping_sub(stub.here() >> 12) as i64;
    let field = i32::try_from(pages).ok().filter(|pages| (-(1 << 20)..1 << 20).contains(pages))?;
    let field = field as u32 & 0x1f_ffff;
    put(stub, ADRP_X16 | (field & 3) << 29 | (field >> 2) << 5);
    Some(())
}

/// `b to`, at `from`.
fn branch(from: u64, to: u64) -> Option<u32> {
    let words = to.wrapping_sub(from) as i64 / 4;
    (-(1 << 25)..1 << 25).contains(&words).then_some(B | words as u32 & 0x03ff_ffff)
}

/// Makes the change of text that leads from `site` to its stub at `stub`. `write` replaces bytes at
/// an address of the file.
pub fn rewrite(site: &Site, stub: u64, write: &mut dyn FnMut(u64, &[u8])) -> Option<()> {
    let word = if site.shape == Shape::Trap { BRK } else { branch(site.vaddr, stub)? };
    write(site.vaddr, &word.to_le_bytes());
    Some(())
}
