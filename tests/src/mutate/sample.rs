//! Errors in ELF headers.

use fastrand::Rng;
use runtime::image::Class;

/// Where a field is, and how long.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    offset: usize,
    size: usize,
}

const fn field(name: &'static str, offset: usize, size: usize) -> Field {
    Field { name, offset, size }
}

/// The fields of the ELF header that the kernel reads, and some that it does not
/// (System V ABI, "Object Files").
const HEADER_64: &[Field] = &[
    field("EI_MAG", 0, 4),
    field("EI_CLASS", 4, 1),
    field("EI_DATA", 5, 1),
    field("EI_OSABI", 7, 1),
    field("e_type", 16, 2),
    field("e_machine", 18, 2),
    field("e_version", 20, 4),
    field("e_entry", 24, 8),
    field("e_phoff", 32, 8),
    field("e_shoff", 40, 8),
    field("e_flags", 48, 4),
    field("e_ehsize", 52, 2),
    field("e_phentsize", 54, 2),
    field("e_phnum", 56, 2),
    field("e_shnum", 60, 2),
];

const HEADER_32: &[Field] = &[
    field("EI_MAG", 0, 4),
    field("EI_CLASS", 4, 1),
    field("EI_DATA", 5, 1),
    field("EI_OSABI", 7, 1),
    field("e_type", 16, 2),
    field("e_machine", 18, 2),
    field("e_version", 20, 4),
    field("e_entry", 24, 4),
    field("e_phoff", 28, 4),
    field("e_shoff", 32, 4),
    field("e_flags", 36, 4),
    field("e_ehsize", 40, 2),
    field("e_phentsize", 42, 2),
    field("e_phnum", 44, 2),
    field("e_shnum", 48, 2),
];

const SEGMENT_64: &[Field] = &[
    field("p_type", 0, 4),
    field("p_flags", 4, 4),
    field("p_offset", 8, 8),
    field("p_vaddr", 16, 8),
    field("p_paddr", 24, 8),
    field("p_filesz", 32, 8),
    field("p_memsz", 40, 8),
    field("p_align", 48, 8),
];

const SEGMENT_32: &[Field] = &[
    field("p_type", 0, 4),
    field("p_offset", 4, 4),
    field("p_vaddr", 8, 4),
    field("p_paddr", 12, 4),
    field("p_filesz", 16, 4),
    field("p_memsz", 20, 4),
    field("p_flags", 24, 4),
    field("p_align", 28, 4),
];

/// A valid program.
#[derive(Debug)]
pub struct Sample {
    name: String,
    class: Class,
    file: Vec<u8>,
}

/// A changed copy of a sample.
#[derive(Debug)]
pub struct Mutant {
    /// The sample and what was changed, for reports.
    pub what: String,
    /// The file.
    pub file: Vec<u8>,
}

impl Sample {
    /// A sample of the bytes of an ELF file.
    pub fn new(name: &str, file: Vec<u8>) -> Self {
        let class = if file.get(4) == Some(&1) { Class::Elf32 } else { Class::Elf64 };
        Self { name: name.into(), class, file }
    }

    /// Mutant `number` of `seed`.
    pub fn mutant(&self, seed: u64, number: u64) -> Mutant {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        let mut mutant = Mutant { what: self.name.clone(), file: self.file.clone() };
        let changes = [1, 1, 1, 2, 3];
        for _ in 0..changes[rng.usize(..changes.len())] {
            self.change(&mut mutant, &mut rng);
        }
        mutant
    }

    /// Offset and number of the program headers.
    fn segments(&self) -> (usize, usize) {
        let header = self.class.header(&self.file);
        header.map_or((0, 0), |header| (header.phoff as usize, header.phnum.into()))
    }

