//! The vector state of x86 that the entry does not save: the x87's, the upper halves of ymm, that of
//! AVX-512. No code of the resident's touches it. Around a module's code that does, it is kept by
//! `xsave` (Intel SDM volume 1, 13), and the code begins with the state that a function may expect
//! (System V ABI, 3.2.1): an empty x87 stack, control words at their first values.

use core::arch::asm;
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

/// The bit of mxcsr in XCR0. The entry saves it: it is only set.
const MXCSR: u64 = 1 << 1;
/// The components that can be kept, as bits of XCR0: the x87's, mxcsr, AVX's and AVX-512's.
pub const KEPT: u64 = 0b1110_0111;
/// mxcsr as a program begins with it: every exception masked.
const FIRST_MXCSR: u32 = 0x1f80;

/// The legacy area and the header behind it, which every image begins with.
const LEGACY: usize = 512;
const HEADER: usize = 64;
/// Room for the components, wherever the processor places them ([`can_keep`]): the last of them ends at 2688 on
/// those that are known.
const ROOM: usize = 2816;

/// What `xsave` writes.
#[repr(C, align(64))]
struct Area([MaybeUninit<u8>; ROOM]);

/// An image in which no component is there: `xrstor` sets all to their first values.
#[repr(C, align(64))]
struct Fresh([AtomicU32; (LEGACY + HEADER) / 4]);

static FRESH: Fresh = Fresh([const { AtomicU32::new(0) }; (LEGACY + HEADER) / 4]);

/// The components that have been kept in this process: a module's code may have changed them in the context of a
/// signal that it was interrupted by.
static CHANGED: AtomicU32 = AtomicU32::new(0);

/// The control words of the x87 and of SSE.
pub type Words = (u16, u32);

/// What is kept for the caller while a module's code runs.
pub struct Kept {
    components: Cell<u64>,
    area: Cell<*mut Area>,
}

/// With 64-bit pointers to the last instruction and operand of the x87 where there are such.
#[cfg(target_pointer_width = "64")]
macro_rules! wide {
    ($instruction:literal) => {
        concat!($instruction, "64 [{area}]")
    };
}
#[cfg(target_pointer_width = "32")]
macro_rules! wide {
    ($instruction:literal) => {
        concat!($instruction, " [{area}]")
    };
}

/// Writes the components to `area`.
///
/// # Safety
/// The area must be aligned to 64 bytes, with room for them, and its header be zero or an image's.
unsafe fn save(area: *mut u8, components: u64) {
    // SAFETY: the caller's promise; nothing but the area is changed.
    unsafe {
        asm!(wide!("xsave"), area = in(reg) area, in("eax") components as u32,
             in("edx") 0, options(nostack));
    }
}

/// Sets the components as `area` has them.
///
/// # Safety
/// The area must be aligned to 64 bytes, and an image.
unsafe fn restore(area: *const u8, components: u64) {
    // SAFETY: the caller's promise. Compiled code keeps nothing in what is set but xmm, which the C ABI lets every
    // function change.
    unsafe {
        asm!(wide!("xrstor"), area = in(reg) area, inout("eax") components as u32 => _,
             inout("edx") 0 => _, clobber_abi("C"), options(nostack));
    }
}

fn mxcsr() -> u32 {
    let mut word = 0;
    // SAFETY: a store of four bytes.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
    word
}

fn set_mxcsr(word: u32) {
    // SAFETY: a word that was stored, or the first: no reserved bit is set. No code of the resident's computes with
    // floating point.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
}

