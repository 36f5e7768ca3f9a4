//! Patched code, executed: it does what the original did where the call is passed on, and comes
//! to the resident's entry where it is wanted.

use super::{at, set, snippet};
use crate::arch::syscall;
use crate::patch::tests::file::{File, TEXT};
use crate::patch::{Blob, Link, Shape, SiteDesc, analyze};
use core::arch::naked_asm;
use linux_raw_sys::general as nr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::vec::Vec;

/// What [`answer`] gives as the result of a call.
const ANSWER: u64 = 0x7777;

/// An entry that answers every call at once: it goes on where the descriptor says.
#[unsafe(naked)]
unsafe extern "C" fn answer() {
    naked_asm!(
        "movzbl 4(%r11), %ecx",
        "not %rcx",
        "lea 1(%r11,%rcx), %rcx",
        "mov ${answer}, %eax",
        "jmp *%rcx",
        answer = const ANSWER,
        options(att_syntax)
    )
}

/// A patched text in memory.
struct Mapped {
    base: u64,
    blob: Vec<u8>,
    wanted: &'static [AtomicU8],
}

fn mmap(len: u64) -> u64 {
    let flags = nr::MAP_PRIVATE | nr::MAP_ANONYMOUS;
    let protection = nr::PROT_READ | nr::PROT_WRITE;
    let args = [0, len as usize, protection as usize, flags as usize, usize::MAX, 0];
    // SAFETY: a new mapping takes nothing away.
    let at = unsafe { syscall(nr::__NR_mmap as usize, args) };
    assert!(at > 0, "mmap: {at}");
    at as u64
}

impl Mapped {
    /// Patches a library whose only function is `text` and maps what a process would have of it.
    fn new(text: &[u8], shapes: &str) -> Self {
        let file = File::new(text).bytes();
        let plan = analyze(&file, &set(shapes), &|_| false).expect("an ELF file");
        let blob = plan.build(None, [0; 6]).expect("in reach");
        let view = Blob::parse(&blob).expect("sound");
        let wanted: Vec<AtomicU8> = (0..65536).map(|_| AtomicU8::new(0)).collect();
        let wanted: &'static [AtomicU8] = wanted.leak();
        let base = mmap(view.end());
        let write = |vaddr: u64, bytes: &[u8]| {
            // SAFETY: inside the mapping just made, which is writable and nobody else's.
            unsafe {
                let to = (base + vaddr) as *mut u8;
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            }
        };
        view.runs().for_each(|run| write(run.vaddr, view.text(&run)));
        write(view.stub_vaddr(), view.stubs());
        view.islands().for_each(|island| write(island.vaddr, view.island_bytes(&island)));
        let link = view.link_vaddr();
        write(link + Link::SYSCALL, &(answer as *const () as u64).to_le_bytes());
        write(link + Link::TABLE, &(wanted.as_ptr() as u64).to_le_bytes());
        let protection = (nr::PROT_READ | nr::PROT_EXEC) as usize;
        let protect = |vaddr: u64, len: u64| {
            let args = [(base + vaddr) as usize, len as usize, protection, 0, 0, 0];
            // SAFETY: the mapping is ours; the link page behind the stubs stays writable.
            assert_eq!(unsafe { syscall(nr::__NR_mprotect as usize, args) }, 0);
        };
        protect(0, link);
        view.islands().for_each(|island| protect(island.vaddr, island.len));
        drop(plan);
        Self { base, blob, wanted }
    }

    fn want(&self, number: u16, wanted: bool) {
        self.wanted[usize::from(number)].store(wanted.into(), Ordering::Relaxed);
    }

    /// Calls the code at an address of the file.
    fn call(&self, vaddr: u64, first: u64, second: u64) -> u64 {
        type Code = extern "C" fn(u64, u64) -> u64;
        let address = (self.base + vaddr) as *const ();
        // SAFETY: the snippet's code, which follows the C convention.
        let code = unsafe { core::mem::transmute::<*const (), Code>(address) };
        code(first, second)
    }
}

