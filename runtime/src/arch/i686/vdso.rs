//! The vDSO, whose `__kernel_vsyscall` the C library calls (`AT_SYSINFO`), and to whose restorers
//! handlers return.
//!
//! Its text is replaced, at its own address, by a copy in which these three lead to the resident.
//! The rest stays: the time functions find the kernel's data where it was, and what they ask the
//! kernel themselves goes through `__kernel_vsyscall` too. Debuggers and unwinders find symbols
//! and CFI as ever. The copy is the same in every process: it finds the entry code and the table
//! of wanted calls through `%fs`.
//!
//! ```text
//! __kernel_vsyscall:             jmp vsyscall        over push %ecx; push %edx; push %ebp; mov
//!                                sysenter or syscall
//!                                int $0x80
//!                                pop %ebp; pop %edx; pop %ecx; ret
//! __kernel_sigreturn:            pop %eax
//!                                jmp sigreturn       over mov $119,%eax
//! __kernel_rt_sigreturn:         jmp rt_sigreturn    over mov $173,%eax
//! …
//! vsyscall:    push %ecx; push %edx; push %ebp       what the function would have pushed
//!              movzwl %ax, %ecx                      no instruction of the test writes flags
//!              movl %fs:TABLE, %edx
//!              movzbl (%edx,%ecx), %ecx
//!              jecxz pass
//!              pop %ebp; pop %edx; pop %ecx
//!              call *%fs:ENTRY
//!              SiteDesc
//! pass:        movl 8(%esp), %ecx; movl 4(%esp), %edx
//!              mov …, %ebp                           the function's own
//!              jmp __kernel_vsyscall+5
//! sigreturn:   movl $119, %eax; call *%fs:ENTRY; SiteDesc
//! ```
//!
//! So a call that nobody wants enters the kernel where it always did, with the stack as the CFI
//! there says, and can be interrupted, shown and resumed anywhere.

use alloc::vec::Vec;
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::thread::{ENTRY, TABLE};
use crate::patch::{RETURNS, SiteDesc};
use crate::sys;
use crate::text;
use goblin::elf32::{header::Header, program_header::ProgramHeader, sym::Sym};

/// `e_type` and the rest are the kernel's own; a vDSO is far smaller than this.
const LARGEST: usize = 64 * 1024;
const PAGE: usize = 4096;

/// `push %ecx; push %edx; push %ebp`, with which every kernel's `__kernel_vsyscall` begins
/// (arch/x86/entry/vdso/vdso32/system_call.S).
const PUSHES: [u8; 3] = [0x51, 0x52, 0x55];
/// `movl $119, %eax; int $0x80`, after a `pop %eax` (arch/x86/entry/vdso/vdso32/sigreturn.S).
const SIGRETURN: [u8; 8] = [0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80];
/// `movl $173, %eax; int $0x80`.
const RT_SIGRETURN: [u8; 7] = [0xb8, 173, 0, 0, 0, 0xcd, 0x80];
/// The bytes of a long jump.
const JUMP: usize = 5;

/// Where things are in the process; 0 when there is no copy.
static VSYSCALL_AT: AtomicUsize = AtomicUsize::new(0);
static SIGRETURN_AT: AtomicUsize = AtomicUsize::new(0);
static RT_SIGRETURN_AT: AtomicUsize = AtomicUsize::new(0);
static CODE_AT: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the code for `__kernel_vsyscall`, and of those for the two others.
const VSYSCALL_CODE: usize = 59;
const SIGRETURN_CODE: usize = 24;
/// Where the second and the third begin.
const NEXT_CODE: [usize; 2] = [60, 60 + SIGRETURN_CODE];

/// What a signal that finds the thread at `pc` in the code of the copy shows: the address of the
/// function, and how many of ecx, edx and ebp are pushed.
pub(super) fn interrupted(pc: usize) -> Option<(usize, usize)> {
    let code = CODE_AT.load(Ordering::Relaxed);
    let at = pc.checked_sub(code)?;
    if code == 0 {
        return None;
    }
    let pushed = match at {
        0..=2 => at,
        3..=19 | 44.. => 3,
        20 | 21 => 22 - at,
        _ => 0,
    };
    if at < VSYSCALL_CODE {
        return Some((VSYSCALL_AT.load(Ordering::Relaxed), pushed));
    }
    // Making the load of the number once more does no harm.
    let [old, rt] = NEXT_CODE;
    if (old..rt).contains(&at) {
        return Some((SIGRETURN_AT.load(Ordering::Relaxed) + 1, 0));
    }
    (rt..rt + SIGRETURN_CODE).contains(&at).then(|| (RT_SIGRETURN_AT.load(Ordering::Relaxed), 0))
}

