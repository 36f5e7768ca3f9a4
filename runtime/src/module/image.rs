//! A module's file is judged once, when it is loaded into a session, and laid out in the session's memory
//! by its addresses. What a process does with it is then no more than to map and to add: [`Prepared`]
//! says which pieces there are and what each relocated word becomes.
//!
//! ```text
//! Prepared | relocations | … page | the image, as long as its addresses reach
//! ```

use core::mem::offset_of;
use core::ops::Range;

use alloc::vec::Vec;
use goblin::elf64::dynamic::{
    DT_FLAGS, DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, DT_NEEDED, DT_STRTAB, DT_TEXTREL,
};
use vload_module::abi::{self, Module};

use super::Refusal;
use crate::arch;
use crate::patch::Meaning;
use crate::patch::bytes::{Reader, WORD, slice, u32_at, u64_at, word_at};
use crate::patch::elf::{Elf, Segment};
use crate::patch::raw::program_header::{
    PF_W, PF_X, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_TLS, ProgramHeader, SIZEOF_PHDR,
};
use crate::patch::starts::{relocations, symbols};

/// The unit of mappings.
const PAGE: u64 = 4096;
/// Segments that an image can have.
const SEGMENTS: usize = 8;
/// The longest image.
const LARGEST: u64 = 64 << 20;
/// The longest name of a module, with its zero.
const NAME: usize = 32;
/// `DF_TEXTREL`.
const TEXTREL: u64 = 4;

/// A piece of an image with one protection.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its first address, a multiple of the page size.
    pub start: u64,
    /// One past its last.
    pub end: u64,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub flags: u64,
}

/// What a word's value is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// From zero.
    Nothing,
    /// From the image itself.
    Own,
    /// From the image of the framework.
    Framework,
    /// From a function of vload's, by its place in the table.
    Offered(u32),
}

impl Base {
    /// As a relocation in an image has it.
    fn code(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Own => 1,
            Self::Framework => 2,
            Self::Offered(index) => index + 3,
        }
    }

    fn of_code(code: u32) -> Self {
        match code {
            0 => Self::Nothing,
            1 => Self::Own,
            2 => Self::Framework,
            more => Self::Offered(more - 3),
        }
    }
}

/// A word that depends on where things are mapped.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relocation {
    at: u32,
    base: u32,
    add: u64,
}

/// What a process needs to know of an image.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct Prepared {
    /// Bytes that it takes in memory, a multiple of the page size.
    pub span: u64,
    /// Where in what is stored the image begins.
    pub start: u64,
    /// Where its `vload_module` is.
    pub module: u64,
    /// What can be made read-only once it is relocated.
    pub relro: [u64; 2],
    /// The array of its constructors: its first byte, and one past its last.
    pub constructors: [u64; 2],
    /// How many relocations follow.
    pub relocations: u64,
    /// The pieces; those that are empty are none.
    pub pieces: [Piece; SEGMENTS],
}

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
    /// `abi::RAW`, `abi::SERVICE` or `abi::FRAMEWORK`.
    pub kind: u32,
    /// Its flags.
    pub flags: u64,
    /// Bytes of session memory that each layer of it has.
    pub area: u64,
    /// The module's name.
    pub name: &'a [u8],
    /// What it does.
    pub description: &'a [u8],
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
    let mut plan = Plan {
        prepared,
        relocations: Vec::new(),
        kind: 0,
        flags: 0,
        area: 0,
        name: b"",
        description: b"",
        keys: b"",
        elf,
    };
    plan.relocate(offers)?;
    plan.read_module()?;
    super::instructions::judge(&plan.elf)?;
    Ok(plan)
}

fn lay_out<'a>(elf: &Elf<'a>) -> Result<Prepared, Refusal<'a>> {
    let mut prepared = Prepared::default();
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

impl<'a> Plan<'a> {
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
        let table = size_of::<Prepared>() + size_of::<Relocation>() * self.relocations.len();
        self.prepared.start = (table as u64).next_multiple_of(PAGE);
        self.prepared.relocations = self.relocations.len() as u64;
        Ok(())
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

