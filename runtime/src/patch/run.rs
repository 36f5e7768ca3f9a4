//! One run of code between two starts that the file names, decoded and proven.
//!
//! A run is proven when a sweep from its start decodes every byte, ends exactly at the next start,
//! and every direct branch inside it, like every named start, falls on an instruction that the
//! sweep saw. Data among the code, or a wrong start, makes at least one of these fail.

use super::insn::{Flow, Insn};
use super::site::Refusal;
use crate::arch;
use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;

/// What a sweep keeps of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its distance from the run's start.
    pub offset: u32,
    /// Its length.
    pub len: u8,
    /// What it is.
    pub kind: Kind,
}

/// What matters of an instruction once its run is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It can be executed elsewhere: it neither jumps nor depends on where it is, but for a
    /// relative operand that can be adjusted.
    Movable,
    /// It can be neither moved nor is it an end.
    Fixed,
    /// A conditional branch.
    Branch,
    /// A site.
    Site,
    /// Control does not go on behind it.
    End,
    /// Filler between functions: it does nothing.
    Filler,
}

/// A proven run.
#[derive(Debug)]
pub struct Run {
    /// Its addresses.
    pub range: Range<u64>,
    /// Its instructions in order. Filler of zeros is one step, too.
    pub steps: Vec<Step>,
    /// Where its direct branches lead, sorted.
    pub targets: Vec<u64>,
    /// Where its direct calls lead, sorted.
    pub calls: Vec<u64>,
    /// Its jumps to an address that was computed in a way that is not understood: they may lead
    /// anywhere inside their function.
    pub unresolved: Vec<u64>,
    /// Where its jumps through tables of distances lead.
    pub cases: Vec<u64>,
    /// Whether every byte of the range was decoded, not just what control reaches.
    pub whole: bool,
}

impl Run {
    fn empty(range: Range<u64>, whole: bool) -> Self {
        Self {
            range,
            steps: Vec::new(),
            targets: Vec::new(),
            calls: Vec::new(),
            unresolved: Vec::new(),
            cases: Vec::new(),
            whole,
        }
    }

    /// Decodes all of `code`, which is at `start`. `starts` are the named ones inside.
    pub fn sweep(code: &[u8], start: u64, starts: &[u64]) -> Result<Self, Refusal> {
        let end = start.saturating_add(code.len() as u64);
        let mut run = Self::empty(start..end, true);
        let mut at = 0;
        let mut dead = false;
        while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
            let zeros = if dead { zero_filler(rest, start + at as u64) } else { 0 };
            if zeros != 0 {
                run.push(at, zeros, Kind::Filler);
                at += usize::from(zeros);
                continue;
            }
            let insn = arch::patch::decode(rest, start + at as u64).ok_or(Refusal::Undecodable)?;
            if insn.odd {
                return Err(Refusal::Undecodable);
            }
            dead = run.note(&insn, at, rest);
            at += usize::from(insn.len);
        }
        run.settle();
        let inside = |&&target: &&u64| run.range.contains(&target);
        let named = run.targets.iter().chain(starts).filter(inside);
        if named.copied().all(|target| run.enters(code, target)) {
            Ok(run)
        } else {
            Err(Refusal::Misaligned)
        }
    }

    /// Makes a run of the instructions that control reaches, at the given ascending addresses.
    pub fn reached(
        code: &[u8],
        range: Range<u64>,
        addresses: impl Iterator<Item = u64>,
    ) -> Result<Self, Refusal> {
        let mut run = Self::empty(range.clone(), false);
        let mut end = 0;
        for address in addresses {
            let at = address.checked_sub(range.start).ok_or(Refusal::Misaligned)? as usize;
            let rest = code.get(at..).ok_or(Refusal::Misaligned)?;
            let insn = arch::patch::decode(rest, address).ok_or(Refusal::Undecodable)?;
            if insn.odd || at < end {
                return Err(Refusal::Misaligned);
            }
            run.note(&insn, at, rest);
            end = at + usize::from(insn.len);
        }
        run.settle();
        Ok(run)
    }

    fn settle(&mut self) {
        for list in [&mut self.targets, &mut self.calls] {
            sort::addresses(list);
            list.dedup();
        }
    }

    fn push(&mut self, at: usize, len: u8, kind: Kind) {
        // A segment of 4 GiB and more has no steps past that: its sites stay unproven.
        if let Ok(offset) = u32::try_from(at) {
            self.steps.push(Step { offset, len, kind });
        }
    }

    /// Takes down one instruction. Says whether control ends behind it.
    fn note(&mut self, insn: &Insn, at: usize, rest: &[u8]) -> bool {
        let mut kind = Kind::Fixed;
        match insn.flow {
            Flow::Next if arch::patch::is_filler(rest) => kind = Kind::Filler,
            Flow::Next if !insn.fixed => kind = Kind::Movable,
            Flow::Next | Flow::CallIndirect => {}
            Flow::Site(_) => kind = Kind::Site,
            Flow::Branch(target) => {
                self.targets.push(target);
                kind = Kind::Branch;
            }
            Flow::Call(target) => self.calls.push(target),
            Flow::Jump(target) => {
                self.targets.push(target);
                kind = Kind::End;
            }
            Flow::JumpIndirect { computed } => {
                if computed {
                    self.unresolved.push(self.range.start + at as u64);
                }
                kind = Kind::End;
            }
            Flow::Stop => kind = Kind::End,
            Flow::Trap if arch::patch::is_filler(rest) => kind = Kind::Filler,
            Flow::Trap => kind = Kind::End,
        }
        self.push(at, insn.len, kind);
        insn.flow.ends()
    }

    /// The address of a step.
    pub fn address(&self, step: &Step) -> u64 {
        self.range.start + u64::from(step.offset)
    }

    /// The index of the instruction at `address`.
    pub fn index_of(&self, address: u64) -> Option<usize> {
        let offset = u32::try_from(address.checked_sub(self.range.start)?).ok()?;
        self.steps.binary_search_by_key(&offset, |step| step.offset).ok()
    }

    /// The instruction that has the byte at `address`.
    pub fn step_with(&self, address: u64) -> Option<&Step> {
        let offset = u32::try_from(address.checked_sub(self.range.start)?).ok()?;
        let next = self.steps.partition_point(|step| step.offset <= offset);
        let step = self.steps.get(next.checked_sub(1)?)?;
        (offset - step.offset < u32::from(step.len)).then_some(step)
    }

    /// Whether a branch to `target` enters an instruction at its start, or behind a prefix that
    /// programs do jump over.
    fn enters(&self, code: &[u8], target: u64) -> bool {
        let behind_prefix = |before: u64| {
            let at = (before - self.range.start) as usize;
            code.get(at..).is_some_and(arch::patch::has_skipped_prefix)
        };
        self.index_of(target).is_some()
            || target
                .checked_sub(1)
                .is_some_and(|before| self.index_of(before).is_some() && behind_prefix(before))
    }
}

/// How many zeros there are until code may begin again, if they are padding: up to the end of the
/// run or to an aligned address.
fn zero_filler(rest: &[u8], address: u64) -> u8 {
    let limit = rest.len().min(64);
    let zeros = rest[..limit].iter().take_while(|&&byte| byte == 0).count();
    let end = address + zeros as u64;
    if zeros == rest.len() || zeros == 64 || end.is_multiple_of(16) {
        zeros as u8
    } else {
        // The last zeros may belong to an instruction: the ones before an aligned address do not.
        let aligned = (end & !15).saturating_sub(address);
        u8::try_from(aligned).unwrap_or(0)
    }
}
