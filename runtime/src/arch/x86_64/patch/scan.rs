//! Scans over whole texts, sixteen bytes at a time. SSE2 is part of every x86-64.

use crate::patch::{Entry, Naming, Reference};
use core::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8,
};

/// How many bytes one comparison takes.
const LANE: usize = size_of::<__m128i>();

/// Sixteen bytes of text.
#[derive(Clone, Copy)]
struct Lane(__m128i);

impl Lane {
    fn load(bytes: &[u8; LANE]) -> Self {
        // SAFETY: the array is as long as the load, which has no alignment.
        Self(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
    }

    /// A bit for every byte that is `value` under `mask`.
    fn matches(self, mask: u8, value: u8) -> u32 {
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let masked = _mm_and_si128(self.0, _mm_set1_epi8(mask as i8));
            _mm_movemask_epi8(_mm_cmpeq_epi8(masked, _mm_set1_epi8(value as i8))) as u32
        }
    }
}

/// Calls `found` for every offset whose byte and the following one `test` marks. `test` gets both
/// as lanes and gives a bit an offset; the last bytes of the text are tested with zeros behind.
fn pairs(text: &[u8], test: impl Fn(Lane, Lane) -> u32, mut found: impl FnMut(usize)) {
    let mut visit = |at: usize, mut bits: u32| {
        while bits != 0 {
            found(at + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    };
    let mut at = 0;
    while let Some(lane) = text.get(at..).and_then(|rest| rest.first_chunk::<LANE>()) {
        let Some(next) = text.get(at + 1..).and_then(|rest| rest.first_chunk::<LANE>()) else {
            break;
        };
        visit(at, test(Lane::load(lane), Lane::load(next)));
        at += LANE;
    }
    let rest = text.get(at..).unwrap_or(&[]);
    let mut last = [0; LANE + 1];
    if let Some(copy) = last.get_mut(..rest.len()) {
        copy.copy_from_slice(rest);
    }
    if let (Some(lane), Some(next)) = (last.first_chunk(), last[1..].first_chunk()) {
        let valid = (1u32 << rest.len().saturating_sub(1)) - 1;
        visit(at, test(Lane::load(lane), Lane::load(next)) & valid);
    }
}

/// Calls `found` for every `0f 05` and `cd 80`, wherever it is.
pub fn candidates(text: &[u8], mut found: impl FnMut(usize, Entry)) {
    let test = |lane: Lane, next: Lane| {
        lane.matches(0xff, 0x0f) & next.matches(0xff, 0x05)
            | lane.matches(0xff, 0xcd) & next.matches(0xff, 0x80)
    };
    pairs(text, test, |at| {
        let entry = if text.get(at) == Some(&0x0f) { Entry::Syscall } else { Entry::Int80 };
        found(at, entry);
    });
}

/// Calls `found` for every `60 ff`, wherever it is.
pub fn words_60_ff(text: &[u8], found: impl FnMut(usize)) {
    pairs(text, |lane, next| lane.matches(0xff, 0x60) & next.matches(0xff, 0xff), found);
}

/// Gives every address that the text may name by four bytes relative to it, as if every byte
/// began an instruction: `call` and `jmp`, conditional jumps, `xbegin`, `lea`.
pub fn references(text: &[u8], vaddr: u64, add: &mut dyn FnMut(Reference)) {
    let test = |lane: Lane, next: Lane| {
        lane.matches(0xfe, 0xe8)
            | lane.matches(0xff, 0x0f) & next.matches(0xf0, 0x80)
            | lane.matches(0xff, 0x8d) & next.matches(0xc7, 0x05)
            | lane.matches(0xff, 0xc7) & next.matches(0xff, 0xf8)
    };
    pairs(text, test, |at| {
        let (kind, opcode) = match text.get(at) {
            Some(0xe8) => (Naming::Call, 1),
            Some(0xe9) => (Naming::Jump, 1),
            Some(0x8d) => (Naming::Address, 2),
            _ => (Naming::Jump, 2),
        };
        let field = text.get(at + opcode..).and_then(|rest| rest.first_chunk::<4>());
        if let Some(&field) = field {
            let end = vaddr.wrapping_add((at + opcode + 4) as u64);
            let target = end.wrapping_add_signed(i64::from(i32::from_le_bytes(field)));
            add(Reference { kind, source: vaddr.wrapping_add(at as u64), target });
        }
    });
}

/// The target if the bytes at `address` may be a branch with a displacement of one byte.
pub fn short_branch(bytes: &[u8], address: u64) -> Option<u64> {
    let &[opcode, displacement] = bytes.first_chunk::<2>()?;
    matches!(opcode, 0x70..=0x7f | 0xe0..=0xe3 | 0xeb)
        .then(|| address.wrapping_add(2).wrapping_add_signed(i64::from(displacement as i8)))
}