/// Where a handler without `SA_RESTORER` returns: one with `SA_SIGINFO`, or without.
pub(super) fn restorer(wants_info: bool) -> Option<usize> {
    let place = if wants_info { &RT_SIGRETURN_AT } else { &SIGRETURN_AT };
    match place.load(Ordering::Relaxed) {
        0 => None,
        at => Some(at),
    }
}

/// Replaces the vDSO at `start` (`AT_SYSINFO_EHDR`). When that cannot be done the log says so, and
/// the target must not hear of it: a program without a vDSO makes its calls by `int $0x80`.
pub fn cover(start: usize) -> bool {
    // SAFETY: the kernel mapped its vDSO there, as long as its own header says.
    let image = unsafe { bytes_at(start) };
    let covered = image.ok_or(sys::Errno::NOEXEC).and_then(|image| {
        let (copy, functions) = patched(image).ok_or(sys::Errno::NOEXEC)?;
        text::replace(&copy, start)?;
        Ok(functions)
    });
    match covered {
        Ok(functions) => {
            VSYSCALL_AT.store(start + functions.vsyscall, Ordering::Relaxed);
            CODE_AT.store(start + functions.code, Ordering::Relaxed);
            SIGRETURN_AT.store(start + functions.sigreturn, Ordering::Relaxed);
            RT_SIGRETURN_AT.store(start + functions.rt_sigreturn, Ordering::Relaxed);
            true
        }
        Err(error) => {
            crate::log!(Warn, "the vDSO cannot be replaced ({}): hidden", error.text());
            false
        }
    }
}

/// The pages of the image at `start`.
///
/// # Safety
/// An ELF image must be mapped there.
unsafe fn bytes_at(start: usize) -> Option<&'static [u8]> {
    // SAFETY: a mapped image has a page at least.
    let first = unsafe { core::slice::from_raw_parts(start as *const u8, PAGE) };
    let field = |at: usize| u32_at(first, at).map(|value| value as usize);
    let table = field(offset_of!(Header, e_phoff))?;
    let length = field(table + offset_of!(ProgramHeader, p_memsz))?.next_multiple_of(PAGE);
    // SAFETY: its first segment, which the kernel maps in whole pages, is as long.
    (length <= LARGEST).then(|| unsafe { core::slice::from_raw_parts(start as *const u8, length) })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Offsets of the functions that change.
#[derive(Clone, Copy)]
struct Functions {
    vsyscall: usize,
    sigreturn: usize,
    rt_sigreturn: usize,
    /// The code that is added.
    code: usize,
}

impl Functions {
    fn find(image: &[u8]) -> Option<Self> {
        Some(Self {
            vsyscall: symbol(image, b"__kernel_vsyscall\0")?,
            sigreturn: symbol(image, b"__kernel_sigreturn\0")?,
            rt_sigreturn: symbol(image, b"__kernel_rt_sigreturn\0")?,
            code: (image.iter().rposition(|&byte| byte != 0)? + 1).next_multiple_of(16),
        })
    }
}

/// The value of a dynamic symbol.
fn symbol(image: &[u8], name: &[u8]) -> Option<usize> {
    const PT_DYNAMIC: u32 = 2;
    const DT_STRTAB: u32 = 5;
    const DT_SYMTAB: u32 = 6;
    let table = u32_at(image, offset_of!(Header, e_phoff))? as usize;
    let count = usize::from(*image.get(offset_of!(Header, e_phnum))?);
    let headers = image.get(table..)?.chunks_exact(size_of::<ProgramHeader>()).take(count);
    let dynamic =
        headers.filter(|header| u32_at(header, 0) == Some(PT_DYNAMIC)).find_map(|header| {
            image.get(u32_at(header, offset_of!(ProgramHeader, p_vaddr))? as usize..)
        })?;
    let tag = |wanted: u32| {
        let entry = dynamic.chunks_exact(8).find(|entry| u32_at(entry, 0) == Some(wanted))?;
        u32_at(entry, 4).map(|value| value as usize)
    };
    let (symbols, strings) = (tag(DT_SYMTAB)?, tag(DT_STRTAB)?);
    // The strings follow the symbols (arch/x86/entry/vdso/common/vdso-layout.lds.S).
    image.get(symbols..strings)?.chunks_exact(size_of::<Sym>()).find_map(|symbol| {
        let at = strings + u32_at(symbol, 0)? as usize;
        let found = image.get(at..)?.starts_with(name);
        found.then(|| u32_at(symbol, offset_of!(Sym, st_value)).map(|value| value as usize))?
    })
}

