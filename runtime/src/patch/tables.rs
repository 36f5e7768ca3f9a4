//! Computed jumps: those whose targets can be enumerated no longer stand in a shape's way.
//!
//! A jump to a pointer that was read from memory goes to an address that something else names
//! ([`Flow::JumpIndirect`](super::insn::Flow)), and a tail call to a function. A `switch` of position-independent code adds an
//! entry of a table of distances to the table's own address. The address comes from an operand
//! somewhere in the same run, so every operand of it that could be a table is read as one, and as
//! far as its entries make sense: the true table is never longer than that.

use super::bytes::Reader;
use super::elf::Elf;
use super::run::Run;
use super::starts::Landmarks;
use crate::arch;
use crate::sort;
use alloc::vec::Vec;

/// A table with more entries is not believed.
const MAX_ENTRIES: usize = 4096;

/// Moves what can be resolved from `run.unresolved` to `run.cases`.
pub fn resolve(elf: &Elf<'_>, marks: &Landmarks, run: &mut Run, code: &[u8]) {
    let open = core::mem::take(&mut run.unresolved);
    let mut by_distance = false;
    let mut unresolved = Vec::new();
    for jump in open {
        match run.index_of(jump) {
            Some(index) if arch::patch::is_named_jump(run, code, index) => {}
            Some(index) if arch::patch::distance_jump(run, code, index) => {
                by_distance = true;
                unresolved.push(jump);
            }
            _ => unresolved.push(jump),
        }
    }
    let cases = if by_distance { cases(elf, marks, run, code) } else { None };
    if let Some(cases) = cases.filter(|cases| !cases.is_empty()) {
        let by_distance = |index| arch::patch::distance_jump(run, code, index);
        unresolved.retain(|&jump| !run.index_of(jump).is_some_and(by_distance));
        run.cases = cases;
    }
    run.unresolved = unresolved;
}

/// The targets of every table that the run may use.
fn cases(elf: &Elf<'_>, marks: &Landmarks, run: &Run, code: &[u8]) -> Option<Vec<u64>> {
    let mut bases: Vec<u64> = run
        .steps
        .iter()
        .filter_map(|step| {
            let bytes = code.get(step.offset as usize..)?;
            arch::patch::address_operand(bytes, run.address(step))
        })
        .filter(|&base| base % align_of::<arch::patch::Distance>() as u64 == 0)
        .collect();
    sort::addresses(&mut bases);
    bases.dedup();
    let mut found = Vec::new();
    for base in bases.into_iter().filter(|&base| marks.code_of(base).is_none()) {
        let Some(data) = elf.at(base) else { continue };
        let mut reader = Reader::new(data);
        for count in 0.. {
            let Some(entry) = reader.u32() else { break };
            let target = base.wrapping_add_signed(i64::from(entry as arch::patch::Distance));
            let inside = run.range.contains(&target);
            if marks.code_of(target).is_none() || (inside && run.index_of(target).is_none()) {
                break;
            }
            if count == MAX_ENTRIES {
                return None;
            }
            found.push(target);
        }
    }
    Some(found)
}
