//! The table of patched texts. A signal handler reads it, so entries are published by one store and
//! never moved.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::arch::{Context, SigInfo};
use crate::memory::{self, Mutex, MutexGuard};
use crate::patch::{BlobView, Entry as Way, Shape, SiteDesc, SiteRecord};
use crate::signal;
use crate::trial::{self, Place};
use crate::view::unwind;

/// Texts that a process can have patched at once.
pub const REGIONS: usize = 1024;
/// Bytes of a link page.
pub const LINK_PAGE: usize = 4096;

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const LIVE: u32 = 2;

/// One patched text: its stubs and link page, and what is known of its sites.
pub struct Region {
    /// What is added to the addresses of the file.
    pub bias: usize,
    /// Where the stubs are.
    pub stubs: usize,
    /// Bytes of stubs; the link page follows.
    pub stub_len: usize,
    /// The first and one past the last address of the file's text.
    pub text: (usize, usize),
    /// The image, mapped for as long as the region is live: start and length.
    pub mapped: (usize, usize),
    /// The image as tables.
    pub view: BlobView<'static>,
    /// Whether its stubs lead every call to the resident (`watch`).
    pub diverted: AtomicBool,
    /// Whether some of its text has the file's own bytes again (`native`).
    pub native: AtomicBool,
}

impl Region {
    /// Whether a site is patched: it always is unless some text is native again.
    fn is_in_place(&self, site: &SiteRecord) -> bool {
        if !self.native.load(Ordering::Acquire) {
            return true;
        }
        self.view.runs().any(|run| {
            let bytes = self.view.text(&run);
            let from = site.head.wrapping_sub(run.vaddr) as usize;
            let length = (site.tail - site.head) as usize;
            let at = (site.head as usize).wrapping_add(self.bias);
            let patched = from.checked_add(length).and_then(|to| bytes.get(from..to));
            patched.is_some_and(|patched| memory::equals(at, patched))
        })
    }

    /// Whether the range is patched text, page for page.
    fn is_patched(&self, start: usize, end: usize) -> bool {
        self.view.runs().any(|run| {
            let from = start.wrapping_sub((run.vaddr as usize).wrapping_add(self.bias));
            let patched =
                from.checked_add(end - start).and_then(|to| self.view.text(&run).get(from..to));
            patched.is_some_and(|patched| memory::equals(start, patched))
        })
    }
}

struct Entry {
    state: AtomicU32,
    /// Written before the state becomes LIVE.
    region: UnsafeCell<MaybeUninit<Region>>,
}

// SAFETY: `region` is written by the one that holds the lock while the state is not LIVE, and only
// read while it is.
unsafe impl Sync for Entry {}

static TABLE: [Entry; REGIONS] = [const {
    Entry { state: AtomicU32::new(FREE), region: UnsafeCell::new(MaybeUninit::uninit()) }
}; REGIONS];
/// One more than the last entry that was ever used.
static USED: AtomicUsize = AtomicUsize::new(0);
static LOCK: Mutex<()> = Mutex::new(());

/// Keeps the table as it is: writers hold it, and so does a fork, for the child's sake.
pub fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock()
}

/// Gives the lock back in the stead of who holds it.
///
/// # Safety
/// The holder must know.
pub unsafe fn force_unlock() {
    // SAFETY: the caller's promise.
    unsafe { LOCK.force_unlock() };
}

fn live() -> impl Iterator<Item = (&'static Entry, &'static Region)> {
    TABLE.iter().take(USED.load(Ordering::Acquire)).filter_map(|entry| {
        if entry.state.load(Ordering::Acquire) != LIVE {
            return None;
        }
        // SAFETY: a live region was written and is only read.
        Some((entry, unsafe { (*entry.region.get()).assume_init_ref() }))
    })
}

/// Adds a region. `false` when the table is full.
pub fn add(region: Region) -> bool {
    let _writer = lock();
    let (stubs, length) = (region.stubs, region.stub_len);
    for (index, entry) in TABLE.iter().enumerate() {
        if entry.state.load(Ordering::Acquire) == FREE {
            entry.state.store(TAKEN, Ordering::Relaxed);
            // SAFETY: not live, and the lock keeps other writers out.
            unsafe { (*entry.region.get()).write(region) };
            unwind::describe(index, stubs, length);
            let page = stubs + length;
            entry.state.store(LIVE, Ordering::Release);
            USED.fetch_max(index + 1, Ordering::SeqCst);
            // What changed since the page was filled, and could not find it yet.
            crate::layer::fill_link_page(page);
            return true;
        }
    }
    false
}