fn pid() -> u64 {
    u64::from(std::process::id())
}

snippet!(mov, "mov $39, %eax", "syscall", "ret");
snippet!(wide, "mov $39, %rax", "syscall", "ret");
snippet!(pad, "mov %edi, %eax", "syscall", "ret", ".skip 8, 0x90");
snippet!(before, "mov $39, %eax", "mov %rdi, %rsi", "syscall", "ret");
snippet!(before_short, "mov %rdi, %rax", "syscall", "ret");
snippet!(after, "mov %edi, %eax", "syscall", "cmp $-4096, %rax", "ret");
snippet!(
    pun_entered,
    "mov %edi, %eax",
    "test %esi, %esi",
    "jnz 1f",
    "syscall",
    "1: cmp $-4096, %rax",
    "ja 2f",
    "ret",
    "2: xor %eax, %eax",
    "ret"
);

#[test]
fn every_shape_passes_the_call_on_or_leads_to_the_entry() {
    for (text, shapes, shape, shown) in [
        (mov(), "mov", Shape::Mov, "mov"),
        (wide(), "mov", Shape::Mov, "wide mov"),
        (pad(), "pad", Shape::Pad, "pad"),
        (before(), "before", Shape::Before, "before"),
        (before_short(), "before", Shape::Before, "before, three bytes"),
        (after(), "after", Shape::After, "after"),
        (after(), "pun", Shape::Pun, "pun"),
        (pun_entered(), "pun", Shape::Pun, "pun, with a branch to what follows"),
    ] {
        let mapped = Mapped::new(text, shapes);
        let view = Blob::parse(&mapped.blob).expect("sound");
        assert_eq!(view.site(0).map(|site| site.shape), Some(shape), "{shown}");
        assert_eq!(mapped.call(TEXT, 39, 0), pid(), "{shown} passed on");
        mapped.want(39, true);
        assert_eq!(mapped.call(TEXT, 39, 0), ANSWER, "{shown} wanted");
        mapped.want(39, false);
        assert_eq!(mapped.call(TEXT, 39, 0), pid(), "{shown} passed on again");
    }
}

/// A context that is resumed at the site itself makes the call again, whatever rax has become.
#[test]
fn the_site_leads_back_to_the_window() {
    let mapped = Mapped::new(mov(), "mov");
    assert_eq!(mapped.call(at(5), 0, 0), pid());
    let mapped = Mapped::new(before(), "before");
    assert_eq!(mapped.call(at(8), 0, 0), pid());
}

/// What follows the site is executed by those who come to it from elsewhere, too.
#[test]
fn the_bytes_that_a_pun_shares_are_still_instructions() {
    let mapped = Mapped::new(pun_entered(), "pun");
    mapped.want(39, true);
    assert_eq!(mapped.call(TEXT, 39, 1), 39);
    assert_eq!(mapped.call(TEXT, 39, 0), ANSWER);
}

snippet!(
    relative_before,
    "lea 1f(%rip), %rdx",
    "mov $39, %eax",
    "mov %rdx, %r8",
    "syscall",
    "mov %rdx, %rax",
    "1: ret"
);
snippet!(
    relative_after,
    "mov $39, %eax",
    "test %edi, %edi",
    "1: syscall",
    "lea 1b(%rip), %rax",
    "ret",
    "jmp 1b"
);

/// An operand relative to a moved instruction still names what it named.
#[test]
fn relative_operands_are_adjusted() {
    let mapped = Mapped::new(relative_before(), "before");
    let end = relative_before().len() as u64 - 1;
    assert_eq!(mapped.call(TEXT, 0, 0), mapped.base + TEXT + end);
    let mapped = Mapped::new(relative_after(), "after");
    assert_eq!(mapped.call(TEXT, 0, 0), mapped.base + TEXT + 7);
}