    fn change(&self, mutant: &mut Mutant, rng: &mut Rng) {
        let phentsize = self.class.phentsize();
        let (phoff, phnum) = self.segments();
        let wide = self.class == Class::Elf64;
        let at = |index: usize| phoff + index * phentsize;
        match rng.u8(..20) {
            0..5 => {
                let fields = if wide { HEADER_64 } else { HEADER_32 };
                let field = fields[rng.usize(..fields.len())];
                self.change_field(mutant, rng, field, 0, "");
            }
            5..16 => {
                let index = rng.usize(..phnum);
                let fields = if wide { SEGMENT_64 } else { SEGMENT_32 };
                let field = fields[rng.usize(..fields.len())];
                self.change_field(mutant, rng, field, at(index), &format!("[{index}]"));
            }
            16 => {
                let (a, b) = (rng.usize(..phnum), rng.usize(..phnum));
                mutant.what += &format!(", headers {a} and {b} swapped");
                for byte in 0..phentsize {
                    mutant.swap(at(a) + byte, at(b) + byte);
                }
            }
            17 => {
                let (a, b) = (rng.usize(..phnum), rng.usize(..phnum));
                mutant.what += &format!(", header {b} as {a}");
                for byte in 0..phentsize {
                    mutant.copy(at(b) + byte, at(a) + byte);
                }
            }
            18 => {
                // At a structure's end, or anywhere.
                let ends = [0, self.class.header_size(), at(phnum), self.file.len()];
                let end = ends[rng.usize(..ends.len())] as i64 + rng.i64(-2..3);
                let end = if rng.bool() { end as u64 } else { rng.u64(..self.file.len() as u64) };
                let end = end.min(self.file.len() as u64) as usize;
                mutant.what += &format!(", cut to {end}");
                mutant.file.truncate(end);
            }
            _ => {
                // Near the beginning are headers, notes and the interp's path.
                let offset = rng.usize(..0x400);
                let value = rng.u8(..);
                mutant.what += &format!(", byte {offset:#x} = {value:#x}");
                if let Some(byte) = mutant.file.get_mut(offset) {
                    *byte = value;
                }
            }
        }
    }

    fn change_field(
        &self,
        mutant: &mut Mutant,
        rng: &mut Rng,
        field: Field,
        base: usize,
        place: &str,
    ) {
        let range = base + field.offset..base + field.offset + field.size;
        let Some(bytes) = mutant.file.get_mut(range) else { return };
        let mut old = [0; 8];
        old[..field.size].copy_from_slice(bytes);
        let old = u64::from_le_bytes(old);
        let bits = 8 * field.size as u32;
        let value = match rng.u8(..8) {
            0 => old ^ 1 << rng.u32(..bits),
            1 => old.wrapping_add_signed(rng.i64(-16..17)),
            2 => old.wrapping_add_signed(rng.i64(-4..5) * 0x1000),
            3 => rng.u64(..16),
            4 => (1u64 << rng.u32(..bits)).wrapping_add_signed(rng.i64(-1..2)),
            5 => u64::MAX - rng.u64(..0x2000),
            6 => rng.u64(..0x10_0000),
            _ => rng.u64(..),
        };
        let value = value & (u64::MAX >> (64 - bits));
        bytes.copy_from_slice(&value.to_le_bytes()[..field.size]);
        mutant.what += &format!(", {}{place} {old:#x} -> {value:#x}", field.name);
    }
}

impl Mutant {
    fn swap(&mut self, a: usize, b: usize) {
        if a.max(b) < self.file.len() {
            self.file.swap(a, b);
        }
    }

    fn copy(&mut self, from: usize, to: usize) {
        if from.max(to) < self.file.len() {
            self.file[to] = self.file[from];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::craft::{ET_DYN, ElfFile};

    #[test]
    fn mutants_are_reproducible_and_differ() {
        let file = ElfFile::exiting(ET_DYN, 0).with_interp(b"/lib/x\0").build();
        let sample = Sample::new("sample", file.clone());
        let files: Vec<_> = (0..100).map(|number| sample.mutant(7, number).file).collect();
        let again: Vec<_> = (0..100).map(|number| sample.mutant(7, number).file).collect();
        assert_eq!(files, again);
        let changed = files.iter().filter(|mutant| **mutant != file).count();
        assert!(changed > 80, "only {changed} differ from the sample");
        assert_ne!(sample.mutant(8, 0).file, files[0]);
    }
}
