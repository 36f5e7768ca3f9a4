//! Small ELF files made to measure.

use std::string::String;
use std::vec::Vec;

/// Where the text of a made file is, in the file and in memory.
pub const TEXT: u64 = 0x1000;

/// A section of a made file.
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Its address; 0 if it is not loaded.
    pub addr: u64,
    /// `SHT_*`.
    pub kind: u32,
    /// `SHF_*`.
    pub flags: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a file is made of.
pub struct File {
    /// `ET_*`.
    pub kind: u16,
    /// The code, at [`TEXT`].
    pub text: Vec<u8>,
    /// How much of it is the section `.text`.
    pub code: usize,
    /// The flags of its segment.
    pub flags: u32,
    /// The entry point.
    pub entry: u64,
    /// Symbols: value and type.
    pub symbols: Vec<(u64, u8)>,
    /// What is loaded at `data_vaddr`.
    pub data: Vec<u8>,
    /// Sections beside `.text`, `.symtab` and the names.
    pub sections: Vec<Section>,
    /// Whether the file has section headers at all.
    pub has_sections: bool,
}

impl File {
    /// A library whose only function is `text`.
    pub fn new(text: &[u8]) -> Self {
        Self {
            kind: 3,
            text: text.into(),
            code: text.len(),
            flags: 5,
            entry: TEXT,
            symbols: [(TEXT, 2)].into(),
            data: Vec::new(),
            sections: Vec::new(),
            has_sections: true,
        }
    }

    /// Where the data segment is: the page behind the text.
    pub fn data_vaddr(&self) -> u64 {
        TEXT + (self.text.len() as u64).next_multiple_of(0x1000)
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let data = self.data_vaddr();
        let mut rest: Vec<u8> = Vec::new();
        let rest_at = data + self.data.len() as u64;
        let mut names = String::from("\0");
        let mut headers = Vec::from([0; 64]);
        let mut add = |section: &Section, rest: &mut Vec<u8>, entsize: u64| {
            let offset = if section.addr != 0 {
                section.addr
            } else {
                rest.extend_from_slice(&section.bytes);
                rest_at + (rest.len() - section.bytes.len()) as u64
            };
            headers.extend_from_slice(&(names.len() as u32).to_le_bytes());
            headers.extend_from_slice(&section.kind.to_le_bytes());
            for field in [section.flags, section.addr, offset, section.bytes.len() as u64, 0, 8] {
                headers.extend_from_slice(&field.to_le_bytes());
            }
            headers.extend_from_slice(&entsize.to_le_bytes());
            names.push_str(section.name);
            names.push('\0');
        };
        let text = self.text[..self.code].into();
        add(&Section { name: ".text", addr: TEXT, kind: 1, flags: 6, bytes: text }, &mut rest, 0);
        for section in &self.sections {
            add(section, &mut rest, 0);
        }
        let symbols = self.symbols.iter().flat_map(|&(value, kind)| {
            let mut symbol = Vec::from([0, 0, 0, 0, kind, 0, 1, 0]);
            symbol.extend_from_slice(&value.to_le_bytes());
            symbol.extend_from_slice(&[0; 8]);
            symbol
        });
        let symbols = symbols.collect();
        add(
            &Section { name: ".symtab", addr: 0, kind: 2, flags: 0, bytes: symbols },
            &mut rest,
            24,
        );
        add(
            &Section { name: ".shstrtab", addr: 0, kind: 3, flags: 0, bytes: Vec::new() },
            &mut rest,
            0,
        );
        let last = headers.len() - 64;
        let at = rest_at + rest.len() as u64;
        headers[last + 24..last + 32].copy_from_slice(&at.to_le_bytes());
        headers[last + 32..last + 40].copy_from_slice(&(names.len() as u64).to_le_bytes());
        rest.extend_from_slice(names.as_bytes());
        let shoff = rest_at + rest.len() as u64;
        let count = (headers.len() / 64) as u16;
        rest.extend_from_slice(&headers);

        out.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        out.extend_from_slice(&self.kind.to_le_bytes());
        out.extend_from_slice(&62u16.to_le_bytes());
        out.extend_from_slice(&1u32.to_le_bytes());
        let shoff = if self.has_sections { shoff } else { 0 };
        for field in [self.entry, 64, shoff] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&0u32.to_le_bytes());
        let count = if self.has_sections { count } else { 0 };
        for field in [64, 56, 2, 64, count, count.saturating_sub(1)] {
            out.extend_from_slice(&u16::to_le_bytes(field));
        }
        let loads = [(self.flags, TEXT, self.text.len() as u64), (6, data, self.data.len() as u64)];
        for (flags, at, len) in loads {
            out.extend_from_slice(&1u32.to_le_bytes());
            out.extend_from_slice(&flags.to_le_bytes());
            for field in [at, at, at, len, len, 0x1000] {
                out.extend_from_slice(&field.to_le_bytes());
            }
        }
        out.resize(TEXT as usize, 0);
        out.extend_from_slice(&self.text);
        out.resize(data as usize, 0);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(&rest);
        out
    }
}
