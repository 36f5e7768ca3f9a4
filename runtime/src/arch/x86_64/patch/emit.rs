//! The stub of a site, and the bytes of text that lead to it.
//!
//! ```text
//! start:  [moved instructions]
//! test:   mov LINK+8(%rip), %rcx             # the table of wanted calls
//!         movzbl N(%rcx), %ecx               # the number is known and below 4096, else:
//!                                            #   movzwl %ax, %r11d
//!                                            #   movzbl (%rcx,%r11), %ecx
//!         jrcxz pass
//!         lea desc(%rip), %r11
//!         jmp *LINK+0(%rip)
//! pass:   syscall                            # the gate
//!         lea site+2(%rip), %rcx             # as the kernel leaves it
//! resume: [moved instructions]
//!         jmp tail
//! back:   lea desc(%rip), %r11
//!         jmp *LINK+24(%rip)
//! desc:   SiteDesc
//! ```
//!
//! In a process that is watched while other threads run, [`divert`] makes `pass` a jump to the first
//! `lea` and what follows it a jump to `back`: no thread enters the kernel here any more, and one that is
//! in it comes to the resident when it returns.
//!
//! rcx and r11 are free because the kernel overwrites them (Intel SDM, SYSCALL); no instruction
//! of the test writes flags; nothing is pushed, so the red zone and the shadow stack stay as they
//! are. `int $0x80` overwrites no register, so its stub saves rcx below the red zone instead and
//! always goes to the resident, with the address in rcx.

use super::super::entry::COMPAT_RCX;
use super::decode;
use super::rewrite::{INT3, JMP, JMP_SHORT, displacement};
use crate::patch::{Description, Entry, Fault, Flow, Link, Shape, Site, SiteDesc, Stub};

/// `mov %rcx, -136(%rsp)`: where the `int $0x80` entry finds it.
const SAVE_RCX: [u8; 8] = [0x48, 0x89, 0x8c, 0x24, 0x78, 0xff, 0xff, 0xff];
const _: () = assert!(SAVE_RCX[4] == (-COMPAT_RCX) as u8 && COMPAT_RCX == 136);
/// `mov $0, %ebx`: the register that a fault put in on purpose loses.
const CLEAR_EBX: [u8; 5] = [0xbb, 0, 0, 0, 0];
/// Length of the way to the resident: `lea`, and `jmp` through the link page.
const PASS: u8 = 7 + 6;
/// Length of the way behind the call.
const BACK: u64 = 7 + 6;

/// Appends the stub of `site`. `original` has the bytes from `site.head` to `site.tail`. `None`
/// if something it names is out of reach.
pub fn emit(stub: &mut Stub, site: &Site, original: &[u8]) -> Option<()> {
    stub.begin();
    let before = (site.vaddr - site.head) as usize;
    let syscall = original.get(before..before + 2)?;
    let moved = stub.fault != Some(Fault::Moved(site.shape));
    if moved {
        relocate(stub, original.get(..before)?, site.head)?;
    }
    let test = stub.here();
    stub.shows(site.vaddr);
    // Bytes whose displacement to the descriptor is known only at the end.
    let lea;
    match site.entry {
        Entry::Syscall => {
            ask_table(stub, site.number)?;
            // jrcxz over the lea and the jump.
            stub.put(&[0xe3, PASS]);
            lea = stub.here();
            stub.put(&[0x4c, 0x8d, 0x1d, 0, 0, 0, 0]);
            relative(stub, &[0xff, 0x25], stub.link + Link::SYSCALL)?;
        }
        Entry::Int80 => {
            stub.put(&SAVE_RCX);
            lea = stub.here();
            stub.put(&[0x48, 0x8d, 0x0d, 0, 0, 0, 0]);
            relative(stub, &[0xff, 0x25], stub.link + Link::INT80)?;
        }
    }
    let gate = stub.here();
    stub.put(syscall);
    stub.shows(site.vaddr + 2);
    if site.entry == Entry::Syscall {
        // What the kernel leaves there for a call made at the site (Intel SDM, SYSCALL).
        relative(stub, &[0x48, 0x8d, 0x0d], site.vaddr + 2)?;
    }
    let resume = stub.here();
    if stub.fault == Some(Fault::Register(site.vaddr)) {
        stub.put(&CLEAR_EBX);
    }
    if moved {
        relocate(stub, original.get(before + 2..)?, site.vaddr + 2)?;
    }
    stub.shows(site.tail);
    relative(stub, &[JMP], site.tail)?;
    let mut leas = [lea, lea];
    if site.entry == Entry::Syscall {
        // `back` ends where the description begins.
        while !(stub.here() + BACK).is_multiple_of(4) {
            stub.put(&[INT3]);
        }
        leas[1] = stub.here();
        // Within a short jump of the call.
        i8::try_from(leas[1] - (gate + 4)).ok()?;
        stub.put(&[0x4c, 0x8d, 0x1d, 0, 0, 0, 0]);
        relative(stub, &[0xff, 0x25], stub.link + Link::RETURNED)?;
    }
    stub.align(4, INT3);
    let desc = stub.here();
    for lea in leas {
        let field = u32::try_from(desc - (lea + 7)).ok()?;
        stub.patch(lea + 3, &field.to_le_bytes());
    }
    stub.describe(&Description {
        site: site.vaddr,
        start: stub.start(),
        test,
        gate,
        resume,
        entry: site.entry,
        keeps: site.keeps,
        shape: site.shape,
    })?;
    stub.end();
    Some(())
}

