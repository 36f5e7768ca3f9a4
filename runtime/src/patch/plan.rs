//! From the bytes of a file to what will be done to each of its sites.

use super::around::{Around, Room};
use super::code::Code;
use super::elf::Elf;
use super::fate::Fault;
use super::fixed::FixedCall;
use super::function::Owned;
use super::insn::Entry;
use super::names::Names;
use super::reach::Reached;
use super::shape::{Shape, ShapeSet};
use super::site::{Refusal, Refused, Site};
use crate::arch;
use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;
use goblin::elf64::dynamic::{DF_TEXTREL, DT_FLAGS, DT_TEXTREL};

/// Why a file cannot be patched at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is no ELF64 program or library for this processor.
    NotElf,
}

/// What will be done to a file.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) file: &'a [u8],
    pub(super) shapes: ShapeSet,
    pub(super) sites: Vec<Site>,
    pub(super) refused: Vec<Refused>,
    /// The sites that are functions, by address.
    pub(super) functions: Vec<(u64, Owned)>,
    pub(super) fixed: Vec<FixedCall>,
    pub(super) fault: Option<Fault>,
    pub(super) texts: Vec<Text>,
    pub(super) span: Range<u64>,
}

/// An executable segment, in whole pages.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub range: Range<u64>,
    pub offset: u64,
}

/// The size of a page on every machine that the patched image may be mapped on.
pub(super) const PAGE: u64 = 4096;

/// No stub is longer.
const MAX_STUB: u64 = 256;

/// No island is further behind the file's last segment.
const ISLAND_REACH: u64 = 16 << 20;

/// Finds every candidate of `file`, proves what can be proven, and chooses a shape out of
/// `shapes` for each proven site but those that `skip` names by their address in the file.
pub fn analyze<'a>(
    file: &'a [u8],
    shapes: &ShapeSet,
    skip: &dyn Fn(u64) -> bool,
) -> Result<Plan<'a>, Error> {
    let elf = Elf::parse(file, arch::patch::MACHINE).ok_or(Error::NotElf)?;
    let mut plan = Plan::empty(&elf, shapes);
    let mut candidates = Vec::new();
    for load in elf.loads.iter().filter(|load| load.executable()) {
        let text = elf.slice(load.vaddr, load.filesz).unwrap_or(&[]);
        arch::patch::candidates(text, |at, entry| {
            let vaddr = load.vaddr + at as u64;
            if load.writable() {
                plan.refused.push(Refused { vaddr, entry, reason: Refusal::Writable });
            } else if skip(vaddr) {
                plan.refused.push(Refused { vaddr, entry, reason: Refusal::Skipped });
            } else {
                candidates.push((vaddr, entry));
            }
        });
    }
    if !candidates.is_empty() {
        plan.prove(&elf, &candidates);
    }
    plan.find_fixed(&elf, skip);
    sort::by_key(&mut plan.refused, |refused| refused.vaddr);
    Ok(plan)
}

impl<'a> Plan<'a> {
    fn empty(elf: &Elf<'a>, shapes: &ShapeSet) -> Self {
        let mut span = 0..0;
        if let (Some(first), Some(last)) = (elf.loads.first(), elf.loads.last()) {
            span = first.vaddr & !(PAGE - 1)..(last.vaddr + last.memsz).next_multiple_of(PAGE);
        }
        let texts = elf.loads.iter().filter(|load| load.executable()).map(|load| {
            let skew = load.vaddr % PAGE;
            let range = load.vaddr - skew..load.range().end.next_multiple_of(PAGE);
            Text { range, offset: load.offset.saturating_sub(skew) }
        });
        Self {
            file: elf.data,
            shapes: *shapes,
            sites: Vec::new(),
            refused: Vec::new(),
            functions: Vec::new(),
            fixed: Vec::new(),
            fault: None,
            texts: texts.collect(),
            span,
        }
    }

    fn prove(&mut self, elf: &Elf<'_>, candidates: &[(u64, Entry)]) {
        let mut code = Code::new(elf);
        let mut proven = Vec::new();
        let mut doubted = Vec::new();
        for &(vaddr, entry) in candidates {
            match Self::judge(elf, &mut code, vaddr) {
                Ok(()) => proven.push((vaddr, entry)),
                Err(reason @ (Refusal::Inside | Refusal::Prefixed)) => {
                    self.refuse(vaddr, entry, reason);
                }
                Err(_) => doubted.push((vaddr, entry)),
            }
        }
        if !doubted.is_empty() {
            self.resolve_doubts(elf, &mut code, doubted, &mut proven);
            sort::by_key(&mut proven, |site| site.0);
        }
        if !proven.is_empty() {
            self.choose(elf, &mut code, &proven);
        }
    }

    fn refuse(&mut self, vaddr: u64, entry: Entry, reason: Refusal) {
        self.refused.push(Refused { vaddr, entry, reason });
    }

    /// Candidates in code that no sweep proves: some are never reached, some are reached from
    /// named starts by direct branches alone, and the rest stays in doubt.
    fn resolve_doubts(
        &mut self,
        elf: &Elf<'_>,
        code: &mut Code<'_>,
        mut doubted: Vec<(u64, Entry)>,
        proven: &mut Vec<(u64, Entry)>,
    ) {
        let mut ranges: Vec<_> = doubted.iter().map(|site| code.doubtful(site.0)).collect();
        ranges.dedup();
        let reached = Reached::into_doubtful(elf, code, &ranges);
        doubted.retain(|&(vaddr, entry)| {
            let stays = reached.has(vaddr);
            if !stays {
                self.refuse(vaddr, entry, Refusal::Unreached);
            }
            stays
        });
        // What is in no section of code is not proven by control that seems to come to it.
        if doubted.iter().any(|site| code.marks.code_of(site.0).is_some()) {
            code.explore();
        }
        for (vaddr, entry) in doubted {
            match Self::judge(elf, code, vaddr) {
                Ok(()) => proven.push((vaddr, entry)),
                Err(reason) => self.refuse(vaddr, entry, reason),
            }
        }
    }

