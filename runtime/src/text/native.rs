//! Giving a text its file's own bytes back: what the program may write, or moves, is not patched.

use core::sync::atomic::Ordering;

use super::pieces;
use super::place::PAGE;
use super::region::{self, Region};
use super::store::{CachedFile, Source};
use crate::memory;
use crate::patch::TextRun;
use crate::session;
use crate::sys;
use linux_raw_sys::general::{PROT_EXEC, PROT_READ};

/// Puts the files' own bytes in place of patched pages in the range. Their calls are watched from then on:
/// every thread is armed. Threads that run there go on, because each of their next instructions is one
/// in the file too, and stubs stay.
pub fn restore(start: usize, end: usize) {
    let _writer = region::lock();
    region::each(|region| {
        if region.text.0 < end && region.text.1 > start {
            for run in region.view.runs() {
                restore_run(region, &run, start, end);
            }
        }
    });
}

fn restore_run(region: &Region, run: &TextRun, start: usize, end: usize) {
    let at = (run.vaddr as usize).wrapping_add(region.bias);
    let (from, to) = (at.max(start), (at + run.len as usize).min(end));
    if from >= to {
        return;
    }
    let patched = region.view.text(run);
    let original = region.view.original_text(run);
    let mut pages = from;
    // Only pages that are as they were put there: the program may have mapped something else since.
    let is_ours = |page: usize| {
        let bytes = patched.get(page - at..page - at + PAGE).unwrap_or(&[]);
        !bytes.is_empty() && memory::equals(page, bytes)
    };
    region.native.store(true, Ordering::Release);
    while pages < to {
        let run_end = (pages..to).step_by(PAGE).find(|&page| !is_ours(page)).unwrap_or(to);
        if pages < run_end {
            let bytes = original.get(pages - at..run_end - at).unwrap_or(&[]);
            if let Err(error) = replace(bytes, pages) {
                crate::log!(Error, "text at {pages:#x} stays patched: {}", error.text());
            }
        }
        pages = run_end + PAGE;
    }
}

fn replace(bytes: &[u8], at: usize) -> sys::Result<()> {
    let source = match session::text_file(bytes) {
        Ok(fd) => Source::Cached(CachedFile(fd)),
        Err(_) => Source::Memory(alloc::vec::Vec::new()),
    };
    let prot = PROT_READ | PROT_EXEC;
    pieces::copy_in(&source, bytes.as_ptr() as usize, 0, at, bytes.len(), prot)
}
