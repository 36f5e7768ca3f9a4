//! The stub of a site, and the bytes of text that lead to it.
//!
//! ```text
//! start:  [moved instructions]
//!         jmp test
//! pass:   pop %edx; pop %ecx
//! gate:   int $0x80
//! resume: [moved instructions]
//!         jmp tail
//! test:   push %ecx; push %edx
//!         movzwl %ax, %ecx
//!         movl %fs:TABLE, %edx
//!         movzbl (%edx,%ecx), %ecx
//!         jecxz pass
//!         pop %edx; pop %ecx
//!         call *%fs:ENTRY
//! desc:   SiteDesc
//! ```
//!
//! `int $0x80` overwrites no register but eax. What is pushed lies below the stack pointer, where
//! i386 code keeps nothing (System V ABI for i386: there is no red zone). No instruction of the
//! test writes flags. A signal that finds something pushed takes it back first ([`pushed`]). The stub
//! holds no address: the thread block has those it needs.

use super::super::thread::{ENTRY, TABLE};
use super::decode;
use super::shapes::JUMP;
use crate::patch::{KEEPS_SITE, Shape, Site, SiteDesc, Stub};

const JMP: u8 = 0xe9;
const JMP_SHORT: u8 = 0xeb;
const INT3: u8 = 0xcc;
const NOP: u8 = 0x90;

/// Appends the stub of `site`. `original` has the bytes from `site.head` to `site.tail`. `None`
/// if something it names is out of reach.
pub fn emit(stub: &mut Stub, site: &Site, original: &[u8]) -> Option<()> {
    stub.begin();
    let before = (site.vaddr - site.head) as usize;
    let syscall = original.get(before..before + 2)?;
    move_in(stub, original.get(..before)?, site.head)?;
    stub.shows(site.vaddr);
    stub.put(&[JMP_SHORT, 0]);
    let over = stub.here();
    let pass = stub.here();
    stub.put(&[0x5a, 0x59]);
    let gate = stub.here();
    stub.put(syscall);
    let resume = stub.here();
    stub.shows(site.vaddr + 2);
    move_in(stub, original.get(before + 2..)?, site.vaddr + 2)?;
    stub.shows(site.tail);
    stub.put(&[JMP]);
    let field = displacement(stub.here() + 4, site.tail)?;
    stub.put(&field);
    let test = stub.here();
    stub.patch(over - 1, &[u8::try_from(test - over).ok()?]);
    stub.shows(site.vaddr);
    stub.put(&[0x51, 0x52]);
    stub.put(&[0x0f, 0xb7, 0xc8]);
    stub.put(&[0x64, 0x8b, 0x15]);
    stub.put(&(TABLE as u32).to_le_bytes());
    stub.put(&[0x0f, 0xb6, 0x0c, 0x0a]);
    let back = i8::try_from(pass.wrapping_sub(stub.here() + 2) as i64).ok()?;
    stub.put(&[0xe3, back as u8]);
    stub.put(&[0x5a, 0x59]);
    // The description follows the call, aligned.
    while !(stub.here() + 7).is_multiple_of(4) {
        stub.put(&[NOP]);
    }
    stub.put(&[0x64, 0xff, 0x15]);
    stub.put(&(ENTRY as u32).to_le_bytes());
    let desc = stub.here();
    let back = |address: u64| u8::try_from(desc - address).ok();
    let record = SiteDesc {
        site: i32::try_from(site.vaddr.wrapping_sub(desc) as i64).ok()?,
        resume: back(resume)?,
        gate: back(gate)?,
        entry: site.entry as u8,
        keeps: site.keeps,
        start: u16::try_from(desc - stub.start()).ok()?,
        shape: site.shape as u8,
        test: back(test)?,
    };
    stub.put(&record.to_bytes());
    stub.end();
    Some(())
}

/// How many words the stub of `site` has pushed when it comes to `pc`: ecx, then edx.
pub fn pushed(site: &SiteDesc, pc: usize) -> u32 {
    /// The two pops, counted from the test.
    const POPS: usize = 18;
    let desc = core::ptr::from_ref(site) as usize;
    let test = desc - usize::from(site.test);
    let gate = desc - usize::from(site.gate);
    if pc >= test {
        return match pc - test {
            0 => 0,
            1 => 1,
            2..=POPS => 2,
            at if at == POPS + 1 => 1,
            _ => 0,
        };
    }
    match gate.wrapping_sub(pc) {
        2 => 2,
        1 => 1,
        _ => 0,
    }
}

fn displacement(from: u64, to: u64) -> Option<[u8; 4]> {
    Some(i32::try_from(to.wrapping_sub(from) as i64).ok()?.to_le_bytes())
}

/// Appends instructions that were at `address`. None has an operand that is relative to it.
fn move_in(stub: &mut Stub, mut code: &[u8], mut address: u64) -> Option<()> {
    while !code.is_empty() {
        let insn = decode(code, address)?;
        let (bytes, rest) = code.split_at_checked(usize::from(insn.len))?;
        stub.shows(address);
        stub.put(bytes);
        address += u64::from(insn.len);
        code = rest;
    }
    Some(())
}

/// Makes the changes of text that lead from `site` to its stub at `stub`. `write` replaces bytes
/// at an address of the file.
pub fn rewrite(site: &Site, stub: u64, write: &mut dyn FnMut(u64, &[u8])) -> Option<()> {
    let short = |to: u64| -> Option<[u8; 2]> {
        let distance = i8::try_from(to.wrapping_sub(site.vaddr + 2) as i64).ok()?;
        Some([JMP_SHORT, distance as u8])
    };
    if site.shape == Shape::Trap {
        write(site.vaddr, &[INT3, NOP]);
        return Some(());
    }
    let mut long = [JMP; JUMP as usize];
    long[1..].copy_from_slice(&displacement(site.jump + JUMP, stub)?);
    // What nothing reaches any more faults if something does.
    for address in site.head..site.tail {
        write(address, &[INT3]);
    }
    if site.jump != site.vaddr && site.keeps & KEEPS_SITE != 0 {
        write(site.vaddr, &short(site.jump)?);
    }
    write(site.jump, &long);
    Some(())
}