// Puts `first` into the flags and into the registers that the kernel keeps, and says whether they
// come back: 1, or 0 for a difference.
snippet!(
    keeps,
    "push %rbx",
    "mov %edi, %ebx",
    "push %rbx",
    "popf",
    "mov %rsi, %rax",
    "mov %rdi, %r8",
    "mov %rdi, -8(%rsp)",
    "syscall",
    "pushf",
    "pop %rax",
    "xor %rbx, %rax",
    "test $0xcd5, %eax",
    "jnz 1f",
    "cmp %rdi, -16(%rsp)",
    "cmp %rdi, %r8",
    "jne 1f",
    "cmp %rbx, %rdi",
    "jne 1f",
    "mov $1, %eax",
    "pop %rbx",
    "ret",
    "1: xor %eax, %eax",
    "pop %rbx",
    "ret",
    ".skip 8, 0xcc",
);

#[test]
fn flags_and_registers_survive() {
    for shapes in ["pad", "before"] {
        let mapped = Mapped::new(keeps(), shapes);
        for flags in [0x202, 0x203, 0x246, 0xa83, 0xad7] {
            mapped.want(39, false);
            assert_eq!(mapped.call(TEXT, flags, 39), 1, "{shapes} passed on, {flags:x}");
            mapped.want(39, true);
            assert_eq!(mapped.call(TEXT, flags, 39), 1, "{shapes} wanted, {flags:x}");
        }
    }
}

/// The descriptor that the entry gets says where everything is.
#[test]
fn the_descriptor_agrees_with_the_image() {
    for (text, shapes) in
        [(mov(), "mov"), (before_short(), "before"), (after(), "after"), (after(), "pun")]
    {
        let file = File::new(text).bytes();
        let plan = analyze(&file, &set(shapes), &|_| false).expect("an ELF file");
        let blob = plan.build(None, [0; 6]).expect("in reach");
        let view = Blob::parse(&blob).expect("sound");
        let site = view.site(0).expect("one site");
        let len = size_of::<SiteDesc>();
        let at = site.stub as usize + usize::from(site.stub_len) - len;
        let desc = &view.stubs()[at..at + len];
        assert_eq!(at % align_of::<SiteDesc>(), 0);
        let vaddr = view.stub_vaddr() + at as u64;
        let relative = i32::from_le_bytes(desc[..4].try_into().expect("four bytes"));
        assert_eq!(vaddr.wrapping_add_signed(i64::from(relative)), site.vaddr);
        let (resume, gate) = (at - usize::from(desc[4]), at - usize::from(desc[5]));
        assert_eq!(view.stubs()[gate..gate + 2], [0x0f, 0x05]);
        assert_eq!(view.stubs()[gate + 2..gate + 5], [0x48, 0x8d, 0x0d]);
        assert_eq!(resume, gate + 9);
        assert_eq!(desc[7], site.keeps);
        assert_eq!(at - usize::from(u16::from_le_bytes([desc[8], desc[9]])), site.stub as usize);
        assert_eq!(desc[10], site.shape as u8);
        // What a signal handler is shown there.
        assert_eq!(view.original_pc(gate as u32), Some(site.vaddr));
        assert_eq!(view.original_pc(resume as u32), Some(site.vaddr + 2));
        let test = at - usize::from(desc[11]);
        assert_eq!(view.original_pc(test as u32), Some(site.vaddr));
        assert_eq!(view.original_pc(site.stub), Some(site.head));
    }
}

