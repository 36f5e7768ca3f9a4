//! The bytes of text that lead to a stub. 32-bit x86 has the same.

use super::shapes::JUMP;
use crate::patch::{KEEPS_SITE, Shape, Site};

/// `jmp` with a distance of four bytes.
pub(super) const JMP: u8 = 0xe9;
/// `jmp` with a distance of one byte.
pub(super) const JMP_SHORT: u8 = 0xeb;
/// `int3`.
pub(super) const INT3: u8 = 0xcc;
const NOP: u8 = 0x90;

/// The operand of an instruction that ends at `from` and names `to`.
pub(super) fn displacement(from: u64, to: u64) -> Option<[u8; 4]> {
    Some(i32::try_from(to.wrapping_sub(from) as i64).ok()?.to_le_bytes())
}

/// Makes the changes of text that lead from `site` to its stub at `stub`. `write` replaces bytes
/// at an address of the file.
pub fn rewrite(site: &Site, stub: u64, write: &mut dyn FnMut(u64, &[u8])) -> Option<()> {
    let short = |to: u64| -> Option<[u8; 2]> {
        let distance = i8::try_from(to.wrapping_sub(site.vaddr + 2) as i64).ok()?;
        Some([JMP_SHORT, distance as u8])
    };
    if site.shape == Shape::Trap {
        write(site.vaddr, &[INT3, NOP]);
        return Some(());
    }
    let mut long = [JMP; JUMP as usize];
    long[1..].copy_from_slice(&displacement(site.jump + JUMP, stub)?);
    // What nothing reaches any more faults if something does.
    for address in site.head..site.tail {
        write(address, &[INT3]);
    }
    if site.shape == Shape::Pun {
        // The rest of the distance is what follows the site already.
        let [low, ..] = displacement(site.vaddr + JUMP, site.jump)?;
        write(site.vaddr, &[JMP, low]);
    } else if site.jump != site.vaddr && site.keeps & KEEPS_SITE != 0 {
        write(site.vaddr, &short(site.jump)?);
    }
    write(site.jump, &long);
    Some(())
}
