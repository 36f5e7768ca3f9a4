//! Where a jump through a register gets its target from.
//!
//! ```text
//! pointer   mov 0x18(%rdi),%rax ; … ; jmp *%rax
//! tail    pop %rbp ; jmp *%rax
//! switch    lea table(%rip),%rdx ; … ; movslq (%rdx,%rax,4),%rax ; add %rdx,%rax ; jmp *%rax
//! ```

use super::decode;
use super::motion::{Motion, motion};
use crate::patch::{Kind, Run};

/// How far before a jump its target is looked for.
const MAX_LOOK_BACK: usize = 8;

/// How far before a jump its pointer may have been demangled: longjmp checks much in between.
const MAX_DEMANGLE: usize = 64;

/// An entry of a table of distances.
pub type Distance = i32;

/// One instruction before a jump.
struct Before<'a> {
    bytes: &'a [u8],
    motion: Option<Motion>,
}

/// The register of `jmp *%reg` at step `index`, and the instructions before it, nearest first, as
/// far as control comes through them alone.
fn before<'a>(
    run: &'a Run,
    code: &'a [u8],
    index: usize,
) -> Option<(u8, impl Iterator<Item = Before<'a>>)> {
    let jump = run.steps.get(index)?;
    let bytes = code.get(jump.offset as usize..)?.get(..usize::from(jump.len))?;
    let &[.., modrm] = bytes else { return None };
    let extended = bytes.iter().any(|byte| byte & 0xf1 == 0x41);
    let register = modrm & 7 | u8::from(extended) << 3;
    let mut edge = jump.offset;
    let steps = run.steps.get(..index)?.iter().rev().take(MAX_LOOK_BACK);
    let steps = steps.map_while(move |step| {
        let entered = run.targets.binary_search(&(run.range.start + u64::from(edge))).is_ok();
        let adjoins = step.offset + u32::from(step.len) == edge;
        edge = step.offset;
        // Control may have left at a conditional branch, but whatever comes on came by here.
        let passes = matches!(step.kind, Kind::Movable | Kind::Filler | Kind::Branch);
        if entered || !adjoins || !passes {
            return None;
        }
        let bytes = code.get(step.offset as usize..)?.get(..usize::from(step.len))?;
        let insn = decode(bytes, run.address(step))?;
        let motion = match step.kind {
            Kind::Filler | Kind::Branch => Some(Motion::Nothing),
            _ => motion(bytes, &insn),
        };
        Some(Before { bytes, motion })
    });
    Some((register, steps))
}

/// Whether the computed jump at step `index` goes where something else names: to a pointer that
/// was read from memory, to a constant, or, because it comes right behind the end of the stack
/// frame, to another function.
pub fn is_named_jump(run: &Run, code: &[u8], index: usize) -> bool {
    let Some((register, steps)) = before(run, code, index) else { return false };
    if demangles(run, code, index, register) {
        return true;
    }
    for (distance, step) in steps.enumerate() {
        if distance == 0 && ends_frame(step.bytes, register) {
            return true;
        }
        match step.motion {
            Some(Motion::Constant { to, .. }) if to == register => return true,
            Some(motion) if motion.target() == Some(register) => {
                return matches!(step.bytes, [0x48..=0x4f, 0x8b, modrm, ..] if modrm >> 6 != 3);
            }
            Some(_) => {}
            None => return false,
        }
    }
    false
}

/// Whether the code takes the pointer guard off `register`: it is one that was stored before, as
/// longjmp's is (glibc sysdeps/unix/sysv/linux/x86_64/pointer_guard.h, `PTR_DEMANGLE`).
fn demangles(run: &Run, code: &[u8], index: usize, register: u8) -> bool {
    let steps = run.steps.get(index.saturating_sub(MAX_DEMANGLE)..index).unwrap_or(&[]);
    steps.iter().any(|step| match code.get(step.offset as usize..) {
        Some(&[0x64, rex @ 0x48..=0x4f, 0x33, modrm, 0x25, 0x30, 0, 0, 0, ..]) => {
            modrm & 0xc7 == 4 && (modrm >> 3 & 7 | (rex & 4) << 1) == register
        }
        _ => false,
    })
}

/// `pop` of a register other than the jump's, `add $n,%rsp`, or `leave`.
fn ends_frame(bytes: &[u8], register: u8) -> bool {
    match *bytes {
        [pop @ 0x58..=0x5f] => pop & 7 != register,
        [0x41, pop @ 0x58..=0x5f] => pop & 7 | 8 != register,
        [0x48, 0x81 | 0x83, 0xc4, ..] | [0xc9] => true,
        _ => false,
    }
}

/// Whether the computed jump at step `index` goes to the sum of a register and an entry of the
/// table of distances that the same register points to.
pub fn distance_jump(run: &Run, code: &[u8], index: usize) -> bool {
    let Some((register, mut steps)) = before(run, code, index) else { return false };
    // The sum, whose operands compilers take in either order.
    let Some((one, other)) = steps.by_ref().find_map(|step| sum(step.bytes)) else { return false };
    if one != register {
        return false;
    }
    for step in steps {
        if let Some((to, base)) = distance_load(step.bytes) {
            return (to, base) == (one, other) || (to, base) == (other, one);
        }
        match step.motion.map(Motion::target) {
            Some(target) if target != Some(one) && target != Some(other) => {}
            _ => return false,
        }
    }
    false
}

/// `add %other, %one`, in both encodings: `(one, other)`.
fn sum(bytes: &[u8]) -> Option<(u8, u8)> {
    let &[rex @ 0x48..=0x4f, opcode @ (0x01 | 0x03), modrm] = bytes else { return None };
    if modrm >> 6 != 3 {
        return None;
    }
    let reg = modrm >> 3 & 7 | (rex & 4) << 1;
    let rm = modrm & 7 | (rex & 1) << 3;
    Some(if opcode == 0x01 { (rm, reg) } else { (reg, rm) })
}

/// `movslq (%base,%index,4), %to`: `(to, base)`.
fn distance_load(bytes: &[u8]) -> Option<(u8, u8)> {
    let (rex, modrm, sib) = match *bytes {
        [rex @ 0x48..=0x4f, 0x63, modrm, sib] if modrm & 0xc7 == 0x04 => (rex, modrm, sib),
        // A base of rbp or r13 needs a displacement.
        [rex @ 0x48..=0x4f, 0x63, modrm, sib, 0] if modrm & 0xc7 == 0x44 => (rex, modrm, sib),
        _ => return None,
    };
    (sib >> 6 == 2).then_some((modrm >> 3 & 7 | (rex & 4) << 1, sib & 7 | (rex & 1) << 3))
}

/// The address that a `lea` relative to the instruction makes.
pub fn address_operand(bytes: &[u8], address: u64) -> Option<u64> {
    let &[0x48..=0x4f, 0x8d, modrm, a, b, c, d] = bytes.first_chunk()? else { return None };
    let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
    (modrm & 0xc7 == 5).then(|| address.wrapping_add(7).wrapping_add_signed(distance))
}
