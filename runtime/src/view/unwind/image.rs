//! The image: an ELF file as a debugger takes one from memory. Its addresses are what they are in the process.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::size_of;
use core::sync::atomic::Ordering;

use super::vdso::{self, Vdso};
use super::{CIE, Description, STUBS, Unwinding};
use crate::arch;
use crate::memory::guard;
use crate::patch::raw::section_header::{
    SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS, SHT_STRTAB, SHT_SYMTAB,
};
use crate::patch::raw::sym::{STB_GLOBAL, STT_FUNC};
use crate::sys;
use crate::text;
use crate::thread::POOL;
use linux_raw_sys::elf::{Elf_Ehdr, Elf_Phdr, Elf_Sym, PF_R, PT_LOAD};

/// `st_info` of a function that others see.
const FUNCTION: u8 = STB_GLOBAL << 4 | STT_FUNC;
/// `sh_flags` of text.
const TEXT_FLAGS: usize = (SHF_ALLOC | SHF_EXECINSTR) as usize;

const PAGE: usize = 4096;

/// A section header (elf.h; both classes).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Section {
    name: u32,
    kind: u32,
    flags: usize,
    address: usize,
    offset: usize,
    size: usize,
    link: u32,
    info: u32,
    align: usize,
    entry: usize,
}

/// The sections, in their order.
const TEXT: usize = 1;
const VDSO: usize = 2;
const FRAMES: usize = 3;
const VDSO_FRAMES: usize = 4;
const SYMBOLS: usize = 5;
const STRINGS: usize = 6;
const SECTIONS: usize = 7;
/// Their names, and those of the symbols of vload's.
const NAMES: [&str; SECTIONS] =
    ["", ".text", ".vdso", ".debug_frame", ".eh_frame", ".symtab", ".strtab"];
const RESIDENT: &CStr = c"vload";

/// Makes the image, for a process whose vDSO is at `base`. Its address; `None` where the architecture has no rules, or there
/// is no memory to spare.
pub fn begin(base: usize) -> Option<usize> {
    let rules = arch::unwinding()?;
    let vdso = vdso::read(base).unwrap_or_default();
    let mut image = Image::default();
    let (start, end) = arch::text_range();
    image.sections[TEXT] = executable(start, end - start);
    image.sections[VDSO] = executable(vdso.text.0, vdso.text.1);
    image.symbols(&vdso, start, end - start);
    if let Some((address, frames)) = vdso.frames {
        image.put(VDSO_FRAMES, SHT_PROGBITS, frames);
        // Not said to be in memory: that is no part of this image.
        image.sections[VDSO_FRAMES].address = address;
    }
    image.frames(&rules, start, end);
    image.place(rules.stub)
}

fn executable(address: usize, size: usize) -> Section {
    Section { kind: SHT_NOBITS, flags: TEXT_FLAGS, address, size, ..Section::default() }
}

/// An image that is being made: headers, what the sections have, and last the descriptions.
struct Image {
    bytes: Vec<u8>,
    sections: [Section; SECTIONS],
}

/// Bytes of the headers.
const HEADERS: usize =
    size_of::<Elf_Ehdr>() + size_of::<Elf_Phdr>() + SECTIONS * size_of::<Section>();

impl Default for Image {
    fn default() -> Self {
        let mut bytes = Vec::with_capacity(2 * PAGE);
        bytes.resize(HEADERS, 0);
        Self { bytes, sections: [Section::default(); SECTIONS] }
    }
}

impl Image {
    /// Adds what section `index` has.
    fn put(&mut self, index: usize, kind: u32, content: &[u8]) {
        self.bytes.resize(self.bytes.len().next_multiple_of(size_of::<usize>()), 0);
        let section = &mut self.sections[index];
        (section.kind, section.offset, section.size) = (kind, self.bytes.len(), content.len());
        self.bytes.extend_from_slice(content);
    }

