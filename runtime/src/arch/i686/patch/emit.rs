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
use super::rewrite::{JMP, JMP_SHORT, displacement};
use crate::patch::{Description, Site, SiteDesc, Stub};

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
