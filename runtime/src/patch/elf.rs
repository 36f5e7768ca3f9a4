//! An ELF file as a patcher reads it: program headers first, and section headers where a file
//! still has them. Nothing is believed further than the bytes reach.

use super::bytes::{slice, u16_at, u32_at, word_at};
use super::plan::PAGE;
use super::raw::{self, dynamic, header, program_header as ph, section_header as sh};
use crate::sort;
use alloc::vec::Vec;
use core::mem::offset_of;
use core::ops::Range;
use dynamic::Dyn;
use header::Header;
use ph::ProgramHeader;
use sh::SectionHeader;

/// A PT_LOAD segment, cut to what the file has.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Its first address.
    pub vaddr: u64,
    /// Where in the file its bytes begin.
    pub offset: u64,
    /// How many of its bytes are in the file.
    pub filesz: u64,
    /// How many bytes it takes in memory.
    pub memsz: u64,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub flags: u32,
}

impl Load {
    /// The addresses whose bytes come from the file.
    pub fn range(&self) -> Range<u64> {
        self.vaddr..self.vaddr + self.filesz
    }

    /// Whether it is executable.
    pub fn executable(&self) -> bool {
        self.flags & ph::PF_X != 0
    }

    /// Whether the program may change it.
    pub fn writable(&self) -> bool {
        self.flags & ph::PF_W != 0
    }
}

/// A program header.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// `PT_*`.
    pub kind: u32,
    /// `PF_*`.
    pub flags: u32,
    /// Where in the file its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub filesz: u64,
    /// Its first address.
    pub vaddr: u64,
    /// How many bytes it takes in memory.
    pub memsz: u64,
}

impl Segment {
    /// Where in the file the header at `index` is.
    pub fn place(data: &[u8], index: usize) -> Option<usize> {
        let start = word_at(data, offset_of!(Header, e_phoff))?;
        usize::try_from(start).ok()?.checked_add(index.checked_mul(ph::SIZEOF_PHDR)?)
    }

    /// All program headers of a file, as far as they are in it.
    pub fn all(data: &[u8]) -> impl Iterator<Item = Self> {
        let count = u16_at(data, offset_of!(Header, e_phnum)).unwrap_or(0);
        (0..usize::from(count)).map_while(move |index| {
            let entry = data.get(Self::place(data, index)?..)?;
            let word = |field| word_at(entry, field);
            Some(Self {
                kind: u32_at(entry, 0)?,
                flags: u32_at(entry, offset_of!(ProgramHeader, p_flags))?,
                offset: word(offset_of!(ProgramHeader, p_offset))?,
                filesz: word(offset_of!(ProgramHeader, p_filesz))?,
                vaddr: word(offset_of!(ProgramHeader, p_vaddr))?,
                memsz: word(offset_of!(ProgramHeader, p_memsz))?,
            })
        })
    }
}

/// A section header.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// `SHT_*`.
    pub kind: u32,
    /// `SHF_*`.
    pub flags: u64,
    /// Its address, if it is loaded.
    pub addr: u64,
    /// Its size.
    pub size: u64,
    /// Its bytes; empty for `SHT_NOBITS`.
    pub bytes: &'a [u8],
}

/// The parts of an ELF file that patching needs.
pub struct Elf<'a> {
    /// The whole file.
    pub data: &'a [u8],
    /// `ET_EXEC` or `ET_DYN`.
    pub kind: u16,
    /// The entry point, 0 for none.
    pub entry: u64,
    /// The loadable segments, by address.
    pub loads: Vec<Load>,
    /// The section headers; empty if the file has none or they are broken.
    pub sections: Vec<Section<'a>>,
    /// The dynamic section's entries.
    pub dynamic: Vec<(u64, u64)>,
    /// Where `.eh_frame_hdr` is.
    pub eh_frame_hdr: Option<u64>,
}

impl<'a> Elf<'a> {
    /// Reads the headers. `None` if the file is no program or library for `machine`, of the
    /// width of its addresses.
    pub fn parse(data: &'a [u8], machine: u16) -> Option<Self> {
        let ident = data.get(..header::SIZEOF_EHDR)?;
        let right = ident.starts_with(header::ELFMAG)
            && ident[header::EI_CLASS] == raw::CLASS
            && ident[header::EI_DATA] == header::ELFDATA2LSB
            && u16_at(data, 18)? == machine;
        let kind = u16_at(data, 16)?;
        if !right || !matches!(kind, header::ET_EXEC | header::ET_DYN) {
            return None;
        }
        let mut elf = Self {
            data,
            kind,
            entry: word_at(data, offset_of!(Header, e_entry))?,
            loads: Vec::new(),
            sections: Vec::new(),
            dynamic: Vec::new(),
            eh_frame_hdr: None,
        };
        elf.read_segments()?;
        elf.sections = sections(data).unwrap_or_default();
        Some(elf)
    }

