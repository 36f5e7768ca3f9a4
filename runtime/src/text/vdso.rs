//! The vDSO: its functions, which stand for calls, and its own sites, to which they fall back.

use alloc::vec::Vec;

use core::sync::atomic::Ordering;

use super::image::{How, Missing, UNTOUCHED};
use super::pieces;
use super::place::{self, Mapping, PAGE};
use super::store::{self, Found, Image};
use crate::arch;
use crate::image::Elf;
use crate::memory::guard;
use crate::patch;
use crate::sys;
use crate::trial;
use crate::watch;
use linux_raw_sys::general::{PROT_EXEC, PROT_READ};

/// In the place of the device in the key of an image that is no file's.
pub const MARK: u64 = u64::from_le_bytes(*b"[vdso]\0\0");

/// The longest vDSO that is believed.
const MOST: usize = 64 * PAGE;

/// Patches the vDSO at `base` (`AT_SYSINFO_EHDR`). Its data lies before it and is not touched.
pub fn cover_vdso(base: usize) {
    let Some(bytes) = bytes(base) else {
        crate::log!(Warn, "not covered: the vDSO is no image that can be read");
        return;
    };
    let mapping =
        Mapping { start: base, length: bytes.len(), offset: 0, prot: PROT_READ | PROT_EXEC };
    // Its addresses begin at 0, and what the kernel has put it next to is behind it.
    if place::cover_with(&"the vDSO", mapping, Some(base), &|how| image(bytes, how)).is_err() {
        watch::demand(None, None, format_args!("the vDSO"));
    }
}

/// The pages of the vDSO at `base`.
pub fn bytes(base: usize) -> Option<&'static [u8]> {
    // SAFETY: the kernel maps at least a page of an ELF image where AT_SYSINFO_EHDR points.
    let first = unsafe { core::slice::from_raw_parts(base as *const u8, PAGE) };
    let span = Elf::read(first).ok()?.span;
    let length = (span.end as usize).next_multiple_of(PAGE);
    if span.start != 0 || length > MOST {
        return None;
    }
    // SAFETY: the image's one segment is mapped whole, and for good.
    Some(unsafe { core::slice::from_raw_parts(base as *const u8, length) })
}

fn image(bytes: &'static [u8], how: &How) -> Result<Image, Missing> {
    if UNTOUCHED.load(Ordering::Relaxed) {
        return Err(Missing::Nothing);
    }
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_ne_bytes(chunk.try_into().unwrap_or([0; 8]));
        hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
    let key = [MARK, hash, bytes.len() as u64, 0, 0, how.key()];
    match store::find(&key) {
        Found::Image(image) => Ok(image),
        Found::Missing(missing) => Err(missing),
        Found::Unknown => store::keep(&key, build(bytes, how, key), true),
    }
}

/// Puts `bytes`, which are the same in every process of the session, where text of the vDSO is.
pub fn replace(bytes: &[u8], at: usize) -> sys::Result<()> {
    let source = store::shared(&[MARK, 0, bytes.len() as u64, 0, 0, 0], bytes);
    let prot = PROT_READ | PROT_EXEC;
    pieces::copy_in(&source, bytes.as_ptr() as usize, 0, at, bytes.len(), prot)?;
    guard::stands_for(at..at + bytes.len(), MARK, 0, 0);
    Ok(())
}

fn build(bytes: &[u8], how: &How, key: [u64; 6]) -> Result<Vec<u8>, Missing> {
    let mut plan =
        patch::analyze(bytes, &how.shapes(), &|_| false).map_err(|_| Missing::Unproven)?;
    for name in plan.own_functions(arch::patch::FUNCTIONS) {
        crate::log!(
            Warn,
            "not covered: {name} of the vDSO: its first instructions cannot be moved"
        );
    }
    if let Some(trial) = trial::current() {
        let [device, inode, ..] = key;
        plan.decide(&|site| trial.fate(device, inode, site));
    }
    if plan.is_empty() {
        let holes = plan.refused().iter().any(|refused| refused.reason.is_watched());
        return Err(if holes { Missing::Unproven } else { Missing::Nothing });
    }
    plan.build(how.stub_vaddr, key).ok_or(Missing::Unproven)
}
