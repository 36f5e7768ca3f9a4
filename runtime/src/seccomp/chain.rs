//! The filters that a thread has: each leads to the one installed before it.

use core::ptr::null;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::ANY;
use super::bpf::{Data, Instruction, run};
use crate::arch;
use crate::digits::hexadecimal;
use crate::memory::guard;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;

/// `SECCOMP_RET_ALLOW`.
const ALLOW: u32 = 0x7fff_0000;
/// Digits of one instruction in the text.
const DIGITS: usize = 16;
/// Ends a filter in the text.
const END: u8 = b';';

/// One filter, in a mapping of its own that stays: its instructions follow, then the text of the whole
/// chain.
#[repr(C)]
pub struct Node {
    older: *const Node,
    length: usize,
    text: usize,
}

impl Node {
    fn program(&self) -> &[Instruction] {
        // SAFETY: `make` has put `length` instructions behind the node.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).add(1).cast(), self.length) }
    }

    /// The text of this filter and all older ones, without its NUL.
    fn text(&self) -> &[u8] {
        let at = self.program().as_ptr_range().end.cast();
        // SAFETY: `make` has put `text` bytes behind the instructions.
        unsafe { core::slice::from_raw_parts(at, self.text) }
    }

    /// What the filters say together: the most severe, the newest where two are alike
    /// (`seccomp_run_filters`, kernel/seccomp.c).
    pub fn evaluate(&self, data: &Data) -> u32 {
        let mut result = ALLOW;
        let mut node: *const Node = self;
        // SAFETY: nodes are never unmapped.
        while let Some(filter) = unsafe { node.as_ref() } {
            // What the kernel has taken has a result; what it is about to refuse may not.
            let action = run(filter.program(), data).unwrap_or(ALLOW);
            if severity(action) < severity(result) {
                result = action;
            }
            node = filter.older;
        }
        result
    }
}

/// The order of actions (`ACTION_ONLY`): as signed numbers.
fn severity(action: u32) -> i32 {
    (action & 0xffff_0000) as i32
}

/// The filters of one thread.
pub struct Chain(AtomicPtr<Node>);

impl Chain {
    /// None.
    pub const fn none() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// The newest filter, if there is one.
    pub fn known(&self) -> Option<&'static Node> {
        // SAFETY: nodes are never unmapped, and complete when they are published.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Takes over what `other` has.
    pub fn copy_from(&self, other: &Self) {
        self.set(other.0.load(Ordering::Acquire));
    }

    /// Makes `node` the newest.
    pub fn set(&self, node: *const Node) {
        if !node.is_null() {
            ANY.store(true, Ordering::Relaxed);
        }
        self.0.store(node.cast_mut(), Ordering::Release);
    }
}

/// The filters of the calling thread, as far as it can be told without a call.
pub(super) fn of_caller() -> Option<&'static Node> {
    // SAFETY: a block that a thread is bound to stays.
    unsafe { arch::block_without_call().as_ref() }.and_then(|block| block.filters.known())
}

/// A filter on top of `older`, with the instructions that `fill` writes.
pub(super) fn make(
    older: Option<&Node>,
    length: usize,
    fill: impl FnOnce(&mut [Instruction]) -> Result<()>,
) -> Result<*const Node> {
    let before = older.map_or(&[][..], Node::text);
    let text = before.len() + length * DIGITS + 1;
    let size = size_of::<Node>() + length * size_of::<Instruction>() + text + 1;
    let start = sys::map_anonymous(size)?;
    guard::own(start, size.next_multiple_of(crate::process::page_size()));
    // SAFETY: the mapping is fresh, ours and long enough for the node, its instructions (all zero is a
    // valid one) and the text with its NUL.
    let (program, place) = unsafe {
        let node = start as *mut Node;
        node.write(Node { older: older.map_or(null(), |node| node), length, text });
        let program = node.add(1).cast::<Instruction>();
        let place = program.add(length).cast::<u8>();
        (
            core::slice::from_raw_parts_mut(program, length),
            core::slice::from_raw_parts_mut(place, text),
        )
    };
    if let Err(error) = fill(program) {
        // SAFETY: mapped above, and not used any more.
        unsafe { guard::unmap(start, size.next_multiple_of(crate::process::page_size())) };
        return Err(error);
    }
    let (copied, own) = place.split_at_mut(before.len());
    copied.copy_from_slice(before);
    write(program, own);
    Ok(start as *const Node)
}

/// Writes a filter as text: digits for each instruction, and the mark of its end.
fn write(program: &[Instruction], into: &mut [u8]) {
    let (digits, end) = into.split_at_mut(program.len() * DIGITS);
    for (place, instruction) in digits.chunks_exact_mut(DIGITS).zip(program) {
        let Instruction { code, yes, no, k } = *instruction;
        let value =
            u64::from(code) << 48 | u64::from(yes) << 40 | u64::from(no) << 32 | u64::from(k);
        for (index, byte) in place.iter_mut().enumerate() {
            *byte = b"0123456789abcdef"[(value >> (60 - 4 * index)) as usize & 15];
        }
    }
    end[0] = END;
}

fn read(digits: &[u8]) -> Option<Instruction> {
    let value = hexadecimal(digits)?;
    let [code_high, code_low, yes, no, k @ ..] = value.to_be_bytes();
    let code = u16::from_be_bytes([code_high, code_low]);
    Some(Instruction { code, yes, no, k: u32::from_be_bytes(k) })
}

/// The filters of a thread as text, for the program that it executes; a NUL follows.
pub fn text(block: &Block) -> &'static [u8] {
    match block.filters.known() {
        Some(filter) => filter.text(),
        None => &b"\0"[..0],
    }
}

/// Takes over the filters that an exec has handed on.
pub fn take(block: &Block, text: &[u8]) -> Result<()> {
    for filter in text.split(|&byte| byte == END).filter(|filter| !filter.is_empty()) {
        let node = make(block.filters.known(), filter.len() / DIGITS, |program| {
            for (place, digits) in program.iter_mut().zip(filter.chunks_exact(DIGITS)) {
                *place = read(digits).ok_or(Errno::INVAL)?;
            }
            Ok(())
        })?;
        block.filters.set(node);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Instruction, read, write};

    #[test]
    fn a_filter_reads_back_as_it_was_written() {
        let program = [
            Instruction { code: 0x20, yes: 0, no: 0, k: 4 },
            Instruction { code: 0x15, yes: 255, no: 1, k: 0xc000_003e },
            Instruction { code: 0x06, yes: 0, no: 0, k: 0x7fff_0000 },
        ];
        let mut text = [0; 49];
        write(&program, &mut text);
        assert_eq!(text.last(), Some(&b';'));
        let again: std::vec::Vec<_> = text[..48].chunks(16).map(read).collect();
        assert_eq!(again, program.map(Some));
    }
}
