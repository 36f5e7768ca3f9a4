//! The code around the candidates: which run each belongs to, decoded once.

use super::elf::Elf;
use super::insn::{Flow, Reference};
use super::reach::Reached;
use super::run::{Kind, Run};
use super::site::Refusal;
use super::starts::Landmarks;
use super::tables;
use crate::arch;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

/// All code of a file, decoded where asked.
pub struct Code<'a> {
    elf: &'a Elf<'a>,
    /// What the file names.
    pub marks: Landmarks,
    /// The starts of runs that an unresolved jump of another run may lead into, in their order.
    entered: Vec<u64>,
    /// Where runs begin, and which of `decoded` each is.
    runs: BTreeMap<u64, usize>,
    decoded: Vec<(Range<u64>, Result<Run, Refusal>)>,
    reached: Option<Reached>,
}

impl<'a> Code<'a> {
    /// Nothing is decoded yet.
    pub fn new(elf: &'a Elf<'a>) -> Self {
        Self {
            elf,
            marks: Landmarks::collect(elf),
            entered: Vec::new(),
            runs: BTreeMap::new(),
            decoded: Vec::new(),
            reached: None,
        }
    }

    /// The range between named starts that contains `address`.
    fn range_of(&self, address: u64) -> Result<Range<u64>, Refusal> {
        let section = self.marks.code_of(address).ok_or(Refusal::NotCode)?;
        if let Some(extent) = self.marks.extent_of(address) {
            return Ok(extent.start..extent.end.min(section.end));
        }
        // Behind the last FDE, code goes on where that one ends.
        let next = self.marks.extents.partition_point(|extent| extent.start <= address);
        let before = next.checked_sub(1).and_then(|index| self.marks.extents.get(index));
        let start = self
            .marks
            .start_before(address)
            .into_iter()
            .chain(before.map(|extent| extent.end))
            .filter(|&start| start >= section.start)
            .max()
            .ok_or(Refusal::NoStart)?;
        let end = self.marks.start_after(address).map_or(section.end, |next| next.min(section.end));
        Ok(start..end)
    }

    /// The run that contains `address`, and its range also where it is not proven.
    pub fn run_of(&mut self, address: u64) -> (Range<u64>, Result<&Run, Refusal>) {
        let index = match self.index_of(address) {
            Some(index) => index,
            None => match self.range_of(address) {
                Err(reason) => return (address..address + 1, Err(reason)),
                Ok(range) => {
                    let run = self.decode(&range);
                    self.runs.insert(range.start, self.decoded.len());
                    self.decoded.push((range, run));
                    self.decoded.len() - 1
                }
            },
        };
        let (range, run) = &self.decoded[index];
        (range.clone(), run.as_ref().map_err(|&reason| reason))
    }

    /// Which of `decoded` contains `address`.
    fn index_of(&self, address: u64) -> Option<usize> {
        let (_, &index) = self.runs.range(..=address).next_back()?;
        self.decoded[index].0.contains(&address).then_some(index)
    }

    /// The proven run that contains `address`, if it was decoded already.
    pub fn known(&self, address: u64) -> Option<&Run> {
        self.decoded[self.index_of(address)?].1.as_ref().ok()
    }

    fn decode(&self, range: &Range<u64>) -> Result<Run, Refusal> {
        let code = self.elf.slice(range.start, range.end - range.start);
        let code = code.ok_or(Refusal::NotCode)?;
        let starts = self.marks.starts_in(range.start + 1..range.end);
        let swept = Run::sweep(code, range.start, starts);
        let mut run = match (&self.reached, swept) {
            (Some(reached), Err(_)) => {
                let addresses = range.clone().filter(|&address| reached.has(address));
                Run::reached(code, range.clone(), addresses)
            }
            (_, swept) => swept,
        }?;
        tables::resolve(self.elf, &self.marks, &mut run, code);
        Ok(run)
    }

    /// Follows control from every named start, and makes a start of whatever a direct call
    /// reaches. All runs are decoded anew afterwards.
    pub fn explore(&mut self) {
        let mut called = Vec::new();
        let starts = self.marks.starts.clone();
        let reached = Reached::follow(self.elf, starts, &|_| true, false, &mut called);
        let elf = self.elf;
        self.marks.add_starts(called.into_iter().filter(|&start| elf.is_text(start)));
        self.reached = Some(reached);
        self.runs.clear();
        self.decoded.clear();
    }

    /// The range around a candidate for which there is no proof: between two starts, or between
    /// two sections of code.
    pub fn doubtful(&self, address: u64) -> Range<u64> {
        if let Ok(range) = self.range_of(address) {
            return range;
        }
        let load = self.elf.load_of(address).map_or(address..address + 1, |load| load.range());
        let code = &self.marks.code;
        let next = code.partition_point(|range| range.start <= address);
        let from = next.checked_sub(1).and_then(|last| code.get(last)).map_or(0, |last| last.end);
        let to = code.get(next).map_or(u64::MAX, |next| next.start);
        load.start.max(from.min(address))..load.end.min(to)
    }