    fn read_segments(&mut self) -> Option<()> {
        let data = self.data;
        if usize::from(u16_at(data, offset_of!(Header, e_phentsize))?) != ph::SIZEOF_PHDR {
            return None;
        }
        let count = usize::from(u16_at(data, offset_of!(Header, e_phnum))?);
        data.get(..Segment::place(data, count)?)?;
        let mut dynamic = None;
        for Segment { kind, flags, offset, filesz, vaddr, memsz } in Segment::all(data) {
            match kind {
                ph::PT_LOAD => {
                    // The last page must exist too, so that rounding up never overflows.
                    vaddr.checked_add(memsz.max(filesz))?.checked_add(0x10_0000)?;
                    // A segment whose offset and address differ within the page has no mapping.
                    if filesz != 0 && offset % PAGE != vaddr % PAGE {
                        return None;
                    }
                    self.loads.push(Load {
                        vaddr,
                        offset,
                        filesz: filesz.min((data.len() as u64).saturating_sub(offset)),
                        memsz: memsz.max(filesz),
                        flags,
                    });
                }
                ph::PT_DYNAMIC => dynamic = slice(data, offset, filesz),
                ph::PT_GNU_EH_FRAME => self.eh_frame_hdr = Some(vaddr),
                _ => {}
            }
        }
        sort::by_key(&mut self.loads, |load| (load.vaddr, load.memsz));
        // Segments that overlap give one address two meanings.
        if self.loads.windows(2).any(|two| two[0].vaddr + two[0].memsz > two[1].vaddr) {
            return None;
        }
        for entry in dynamic.unwrap_or(&[]).chunks_exact(dynamic::SIZEOF_DYN) {
            let tag = word_at(entry, offset_of!(Dyn, d_tag))?;
            let value = word_at(entry, offset_of!(Dyn, d_val))?;
            if tag == 0 {
                break;
            }
            self.dynamic.push((tag, value));
        }
        Some(())
    }

    /// The segment that has bytes for `vaddr`.
    pub fn load_of(&self, vaddr: u64) -> Option<&Load> {
        let next = self.loads.partition_point(|load| load.vaddr <= vaddr);
        let load = self.loads.get(next.checked_sub(1)?)?;
        load.range().contains(&vaddr).then_some(load)
    }

    /// The file's bytes from `vaddr` to the end of its segment.
    pub fn at(&self, vaddr: u64) -> Option<&'a [u8]> {
        let load = self.load_of(vaddr)?;
        let skipped = vaddr - load.vaddr;
        slice(self.data, load.offset.checked_add(skipped)?, load.filesz - skipped)
    }

    /// `len` bytes at `vaddr`.
    pub fn slice(&self, vaddr: u64, len: u64) -> Option<&'a [u8]> {
        slice(self.at(vaddr)?, 0, len)
    }

    /// Whether `vaddr` is in a segment that is executed from.
    pub fn is_text(&self, vaddr: u64) -> bool {
        self.load_of(vaddr).is_some_and(Load::executable)
    }

    /// The value of a dynamic tag.
    pub fn tag(&self, tag: u64) -> Option<u64> {
        self.dynamic.iter().find(|entry| entry.0 == tag).map(|entry| entry.1)
    }

    /// The array that two dynamic tags describe.
    pub fn tagged(&self, start: u64, size: u64) -> Option<&'a [u8]> {
        self.slice(self.tag(start)?, self.tag(size)?)
    }

    /// The section of that name.
    pub fn section(&self, name: &[u8]) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }
}

fn sections(data: &[u8]) -> Option<Vec<Section<'_>>> {
    if usize::from(u16_at(data, offset_of!(Header, e_shentsize))?) != sh::SIZEOF_SHDR {
        return None;
    }
    let count = u64::from(u16_at(data, offset_of!(Header, e_shnum))?);
    let start = word_at(data, offset_of!(Header, e_shoff))?;
    let table = slice(data, start, count * sh::SIZEOF_SHDR as u64)?;
    let header = |index: usize| table.chunks_exact(sh::SIZEOF_SHDR).nth(index);
    let bytes = |header: &[u8]| {
        if u32_at(header, offset_of!(SectionHeader, sh_type))? == sh::SHT_NOBITS {
            return Some(&data[..0]);
        }
        let start = word_at(header, offset_of!(SectionHeader, sh_offset))?;
        slice(data, start, word_at(header, offset_of!(SectionHeader, sh_size))?)
    };
    let names = bytes(header(usize::from(u16_at(data, offset_of!(Header, e_shstrndx))?))?)?;
    table
        .chunks_exact(sh::SIZEOF_SHDR)
        .map(|header| {
            let name = names.get(u32_at(header, offset_of!(SectionHeader, sh_name))? as usize..)?;
            let len = name.iter().position(|&byte| byte == 0)?;
            Some(Section {
                name: &name[..len],
                kind: u32_at(header, offset_of!(SectionHeader, sh_type))?,
                flags: word_at(header, offset_of!(SectionHeader, sh_flags))?,
                addr: word_at(header, offset_of!(SectionHeader, sh_addr))?,
                size: word_at(header, offset_of!(SectionHeader, sh_size))?,
                bytes: bytes(header).unwrap_or(&[]),
            })
        })
        .collect()
}
