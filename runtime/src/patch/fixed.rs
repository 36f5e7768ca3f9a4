//! Calls of the functions that a kernel has at fixed addresses: the `[vsyscall]` page of x86-64,
//! which nothing can be written to. Code loads the address and calls it. Where that is proven, the
//! load is replaced by one of the address of a stub that makes the call.

use super::code::Code;
use super::elf::Elf;
use super::plan::Plan;
use super::run::{Kind, Run};
use crate::arch;

/// An instruction that loads such an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The register.
    pub register: u8,
    /// The number of the call that the function makes.
    pub number: u32,
    /// The instruction's length.
    pub len: u8,
}

/// A place in code or data that names such an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedCall {
    /// The address of the load; where it is not proven to be one, that of the bytes.
    pub vaddr: u64,
    /// The load, if what it loads is proven to be called, and for nothing else.
    pub load: Option<Load>,
}

impl Plan<'_> {
    /// Notes every place that names a fixed address. The sites are chosen already: what moves with
    /// one is left alone, and so is what `skip` names.
    pub(super) fn find_fixed(&mut self, elf: &Elf<'_>, skip: &dyn Fn(u64) -> bool) {
        let mut found = alloc::vec::Vec::new();
        for load in &elf.loads {
            let bytes = elf.slice(load.vaddr, load.filesz).unwrap_or(&[]);
            let text = load.executable() && !load.writable();
            arch::patch::fixed_addresses(bytes, load.executable(), |at| {
                found.push((load.vaddr + at as u64, text))
            });
        }
        if found.is_empty() {
            return;
        }
        let mut code = Code::new(elf);
        for (at, text) in found {
            let run = code.run_of(at).1.ok().filter(|_| text);
            let proven = run.and_then(|run| prove(elf, run, at)).filter(|(vaddr, load)| {
                let end = vaddr + u64::from(load.len);
                let moved = self.sites.iter().any(|site| site.head < end && *vaddr < site.tail);
                !moved && !skip(*vaddr)
            });
            self.fixed.push(match proven {
                Some((vaddr, load)) => FixedCall { vaddr, load: Some(load) },
                None => FixedCall { vaddr: at, load: None },
            });
        }
    }

    /// The places that name an address of the kernel's.
    #[must_use]
    pub fn fixed(&self) -> &[FixedCall] {
        &self.fixed
    }
}

/// The load with the bytes at `at` in it, if straight code leads from it to a call of what was
/// loaded. The register is one that the call may overwrite, so nothing later reads it.
fn prove(elf: &Elf<'_>, run: &Run, at: u64) -> Option<(u64, Load)> {
    let step = run.step_with(at)?;
    let vaddr = run.address(step);
    let load = arch::patch::fixed_load(elf.slice(vaddr, u64::from(step.len))?)?;
    let next = run.index_of(vaddr)? + 1;
    for step in run.steps.get(next..)? {
        let address = run.address(step);
        let bytes = elf.slice(address, u64::from(step.len))?;
        if arch::patch::calls_register(bytes, load.register) {
            return Some((vaddr, load));
        }
        let stays = step.kind == Kind::Filler
            || step.kind == Kind::Movable
                && arch::patch::keeps_register(bytes, address, load.register);
        if !stays {
            return None;
        }
    }
    None
}
