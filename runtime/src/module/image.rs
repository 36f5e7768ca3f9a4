//! A module's file is judged, and laid out by its addresses: [`Prepared`] says which pieces there are and what
//! each relocated word becomes.

use core::mem::offset_of;

use alloc::vec::Vec;
use goblin::elf64::dynamic::{
    DT_FLAGS, DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, DT_NEEDED, DT_STRTAB, DT_TEXTREL,
};
use vload_module::abi::service::ServiceOperations;
use vload_module::abi::{self, Module, RawOperations};

use super::Refusal;
use super::offered;
use super::prepared;
use super::prepared::{Base, LARGEST, NAME, PAGE, Piece, Prepared, Relocation, SEGMENTS};
use crate::arch;
use crate::patch::Meaning;
use crate::patch::bytes::{Reader, WORD, slice, u32_at, u64_at, word_at};
use crate::patch::elf::{Elf, Segment};
use crate::patch::raw::program_header::{PF_W, PF_X, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_TLS};
use crate::patch::starts::{relocations, symbols};

/// `DF_TEXTREL`.
const TEXTREL: u64 = 4;

/// Where the operations of a raw module have `call`, `numbers` and `count`, and where those of a service.
const RAW_CALL: [usize; 3] = [
    offset_of!(RawOperations, call),
    offset_of!(RawOperations, numbers),
    offset_of!(RawOperations, count),
];
const SERVICE_CALL: [usize; 3] = [
    offset_of!(ServiceOperations, call),
    offset_of!(ServiceOperations, numbers),
    offset_of!(ServiceOperations, count),
];

/// What [`judge`] finds offered.
pub trait Offers {
    /// What the symbol of that name is, if there is one.
    fn find(&self, name: &[u8]) -> Option<(Base, u64)>;
}

/// A file that can be loaded.
pub struct Plan<'a> {
    elf: Elf<'a>,
    /// What goes before the image.
    pub prepared: Prepared,
    relocations: Vec<Relocation>,
    /// The calls that its layers want by the native entry; `None`: every call. A service's own, beside what all services want.
    pub wants: Option<Vec<u64>>,
    /// The arguments that it takes, with commas between them.
    pub keys: &'a [u8],
}

/// Judges a file. `offers` says what it can be linked to; it is asked about what the file does not
/// define itself.
pub fn judge<'a>(file: &'a [u8], offers: &dyn Offers) -> Result<Plan<'a>, Refusal<'a>> {
    let elf = Elf::parse(file, arch::patch::MACHINE).ok_or(Refusal::NotShared)?;
    if elf.kind != goblin::elf64::header::ET_DYN {
        return Err(Refusal::NotShared);
    }
    let prepared = lay_out(&elf)?;
    look_at_dynamic(&elf)?;
    let module = symbols::address(&elf, abi::SYMBOL.as_bytes()).ok_or(Refusal::NoModule)?;
    let mut plan =
        Plan { prepared, relocations: Vec::new(), wants: Some(Vec::new()), keys: b"", elf };
    plan.relocate(offers)?;
    plan.read_module(module)?;
    plan.place();
    plan.prepared.vectors = super::instructions::judge(&plan.elf)?;
    Ok(plan)
}

