//! `syscall`: a thread that sleeps in the call of a stub, or of the resident, sleeps in that of its own instruction
//! (proc_pid_syscall(5); fs/proc/base.c).

use core::mem::{MaybeUninit, offset_of};

use super::buffer::Buffer;
use super::space::Space;
use crate::arch::{self, CallRegs, SYSCALL_INSTRUCTION, Watched};
use crate::log::Line;
use crate::memory::guard::Peer;
use crate::patch::SiteDesc;
use crate::signal::block_of;
use crate::sys::maps::hexadecimal;
use crate::sys::{Errno, Result};
use crate::thread::Block;

/// How far back from its description a stub's call can be ([`SiteDesc::gate`]).
const FARTHEST: usize = u8::MAX as usize;
/// Bytes to be looked at behind a call for its description.
const LOOKED_AT: usize = FARTHEST + size_of::<SiteDesc>();

/// Writes what the kernel says of thread `tid`: the number and arguments of its call, stack pointer and program counter. Of
/// one that runs there is nothing of all that.
pub fn filter(
    text: &[u8],
    tid: i32,
    space: &Space,
    peer: Option<&Peer>,
    out: &mut Buffer,
) -> Result<()> {
    let mut words = text.trim_ascii_end().rsplitn(3, |&byte| byte == b' ');
    let mut address = || words.next()?.strip_prefix(b"0x").and_then(hexadecimal);
    let (Some(pc), Some(sp), Some(call)) = (address(), address(), words.next()) else {
        return out.push(text);
    };
    let (pc, sp) = (pc as usize, sp as usize);
    if space.first_in(&(pc..pc + 1)).is_none() {
        return out.push(text);
    }
    let own = Peer::new(crate::sys::getpid(), arch::image_range().0);
    let (peer, is_own) = peer.map_or((&own, true), |peer| (peer, false));
    let here = pc.wrapping_sub(peer.base()).wrapping_add(own.base());
    let (pc, sp) = if !arch::image_contains(here) {
        (description(peer, space, pc).and_then(|desc| site(peer, desc))?.behind, sp)
    } else {
        let block = block_of((!is_own).then_some(peer), tid)?.ok_or(Errno::SRCH)?;
        match arch::watched_at(here) {
            // What the resident asks to answer a call is not the program's.
            Watched::Elsewhere if call != b"-1" => return resident(peer, block, out),
            Watched::Elsewhere => return out.push(text),
            _ => (site(peer, word(peer, block + offset_of!(Block, watched_site))?)?.behind, sp),
        }
    };
    let mut line = Line::new();
    line.raw(call).text(" 0x").hexadecimal(sp as u64).text(" 0x").hexadecimal(pc as u64);
    out.push(line.raw(b"\n").bytes())
}

fn word(peer: &Peer, address: usize) -> Result<usize> {
    let mut word = [0];
    peer.read_at(address, &mut word)?;
    Ok(word[0])
}

/// Writes the call of a thread that is being answered in the resident.
fn resident(peer: &Peer, block: usize, out: &mut Buffer) -> Result<()> {
    let mut regs = [MaybeUninit::<CallRegs>::uninit()];
    peer.read_at(word(peer, block + offset_of!(Block, regs))?, &mut regs)?;
    // SAFETY: all of it has been read, and it consists of numbers and addresses, which may have any value.
    let regs = unsafe { regs[0].assume_init() };
    // The lowest bit says something else (`layer/origin.rs`).
    let site = match regs.desc as usize & !1 {
        0 => Site { behind: regs.pc(), is_compat: regs.desc != 0 },
        desc => site(peer, desc)?,
    };
    let mut line = Line::new();
    line.decimal(regs.number() as i64);
    let args = if site.is_compat { regs.compat_args() } else { regs.args() };
    for word in args.into_iter().chain([regs.sp(), site.behind]) {
        line.text(" 0x").hexadecimal(word as u64);
    }
    out.push(line.raw(b"\n").bytes())
}

/// Where a call was made.
struct Site {
    /// The address behind its instruction.
    behind: usize,
    /// Whether it enters by the processor's old way.
    is_compat: bool,
}

/// The site that is described at `desc`.
fn site(peer: &Peer, desc: usize) -> Result<Site> {
    let mut bytes = [0; size_of::<SiteDesc>()];
    peer.read_at(desc, &mut bytes)?;
    let site = SiteDesc::read(&bytes).ok_or(Errno::INVAL)?;
    Ok(Site { behind: address(desc, &site) + SYSCALL_INSTRUCTION, is_compat: site.entry != 0 })
}

fn address(desc: usize, site: &SiteDesc) -> usize {
    desc.wrapping_add_signed(site.site as isize)
}

/// The description of the stub whose call has `pc` behind it.
fn description(peer: &Peer, space: &Space, pc: usize) -> Result<usize> {
    let mut bytes = [0u8; LOOKED_AT];
    peer.read_at(pc, &mut bytes)?;
    let gate = pc - SYSCALL_INSTRUCTION;
    let first = pc.next_multiple_of(align_of::<SiteDesc>());
    let describes = |desc: &usize| {
        let site = bytes.get(desc - pc..).and_then(SiteDesc::read);
        site.is_some_and(|site| {
            let at = address(*desc, &site);
            usize::from(site.gate) == desc - gate
                && site.resume < site.gate
                && site.start >= u16::from(site.gate)
                && space.first_in(&(at..at + SYSCALL_INSTRUCTION)).is_none()
        })
    };
    let mut all = (first..=gate + FARTHEST).step_by(align_of::<SiteDesc>());
    all.find(describes).ok_or(Errno::NOENT)
}