    /// Adds the names of the sections, and the symbols: vload's text is one, the others are the vDSO's.
    fn symbols(&mut self, vdso: &Vdso, start: usize, size: usize) {
        let mut strings = Vec::with_capacity(PAGE);
        for (section, name) in self.sections.iter_mut().zip(NAMES) {
            section.name = strings.len() as u32;
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        let mut symbols = Vec::new();
        let mut add = |name: usize, index: usize, start: usize, size: usize| {
            symbols.push(Elf_Sym {
                st_name: name as u32,
                st_info: if index == 0 { 0 } else { FUNCTION },
                st_other: 0,
                st_shndx: index as u16,
                st_value: start,
                st_size: size,
            });
        };
        add(0, 0, 0, 0);
        add(strings.len(), TEXT, start, size);
        strings.extend_from_slice(RESIDENT.to_bytes_with_nul());
        for function in &vdso.functions {
            let [name, start, size] = *function;
            add(strings.len() + name, VDSO, start, size);
        }
        strings.extend_from_slice(vdso.names);
        self.put(STRINGS, SHT_STRTAB, &strings);
        // SAFETY: symbols have no padding.
        self.put(SYMBOLS, SHT_SYMTAB, unsafe { bytes_of(symbols.as_slice()) });
        let section = &mut self.sections[SYMBOLS];
        (section.link, section.info, section.entry) = (STRINGS as u32, 1, size_of::<Elf_Sym>());
    }

    /// Adds the sets of rules, and the descriptions of the resident, whose text is from `start` to `end`.
    fn frames(&mut self, rules: &Unwinding, start: usize, end: usize) {
        self.put(FRAMES, SHT_PROGBITS, rules.rules);
        let section = self.sections[FRAMES].offset;
        let pool = (&raw const POOL).addr().to_ne_bytes();
        for &at in rules.addresses {
            self.bytes[section + usize::from(at)..][..pool.len()].copy_from_slice(&pool);
        }
        let mut from = start;
        for (set, (start, end)) in rules.parts {
            self.describe(rules.resident, from, start);
            self.describe(set, start, end);
            from = end;
        }
        self.describe(rules.resident, from, end);
    }

    /// Adds a description of the text from `start` to `end`, with the rules at `cie`.
    fn describe(&mut self, cie: u32, start: usize, end: usize) {
        let description = [Description::new(cie, start, end - start)];
        // SAFETY: descriptions have no padding.
        self.bytes.extend_from_slice(unsafe { bytes_of(&description) });
    }

    /// Puts it into memory, with room for as many descriptions as there may be patched texts, and says what is there
    /// by now. `cie` is where the rules for stubs are.
    fn place(mut self, cie: u32) -> Option<usize> {
        let stubs = self.bytes.len();
        let size = stubs + text::REGIONS * size_of::<Description>();
        self.sections[FRAMES].size = size - self.sections[FRAMES].offset;
        // The debugger looks for a mapping that begins there: nothing that the kernel could make one with it is before.
        let before = sys::map_anonymous(PAGE + size).ok()?;
        // SAFETY: the page is ours and unused.
        if unsafe { sys::map_nothing(before, PAGE) }.is_err() {
            // SAFETY: nobody knows the mapping.
            unsafe { sys::munmap(before, PAGE + size) };
            return None;
        }
        guard::own(before, PAGE + size);
        let start = before + PAGE;
        self.headers(start, size);
        // SAFETY: mapped above, and nobody else knows it.
        unsafe {
            (start as *mut u8).copy_from_nonoverlapping(self.bytes.as_ptr(), self.bytes.len())
        };
        let _writer = text::lock();
        CIE.store(cie as usize, Ordering::Relaxed);
        STUBS.store(start + stubs, Ordering::Release);
        text::describe_regions();
        Some(start)
    }

    /// Fills the headers of an image at `start`.
    fn headers(&mut self, start: usize, size: usize) {
        // SAFETY: vload's own image begins with its header.
        let own = unsafe { (arch::image_range().0 as *const Elf_Ehdr).read() };
        let header = Elf_Ehdr {
            e_entry: 0,
            e_phoff: size_of::<Elf_Ehdr>(),
            e_shoff: size_of::<Elf_Ehdr>() + size_of::<Elf_Phdr>(),
            e_phnum: 1,
            e_shentsize: size_of::<Section>() as u16,
            e_shnum: SECTIONS as u16,
            e_shstrndx: STRINGS as u16,
            ..own
        };
        let segment = Elf_Phdr {
            p_type: PT_LOAD,
            p_flags: PF_R,
            p_offset: 0,
            p_vaddr: start,
            p_paddr: start,
            p_filesz: size,
            p_memsz: size,
            p_align: PAGE,
        };
        let mut headers = Vec::with_capacity(HEADERS);
        // SAFETY: headers have no padding.
        unsafe {
            headers.extend_from_slice(bytes_of(&[header]));
            headers.extend_from_slice(bytes_of(&[segment]));
            headers.extend_from_slice(bytes_of(&self.sections));
        }
        self.bytes[..HEADERS].copy_from_slice(&headers);
    }
}

/// The bytes of plain structures.
///
/// # Safety
/// They must have no padding.
unsafe fn bytes_of<T>(values: &[T]) -> &[u8] {
    // SAFETY: initialized, all of it, by the caller's promise.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