fn lay_out<'a>(elf: &Elf<'a>) -> Result<Prepared, Refusal<'a>> {
    let mut prepared = Prepared { made_for: offered::KEY, ..Prepared::NOTHING };
    for Segment { kind, flags, vaddr, memsz, offset, filesz } in Segment::all(elf.data) {
        let end = vaddr.checked_add(memsz).ok_or(Refusal::Broken)?;
        slice(elf.data, offset, filesz).ok_or(Refusal::Broken)?;
        match kind {
            PT_INTERP => return Err(Refusal::Program),
            PT_TLS if memsz != 0 => return Err(Refusal::ThreadLocal),
            PT_LOAD if flags & (PF_W | PF_X) == PF_W | PF_X => return Err(Refusal::WritableText),
            // Only whole pages can be made read-only.
            PT_GNU_RELRO => prepared.relro = [vaddr & !(PAGE - 1), end & !(PAGE - 1)],
            _ => {}
        }
    }
    let first = elf.loads.first().ok_or(Refusal::Layout)?;
    // So that the headers are in what is laid out.
    let headers = Segment::place(elf.data, Segment::all(elf.data).count()).unwrap_or(usize::MAX);
    let headed = first.vaddr == 0 && first.offset == 0 && first.filesz >= headers as u64;
    if !headed || elf.loads.len() > SEGMENTS {
        return Err(Refusal::Layout);
    }
    for (piece, load) in prepared.pieces.iter_mut().zip(&elf.loads) {
        let start = load.vaddr & !(PAGE - 1);
        let end = (load.vaddr + load.memsz).next_multiple_of(PAGE);
        if start < prepared.span {
            return Err(Refusal::Layout);
        }
        if end > LARGEST {
            return Err(Refusal::Large);
        }
        *piece = Piece { start, end, flags: u64::from(load.flags) };
        prepared.span = end;
    }
    let [start, end] = prepared.relro;
    let inside = |piece: &Piece| {
        piece.flags & u64::from(PF_W) != 0 && piece.start <= start && end <= piece.end
    };
    if start < end && !prepared.pieces.iter().any(inside) {
        return Err(Refusal::Broken);
    }
    Ok(prepared)
}

fn look_at_dynamic<'a>(elf: &Elf<'a>) -> Result<(), Refusal<'a>> {
    if let Some(name) = elf.tag(DT_NEEDED) {
        return Err(Refusal::Library(text(
            elf,
            elf.tag(DT_STRTAB).unwrap_or(0).wrapping_add(name),
        )?));
    }
    if elf.tag(DT_TEXTREL).is_some() || elf.tag(DT_FLAGS).unwrap_or(0) & TEXTREL != 0 {
        return Err(Refusal::WritableText);
    }
    // 0 is what linkers write where there is no such function.
    match elf.tag(DT_INIT) {
        Some(init) if init != 0 => Err(Refusal::StartFiles),
        _ => Ok(()),
    }
}

/// The string at `vaddr`.
fn text<'a>(elf: &Elf<'a>, vaddr: u64) -> Result<&'a [u8], Refusal<'a>> {
    let rest = elf.at(vaddr).ok_or(Refusal::Broken)?;
    Reader::new(rest).text().ok_or(Refusal::Broken)
}

/// The address of a symbol that the file of a framework exports.
pub fn export(file: &[u8], name: &[u8]) -> Option<u64> {
    symbols::address(&Elf::parse(file, arch::patch::MACHINE)?, name)
}

impl<'a> Plan<'a> {
    /// The words that depend on where things are mapped.
    pub fn relocations(&self) -> &[Relocation] {
        &self.relocations
    }

    /// Bytes that [`write`](Self::write) writes.
    pub fn length(&self) -> usize {
        (self.prepared.start + self.prepared.span) as usize
    }

    /// The word of the file at `vaddr`.
    fn word(&self, vaddr: u64) -> Option<u64> {
        word_at(self.elf.slice(vaddr, WORD as u64)?, 0)
    }