/// Says to debuggers where the stubs of every region are. The lock is held.
pub fn describe_regions() {
    for (entry, region) in live() {
        unwind::describe(index_of(entry), region.stubs, region.stub_len);
    }
}

fn index_of(entry: &Entry) -> usize {
    (core::ptr::from_ref(entry).addr() - TABLE.as_ptr().addr()) / size_of::<Entry>()
}

/// The live region with stubs at `stubs`.
pub fn at(stubs: usize) -> Option<&'static Region> {
    live().map(|(_, region)| region).find(|region| region.stubs == stubs)
}

/// Takes out every region whose text lies in the range, and gives what it mapped to `unmap`.
///
/// # Safety
/// No thread may run in the stubs of such a region, nor be about to: its text is gone.
pub unsafe fn remove(start: usize, end: usize, mut unmap: impl FnMut(usize, usize)) {
    for (entry, region) in live() {
        if region.text.0 >= start && region.text.1 <= end {
            let (stubs, length) = (region.stubs, region.stub_len + LINK_PAGE);
            let mapped = region.mapped;
            unwind::describe(index_of(entry), 0, 0);
            entry.state.store(TAKEN, Ordering::Release);
            unmap(stubs, length);
            for island in region.view.islands() {
                unmap((island.vaddr as usize).wrapping_add(region.bias), island.len as usize);
            }
            if mapped.1 != 0 {
                unmap(mapped.0, mapped.1);
            }
            entry.state.store(FREE, Ordering::Release);
        }
    }
}

/// Whether any live region's text lies in the range.
pub fn any_in(start: usize, end: usize) -> bool {
    live().any(|(_, region)| region.text.0 >= start && region.text.1 <= end)
}

/// Whether any live region's text has a byte in the range.
pub fn overlaps(start: usize, end: usize) -> bool {
    live().any(|(_, region)| region.text.0 < end && region.text.1 > start)
}

/// Whether the range is patched text, as it was put there.
pub fn is_patched(start: usize, end: usize) -> bool {
    live().any(|(_, region)| region.is_patched(start, end))
}

/// Calls `visit` with the address of every link page.
pub fn each_link_page(mut visit: impl FnMut(usize)) {
    for (_, region) in live() {
        visit(region.stubs + region.stub_len);
    }
}

/// Calls `visit` with the start and end of every stub area, link page included.
pub fn each_stub_range(mut visit: impl FnMut(usize, usize)) {
    for (_, region) in live() {
        visit(region.stubs, region.stubs + region.stub_len + LINK_PAGE);
    }
}

/// Calls `visit` with every region.
pub fn each(mut visit: impl FnMut(&'static Region)) {
    live().for_each(|(_, region)| visit(region));
}

/// The address of the description of the site whose stub has just made a call, if `pc` is behind such
/// a call.
pub fn description_at(pc: usize) -> Option<usize> {
    let region = of_stub(pc)?;
    let site = region.view.site_by_stub_offset((pc - region.stubs) as u32)?;
    let end = region.stubs + site.stub as usize + usize::from(site.stub_len);
    let desc = end - size_of::<SiteDesc>();
    // SAFETY: every stub ends with its description, and a live region's stubs stay mapped.
    let gate = unsafe { &*(desc as *const SiteDesc) }.gate;
    (pc == desc - usize::from(gate) + crate::arch::SYSCALL_INSTRUCTION).then_some(desc)
}

fn of_stub(pc: usize) -> Option<&'static Region> {
    live()
        .map(|(_, region)| region)
        .find(|region| (region.stubs..region.stubs + region.stub_len).contains(&pc))
}

fn of_text(pc: usize) -> Option<&'static Region> {
    live().map(|(_, region)| region).find(|region| (region.text.0..region.text.1).contains(&pc))
}

/// The site that led to `pc`, if a jump to a stub is there: in padding or on an island.
fn at_jump(pc: usize) -> Option<usize> {
    live().find_map(|(_, region)| {
        let in_text = (region.text.0..region.text.1).contains(&pc);
        if !in_text && pc < region.stubs {
            return None;
        }
        let site = region.view.original_pc_at_jump(pc.wrapping_sub(region.bias) as u64)?;
        let is_ours = !in_text
            || !region.native.load(Ordering::Acquire)
            || region.is_patched(pc, pc + crate::arch::SYSCALL_INSTRUCTION);
        is_ours.then(|| (site as usize).wrapping_add(region.bias))
    })
}

