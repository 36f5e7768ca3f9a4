//! Patching what is mapped already.

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::arch;
use crate::patch::Shape;
use crate::sys::{self, Result, maps};
use crate::text::{self, Mapping};
use linux_raw_sys::general::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, PROT_WRITE};

/// An executable mapping.
pub struct Text {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// `PROT_*`.
    prot: u32,
    /// Offset in the file.
    offset: u64,
    /// Device, `major << 32 | minor`, as [`sys::Stat`] has it.
    dev: u64,
    /// Inode number; 0 when it is no file's.
    ino: u64,
    /// As `/proc` shows it: the file's path, or a name in brackets.
    pub path: CString,
}

/// The executable mappings of this process.
pub fn mapped() -> Result<Vec<Text>> {
    let mut found = Vec::new();
    maps::each_in(0, usize::MAX, &mut |mapped, path| {
        if mapped.is_executable() {
            found.push(Text {
                start: mapped.start,
                end: mapped.end,
                prot: mapped.prot(),
                offset: mapped.offset,
                dev: mapped.device.0 << 32 | mapped.device.1,
                ino: mapped.inode,
                path: path.into(),
            });
        }
        true
    })?;
    Ok(found)
}

/// Replaces the texts. What cannot be is named in the log. `still`: no other thread runs them.
pub fn cover(mapped: &[Text], vdso: Option<usize>, still: bool) {
    // A trap needs its signal unblocked in every thread, also in those that have no block yet.
    let shapes = text::shapes().without_traps();
    if still {
        text::set_shapes(shapes);
    } else {
        // These take the place of several instructions, between which a thread may be.
        text::set_shapes(shapes.without(Shape::Before).without(Shape::After));
    }
    let (own, end) = arch::image_range();
    for mapping in mapped.iter().filter(|mapping| mapping.end <= own || mapping.start >= end) {
        cover_one(mapping);
    }
    if let Some(base) = vdso {
        text::cover_vdso(base);
    }
    text::set_shapes(shapes);
}

fn cover_one(mapping: &Text) {
    match mapping.path.to_bytes().first() {
        // The vDSO is named by the auxiliary vector; the other names in brackets hold no text.
        Some(b'[') => return,
        Some(b'/') if mapping.prot & PROT_WRITE == 0 => {}
        _ => return refuse(mapping, "it is no file's text"),
    }
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    let file = match sys::openat(sys::CWD, &mapping.path, flags, 0) {
        Ok(file) => file,
        Err(error) => return refuse(mapping, error.text()),
    };
    match sys::fstat(file) {
        Ok(stat) if (stat.dev, stat.ino) == (mapping.dev, mapping.ino) && stat.is_file() => {
            let (start, length) = (mapping.start, mapping.end - mapping.start);
            let (offset, prot) = (mapping.offset, mapping.prot);
            text::cover(file, &stat, Mapping { start, length, offset, prot }, None);
        }
        _ => refuse(mapping, "its path leads to another file now"),
    }
    sys::close(file);
}

fn refuse(mapping: &Text, why: &str) {
    let (start, end) = (mapping.start, mapping.end);
    crate::log!(Warn, "not covered: executable memory at {start:#x}-{end:#x}: {why}");
}
