//! From an opened file to its patched image: known to the session, or made now.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::store::{self, Found, Image};
use crate::digits::hexadecimal;
use crate::patch::{self, Blob, Error, Fault, Plan, Shape, ShapeSet};
use crate::process::OPTIONS;
use crate::sys::{self, Stat};
use crate::trial;

/// A file changed that recently may change again without a change of its times: what is learned of
/// it is not kept.
const FRESH: i64 = 2_000_000_000;

/// `--test-bounce`: no text is patched, because a tracer brings the calls.
pub static UNTOUCHED: AtomicBool = AtomicBool::new(false);

/// `--shapes`, as stored in images.
pub static SHAPES: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sets the shapes that may be used.
pub fn set_shapes(shapes: ShapeSet) {
    SHAPES.store(u64::from_le_bytes(shapes.to_bytes()), Ordering::Relaxed);
}

/// The shapes that may be used.
pub fn shapes() -> ShapeSet {
    let raw = SHAPES.load(Ordering::Relaxed);
    if raw == u64::MAX {
        return ShapeSet::default();
    }
    ShapeSet::from_bytes(raw.to_le_bytes()).unwrap_or_default()
}

/// Whether the file starts as an ELF file does.
pub fn is_elf(fd: i32) -> bool {
    let mut magic = [0; 4];
    sys::pread(fd, &mut magic, 0) == Ok(4) && magic == *b"\x7fELF"
}

/// How an image is made.
#[derive(Clone, Copy)]
pub struct How {
    /// Where its stubs are, if not where they go by default.
    pub stub_vaddr: Option<u64>,
    /// The shapes that may be used.
    pub allowed: ShapeSet,
}

impl How {
    /// The shapes that are used. Islands are at a fixed distance from the text; where something else is there
    /// already, the stubs are not where they belong either.
    pub fn shapes(&self) -> ShapeSet {
        match self.stub_vaddr {
            None => self.allowed,
            Some(_) => self.allowed.without(Shape::Pun),
        }
    }

    /// Its part of a key.
    pub fn key(&self) -> u64 {
        let stubs = self.stub_vaddr.unwrap_or(u64::MAX);
        u64::from_le_bytes(self.allowed.to_bytes()).rotate_left(17) ^ stubs
    }
}

/// What identifies an image: the file's content, the shapes, where the stubs are, and what is wrong with it
/// on purpose.
fn key(stat: &Stat, how: &How, fault: Option<Fault>) -> [u64; 6] {
    let how = how.key() ^ fault.map_or(0, Fault::key);
    [stat.dev, stat.ino, stat.size, stat.mtime as u64, stat.ctime as u64, how]
}

/// Why a text has no patched image; the log says more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// It has no site.
    Nothing,
    /// It has something that cannot be proven to be no site, or could not be looked at.
    Unproven,
}

/// The patched image of the file.
pub fn image_of(fd: i32, stat: &Stat, how: &How) -> Result<Image, Missing> {
    if UNTOUCHED.load(Ordering::Relaxed) {
        return Err(Missing::Nothing);
    }
    let fault = fault(fd);
    let key = key(stat, how, fault);
    let skipped = named(fd, "skip");
    // A run of `vload bisect` has a session of its own, and no cache.
    let lasting = skipped.is_empty() && is_settled(stat);
    if lasting {
        match store::find(&key) {
            Found::Image(image) => return Ok(image),
            Found::Missing(missing) => return Err(missing),
            Found::Unknown => {}
        }
    }
    store::keep(&key, build(fd, stat, how, key, &Changes { skipped, fault }), lasting)
}

fn is_settled(stat: &Stat) -> bool {
    sys::now().is_some_and(|now| now.saturating_sub(stat.mtime.max(stat.ctime)) > FRESH)
}

