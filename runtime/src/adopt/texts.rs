//! Patching what is mapped already, as `mprotect(2)` does with what becomes executable: what is not a file's
//! own text, unchanged, is to be watched.

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::arch;
use crate::patch::Shape;
use crate::sys::{self, Result, maps};
use crate::text::{self, Mapping};
use crate::watch;
use linux_raw_sys::general::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, PROT_WRITE};

/// What the kernel maps by itself. The vDSO is named by the auxiliary vector; nobody patches the others.
const KERNELS: [&[u8]; 3] = [b"[vdso]", b"[vsyscall]", b"[uprobes]"];

/// An executable mapping.
pub struct Text {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// `PROT_*`.
    prot: u32,
    /// Whether what is written to it stays with the process.
    is_private: bool,
    /// Offset in the file.
    offset: u64,
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
                is_private: mapped.is_private(),
                offset: mapped.offset,
                ino: mapped.inode,
                path: path.into(),
            });
        }
        true
    })?;
    Ok(found)
}

/// Replaces the texts. What cannot be makes the process one to be watched. `still`: no other thread runs them.
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
        if let Err(why) = cover_one(mapping) {
            let (start, end) = (mapping.start, mapping.end);
            watch::demand(None, None, format_args!("memory at {start:#x}-{end:#x}: {why}"));
        }
    }
    if let Some(base) = vdso {
        text::cover_vdso(base);
    }
    text::set_shapes(shapes);
}

fn cover_one(mapping: &Text) -> core::result::Result<(), &'static str> {
    if KERNELS.contains(&mapping.path.to_bytes()) {
        return Ok(());
    }
    if mapping.ino == 0 || mapping.prot & PROT_WRITE != 0 || !mapping.is_private {
        return Err("it is no file's text");
    }
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    let file = sys::openat(sys::CWD, &mapping.path, flags, 0).map_err(|error| error.text())?;
    let found = cover_file(mapping, file);
    sys::close(file);
    found
}

fn cover_file(mapping: &Text, file: i32) -> core::result::Result<(), &'static str> {
    let stat = sys::fstat(file).map_err(|error| error.text())?;
    // The device is not compared: stat(2) and `maps` name different ones on btrfs and, for some layers, overlayfs.
    if stat.ino != mapping.ino || !stat.is_file() {
        return Err("its path leads to another file now");
    }
    let (start, length) = (mapping.start, mapping.end - mapping.start);
    let place = Mapping { start, length, offset: mapping.offset, prot: mapping.prot };
    if !text::is_text_of(file, &stat, &place) {
        return Err("it is not as its file has it");
    }
    text::cover(file, &stat, place, None);
    Ok(())
}
