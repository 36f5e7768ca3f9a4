//! `.eh_frame`: one FDE a function (LSB Core, "Exception Frames"). It is walked from its start, so
//! that a missing search table makes no difference.

use super::{Extent, Landmarks, lsda};
use crate::patch::bytes::Reader;
use crate::patch::elf::Elf;

/// `DW_EH_PE_omit`.
pub const OMIT: u8 = 0xff;

/// A pointer as the DW_EH_PE encodings write it: `data` begins at address `base`.
pub fn pointer(reader: &mut Reader<'_>, encoding: u8, base: u64) -> Option<u64> {
    let here = base.wrapping_add(reader.position() as u64);
    let raw = match encoding & 0x0f {
        0x00 => reader.word()?,
        0x04 | 0x0c => reader.u64()?,
        0x01 => reader.uleb()?,
        0x02 => u64::from(reader.u16()?),
        0x03 => u64::from(reader.u32()?),
        0x09 => reader.sleb()? as u64,
        0x0a => i64::from(reader.u16()? as i16) as u64,
        0x0b => i64::from(reader.u32()? as i32) as u64,
        _ => return None,
    };
    // Addresses wrap at their own width.
    let cut = |address: u64| address as usize as u64;
    match encoding & 0xf0 {
        0x00 => Some(cut(raw)),
        // A zero is a null pointer, whatever it would be relative to.
        0x10 => Some(if raw == 0 { 0 } else { cut(here.wrapping_add(raw)) }),
        _ => None,
    }
}

/// What a CIE says about its FDEs.
#[derive(Clone, Copy)]
struct Cie {
    augmented: bool,
    code: u8,
    lsda: u8,
    signal: bool,
}

fn cie(body: &[u8], base: u64) -> Option<Cie> {
    let mut reader = Reader::new(body);
    let version = reader.u8()?;
    let augmentation = reader.text()?;
    reader.uleb()?;
    reader.sleb()?;
    if version == 1 {
        reader.u8()?;
    } else {
        reader.uleb()?;
    }
    let mut found = Cie { augmented: false, code: 0, lsda: OMIT, signal: false };
    for (index, letter) in augmentation.iter().enumerate() {
        match letter {
            b'z' if index == 0 => {
                found.augmented = true;
                reader.uleb()?;
            }
            b'R' => found.code = reader.u8()?,
            b'L' => found.lsda = reader.u8()?,
            b'P' => {
                let encoding = reader.u8()?;
                pointer(&mut reader, encoding & 0x7f, base)?;
            }
            b'S' => found.signal = true,
            b'B' => {}
            _ => return None,
        }
    }
    Some(found)
}

/// Adds every FDE's range, and the landing pads of those with an exception table.
pub fn collect(elf: &Elf<'_>, found: &mut Landmarks) {
    let _ = walk(elf, found);
}

/// Where `.eh_frame` is, its bytes, and whether their length is known.
fn locate<'a>(elf: &Elf<'a>) -> Option<(u64, &'a [u8], bool)> {
    if let Some(section) = elf.section(b".eh_frame").filter(|section| section.addr != 0) {
        return Some((section.addr, section.bytes, true));
    }
    let header = elf.eh_frame_hdr?;
    let mut reader = Reader::new(elf.at(header)?);
    let fields = reader.take(4)?;
    if fields[0] != 1 {
        return None;
    }
    let start = pointer(&mut reader, fields[1], header)?;
    Some((start, elf.at(start)?, false))
}

fn walk(elf: &Elf<'_>, found: &mut Landmarks) -> Option<()> {
    let (start, data, bounded) = locate(elf)?;
    let mut reader = Reader::new(data);
    let mut last: Option<(usize, Option<Cie>)> = None;
    loop {
        let at = reader.position();
        let len = reader.u32()?;
        if len == 0 {
            if bounded {
                continue;
            }
            return Some(());
        }
        // The 64-bit form has never been written by a compiler for Linux.
        if len == u32::MAX {
            return None;
        }
        let body = reader.take(len as usize)?;
        let mut fields = Reader::new(body);
        let Some(id) = fields.u32() else { continue };
        if id == 0 {
            continue;
        }
        let Some(cie_at) = (at + 4).checked_sub(id as usize) else { continue };
        if last.is_none_or(|known| known.0 != cie_at) {
            last = Some((cie_at, cie_at_offset(data, cie_at, start)));
        }
        let Some((_, Some(cie))) = last else { continue };
        let _ = fde(elf, &mut fields, cie, start + at as u64 + 4, found);
    }
}

fn cie_at_offset(data: &[u8], at: usize, start: u64) -> Option<Cie> {
    let mut reader = Reader::new(data.get(at..)?);
    let len = reader.u32()?;
    let body = reader.take(len as usize)?;
    if Reader::new(body).u32()? != 0 {
        return None;
    }
    cie(&body[4..], start + at as u64 + 8)
}

fn fde(
    elf: &Elf<'_>,
    fields: &mut Reader<'_>,
    cie: Cie,
    base: u64,
    found: &mut Landmarks,
) -> Option<()> {
    let begin = pointer(fields, cie.code, base)?;
    let len = pointer(fields, cie.code & 0x0f, 0)?;
    let mut table = 0;
    if cie.augmented {
        fields.uleb()?;
        if cie.lsda != OMIT {
            table = pointer(fields, cie.lsda & 0x7f, base)?;
        }
    }
    // The FDE of a signal restorer begins a byte early, so that an unwinder that looks up the
    // return address minus one finds it (glibc sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c).
    let start = if cie.signal { begin.checked_add(1)? } else { begin };
    let end = begin.checked_add(len)?;
    let opaque = table != 0 && lsda::collect(elf, table, begin, &mut found.labels).is_none();
    if start < end && elf.is_text(start) {
        found.starts.push(start);
        found.extents.push(Extent { start, end, opaque });
    }
    Some(())
}