/// The image with its three functions leading to the resident.
fn patched(image: &[u8]) -> Option<(Vec<u8>, Functions)> {
    let functions = Functions::find(image)?;
    let begins =
        |at: usize, code: &[u8]| image.get(at..).is_some_and(|rest| rest.starts_with(code));
    let known = begins(functions.vsyscall, &PUSHES)
        && begins(functions.sigreturn, &SIGRETURN)
        && begins(functions.rt_sigreturn, &RT_SIGRETURN);
    if !known {
        return None;
    }
    let own_mov = [*image.get(functions.vsyscall + 3)?, *image.get(functions.vsyscall + 4)?];
    let mut copy = Copy { bytes: image.to_vec(), at: functions.code };

    let vsyscall = copy.at;
    // The test, `jecxz pass`, the pops, three bytes so that the description is aligned.
    copy.put(&PUSHES)?;
    copy.put(&[0x0f, 0xb7, 0xc8])?;
    copy.put(&[0x64, 0x8b, 0x15])?;
    copy.put(&(TABLE as u32).to_le_bytes())?;
    copy.put(&[0x0f, 0xb6, 0x0c, 0x0a])?;
    copy.put(&[0xe3, 25])?;
    copy.put(&[0x5d, 0x5a, 0x59])?;
    copy.put(&[0x90, 0x90, 0x90])?;
    copy.call_resident(functions.vsyscall, RETURNS)?;
    copy.put(&[0x8b, 0x4c, 0x24, 8])?;
    copy.put(&[0x8b, 0x54, 0x24, 4])?;
    copy.put(&own_mov)?;
    copy.jump(functions.vsyscall + JUMP)?;
    copy.lead(functions.vsyscall, vsyscall)?;

    for (number, head) in [(119u8, functions.sigreturn + 1), (173, functions.rt_sigreturn)] {
        copy.at = copy.at.next_multiple_of(4);
        let start = copy.at;
        debug_assert!(NEXT_CODE.contains(&(start - functions.code)));
        copy.put(&[0xb8, number, 0, 0, 0])?;
        copy.call_resident(head, 0)?;
        copy.lead(head, start)?;
    }
    Some((copy.bytes, functions))
}

/// The copy under construction.
struct Copy {
    bytes: Vec<u8>,
    /// The first unused byte behind the image.
    at: usize,
}

impl Copy {
    fn put(&mut self, code: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.at..self.at + code.len())?.copy_from_slice(code);
        self.at += code.len();
        Some(())
    }

    /// `jmp target`.
    fn jump(&mut self, target: usize) -> Option<()> {
        let distance = target.wrapping_sub(self.at + JUMP) as u32;
        self.put(&[0xe9])?;
        self.put(&distance.to_le_bytes())
    }

    /// Makes the code at `from` jump to `to`.
    fn lead(&mut self, from: usize, to: usize) -> Option<()> {
        let next = core::mem::replace(&mut self.at, from);
        self.jump(to)?;
        self.at = next;
        Some(())
    }

    /// `call *%fs:ENTRY` and the description of the site, from whose address a call is made again.
    fn call_resident(&mut self, site: usize, keeps: u8) -> Option<()> {
        self.put(&[0x64, 0xff, 0x15])?;
        self.put(&(ENTRY as u32).to_le_bytes())?;
        let desc = SiteDesc {
            site: i32::try_from(site as isize - self.at as isize).ok()?,
            resume: 0,
            gate: 0,
            entry: 0,
            keeps,
            start: 0,
            shape: 0,
            test: 0,
        };
        debug_assert!(self.at.is_multiple_of(4));
        self.put(&desc.to_bytes())
    }
}
