//! Stubs that make no calls: in a process that comes to be watched while other threads run.

use core::sync::atomic::Ordering;

use super::pieces;
use super::region::{self, Region};
use super::store::{CachedFile, Source};
use crate::arch;
use crate::patch::SiteDesc;
use crate::session;
use crate::sys::{Errno, Result};
use linux_raw_sys::general::{PROT_EXEC, PROT_READ};

/// Replaces the stubs of every text by such that have the same layout, and whose calls go through the
/// resident. A thread that is in one goes on in the other; one that is in a call comes to the resident
/// when it returns.
pub fn divert() {
    let _writer = region::lock();
    region::each(|region| {
        if !region.diverted.swap(true, Ordering::Relaxed)
            && let Err(error) = replace(region, true)
        {
            let (at, text) = (region.stubs, error.text());
            crate::log!(Warn, "threads in calls of the stubs at {at:#x} are not watched: {text}");
        }
    });
}

/// Puts the stubs back.
pub fn undivert() {
    let _writer = region::lock();
    region::each(|region| {
        // What cannot be put back stays as it is, which serves too.
        let replaced = region.diverted.load(Ordering::Relaxed) && replace(region, false).is_ok();
        region.diverted.fetch_and(!replaced, Ordering::Relaxed);
    });
}

fn replace(region: &Region, diverted: bool) -> Result<()> {
    let mut stubs = region.view.stubs().to_vec();
    for site in region.view.sites().filter(|_| diverted) {
        let end = site.stub as usize + usize::from(site.stub_len);
        let desc = end.checked_sub(size_of::<SiteDesc>()).ok_or(Errno::NOEXEC)?;
        arch::divert(&mut stubs, desc).ok_or(Errno::NOEXEC)?;
    }
    let (bytes, length) = (stubs.as_ptr() as usize, stubs.len());
    let source = match session::text_file(&stubs) {
        Ok(fd) => Source::Cached(CachedFile(fd)),
        Err(_) => Source::Memory(alloc::vec::Vec::new()),
    };
    pieces::copy_in(&source, bytes, 0, region.stubs, length, PROT_READ | PROT_EXEC)
}