fn control() -> u16 {
    let mut word = 0;
    // SAFETY: a store of two bytes.
    unsafe { asm!("fnstcw [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
    word
}

fn set_control(word: u16) {
    // SAFETY: a word that was stored. No code of the resident's uses the x87.
    unsafe { asm!("fldcw [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
}

/// Sets the components to their first values; with AVX's comes an mxcsr of 0 (SDM volume 1, 13.8.1).
fn begin(components: u64) {
    // SAFETY: the image is aligned, and of no component but in name.
    unsafe { restore((&raw const FRESH).cast(), components) };
}

impl Kept {
    /// Nothing.
    pub const fn none() -> Self {
        Self { components: Cell::new(0), area: Cell::new(null_mut()) }
    }

    /// Puts the caller's state in place for a call of vload's from the module's code, which may start a thread with
    /// that of its starter. Gives what [`end`](Self::end) wants.
    #[inline(never)]
    pub fn lend(&self) -> Words {
        // A function leaves these as they are (System V ABI, 3.2.1).
        let words = (control(), mxcsr());
        let area = self.area.get();
        if !area.is_null() {
            // SAFETY: `keeping` has written it, and waits for the code that calls.
            unsafe { restore(area.cast(), self.components.get()) };
        }
        words
    }

    /// The call has returned.
    #[inline(never)]
    pub fn end(&self, (control, mxcsr): Words) {
        if !self.area.get().is_null() {
            begin(self.components.get());
            set_control(control);
            set_mxcsr(mxcsr);
        }
    }
}

/// Makes a call of a module's code, and keeps the components for the caller.
#[inline(never)]
pub fn keeping(components: u64, kept: &Kept, call: impl FnOnce() -> isize) -> isize {
    let word = mxcsr();
    let mut area = Area([const { MaybeUninit::uninit() }; ROOM]);
    let image: *mut u8 = (&raw mut area).cast();
    let components = components & !MXCSR;
    if components != 0 {
        CHANGED.fetch_or(components as u32, Ordering::Relaxed);
        // SAFETY: the area is aligned, and has room for what `can_keep` has found.
        unsafe {
            image.add(LEGACY).write_bytes(0, HEADER);
            save(image, components);
        }
        kept.components.set(components);
        kept.area.set(&raw mut area);
        begin(components);
    }
    set_mxcsr(FIRST_MXCSR);
    let result = call();
    if components != 0 {
        // SAFETY: written above.
        unsafe { restore(image, components) };
        kept.area.set(null_mut());
    }
    set_mxcsr(word);
    result
}

/// Writes the caller's state to the context of a signal that has found the resident, if a module's code may have
/// changed what was found then.
///
/// # Safety
/// `image` must be that of a kernel's frame with a header, aligned to 64 bytes, and the state be the caller's again.
pub(super) unsafe fn take_back(image: *mut u8) -> bool {
    let changed = CHANGED.load(Ordering::Relaxed);
    if changed != 0 {
        // SAFETY: the kernel makes room for every component of XCR0 (arch/x86/kernel/fpu/signal.c).
        unsafe { save(image, changed.into()) };
    }
    changed != 0
}

/// The name of a component, by its bit.
pub fn component(bit: u32) -> &'static str {
    match bit {
        0 => "x87",
        1 => "mxcsr",
        2 => "avx",
        5 => "avx512-masks",
        6 => "avx512-high",
        _ => "avx512-more",
    }
}

/// Whether the machine lets the components be kept.
pub fn can_keep(components: u64) -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const LAYOUT: u32 = 0xd;
    if components & !KEPT != 0 {
        return false;
    }
    if components & !MXCSR == 0 {
        return true;
    }
    if cpuid(1, 0).2 & OSXSAVE == 0 {
        return false;
    }
    let fits = |component: u32| {
        let (size, offset, ..) = cpuid(LAYOUT, component);
        (size as usize).saturating_add(offset as usize) <= ROOM
    };
    (2..u64::BITS).filter(|bit| components >> bit & 1 != 0).all(fits)
}

/// A leaf of `cpuid`: eax, ebx, ecx.
pub(super) fn cpuid(leaf: u32, sub: u32) -> (u32, u32, u32) {
    #[cfg(target_pointer_width = "32")]
    use core::arch::x86::__cpuid_count;
    #[cfg(target_pointer_width = "64")]
    use core::arch::x86_64::__cpuid_count;
    let found = __cpuid_count(leaf, sub);
    (found.eax, found.ebx, found.ecx)
}