    /// Reads what the image says of itself.
    fn read_module(&mut self) -> Result<(), Refusal<'a>> {
        let at = symbols::address(&self.elf, abi::SYMBOL.as_bytes()).ok_or(Refusal::NoModule)?;
        let bytes = self.elf.slice(at, size_of::<Module>() as u64);
        let bytes = bytes.ok_or(Refusal::Field("it is not in the file"))?;
        let number = |field| u64_at(bytes, field).unwrap_or(0);
        let half = |field| u32_at(bytes, field).unwrap_or(0);
        if number(offset_of!(Module, magic)) != abi::MAGIC {
            return Err(Refusal::Field("magic"));
        }
        let version = half(offset_of!(Module, version));
        if version != abi::VERSION {
            return Err(Refusal::Version(version));
        }
        self.prepared.module = at;
        self.kind = half(offset_of!(Module, kind));
        self.flags = number(offset_of!(Module, flags));
        self.area = number(offset_of!(Module, area));
        if !matches!(self.kind, abi::RAW | abi::SERVICE | abi::FRAMEWORK) {
            return Err(Refusal::Field("kind"));
        }
        if self.flags & !abi::LOOKS_ONLY != 0 {
            return Err(Refusal::Field("flags"));
        }
        if at % align_of::<Module>() as u64 != 0 {
            return Err(Refusal::Field("alignment"));
        }
        self.name = self.pointed(at + offset_of!(Module, name) as u64)?;
        let known = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.name.is_empty() || self.name.len() >= NAME || !self.name.iter().all(known) {
            return Err(Refusal::Field("name"));
        }
        self.description = self.pointed(at + offset_of!(Module, description) as u64)?;
        self.keys = self.pointed(at + offset_of!(Module, keys) as u64)?;
        if self.relocation(at + offset_of!(Module, operations) as u64).is_none() {
            return Err(Refusal::Field("operations"));
        }
        Ok(())
    }

    /// What the word at `vaddr` becomes, if it is relocated.
    fn relocation(&self, vaddr: u64) -> Option<&Relocation> {
        self.relocations.iter().rfind(|relocation| u64::from(relocation.at) == vaddr)
    }

    /// The string that the word at `vaddr` points to; empty for a null pointer.
    fn pointed(&self, vaddr: u64) -> Result<&'a [u8], Refusal<'a>> {
        match self.relocation(vaddr) {
            Some(to) if to.base == Base::Own.code() => text(&self.elf, to.add),
            None if self.word(vaddr) == Some(0) => Ok(b""),
            _ => Err(Refusal::Broken),
        }
    }

    /// Writes what is stored to `room`, which is [`length`](Self::length) bytes of zeros. Its program headers say
    /// afterwards that it is a file as it is in memory.
    pub fn write(&self, room: &mut [u8]) {
        let (table, image) = room.split_at_mut(self.prepared.start as usize);
        let (head, table) = table.split_at_mut(size_of::<Prepared>());
        head.copy_from_slice(bytes_of(core::slice::from_ref(&self.prepared)));
        let relocations = bytes_of(&self.relocations);
        table[..relocations.len()].copy_from_slice(relocations);
        for load in &self.elf.loads {
            let from = slice(self.elf.data, load.offset, load.filesz).unwrap_or(&[]);
            image[load.vaddr as usize..][..from.len()].copy_from_slice(from);
        }
        for (index, segment) in Segment::all(self.elf.data).enumerate() {
            let at = Segment::place(self.elf.data, index).unwrap_or(usize::MAX);
            let Some(header) = image.get_mut(at..).and_then(|rest| rest.get_mut(..SIZEOF_PHDR))
            else {
                continue;
            };
            let mut put = |field: usize, value: u64| {
                header[field..field + WORD].copy_from_slice(&value.to_le_bytes()[..WORD]);
            };
            put(offset_of!(ProgramHeader, p_offset), segment.vaddr);
            put(offset_of!(ProgramHeader, p_filesz), segment.memsz);
        }
    }
}

/// The bytes of integers without padding.
fn bytes_of<T: Copy>(values: &[T]) -> &[u8] {
    // SAFETY: `Prepared` and `Relocation` are made of integers that leave no padding.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

impl Prepared {
    /// What is stored at `start`.
    ///
    /// # Safety
    /// A [`Plan`] must have been written there, and stay.
    pub unsafe fn at(start: usize) -> &'static Self {
        // SAFETY: the caller's promise.
        unsafe { &*(start as *const Self) }
    }

    /// The relocations behind it.
    ///
    /// # Safety
    /// It must be where a [`Plan`] was written.
    pub unsafe fn relocations(&self) -> &[Relocation] {
        let first = core::ptr::from_ref(self).wrapping_add(1).cast();
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(first, self.relocations as usize) }
    }

    /// The addresses of the writable pieces.
    pub fn is_writable(&self, addresses: Range<u64>) -> bool {
        let holds = |piece: &Piece| {
            piece.flags & u64::from(PF_W) != 0
                && piece.start <= addresses.start
                && addresses.end <= piece.end
        };
        self.pieces.iter().any(holds)
    }
}

impl Relocation {
    /// Where the word is, and its value where things are at the addresses that `base` gives.
    pub fn value(&self, base: impl FnOnce(Base) -> usize) -> (usize, usize) {
        (self.at as usize, base(Base::of_code(self.base)).wrapping_add(self.add as usize))
    }
}