fn build(
    fd: i32,
    stat: &Stat,
    how: &How,
    key: [u64; 6],
    changes: &Changes,
) -> Result<Vec<u8>, Missing> {
    let length = usize::try_from(stat.size).map_err(|_| Missing::Unproven)?;
    let start = sys::map_private(fd, 0, length).map_err(|_| Missing::Unproven)?;
    // SAFETY: mapped just now for reading. A file that is cut while it is read raises SIGBUS, as
    // executing it would.
    let file = unsafe { core::slice::from_raw_parts(start as *const u8, length) };
    let bytes = match plan(file, how, &changes.skipped) {
        Ok(mut plan) => {
            plan.spoil(changes.fault);
            if let Some(trial) = trial::current() {
                plan.decide(&|site| trial.fate(stat.dev, stat.ino, site));
                let mut path = [0u8; 4096];
                if let Some(path) = crate::view::path_of(fd, &mut path) {
                    trial.name(stat.dev, stat.ino, path);
                }
            }
            crate::log!(
                Info,
                "file {:#x}:{}: {} sites patched, {} candidates refused",
                stat.dev,
                stat.ino,
                plan.sites().len(),
                plan.refused().len()
            );
            for call in plan.fixed().iter().filter(|call| call.load.is_none()) {
                crate::log!(
                    Warn,
                    "not covered: file {:#x}:{} at {:#x}: an address of the vsyscall page",
                    stat.dev,
                    stat.ino,
                    call.vaddr
                );
            }
            for site in plan.sites().iter().filter(|site| site.shape == Shape::Trap) {
                crate::log!(
                    Debug,
                    "file {:#x}:{}: site {:#x} traps",
                    stat.dev,
                    stat.ino,
                    site.vaddr
                );
            }
            if plan.is_empty() {
                // There is no image from which `place` would say it.
                plan.refused().iter().for_each(|refused| super::place::report(&key, refused));
                let holes = plan.refused().iter().any(|refused| refused.reason.is_watched());
                Err(if holes { Missing::Unproven } else { Missing::Nothing })
            } else {
                plan.build(how.stub_vaddr, key).ok_or(Missing::Unproven)
            }
        }
        Err(error) => {
            crate::log!(Debug, "file {:#x}:{}: {error:?}", stat.dev, stat.ino);
            Err(Missing::Unproven)
        }
    };
    // SAFETY: `file` is not used any more.
    unsafe { sys::munmap(start, length) };
    let bytes = bytes?;
    if Blob::parse(&bytes).is_some() { Ok(bytes) } else { Err(Missing::Unproven) }
}

/// What a run makes of the opened file, whose bytes are `file`, while nothing is in the way of its
/// stubs.
pub fn plan_of(fd: i32, file: &[u8]) -> Result<Plan<'_>, Error> {
    let how = How { stub_vaddr: None, allowed: shapes() };
    plan(file, &how, &named(fd, "skip"))
}

fn plan<'a>(file: &'a [u8], how: &How, skipped: &[Skip]) -> Result<Plan<'a>, Error> {
    let skip = |site: u64| skipped.iter().any(|skip| skip.0.is_none_or(|at| at == site));
    patch::analyze(file, &how.shapes(), &skip)
}

/// What the options change of a file.
struct Changes {
    skipped: Vec<Skip>,
    fault: Option<Fault>,
}

/// The fault that `--test-lose-register FILE:SITE` or `--test-lose-moved SHAPE` puts into a file.
fn fault(fd: i32) -> Option<Fault> {
    let register = named(fd, "test-lose-register").pop().and_then(|site| site.0);
    let moved = || {
        let name = OPTIONS.values("test-lose-moved").last()?;
        let set = ShapeSet::parse(core::str::from_utf8(name).ok()?).ok()?;
        set.iter().next().map(Fault::Moved)
    };
    register.map(Fault::Register).or_else(moved)
}

/// A site that an option names, or all of a file.
struct Skip(Option<u64>);

/// What `FILE[:SITE]` of an option like `--skip` says of the opened file.
fn named(fd: i32, option: &str) -> Vec<Skip> {
    let mut found = Vec::new();
    if !OPTIONS.has(option) {
        return found;
    }
    let mut path = [0u8; 4096];
    let Some(path) = crate::view::path_of(fd, &mut path) else { return found };
    let base = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    for value in OPTIONS.values(option) {
        let (file, site) = split_site(value);
        if file == path || file == base {
            found.push(Skip(site));
        }
    }
    found
}

/// `FILE:SITE` with SITE in hexadecimal, or `FILE`.
fn split_site(value: &[u8]) -> (&[u8], Option<u64>) {
    let Some(colon) = value.iter().rposition(|&byte| byte == b':') else { return (value, None) };
    let digits = &value[colon + 1..];
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    match hexadecimal(digits) {
        Some(site) => (&value[..colon], Some(site)),
        None => (value, None),
    }
}
