//! vload's memory in another process of the session, read there.

use core::ffi::CStr;
use core::ops::Range;

use super::buffer::Buffer;
use super::filter::entries;
use crate::arch;
use crate::log::Line;
use crate::memory::guard::{self, Origin, Peer};
use crate::sys::{self, Stat};
use crate::view::hidden::of_peer;
use crate::view::{OWN_DESCRIPTORS, PROGRAM};
use linux_raw_sys::general::PATH_MAX;

/// What another process's vload has entered (`memory/guard`).
pub struct Remote {
    /// Its own ranges: start and end.
    ranges: Buffer,
    /// Patched text: start, end, device, inode, offset.
    texts: Buffer,
    /// The path of the program that it runs.
    path: Buffer,
    /// The program's file.
    pub program: Option<Stat>,
}

/// The numbers of records of `N`.
fn records<const N: usize>(buffer: &Buffer) -> impl Iterator<Item = [u64; N]> {
    buffer.bytes().chunks_exact(N * 8).map(|record| {
        let mut numbers = [0; N];
        for (number, bytes) in numbers.iter_mut().zip(record.chunks_exact(8)) {
            *number = bytes.try_into().map_or(0, u64::from_ne_bytes);
        }
        numbers
    })
}

fn push(buffer: &mut Buffer, numbers: &[u64]) -> sys::Result<()> {
    numbers.iter().try_for_each(|number| buffer.push(&number.to_ne_bytes()))
}

/// The vload in process `pid`, whose mappings `maps` has, if it is this one.
pub fn peer(pid: i32, maps: &[u8]) -> Option<Peer> {
    let mut name = [0; 4096];
    let exe = sys::readlink(sys::CWD, c"/proc/self/exe", &mut name).ok()?;
    let mut all = entries(maps).map(|entry| entry.line);
    // The image begins with the file.
    let base = all.find(|line| line.offset == 0 && line.name == exe)?.start;
    Some(Peer::new(pid, base))
}

impl Remote {
    /// Of process `pid`. `None` when it does not run this vload, or may not be read by us
    /// (process_vm_readv(2)).
    pub fn of(pid: i32, maps: &[u8]) -> Option<Self> {
        let peer = peer(pid, maps)?;
        let base = peer.base();
        let (mut ranges, mut texts) = (Buffer::new().ok()?, Buffer::new().ok()?);
        guard::each_of(&peer, &mut |range| {
            push(&mut ranges, &[range.start as u64, range.end as u64])
        })
        .ok()?;
        guard::each_text_of(&peer, &mut |range, Origin { device, inode, offset }| {
            push(&mut texts, &[range.start as u64, range.end as u64, device, inode, offset])
        })
        .ok()?;
        let mut name = [0; PATH_MAX as usize];
        let length = PROGRAM.of(&peer, &mut name).ok()?;
        let mut path = Buffer::new().ok()?;
        path.push(name.get(..length)?).ok()?;
        let kept = of_peer(&peer)[OWN_DESCRIPTORS - 1];
        let mut link = Line::new();
        link.text("/proc/").decimal(pid.into()).text("/fd/").decimal(kept.into()).raw(b"\0");
        let known = |path| sys::stat(sys::CWD, CStr::from_bytes_until_nul(path).ok()?).ok();
        let program = known(link.bytes()).or_else(|| known(&name));
        let remote = Self { ranges, texts, path, program };
        // Another process may have the number by now.
        let (start, end) = arch::image_range();
        remote.first_in(&(base..base + 1))?.contains(&(base + (end - start) - 1)).then_some(remote)
    }

    /// The lowest range that has an address in `wanted`.
    pub fn first_in(&self, wanted: &Range<usize>) -> Option<Range<usize>> {
        records(&self.ranges)
            .map(|[start, end]| start as usize..end as usize)
            .filter(|range| range.start < wanted.end && range.end > wanted.start)
            .min_by_key(|range| range.start)
    }

    /// The path of the program that it runs.
    pub fn path(&self) -> &[u8] {
        self.path.bytes()
    }

    /// What the patched text at `at` stands for.
    pub fn origin(&self, at: usize) -> Option<Origin> {
        let at = at as u64;
        let [start, _, device, inode, offset] =
            records::<5>(&self.texts).find(|text| (text[0]..text[1]).contains(&at))?;
        Some(Origin { device, inode, offset: offset + (at - start) })
    }
}
