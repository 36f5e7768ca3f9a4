//! How much of what the kernel counts in a process is vload's: of `stat`, `statm` and `status`.
//!
//! Which pages are there `pagemap` says (Documentation/admin-guide/mm/pagemap.rst) of vload's mappings alone: to walk
//! through all of a large process, as `smaps` does, would be dear for who asks often.

use core::ops::Range;

use super::filter::entries;
use super::open_beside;
use super::space::Space;
use crate::sys;

const PAGE: usize = 4096;

/// Bytes of vload's mappings, and pages of theirs that are there.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Bytes of all.
    pub size: usize,
    /// Of those that count as code (`is_exec_mapping`, mm/internal.h).
    pub code: usize,
    /// Of those that count as data (`is_data_mapping`).
    pub data: usize,
    /// Pages of no file.
    pub anonymous: usize,
    /// Pages of files, less those of patched text, which would be a file's.
    pub file: isize,
    /// Pages of shared memory, those of patched text among them.
    pub shared: usize,
}

impl Counts {
    /// Of the process in whose folder in `/proc` the open file is, and whose mappings `maps` has.
    pub fn of(fd: i32, maps: &[u8], space: &Space) -> Self {
        let mut all = Self::default();
        let pages = open_beside(fd, c"pagemap").unwrap_or(-1);
        for line in entries(maps).map(|entry| entry.line) {
            let mut from = line.start;
            let mut count = |range: Range<usize>| {
                let length = range.len();
                all.size += length;
                match (line.is_executable(), line.is_writable()) {
                    (true, false) => all.code += length,
                    (_, true) if line.is_private() => all.data += length,
                    _ => {}
                }
                let (anonymous, of_file) = present(pages, range);
                all.anonymous += anonymous;
                match space.is_shared_memory(&line) {
                    true => all.shared += of_file,
                    false => all.file += of_file as isize,
                }
            };
            for part in space.parts(&line) {
                if from < part.start {
                    count(from..part.start);
                }
                from = part.end;
            }
            if from < line.end {
                count(from..line.end);
            }
            if space.is_shared_memory(&line) && space.shown(line, maps).1 {
                let (_, replaced) = present(pages, line.start..line.end);
                all.shared += replaced;
                all.file -= replaced as isize;
            }
        }
        sys::close(pages);
        all
    }

    /// Pages that the kernel counts as shared.
    pub fn of_files(&self) -> usize {
        self.shared.wrapping_add_signed(self.file)
    }

    /// Pages in all.
    pub fn pages(&self) -> usize {
        self.of_files() + self.anonymous
    }
}

/// How many pages of the range are there: of no file, and others.
fn present(pagemap: i32, range: Range<usize>) -> (usize, usize) {
    const PRESENT: u64 = 1 << 63;
    const OF_FILE: u64 = 1 << 61;
    const WORD: usize = size_of::<u64>();
    let (mut anonymous, mut of_file) = (0, 0);
    let mut words = [0u8; 128 * WORD];
    let mut at = range.start / PAGE;
    while at < range.end / PAGE {
        let room = words.len().min((range.end / PAGE - at) * WORD);
        let read = sys::pread(pagemap, &mut words[..room], (at * WORD) as u64).unwrap_or(0) / WORD;
        if read == 0 {
            break;
        }
        for word in words[..read * WORD].chunks_exact(WORD) {
            let word = word.try_into().map_or(0, u64::from_ne_bytes);
            match (word & PRESENT != 0, word & OF_FILE != 0) {
                (true, false) => anonymous += 1,
                (true, true) => of_file += 1,
                _ => {}
            }
        }
        at += read;
    }
    (anonymous, of_file)
}