/// The address that the kernel would have shown for `pc`: another one when it lies in a stub or on the
/// way to one.
pub fn shown_pc(pc: usize) -> usize {
    of_stub(pc)
        .and_then(|region| {
            let original = region.view.original_pc((pc - region.stubs) as u32)?;
            Some((original as usize).wrapping_add(region.bias))
        })
        .or_else(|| at_jump(pc))
        .unwrap_or(pc)
}

/// Makes a context that was interrupted in a stub what the kernel would have shown: the program's
/// own registers, at the address of its own instruction.
pub fn leave_stub(context: &mut Context) {
    let pc = context.pc();
    let Some(region) = of_stub(pc) else {
        match at_jump(pc) {
            Some(site) => context.set_pc(site),
            None => context.leave_vdso(),
        }
        return;
    };
    let Some(site) = region.view.site_by_stub_offset((pc - region.stubs) as u32) else { return };
    let end = region.stubs + site.stub as usize + usize::from(site.stub_len);
    // SAFETY: every stub ends with its description, and a live region's stubs stay mapped; the
    // context lies in that stub.
    unsafe { context.leave_stub(&*((end - size_of::<SiteDesc>()) as *const SiteDesc)) };
    context.set_pc(shown_pc(pc));
}

/// Where to go on for an address that was shown: another one when the instruction is no longer
/// there.
pub fn resume_pc(shown: usize) -> usize {
    of_text(shown)
        .and_then(|region| {
            let (site, offset) = region.view.resume_from(shown.wrapping_sub(region.bias) as u64)?;
            region.is_in_place(&site).then_some(region.stubs + offset as usize)
        })
        .unwrap_or(shown)
}

/// The patched site at an address: its file's device and inode, and what is known of it.
pub fn site_at(address: usize) -> Option<([u64; 2], SiteRecord)> {
    let region = of_text(address)?;
    let [device, inode, ..] = region.view.key();
    let site = region.view.site_by_vaddr(address.wrapping_sub(region.bias) as u64)?;
    Some(([device, inode], site))
}

/// What is known of the site behind which `pc` is.
pub fn site_behind(pc: usize) -> Option<SiteRecord> {
    site_at(pc.wrapping_sub(crate::arch::SYSCALL_INSTRUCTION)).map(|(_, site)| site)
}

/// Whether a context at `pc`, shown and resumed, goes on there.
pub fn is_resumable(pc: usize) -> bool {
    let shown = shown_pc(pc);
    shown == pc || resume_pc(shown) == pc
}

/// How the call goes on of the trap site whose trap raised the signal, with the program counter where the
/// machine leaves it.
pub fn trap_at(signal: i32, info: &SigInfo, pc: usize) -> Option<Trapped> {
    // Where the machine leaves the counter behind a trap, within the site, nothing else leads there.
    let is_told = crate::arch::TRAP_LEAVES != 0 && signal == signal::SIGTRAP;
    if !signal::has_traps() || !(is_told || signal::is_breakpoint(signal, info)) {
        return None;
    }
    let site = pc.wrapping_sub(crate::arch::TRAP_LEAVES);
    let region = of_text(site)?;
    let record = region.view.site_by_vaddr(site.wrapping_sub(region.bias) as u64)?;
    let traps = record.shape == Shape::Trap && region.is_in_place(&record);
    let [device, inode, ..] = region.view.key();
    let goes_around = || {
        let place = Place { dev: device, ino: inode, vaddr: record.vaddr };
        crate::arch::CAN_WATCH
            && record.entry == Way::Syscall
            && trial::current().is_some_and(|trial| trial.has_no_stub(place))
    };
    traps.then(|| match goes_around() {
        true => Trapped::Behind(site + crate::arch::SYSCALL_INSTRUCTION),
        false => Trapped::Stub(region.stubs + record.stub as usize),
    })
}

/// Where a call goes on whose site has trapped.
pub enum Trapped {
    /// In its stub.
    Stub(usize),
    /// In the resident at once, and then at this address behind the site.
    Behind(usize),
}
