//! What a module's text does. It must not enter the kernel by itself: all that it asks of the system goes through
//! `vload_system`, so that older layers hear of it. And what it touches of the vector state must be kept for the program.

use super::Refusal;
use crate::arch;
use crate::patch::Flow;
use crate::patch::elf::Elf;
use crate::patch::starts::Landmarks;

/// Looks at every instruction. Where one is named (a symbol, a function's unwind table) decoding begins anew,
/// so that padding or data between functions leads nowhere.
///
/// Gives what is to be kept, as bits of [`arch::KEPT`]: all of it, where something is no instruction that is known.
pub fn judge<'a>(elf: &Elf<'a>) -> Result<u64, Refusal<'a>> {
    let mut vectors = 0;
    let marks = Landmarks::collect(elf);
    for range in &marks.code {
        let text = elf.slice(range.start, range.end - range.start).unwrap_or(&[]);
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let address = range.start + at as u64;
            let mut length = 1;
            let mut touched = arch::KEPT;
            if let Some(instruction) = arch::patch::decode(rest, address) {
                let bytes = &rest[..usize::from(instruction.len)];
                if matches!(instruction.flow, Flow::Site(_)) || arch::patch::is_prefixed(bytes) {
                    return Err(Refusal::Instruction(address));
                }
                touched = arch::patch::vectors(bytes);
                length = u64::from(instruction.len);
            }
            if touched & !arch::KEPT != 0 {
                return Err(Refusal::Vectors(address));
            }
            vectors |= touched;
            let next = marks.starts_in(address + 1..address + length).first();
            at += next.map_or(length, |next| next - address) as usize;
        }
    }
    Ok(vectors)
}
