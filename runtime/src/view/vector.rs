//! The auxiliary vector that the kernel keeps of a process, as it would be: what a debugger needs of it is another
//! thing (`debugger.rs`, `unwind`).

use super::PROGRAM;
use super::maps::Buffer;
use crate::layer::Call;
use crate::memory::guard::Peer;
use crate::memory::{User, copy_out};
use crate::sys::Result;
use linux_raw_sys::auxvec::{AT_PHDR, AT_SYSINFO_EHDR};

/// `PR_GET_AUXV` (linux/prctl.h, since 6.4).
pub const PR_GET_AUXV: usize = 0x4155_5856;
/// The entries that the kernel may have others of.
pub const CHANGED: [u32; 2] = [AT_PHDR, AT_SYSINFO_EHDR];
const WORD: usize = size_of::<usize>();
const PAIR: usize = 2 * WORD;

/// Writes the vector `text` of this process, or of `peer`.
pub fn filter(text: &[u8], peer: Option<&Peer>, out: &mut Buffer) -> Result<()> {
    let changed = match peer {
        None => PROGRAM.changed(),
        Some(peer) => PROGRAM.changed_of(peer)?,
    };
    for pair in text.chunks(PAIR) {
        let kind = pair.first_chunk().map_or(0, |kind| usize::from_ne_bytes(*kind));
        match replaced(kind, &changed) {
            Some(value) => {
                out.push(&pair[..WORD])?;
                out.push(&value.to_ne_bytes())?;
            }
            None => out.push(pair)?,
        }
    }
    Ok(())
}

/// What an entry of this kind is to the program, where the kernel has another.
fn replaced(kind: usize, changed: &[usize; CHANGED.len()]) -> Option<usize> {
    let index = CHANGED.iter().position(|changed| *changed as usize == kind)?;
    Some(changed[index]).filter(|value| *value != 0)
}

/// `prctl(PR_GET_AUXV)`: as much of the vector as there is room for.
pub fn get(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    let [_, at, room, ..] = call.args;
    let changed = PROGRAM.changed();
    if result < 0 || changed == [0; CHANGED.len()] {
        return result;
    }
    for offset in (0..room.min(result as usize)).step_by(PAIR) {
        let kind = User::<usize>::new(at.wrapping_add(offset)).read_again();
        if let Some(own) = kind.ok().and_then(|kind| replaced(kind, &changed)) {
            let bytes = own.to_ne_bytes();
            let fits = room.saturating_sub(offset + WORD).min(WORD);
            // The kernel has written it; who unmaps it meanwhile has nothing to lose.
            let _gone = copy_out(at.wrapping_add(offset + WORD), &bytes[..fits]);
        }
    }
    result
}