#[test]
fn addresses_that_are_gone_have_a_place_to_go_on() {
    let resume = |text: &[u8], shapes: &str, address| {
        let file = File::new(text).bytes();
        let plan = analyze(&file, &set(shapes), &|_| false).expect("an ELF file");
        let blob = plan.build(None, [0; 6]).expect("in reach");
        let view = Blob::parse(&blob).expect("sound");
        view.resume_from(address).map(|(_, offset)| view.original_pc(offset))
    };
    // mov: the site jumps back, and what follows is untouched.
    assert_eq!(resume(mov(), "mov", at(5)), None);
    assert_eq!(resume(mov(), "mov", at(7)), None);
    // before, three bytes: the long jump covers the site, but begins an instruction itself.
    assert_eq!(resume(before_short(), "before", at(0)), None);
    assert_eq!(resume(before_short(), "before", at(3)), Some(Some(at(3))));
    assert_eq!(resume(before_short(), "before", at(5)), None);
    // after: the site is the long jump, and what followed it moved.
    assert_eq!(resume(after(), "after", at(2)), None);
    assert_eq!(resume(after(), "after", at(4)), Some(Some(at(4))));
    assert_eq!(resume(after(), "after", at(10)), None);
    // pun: the site is the long jump, and what follows it is untouched.
    assert_eq!(resume(after(), "pun", at(2)), None);
    assert_eq!(resume(after(), "pun", at(4)), None);
}

/// A signal that comes between the jump to an island and the jump from there.
#[test]
fn on_an_island_the_site_is_shown() {
    let file = File::new(after()).bytes();
    let plan = analyze(&file, &set("pun"), &|_| false).expect("an ELF file");
    let jump = plan.sites()[0].jump;
    let blob = plan.build(None, [0; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    assert_eq!(view.islands().map(|island| island.vaddr).collect::<Vec<_>>(), [jump & !0xfff]);
    assert_eq!(view.original_pc_at_jump(jump), Some(at(2)));
    assert_eq!(view.original_pc_at_jump(jump + 5), None);
    assert_eq!(view.original_pc_at_jump(view.end()), None);
    // The jump at the site leads to the island.
    assert_eq!(view.original_pc_at_jump(at(2)), None);
}

/// A signal that comes between the jump to padding and the jump from there.
#[test]
fn in_padding_the_site_is_shown() {
    let file = File::new(pad()).bytes();
    let plan = analyze(&file, &set("pad"), &|_| false).expect("an ELF file");
    let (site, jump) = (plan.sites()[0].vaddr, plan.sites()[0].jump);
    let blob = plan.build(None, [0; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    assert_ne!(site, jump);
    assert_eq!(view.original_pc_at_jump(jump), Some(site));
    assert_eq!(view.original_pc_at_jump(jump + 5), None);
    assert_eq!(view.original_pc_at_jump(site), None);
}

/// Stubs that would lie behind an island or on it.
#[test]
fn stubs_come_before_islands() {
    let file = File::new(after()).bytes();
    let plan = analyze(&file, &set("pun"), &|_| false).expect("an ELF file");
    let island = plan.sites()[0].jump & !0xfff;
    for (stubs, fits) in [(0x2000, false), (0x1000, false), (0, false), (-0x1000i64, false)] {
        let built = plan.build(Some(island.wrapping_add_signed(stubs)), [0; 6]);
        assert_eq!(built.is_some(), fits, "{stubs:x}");
    }
    assert!(plan.build(Some(island - 0x2000), [0; 6]).is_some());
}

#[test]
fn the_files_own_bytes_can_be_put_back() {
    for (text, shapes) in
        [(mov(), "mov"), (before_short(), "before"), (after(), "after"), (after(), "trap")]
    {
        let file = File::new(text).bytes();
        let plan = analyze(&file, &set(shapes), &|_| false).expect("an ELF file");
        let blob = plan.build(None, [0; 6]).expect("in reach");
        let view = Blob::parse(&blob).expect("sound");
        for run in view.runs() {
            let from = run.file_offset as usize;
            let own = &file[from..file.len().min(from + run.len as usize)];
            assert_ne!(&view.text(&run)[..own.len()], own, "{shapes} changes nothing");
            assert_eq!(&view.original_text(&run)[..own.len()], own, "{shapes}");
        }
    }
}
