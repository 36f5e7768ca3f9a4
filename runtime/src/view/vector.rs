//! The auxiliary vector that the kernel keeps of a process, as it would be: what a debugger needs of it is another
//! thing (`debugger.rs`).

use super::PROGRAM;
use super::maps::Buffer;
use crate::layer::Call;
use crate::memory::User;
use crate::memory::guard::Peer;
use crate::sys::Result;
use linux_raw_sys::auxvec::AT_PHDR;

/// `PR_GET_AUXV` (linux/prctl.h, since 6.4).
pub const PR_GET_AUXV: usize = 0x4155_5856;
const WORD: usize = size_of::<usize>();
const PAIR: usize = 2 * WORD;

/// Writes the vector `text` of this process, or of `peer`.
pub fn filter(text: &[u8], peer: Option<&Peer>, out: &mut Buffer) -> Result<()> {
    let headers = match peer {
        None => PROGRAM.headers(),
        Some(peer) => PROGRAM.headers_of(peer)?,
    };
    for pair in text.chunks(PAIR) {
        if headers != 0 && pair.starts_with(&(AT_PHDR as usize).to_ne_bytes()) {
            out.push(&pair[..WORD])?;
            out.push(&headers.to_ne_bytes())?;
        } else {
            out.push(pair)?;
        }
    }
    Ok(())
}

/// `prctl(PR_GET_AUXV)`: as much of the vector as there is room for.
pub fn get(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    let [_, at, room, ..] = call.args;
    if result < 0 || PROGRAM.headers() == 0 {
        return result;
    }
    for offset in (0..room.min(result as usize)).step_by(PAIR) {
        let value = User::<usize>::new(at.wrapping_add(offset + WORD));
        if User::<usize>::new(at.wrapping_add(offset)).read_again() == Ok(AT_PHDR as usize)
            && offset + PAIR <= room
        {
            // The kernel has written it; who unmaps it meanwhile has nothing to lose.
            let _gone = value.write_again(PROGRAM.headers());
        }
    }
    result
}