    /// Collects what is to be added where.
    fn relocate(&mut self, offers: &dyn Offers) -> Result<(), Refusal<'a>> {
        let mut found: Vec<relocations::Relocation> = Vec::new();
        relocations::each(&self.elf, &mut |relocation| found.push(relocation));
        for relocation in found {
            let relocations::Relocation { offset, kind, symbol, addend } = relocation;
            let (base, value) = match arch::patch::meaning(kind) {
                Meaning::Nothing => continue,
                Meaning::Relative => (Base::Own, addend),
                Meaning::Symbol { added } => {
                    let (base, value) = self.symbol(symbol, offers)?;
                    (base, if added { value.wrapping_add(addend) } else { value })
                }
                Meaning::Unknown => return Err(Refusal::Relocation(kind)),
            };
            self.add(offset, base, value)?;
        }
        let mut packed = Vec::new();
        relocations::each_packed(&self.elf, &mut |at| packed.push(at));
        for at in packed {
            // What no file holds is zero.
            let value = self.word(at).unwrap_or(0);
            self.add(at, Base::Own, value)?;
        }
        let constructors = self.elf.tag(DT_INIT_ARRAY).unwrap_or(0);
        let length = self.elf.tag(DT_INIT_ARRAYSZ).unwrap_or(0);
        if length != 0 {
            let whole = self.elf.slice(constructors, length).ok_or(Refusal::Broken)?;
            self.prepared.constructors = [constructors, constructors + whole.len() as u64];
        }
        self.prepared.relocations = self.relocations.len() as u64;
        Ok(())
    }

    /// Finds where the image begins.
    fn place(&mut self) {
        let numbers = self.wants.as_ref().map_or(0, Vec::len);
        self.prepared.numbers = self.wants.as_ref().map_or(u64::MAX, |wants| wants.len() as u64);
        let table = size_of::<Prepared>()
            + size_of::<Relocation>() * self.relocations.len()
            + size_of::<u64>() * numbers;
        self.prepared.start = (table as u64).next_multiple_of(PAGE);
    }

    /// Adds a relocation, of a word in a writable piece.
    fn add(&mut self, at: u64, base: Base, add: u64) -> Result<(), Refusal<'a>> {
        let writable = |piece: &Piece| piece.flags & u64::from(PF_W) != 0;
        let end = at.checked_add(WORD as u64).ok_or(Refusal::Broken)?;
        let inside = |piece: &&Piece| piece.start <= at && end <= piece.end;
        match self.prepared.pieces.iter().find(inside) {
            Some(piece) if writable(piece) && at.is_multiple_of(WORD as u64) => {}
            Some(piece) if !writable(piece) => return Err(Refusal::WritableText),
            _ => return Err(Refusal::Broken),
        }
        self.relocations.push(Relocation { at: at as u32, base: base.code(), add });
        Ok(())
    }

    fn symbol(&self, index: u64, offers: &dyn Offers) -> Result<(Base, u64), Refusal<'a>> {
        if index == 0 {
            return Ok((Base::Own, 0));
        }
        let symbol = symbols::Symbol::at(&self.elf, index).ok_or(Refusal::Broken)?;
        if let Some(address) = symbol.address {
            return Ok((Base::Own, address));
        }
        match offers.find(symbol.name) {
            Some(found) => Ok(found),
            None if symbol.weak => Ok((Base::Nothing, 0)),
            None => Err(Refusal::Symbol(symbol.name)),
        }
    }

    /// Reads what the image says of itself, at `at`.
    fn read_module(&mut self, at: u64) -> Result<(), Refusal<'a>> {
        let bytes = self.elf.slice(at, size_of::<Module>() as u64);
        let bytes = bytes.ok_or(Refusal::Field("it is not in the file"))?;
        let number = |field| u64_at(bytes, field).unwrap_or(0);
        let half = |field| u32_at(bytes, field).unwrap_or(0);
        if number(offset_of!(Module, magic)) != abi::MAGIC {
            return Err(Refusal::Field("magic"));
        }
        let version = half(offset_of!(Module, version));
        let kind = half(offset_of!(Module, kind));
        match kind {
            abi::FRAMEWORK if version != abi::LAYOUT => return Err(Refusal::OtherBuild),
            abi::FRAMEWORK => {}
            _ if version != abi::VERSION => return Err(Refusal::Version(version)),
            _ => {}
        }
        self.prepared.module = at;
        self.prepared.kind = u64::from(kind);
        self.prepared.flags = number(offset_of!(Module, flags));
        self.prepared.area = number(offset_of!(Module, area));
        if !matches!(kind, abi::RAW | abi::SERVICE | abi::FRAMEWORK) {
            return Err(Refusal::Field("kind"));
        }
        if self.prepared.flags & !abi::LOOKS_ONLY != 0 {
            return Err(Refusal::Field("flags"));
        }
        if !at.is_multiple_of(align_of::<Module>() as u64) {
            return Err(Refusal::Field("alignment"));
        }
        let name = self.pointed(at + offset_of!(Module, name) as u64)?;
        let known = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() >= NAME || !name.iter().all(known) {
            return Err(Refusal::Field("name"));
        }
        self.prepared.name[..name.len()].copy_from_slice(name);
        let description = self.pointed(at + offset_of!(Module, description) as u64)?;
        let room = &mut self.prepared.description;
        let length = description.len().min(room.len() - 1);
        room[..length].copy_from_slice(&description[..length]);
        self.keys = self.pointed(at + offset_of!(Module, keys) as u64)?;
        let operations = self.address(at + offset_of!(Module, operations) as u64);
        let operations = operations.ok_or(Refusal::Field("operations"))?;
        let (size, fields) = match kind {
            abi::RAW => (size_of::<RawOperations>(), RAW_CALL),
            abi::SERVICE => (size_of::<ServiceOperations>(), SERVICE_CALL),
            _ => return Ok(()),
        };
        let is_there = self.elf.slice(operations, size as u64).is_some();
        if !is_there || !operations.is_multiple_of(WORD as u64) {
            return Err(Refusal::Field("operations"));
        }
        let wants = self.numbers(operations, fields).ok_or(Refusal::Field("numbers"))?;
        if wants.is_none() && kind == abi::SERVICE {
            return Err(Refusal::Field("numbers"));
        }
        self.wants = wants;
        Ok(())
    }

    /// The calls that a module wants by their numbers; `None` within: every call.
    fn numbers(
        &self,
        operations: u64,
        [call, numbers, count]: [usize; 3],
    ) -> Option<Option<Vec<u64>>> {
        let field = |field: usize| operations.checked_add(field as u64);
        let has_call = self.address(field(call)?).is_some();
        let count = self.word(field(count)?)? as usize;
        match count {
            // A service may do without.
            0 if has_call || call == SERVICE_CALL[0] => return Some(Some(Vec::new())),
            _ if !has_call => return None,
            usize::MAX => return Some(None),
            _ => {}
        }
        let first = self.address(field(numbers)?)?;
        let words = self.elf.slice(first, count.checked_mul(WORD)? as u64)?.chunks_exact(WORD);
        Some(Some(words.filter_map(|word| word_at(word, 0)).collect()))
    }

    /// The address in the image that the word at `vaddr` becomes.
    fn address(&self, vaddr: u64) -> Option<u64> {
        self.relocation(vaddr).filter(|to| to.base == Base::Own.code()).map(|to| to.add)
    }

    /// What the word at `vaddr` becomes, if it is relocated.
    fn relocation(&self, vaddr: u64) -> Option<&Relocation> {
        self.relocations.iter().rfind(|relocation| u64::from(relocation.at) == vaddr)
    }

    /// The string that the word at `vaddr` points to; empty for a null pointer.
    fn pointed(&self, vaddr: u64) -> Result<&'a [u8], Refusal<'a>> {
        match self.address(vaddr) {
            Some(at) => text(&self.elf, at),
            None if self.word(vaddr) == Some(0) => Ok(b""),
            None => Err(Refusal::Broken),
        }
    }

    /// Writes what is stored to `room`, which is [`length`](Self::length) bytes of zeros.
    ///
    /// `framework` is the key of the framework that it was linked to, 0 for none. Gives its own key.
    pub fn write(&self, room: &mut [u8], framework: u64) -> u64 {
        self.fill(room);
        room[offset_of!(Prepared, framework)..][..8].copy_from_slice(&framework.to_ne_bytes());
        let sum = prepared::sum(room);
        room[offset_of!(Prepared, key)..][..8].copy_from_slice(&sum.to_ne_bytes());
        sum
    }

    fn fill(&self, room: &mut [u8]) {
        let (table, image) = room.split_at_mut(self.prepared.start as usize);
        let (head, table) = table.split_at_mut(size_of::<Prepared>());
        head.copy_from_slice(bytes_of(core::slice::from_ref(&self.prepared)));
        let relocations = bytes_of(&self.relocations);
        let (first, table) = table.split_at_mut(relocations.len());
        first.copy_from_slice(relocations);
        let numbers = bytes_of(self.wants.as_deref().unwrap_or(&[]));
        table[..numbers.len()].copy_from_slice(numbers);
        for load in &self.elf.loads {
            let from = slice(self.elf.data, load.offset, load.filesz).unwrap_or(&[]);
            image[load.vaddr as usize..][..from.len()].copy_from_slice(from);
        }
    }
}

/// The bytes of integers without padding.
fn bytes_of<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: it is called with `Prepared`, `Relocation` and `u64`, which are integers without padding.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
