//! The shapes: which bytes each replaces, and when it may.
//!
//! ```text
//! mov     b8 NN NN NN NN   0f 05          mov $N,%eax; syscall
//!      →  e9 .. .. .. ..   eb f9          jmp stub; jmp back to that jump
//! pad     0f 05     …  90 90 90 90 90     syscall … padding behind a ret or jmp
//!      →  eb ..     …  e9 .. .. .. ..     jmp padding … jmp stub
//! before  [3 bytes and more]  0f 05       movable instructions; syscall
//!      →  e9 .. .. .. ..                  jmp stub, which makes them
//! after   0f 05  [3 bytes and more]       syscall; movable instructions
//!      →  e9 .. .. .. ..                  jmp stub, which makes them behind the call
//! pun     0f 05  a b c                    syscall; anything
//!      →  e9 ..  a b c                    jmp island, which holds: jmp stub
//! trap    0f 05  →  cc 90                 int3; nop
//! ```
//!
//! A window is entered at its first byte alone ([`Around::is_closed`]), so whoever comes to it
//! comes to the jump. What the kernel or a signal handler leaves at the address of the site comes
//! back to the stub as long as [`KEEPS_SITE`] is set: in `mov`, and in `before` where the moved
//! instructions leave room and can be made twice, the site's own bytes jump to the long jump.
//!
//! The bytes that `pun` leaves alone are all of the jump's distance but its lowest byte (little
//! endian), so they choose the island but for 256 bytes: libc's `cmp $-4096,%rax` (`48 3d 00 f0 ff
//! ff`) behind a call leads 3.8 MiB ahead. What comes to them from elsewhere finds what it did.

use super::motion::{Motion, RAX, is_idempotent, motion};
use crate::patch::{Around, KEEPS_NEXT, KEEPS_SITE, Kind, Shape, Site, Step};

/// The length of `jmp rel32`.
pub const JUMP: u64 = 5;

/// No window reaches further before or behind the site.
const MAX_WINDOW: u64 = 24;

/// How many instructions before a site are looked at for the call number.
const MAX_LOOK_BACK: usize = 12;

/// One shape for one site, or `None` if it does not fit. `number` is what [`number_before`] said.
pub fn apply(shape: Shape, number: Option<u32>, around: &mut Around<'_>) -> Option<Site> {
    match shape {
        Shape::Mov => mov(around),
        Shape::Pad => pad(number, around),
        Shape::Before => before(number, around),
        Shape::After => after(number, around),
        Shape::Trap => Some(around.site(Shape::Trap, number)),
        Shape::Pun => pun(number, around),
        Shape::Direct | Shape::Function => None,
    }
}

fn motion_of(around: &Around<'_>, step: &Step) -> Option<Motion> {
    motion(around.bytes(step), &around.decode(step)?)
}

/// The call number, if every way to the site leads through instructions that fix it.
pub fn number_before(around: &Around<'_>) -> Option<u32> {
    for step in around.backward().take(MAX_LOOK_BACK) {
        let found = match step.kind {
            Kind::Filler | Kind::Branch => Motion::Nothing,
            Kind::Fixed | Kind::Site | Kind::End => return None,
            Kind::Movable => motion_of(around, step)?,
        };
        let at = around.run.address(step);
        match found {
            Motion::Constant { to: RAX, value } => {
                let closed = around.is_closed(at..around.vaddr + 1);
                return u32::try_from(value).ok().filter(|_| closed);
            }
            other if other.target() == Some(RAX) => return None,
            _ => {}
        }
    }
    None
}

/// The load of the number right before the site, which is at least as long as a jump.
fn mov(around: &Around<'_>) -> Option<Site> {
    let step = around.backward().next()?;
    let Motion::Constant { to: RAX, value } = motion_of(around, step)? else { return None };
    let head = around.run.address(step);
    let window = head..around.next();
    if u64::from(step.len) < JUMP || !around.is_closed(window.clone()) || !around.is_free(window) {
        return None;
    }
    let number = u32::try_from(value).ok();
    Some(Site { head, jump: head, ..around.site(Shape::Mov, number) })
}

fn pad(number: Option<u32>, around: &mut Around<'_>) -> Option<Site> {
    let next = around.next();
    let jump = around.room.take_padding(next.saturating_sub(128)..next + 128, JUMP)?;
    Some(Site { jump, ..around.site(Shape::Pad, number) })
}

fn before(number: Option<u32>, around: &Around<'_>) -> Option<Site> {
    let mut motions = [Motion::Nothing; MAX_LOOK_BACK];
    let mut idempotent = true;
    let mut fitting = None;
    for (count, step) in around.backward().take(MAX_LOOK_BACK).enumerate() {
        let head = around.run.address(step);
        let window = head..around.next();
        if !is_movable(around, step)
            || window.end - window.start > MAX_WINDOW
            || !around.is_closed(window.clone())
            || !around.is_free(window)
        {
            break;
        }
        match motion_of(around, step) {
            Some(found) => motions[count] = found,
            None => idempotent = false,
        }
        let len = around.vaddr - head;
        if len + 2 < JUMP {
            continue;
        }
        let site = Site { head, jump: head, ..around.site(Shape::Before, number) };
        if len >= JUMP && idempotent && is_idempotent(&motions[..=count]) {
            return Some(site);
        }
        fitting.get_or_insert(Site { keeps: KEEPS_NEXT, ..site });
    }
    fitting
}

fn after(number: Option<u32>, around: &Around<'_>) -> Option<Site> {
    for step in around.forward() {
        let tail = around.run.address(step) + u64::from(step.len);
        let window = around.vaddr..tail;
        if !is_movable(around, step)
            || window.end - window.start > MAX_WINDOW
            || !around.is_closed(window.clone())
            || !around.is_free(window)
        {
            return None;
        }
        if tail - around.vaddr >= JUMP {
            return Some(Site { tail, keeps: KEEPS_SITE, ..around.site(Shape::After, number) });
        }
    }
    None
}

fn pun(number: Option<u32>, around: &mut Around<'_>) -> Option<Site> {
    let next = around.next();
    let end = around.vaddr + JUMP;
    let site = around.run.steps.get(around.index)?;
    let &[_, _, a, b, c] = around.bytes(site).first_chunk()?;
    if !around.room.can_stay(next..end) {
        return None;
    }
    let first = end.checked_add_signed(i64::from(i32::from_le_bytes([0, a, b, c])))?;
    let jump = around.room.take_island(first..first.checked_add(0x100)?, JUMP)?;
    around.room.take(next..end);
    Some(Site { jump, ..around.site(Shape::Pun, number) })
}

/// Whether an instruction may go into a stub. `endbr64` may not: an indirect branch must find it.
fn is_movable(around: &Around<'_>, step: &Step) -> bool {
    step.kind == Kind::Movable && !around.bytes(step).starts_with(&[0xf3, 0x0f, 0x1e, 0xfa])
}
