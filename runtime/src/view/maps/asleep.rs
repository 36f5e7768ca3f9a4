//! `syscall`: a thread that sleeps in the call of a stub, or of the resident, sleeps in that of its own instruction
//! (proc_pid_syscall(5); fs/proc/base.c).

use core::mem::{MaybeUninit, offset_of};
use core::ops::Range;

use super::buffer::Buffer;
use super::space::Space;
use crate::arch::{self, CallRegs, SYSCALL_INSTRUCTION, Watched};
use crate::digits::hexadecimal;
use crate::log::Line;
use crate::memory::guard::Peer;
use crate::memory::{User, copy_in};
use crate::patch::SiteDesc;
use crate::process::page_size;
use crate::signal::block_of;
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
    let block = || block_of(peer, tid)?.ok_or(Errno::SRCH);
    let site = match place(pc as usize, &block, space, peer)? {
        // What the resident asks to answer a call is not the program's.
        Place::Resident if call != b"-1" => return resident(peer, block()?, out),
        Place::Program | Place::Resident => return out.push(text),
        Place::Behind(site) => site,
    };
    let mut line = Line::new();
    line.raw(call).text(" 0x").hexadecimal(sp).text(" 0x").hexadecimal(site.behind as u64);
    out.push(line.raw(b"\n").bytes())
}

/// Where a thread's program counter is.
pub enum Place {
    /// Not in vload's memory.
    Program,
    /// Behind the call of a stub, or of a watched thread: the other registers are the program's.
    Behind(Site),
    /// In the resident.
    Resident,
}

/// Where `pc` is, of the thread that has the block.
pub fn place(
    pc: usize,
    block: &dyn Fn() -> Result<usize>,
    space: &Space,
    peer: Option<&Peer>,
) -> Result<Place> {
    if space.first_in(&(pc..pc + 1)).is_none() {
        return Ok(Place::Program);
    }
    if is_resident(peer, pc) {
        return Ok(Place::Resident);
    }
    let is_ours = |range: Range<usize>| space.first_in(&range).is_some();
    behind(peer, pc, block, &is_ours).map(Place::Behind)
}

/// Whether an address is in the resident, and not where it makes a watched thread's call.
pub fn is_resident(peer: Option<&Peer>, pc: usize) -> bool {
    let here = peer.map_or(pc, |peer| peer.here(pc));
    arch::image_contains(here) && arch::watched_at(here) == Watched::Elsewhere
}

/// The site of a stub's call, or a watched thread's, which has `pc` behind it; `is_ours` knows vload's memory.
pub fn behind(
    peer: Option<&Peer>,
    pc: usize,
    block: &dyn Fn() -> Result<usize>,
    is_ours: &dyn Fn(Range<usize>) -> bool,
) -> Result<Site> {
    let is_watched = arch::image_contains(peer.map_or(pc, |peer| peer.here(pc)));
    let description = match is_watched {
        true => read(peer, block()? + offset_of!(Block, watched_site))?,
        false => description(peer, is_ours, pc)?,
    };
    site(peer, description)
}

/// What consists of numbers and addresses, of this process, which a filter may forbid to ask as another, or of another.
fn read<T: Copy>(peer: Option<&Peer>, address: usize) -> Result<T> {
    let Some(peer) = peer else { return User::new(address).read() };
    let mut value = [MaybeUninit::<T>::uninit()];
    peer.read_at(address, &mut value)?;
    // SAFETY: all of it has been read, and numbers and addresses may have any value.
    Ok(unsafe { value[0].assume_init() })
}

/// Writes the call of a thread that is being answered in the resident.
fn resident(peer: Option<&Peer>, block: usize, out: &mut Buffer) -> Result<()> {
    let (regs, site) = caller(peer, read(peer, block + offset_of!(Block, regs))?)?;
    let mut line = Line::new();
    line.decimal(regs.number() as i64);
    let args = if site.is_compat { regs.compat_args() } else { regs.args() };
    for word in args.into_iter().chain([regs.sp(), site.behind]) {
        line.text(" 0x").hexadecimal(word as u64);
    }
    out.push(line.raw(b"\n").bytes())
}

/// The registers at `regs`, with which the resident was entered, and from where.
pub fn caller(peer: Option<&Peer>, regs: usize) -> Result<(CallRegs, Site)> {
    let regs: CallRegs = read(peer, regs)?;
    // The lowest bit says something else (`layer/origin.rs`).
    let site = match regs.desc as usize & !1 {
        0 => Site { behind: regs.pc(), is_compat: regs.desc != 0 },
        desc => site(peer, desc)?,
    };
    Ok((regs, site))
}

/// Where a call was made.
pub struct Site {
    /// The address behind its instruction.
    pub behind: usize,
    /// Whether it enters by the processor's old way.
    pub is_compat: bool,
}

/// The site that is described at `desc`.
fn site(peer: Option<&Peer>, desc: usize) -> Result<Site> {
    let bytes: [u8; size_of::<SiteDesc>()] = read(peer, desc)?;
    let site = SiteDesc::read(&bytes).ok_or(Errno::INVAL)?;
    Ok(Site { behind: address(desc, &site) + SYSCALL_INSTRUCTION, is_compat: site.entry != 0 })
}

fn address(desc: usize, site: &SiteDesc) -> usize {
    desc.wrapping_add_signed(site.site as isize)
}

/// The description of the stub whose call has `pc` behind it.
fn description(
    peer: Option<&Peer>,
    is_ours: &dyn Fn(Range<usize>) -> bool,
    pc: usize,
) -> Result<usize> {
    let mut bytes = [0u8; LOOKED_AT];
    let (page, rest) = bytes.split_at_mut(LOOKED_AT.min(page_size() - pc % page_size()));
    let fill = |at: usize, part: &mut [u8]| match peer {
        Some(peer) => peer.read_at(at, part),
        None => copy_in(at, part),
    };
    fill(pc, page)?;
    // The stub's page may be the last: zeros describe nothing.
    let _absent = fill(pc + page.len(), rest);
    let gate = pc - SYSCALL_INSTRUCTION;
    let first = pc.next_multiple_of(align_of::<SiteDesc>());
    let describes = |desc: &usize| {
        let site = bytes.get(desc - pc..).and_then(SiteDesc::read);
        site.is_some_and(|site| {
            let at = address(*desc, &site);
            usize::from(site.gate) == desc - gate
                && site.resume < site.gate
                && site.start >= u16::from(site.gate)
                && !is_ours(at..at + SYSCALL_INSTRUCTION)
        })
    };
    let mut all = (first..=gate + FARTHEST).step_by(align_of::<SiteDesc>());
    all.find(describes).ok_or(Errno::NOENT)
}
