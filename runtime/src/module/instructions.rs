//! What a module's text must not do: enter the kernel by itself. All that it asks of the system goes through
//! `vload_system`, so that older layers hear of it.

use super::Refusal;
use crate::arch;
use crate::patch::Flow;
use crate::patch::elf::Elf;
use crate::patch::starts::Landmarks;

/// Looks at every instruction. Where one is named (a symbol, a function's unwind table) decoding begins anew,
/// so that padding or data between functions leads nowhere.
pub fn judge<'a>(elf: &Elf<'a>) -> Result<(), Refusal<'a>> {
    let marks = Landmarks::collect(elf);
    for range in &marks.code {
        let text = elf.slice(range.start, range.end - range.start).unwrap_or(&[]);
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let address = range.start + at as u64;
            let mut length = 1;
            if let Some(instruction) = arch::patch::decode(rest, address) {
                let bytes = &rest[..usize::from(instruction.len)];
                if matches!(instruction.flow, Flow::Site(_)) || arch::patch::is_prefixed(bytes) {
                    return Err(Refusal::Instruction(address));
                }
                length = u64::from(instruction.len);
            }
            let next = marks.starts_in(address + 1..address + length).first();
            at += next.map_or(length, |next| next - address) as usize;
        }
    }
    Ok(())
}