    /// Whether the function that contains `site` has an indirect jump that may lead anywhere
    /// inside it, or landing pads that could not be read.
    pub fn is_indirect(&self, run: &Run, site: u64) -> bool {
        if self.entered.binary_search(&run.range.start).is_ok() {
            return true;
        }
        if let Some(extent) = self.marks.extent_of(site) {
            return extent.opaque || !run.unresolved.is_empty();
        }
        if run.unresolved.is_empty() {
            return false;
        }
        // Without an FDE, functions begin at named starts and where calls of the run lead.
        let starts = self.marks.starts_in(run.range.clone());
        let (mut from, mut to) = (run.range.start, run.range.end);
        for list in [starts, &run.calls] {
            let next = list.partition_point(|&start| start <= site);
            from =
                next.checked_sub(1).and_then(|last| list.get(last)).map_or(from, |&s| from.max(s));
            to = list.get(next).map_or(to, |&start| to.min(start));
        }
        run.unresolved.iter().any(|&jump| from <= jump && jump < to)
    }

    /// Whether the bytes of a reference may be an instruction that makes it: not if they are a
    /// part of another instruction of proven code.
    pub fn confirms(&mut self, reference: &Reference) -> bool {
        let elf = self.elf;
        let Ok(run) = self.run_of(reference.source).1 else { return true };
        let Some(step) = run.step_with(reference.source) else { return !run.whole };
        let address = run.address(step);
        let insn = elf.at(address).and_then(|bytes| arch::patch::decode(bytes, address));
        insn.is_none_or(|insn| match insn.flow {
            Flow::Branch(target) | Flow::Jump(target) | Flow::Call(target) => {
                target == reference.target
            }
            _ => insn.relative != 0,
        })
    }

    /// A jump at `source` leads into the middle of the run that contains `target`, so both may be
    /// parts of one function, as compilers split the unlikely part off: the cases of the one may
    /// be in the other. `add` gets what is known of them.
    pub fn join(&mut self, source: u64, target: u64, add: &mut dyn FnMut(u64)) {
        let unresolved = match self.run_of(source).1 {
            Ok(run) => match run.step_with(source) {
                Some(step) if matches!(step.kind, Kind::Branch | Kind::End) => {
                    run.cases.iter().for_each(|&case| add(case));
                    !run.unresolved.is_empty()
                }
                // The bytes of a jump inside another instruction.
                Some(_) => false,
                None => !run.whole,
            },
            Err(_) => true,
        };
        if unresolved {
            let start = self.run_of(target).0.start;
            if let Err(place) = self.entered.binary_search(&start) {
                self.entered.insert(place, start);
            }
        }
    }

    /// Decodes everything within `range`, and gives every address that a short branch there
    /// names. Where code is not proven, every byte counts as a branch's first.
    pub fn short_targets(&mut self, range: Range<u64>, add: &mut dyn FnMut(u64)) {
        let mut at = range.start;
        while at < range.end {
            let text = self.elf.at(at);
            let (bounds, run) = self.run_of(at);
            let whole = match run {
                Ok(run) => {
                    run.targets.iter().chain(&run.cases).for_each(|&target| add(target));
                    run.whole
                }
                Err(_) => false,
            };
            let end = bounds.end.min(range.end).max(at + 1);
            if !whole {
                for address in at..end {
                    let rest = text.and_then(|text| text.get((address - at) as usize..));
                    rest.and_then(|rest| arch::patch::short_branch(rest, address))
                        .into_iter()
                        .for_each(&mut *add);
                }
            }
            at = end;
        }
    }

    /// Filler that control never reaches: behind an end, up to the next instruction that is none.
    /// `named` says which addresses something names. Only what was decoded counts.
    pub fn padding(&self, named: &dyn Fn(u64) -> bool) -> Vec<Range<u64>> {
        let mut found: Vec<Range<u64>> = Vec::new();
        let mut open: Option<Range<u64>> = None;
        // Where the last instruction ended if control does not go on behind it.
        let mut dead = None;
        let decoded = self.runs.values().map(|&index| &self.decoded[index]);
        for run in decoded.filter_map(|(_, run)| run.as_ref().ok()) {
            for step in &run.steps {
                let at = run.address(step);
                let next = at + u64::from(step.len);
                let filler = step.kind == Kind::Filler;
                if dead == Some(at) && filler && !named(at) {
                    let from = open.take().map_or(at, |pad| pad.start);
                    open = Some(from..next);
                    dead = Some(next);
                    continue;
                }
                found.extend(open.take().filter(|pad| self.is_outside(run, pad, dead == Some(at))));
                dead = (step.kind == Kind::End).then_some(next);
            }
        }
        found.extend(open);
        found
    }

    /// Whether filler that ends at `run` or inside it is of no function whose indirect jumps are
    /// unknown.
    fn is_outside(&self, run: &Run, pad: &Range<u64>, adjacent: bool) -> bool {
        let begins = |address: u64| {
            self.marks.starts.binary_search(&address).is_ok()
                || run.calls.binary_search(&address).is_ok()
        };
        (adjacent && begins(pad.end))
            || !run.range.contains(&pad.start)
            || !self.is_indirect(run, pad.start)
    }
}
