//! The `[vsyscall]` page (arch/x86/entry/vsyscall): three functions at fixed addresses, which
//! programs of before 2012 call. The processor faults there, and the kernel makes the call, which
//! neither ptrace nor user dispatch sees.
//!
//! ```text
//! mov  $0xffffffffff600400, %rax   48 c7 c0 00 04 60 ff            lea stub(%rip), %rax
//! mov  $0xffffffffff600400, %rax   48 b8 00 04 60 ff ff ff ff ff   the same; nopl (%rax)
//! …                                                             →
//! call *%rax                       ff d0                           stays
//!
//! stub:   mov $N, %eax
//! test:   mov LINK+8(%rip), %rcx
//!         movzbl N(%rcx), %ecx
//!         jrcxz pass
//!         lea desc(%rip), %r11
//!         jmp *LINK+0(%rip)
//! pass:   syscall                            # the gate
//! resume: ret
//! desc:   SiteDesc
//! ```
//!
//! A thread in the stub is shown there: no address of the file would make the call again, and the
//! kernel has no unwind table for the page either.

use super::emit::{ask_table, end_function};
use super::motion::motion;
use super::rewrite::displacement;
use super::scan::words_60_ff;
use crate::arch::patch::decode;
use crate::patch::{Load, Stub};

/// The low half of the page's address; the functions are 1 KiB apart.
const PAGE: u32 = 0xff60_0000;

/// The calls of the page's functions, in their order: `gettimeofday`, `time`, `getcpu`.
const NUMBERS: [u32; 3] = [96, 201, 309];

/// `lea rel32(%rip), %reg` without the register.
const LEA: [u8; 3] = [0x48, 0x8d, 0x05];

fn number(low: u32) -> Option<u32> {
    let distance = low.checked_sub(PAGE)?;
    let index = usize::try_from(distance / 0x400).ok()?;
    NUMBERS.get(index).copied().filter(|_| distance.is_multiple_of(0x400))
}

/// Calls `found` for every offset at which one of the addresses is: in code, whose instructions extend
/// its sign, the low half of it.
pub fn fixed_addresses(bytes: &[u8], code: bool, mut found: impl FnMut(usize)) {
    words_60_ff(bytes, |at| {
        let named = at.checked_sub(2).and_then(|start| Some((start, bytes.get(start..)?)));
        if let Some((start, &[a, b, c, d, ref high @ ..])) = named
            && number(u32::from_le_bytes([a, b, c, d])).is_some()
            && (code || high.starts_with(&[0xff; 4]))
        {
            found(start);
        }
    });
}

/// What the instruction loads, if it loads one of the addresses into a register that a called
/// function may overwrite (System V ABI, 3.2.1).
pub fn fixed_load(bytes: &[u8]) -> Option<Load> {
    let (rex, low, register) = match *bytes {
        [rex @ 0x48..=0x49, 0xc7, register @ 0xc0..=0xc7, a, b, c, d] => {
            (rex, [a, b, c, d], register)
        }
        [rex @ 0x48..=0x49, register @ 0xb8..=0xbf, a, b, c, d, 0xff, 0xff, 0xff, 0xff] => {
            (rex, [a, b, c, d], register)
        }
        _ => return None,
    };
    let register = register & 7 | (rex & 1) << 3;
    let overwritten = matches!(register, 0..=2 | 6..=11);
    let number = number(u32::from_le_bytes(low)).filter(|_| overwritten)?;
    Some(Load { register, number, len: bytes.len() as u8 })
}

/// Whether the instruction calls or jumps to what the register holds.
pub fn calls_register(bytes: &[u8], register: u8) -> bool {
    let operand = match *bytes {
        [0xff, operand] if register < 8 => operand,
        [0x41, 0xff, operand] if register >= 8 => operand,
        _ => return false,
    };
    operand == 0xd0 | register & 7 || operand == 0xe0 | register & 7
}

/// Whether the instruction, at `address`, leaves the register as it is.
pub fn keeps_register(bytes: &[u8], address: u64, register: u8) -> bool {
    match *bytes {
        // push
        [0x50..=0x57] | [0x41, 0x50..=0x57] => return true,
        // setcc of a register's low byte
        [0x0f, 0x90..=0x9f, to @ 0xc0..=0xc3] => return to & 7 != register,
        [rex @ 0x40..=0x41, 0x0f, 0x90..=0x9f, to @ 0xc0..=0xc7] => {
            return to & 7 | (rex & 1) << 3 != register;
        }
        _ => {}
    }
    let change = decode(bytes, address).and_then(|insn| motion(bytes, &insn));
    change.is_some_and(|change| change.target() != Some(register))
}

/// The bytes that take the place of the load at `vaddr`, for a stub at `stub`.
pub fn rewrite_load(vaddr: u64, load: &Load, stub: u64) -> Option<([u8; 10], usize)> {
    let mut bytes = [0x48, 0x8d, 0x05, 0, 0, 0, 0, 0x0f, 0x1f, 0x00];
    bytes[0] = LEA[0] | (load.register & 8) >> 1;
    bytes[2] = LEA[2] | (load.register & 7) << 3;
    bytes[3..7].copy_from_slice(&displacement(vaddr + 7, stub)?);
    Some((bytes, usize::from(load.len)))
}

/// Appends the stub of the function that makes the call.
pub fn emit_fixed(stub: &mut Stub, number: u32) -> Option<()> {
    let start = stub.here();
    stub.put(&[0xb8]);
    stub.put(&number.to_le_bytes());
    ask_table(stub, Some(number))?;
    // jrcxz over the lea and the jump.
    stub.put(&[0xe3, 7 + 6]);
    end_function(stub, start, start, 0, None)
}
