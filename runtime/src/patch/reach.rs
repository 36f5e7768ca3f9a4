//! Where control comes by direct branches and calls, and where it never does.

use super::code::Code;
use super::elf::{Elf, Load};
use super::insn::{Flow, Naming};
use super::names::absolute_words;
use super::near::Near;
use crate::arch;
use crate::arch::patch::SHORT_REACH;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use goblin::elf64::header::ET_EXEC;

/// The instructions that control reaches from the named starts: a bit a byte of text.
pub struct Reached {
    texts: Vec<(Range<u64>, Vec<u64>)>,
}

impl Reached {
    /// Sets the bit of `address`; whether it was clear and there is one.
    fn insert(&mut self, address: u64) -> bool {
        let Some((text, bits)) = self.texts.iter_mut().find(|text| text.0.contains(&address))
        else {
            return false;
        };
        let at = address - text.start;
        let Some(word) = bits.get_mut((at / 64) as usize) else { return false };
        let fresh = *word >> (at % 64) & 1 == 0;
        *word |= 1 << (at % 64);
        fresh
    }

    /// Whether control comes to `address`.
    pub fn has(&self, address: u64) -> bool {
        self.texts.iter().any(|(text, bits)| {
            text.contains(&address) && {
                let at = address - text.start;
                bits.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 != 0)
            }
        })
    }

    /// Follows control from the addresses in `open`, but only to those that `within` allows, and
    /// with `pointers` also to every address that an operand makes a pointer to. `called` gets the
    /// targets of direct calls.
    pub fn follow(
        elf: &Elf<'_>,
        mut open: Vec<u64>,
        within: &dyn Fn(u64) -> bool,
        pointers: bool,
        called: &mut Vec<u64>,
    ) -> Self {
        let texts = elf.loads.iter().filter(|load| load.executable());
        let bits = |load: &Load| vec![0; load.filesz.div_ceil(64) as usize];
        let mut reached = Self { texts: texts.map(|load| (load.range(), bits(load))).collect() };
        while let Some(start) = open.pop() {
            let Some(text) = elf.at(start).filter(|_| within(start)) else { continue };
            let mut at = 0;
            while reached.insert(start + at as u64) {
                let (rest, address) = (text.get(at..).unwrap_or(&[]), start + at as u64);
                let Some(insn) = arch::patch::decode(rest, address) else { break };
                if pointers {
                    open.extend(arch::patch::address_operand(rest, address));
                }
                match insn.flow {
                    Flow::Branch(target) | Flow::Jump(target) => open.push(target),
                    Flow::Call(target) => {
                        open.push(target);
                        called.push(target);
                    }
                    _ => {}
                }
                if insn.flow.ends() {
                    break;
                }
                at += usize::from(insn.len);
            }
        }
        reached
    }

    /// Follows control through the `doubtful` ranges, which are sorted, from everything outside
    /// them that may name an address inside: every byte counts as an instruction's first where the
    /// code is not proven.
    pub fn into_doubtful(elf: &Elf<'_>, code: &mut Code<'_>, doubtful: &[Range<u64>]) -> Self {
        let within = |address: u64| {
            let next = doubtful.partition_point(|range| range.start <= address);
            let last = next.checked_sub(1).and_then(|last| doubtful.get(last));
            last.is_some_and(|range| address < range.end)
        };
        let mut open: Vec<u64> =
            code.marks.starts.iter().chain(&code.marks.labels).copied().collect();
        open.retain(|&address| within(address));
        let near = Near::new(elf, doubtful.iter().cloned());
        let mut references = Vec::new();
        for range in &code.marks.code {
            let text = elf.slice(range.start, range.end - range.start).unwrap_or(&[]);
            arch::patch::references(text, range.start, &mut |reference| {
                let inside = near.has(reference.target) && within(reference.target);
                // A pointer into a section of constants is to a constant.
                let constant = reference.kind == Naming::Address
                    && code.marks.code_of(reference.target).is_none();
                if inside && !constant && !within(reference.source) {
                    references.push(reference);
                }
            });
        }
        references.retain(|reference| code.confirms(reference));
        for range in doubtful {
            let mut add = |target: u64| {
                if within(target) {
                    open.push(target);
                }
            };
            code.short_targets(range.start.saturating_sub(SHORT_REACH)..range.start, &mut add);
            code.short_targets(range.end..range.end + SHORT_REACH, &mut add);
        }
        open.extend(references.iter().map(|reference| reference.target));
        if elf.kind == ET_EXEC {
            absolute_words(elf, &mut |address| {
                if near.has(address) && within(address) {
                    open.push(address);
                }
            });
        }
        Self::follow(elf, open, &within, true, &mut Vec::new())
    }
}