/// Asks whether the call is wanted: `rcx` is 0 if it is not. The number is in `rax`; no flags are
/// written.
pub(super) fn ask_table(stub: &mut Stub, number: Option<u32>) -> Option<()> {
    relative(stub, &[0x48, 0x8b, 0x0d], stub.link + Link::TABLE)?;
    match number {
        Some(number) if number < u32::from(Link::CONSTANTS) => {
            stub.put(&[0x0f, 0xb6, 0x89]);
            stub.put(&number.to_le_bytes());
        }
        _ => {
            stub.put(&[0x44, 0x0f, 0xb7, 0xd8]);
            stub.put(&[0x42, 0x0f, 0xb6, 0x0c, 0x19]);
        }
    }
    Some(())
}

/// Changes the stub of a `syscall` site, whose description is at `desc` of `stubs`, so that its call
/// is made in the resident, and what returns from a call made before goes there first.
pub fn divert(stubs: &mut [u8], desc: usize) -> Option<()> {
    let record = SiteDesc::read(stubs.get(desc..)?)?;
    // The stub of a function makes no call either, but for a thread that the resident does not know.
    if record.entry != Entry::Syscall as u8 || record.shape == Shape::Function as u8 {
        return Some(());
    }
    let gate = desc.checked_sub(usize::from(record.gate))?;
    let back = desc.checked_sub(BACK as usize)?;
    let behind = i8::try_from(back.checked_sub(gate + 4)?).ok()?;
    let code = [JMP_SHORT, (-(PASS as i8 + 2)) as u8, JMP_SHORT, behind as u8];
    stubs.get_mut(gate..gate + 4)?.copy_from_slice(&code);
    Some(())
}

/// Appends the rest of the stub of a function that makes a call, from where the call is wanted: the way to
/// the resident; the call itself, and the return, at which a signal is shown `shown`; the description.
pub(super) fn end_function(
    stub: &mut Stub,
    site: u64,
    start: u64,
    keeps: u8,
    shown: Option<u64>,
) -> Option<()> {
    let lea = stub.here();
    stub.put(&[0x4c, 0x8d, 0x1d, 0, 0, 0, 0]);
    relative(stub, &[0xff, 0x25], stub.link + Link::SYSCALL)?;
    let gate = stub.here();
    stub.put(&[0x0f, 0x05]);
    let resume = stub.here();
    if let Some(address) = shown {
        stub.shows(address);
    }
    stub.put(&[0xc3]);
    stub.align(4, INT3);
    stub.patch(lea + 3, &displacement(lea + 7, stub.here())?);
    stub.describe(&Description {
        site,
        start,
        test: start,
        gate,
        resume,
        entry: Entry::Syscall,
        keeps,
        shape: Shape::Function,
    })
}

/// Appends `opcode` with an operand of four bytes that names `target`.
pub(super) fn relative(stub: &mut Stub, opcode: &[u8], target: u64) -> Option<()> {
    stub.put(opcode);
    let field = displacement(stub.here() + 4, target)?;
    stub.put(&field);
    Some(())
}

/// Appends instructions that were at `address`; an operand that is relative to them is adjusted.
pub(super) fn relocate(stub: &mut Stub, mut code: &[u8], mut address: u64) -> Option<()> {
    while !code.is_empty() {
        let insn = decode(code, address)?;
        let (bytes, rest) = code.split_at_checked(usize::from(insn.len))?;
        stub.shows(address);
        if let (Flow::Branch(target), [condition @ 0x70..=0x7f, _]) = (insn.flow, bytes) {
            // A short branch becomes a long one.
            relative(stub, &[0x0f, condition + 0x10], target)?;
            (address, code) = (address + 2, rest);
            continue;
        }
        let end = stub.here() + u64::from(insn.len);
        stub.put(bytes);
        address += u64::from(insn.len);
        if insn.relative != 0 {
            let at = usize::from(insn.relative);
            let field = i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
            let target = address.wrapping_add_signed(i64::from(field));
            let field = displacement(end, target)?;
            stub.patch(end - u64::from(insn.len) + u64::from(insn.relative), &field);
        }
        code = rest;
    }
    Some(())
}