    fn judge(elf: &Elf<'_>, code: &mut Code<'_>, vaddr: u64) -> Result<(), Refusal> {
        let run = code.run_of(vaddr).1?;
        let end = vaddr + arch::patch::SITE_LEN;
        let before = run.step_with(vaddr).map(|step| run.address(step));
        let prefixed = |start| elf.slice(start, end - start).is_some_and(arch::patch::is_prefixed);
        match run.index_of(vaddr) {
            Some(_) => Ok(()),
            None if before.is_some_and(prefixed) => Err(Refusal::Prefixed),
            None if run.whole => Err(Refusal::Inside),
            None => Err(Refusal::NoStart),
        }
    }

    fn choose(&mut self, elf: &Elf<'_>, code: &mut Code<'_>, proven: &[(u64, Entry)]) {
        let sites: Vec<u64> = proven.iter().map(|site| site.0).collect();
        let names = Names::collect(elf, code, &sites);
        let padding = code.padding(&|address| names.any_in(address..address + 1));
        let mut room = Room::new(padding, self.island_range(elf, proven.len()));
        for vaddr in sites {
            room.take(vaddr..vaddr + arch::patch::SITE_LEN);
        }
        let mut open: Vec<(u64, Entry)> = proven.to_vec();
        // Restartable sequences (rseq(2)): one whose last instructions lie in a stub is not started anew there.
        let has_sequences = arch::patch::KEEPS_SEQUENCES && elf.section(b"__rseq_cs").is_some();
        let shapes = if has_sequences { self.shapes.without(Shape::Before) } else { self.shapes };
        for turn in [Turn::OwnBytes, Turn::OnlyPadding, Turn::Any] {
            open.retain(|&(vaddr, entry)| {
                let Some(mut around) = surroundings(elf, code, &names, &mut room, vaddr, entry)
                else {
                    return true;
                };
                let Some(site) = Self::fit(&shapes, &mut around, turn) else { return true };
                room.take(site.head..site.tail);
                self.sites.push(site);
                false
            });
        }
        // A start that was found later may have disproved what a sweep proved before.
        for (vaddr, entry) in open {
            let fits = surroundings(elf, code, &names, &mut room, vaddr, entry).is_some();
            let reason = if fits { Refusal::NoShape } else { Refusal::Misaligned };
            self.refuse(vaddr, entry, reason);
        }
        sort::by_key(&mut self.sites, |site| site.vaddr);
    }

    /// Where islands may be: behind the stubs, and not so far that reserving all between costs a
    /// process address space that it would miss. The bytes that an island's address comes from are
    /// the file's own as long as the dynamic linker changes none of them.
    fn island_range(&self, elf: &Elf<'_>, sites: usize) -> Range<u64> {
        let flags = elf.tag(DT_FLAGS).unwrap_or(0);
        if elf.tag(DT_TEXTREL).is_some() || flags & DF_TEXTREL != 0 {
            return 0..0;
        }
        let stubs = (sites as u64 * MAX_STUB).next_multiple_of(PAGE);
        // The link page is behind the stubs.
        let start = self.default_stub_vaddr().saturating_add(stubs + PAGE);
        start..self.span.end.saturating_add(ISLAND_REACH)
    }

    /// The shape of one site out of `shapes`, if this is its turn.
    fn fit(shapes: &ShapeSet, around: &mut Around<'_>, turn: Turn) -> Option<Site> {
        let number = arch::patch::number_before(around);
        let mut fits = |shape| arch::patch::apply(shape, number, around);
        let own = |shape: &Shape| *shape != Shape::Pad && *shape != Shape::Trap;
        // A site that could do without padding only by an island is better off with padding.
        let window = |shape: &Shape| own(shape) && *shape != Shape::Pun;
        match turn {
            Turn::OwnBytes => shapes.iter().take_while(own).find_map(fits),
            Turn::OnlyPadding if shapes.iter().filter(window).any(|s| fits(s).is_some()) => None,
            Turn::OnlyPadding => shapes.iter().find(|s| *s == Shape::Pad).and_then(fits),
            Turn::Any => {
                let site = shapes.iter().find_map(fits);
                let trap = || shapes.allows_traps().then(|| around.site(Shape::Trap, number));
                site.or_else(trap)
            }
        }
    }

    /// The proven sites, by address.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The candidates that stay as they are, by address.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Whether nothing of the file changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.fixed.iter().all(|call| call.load.is_none())
    }
}

/// Padding is shared by all sites in reach of it, so those that nothing else fits come before
/// those that could do without.
#[derive(Clone, Copy)]
enum Turn {
    /// Shapes that come before padding in the set.
    OwnBytes,
    /// Sites that no other shape fits.
    OnlyPadding,
    /// The rest, in the set's order.
    Any,
}

/// A proven site with what its shapes may know.
fn surroundings<'a>(
    elf: &Elf<'a>,
    code: &'a Code<'_>,
    names: &'a Names,
    room: &'a mut Room,
    vaddr: u64,
    entry: Entry,
) -> Option<Around<'a>> {
    let run = code.known(vaddr)?;
    let index = run.index_of(vaddr)?;
    let text = elf.slice(run.range.start, run.range.end - run.range.start)?;
    let indirect = code.is_indirect(run, vaddr);
    Some(Around { text, run, index, vaddr, entry, indirect, names, room })
}
