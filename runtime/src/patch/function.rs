//! Functions that stand for system calls: those of the vDSO, which answer without the kernel.
//!
//! Such a function is a site of its own: its first instructions move into a stub, which tests
//! whether a layer owns the function and otherwise makes them and goes on behind them. If one owns
//! it, the stub makes the call, and returns to the function's caller.

use super::code::Code;
use super::elf::Elf;
use super::insn::Entry;
use super::names::Names;
use super::plan::Plan;
use super::run::{Kind, Run};
use super::shape::Shape;
use super::site::{KEEPS_SITE, Site};
use super::starts::symbols;
use crate::arch;
use crate::sort;
use alloc::vec::Vec;

/// A function and the call that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its symbol.
    pub name: &'static str,
    /// The number of its call, which takes the function's arguments.
    pub number: u32,
    /// Whether it keeps a state for its caller, as `getrandom` does (lib/vdso/getrandom.c): what
    /// the caller asks about that state, the function itself answers.
    pub keeps_state: bool,
}

/// A function of a file that can be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The function.
    pub function: Function,
    /// Its place in `arch::patch::FUNCTIONS`, and so that of its byte in the link page.
    pub index: usize,
    /// The address of an instruction of its own that returns to its caller: where a thread is
    /// shown when the call has been made.
    pub leaves: u64,
}

impl Plan<'_> {
    /// Adds the functions of `table` that the file has to its sites. Gives those that cannot be
    /// added: something leads into the instructions that would have to move.
    pub fn own_functions(&mut self, table: &'static [Function]) -> Vec<&'static str> {
        let mut left = Vec::new();
        let Some(elf) = Elf::parse(self.file, arch::patch::MACHINE) else { return left };
        let mut there: Vec<(u64, usize)> = Vec::new();
        for (index, function) in table.iter().enumerate() {
            if let Some(address) = symbols::address(&elf, function.name.as_bytes()) {
                there.push((address, index));
            }
        }
        sort::by(&mut there, |a, b| a < b);
        there.dedup_by_key(|entry| entry.0);
        let mut code = Code::new(&elf);
        let addresses: Vec<u64> = there.iter().map(|entry| entry.0).collect();
        let names = Names::collect(&elf, &mut code, &addresses);
        for (address, index) in there {
            let Some(&function) = table.get(index) else { continue };
            let owned = code
                .known(address)
                .filter(|run| !code.is_indirect(run, address))
                .and_then(|run| head(&elf, run, address, &names).zip(leaves(&elf, run, address)));
            match owned {
                Some((tail, leaves)) if self.is_clear(address, tail) => {
                    self.functions.push((address, Owned { function, index, leaves }));
                    self.sites.push(Site {
                        vaddr: address,
                        entry: Entry::Syscall,
                        shape: Shape::Function,
                        keeps: KEEPS_SITE,
                        number: Some(function.number),
                        head: address,
                        tail,
                        jump: address,
                    });
                }
                _ => left.push(function.name),
            }
        }
        sort::by_key(&mut self.sites, |site| site.vaddr);
        left
    }

    /// Whether no site changes a byte of the range.
    fn is_clear(&self, start: u64, end: u64) -> bool {
        self.sites.iter().all(|site| {
            let jump = site.jump..site.jump.saturating_add(arch::patch::FUNCTION_HEAD);
            let meets = |from: u64, to: u64| from < end && start < to;
            !meets(site.head, site.tail) && !meets(jump.start, jump.end)
        })
    }
}

/// The end of the first instructions of the function at `address` that make room for a jump.
fn head(elf: &Elf<'_>, run: &Run, address: u64, names: &Names) -> Option<u64> {
    let mut end = address;
    for step in run.steps.get(run.index_of(address)?..)? {
        let bytes = elf.slice(run.address(step), u64::from(step.len))?;
        let moves = match step.kind {
            Kind::Movable => true,
            Kind::Branch => arch::patch::can_move_branch(bytes),
            _ => false,
        };
        if !moves {
            return None;
        }
        end += u64::from(step.len);
        if end - address >= arch::patch::FUNCTION_HEAD {
            return (!names.any_in(address + 1..end)).then_some(end);
        }
    }
    None
}

/// The first instruction of the function that returns.
fn leaves(elf: &Elf<'_>, run: &Run, address: u64) -> Option<u64> {
    let steps = run.steps.get(run.index_of(address)?..)?;
    let returns =
        |at: u64, len: u8| elf.slice(at, u64::from(len)).is_some_and(arch::patch::is_return);
    let found = steps.iter().find(|step| returns(run.address(step), step.len))?;
    Some(run.address(found))
}
