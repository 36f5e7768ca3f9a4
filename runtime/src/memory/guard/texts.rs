//! What vload has put in place of parts of the target's files: patched text.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use super::peer::Peer;
use super::ranges::Ranges;
use crate::sys::Result;

/// Parts that can be known: a large text may have many.
const MOST: usize = 4096;

static RANGES: Ranges<MOST> = Ranges::new();
/// Device, inode and offset in the file of each.
static FILES: [[AtomicU64; 3]; MOST] = [const { [const { AtomicU64::new(0) }; 3] }; MOST];

/// What patched text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file's device, as `Stat` has it; for the vDSO its mark (`text::VDSO`).
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// The offset in it.
    pub offset: u64,
}

fn read(place: usize, skipped: usize) -> Origin {
    let [device, inode, offset] = FILES
        .get(place)
        .map_or([0; 3], |file| file.each_ref().map(|word| word.load(Ordering::Relaxed)));
    Origin { device, inode, offset: offset + skipped as u64 }
}

/// Notes that the range now holds patched text in place of the file's bytes from `offset` on. What finds no
/// room is shown as it is.
pub fn stands_for(range: Range<usize>, device: u64, inode: u64, offset: u64) {
    forget(&range);
    RANGES.add_with(range, |place| {
        for (word, value) in FILES.get(place).into_iter().flatten().zip([device, inode, offset]) {
            word.store(value, Ordering::Relaxed);
        }
    });
}

/// What the patched text at `at` stands for.
pub fn origin(at: usize) -> Option<Origin> {
    let found = RANGES.each_placed().find(|(_, range)| range.contains(&at));
    found.map(|(place, range)| read(place, at - range.start))
}

/// Something else is in the range now: what of patched text lies around it stays.
pub fn forget(gone: &Range<usize>) {
    while let Some((place, range)) = overlapping(gone) {
        let about = read(place, 0);
        RANGES.remove(range.start);
        if range.start < gone.start {
            stands_for(range.start..gone.start, about.device, about.inode, about.offset);
        }
        if gone.end < range.end {
            let offset = about.offset + (gone.end - range.start) as u64;
            stands_for(gone.end..range.end, about.device, about.inode, offset);
        }
    }
}

/// What was in the range is now at `to`.
pub fn moved(from: &Range<usize>, to: usize) {
    while let Some((place, range)) = overlapping(from) {
        let (start, end) = (range.start.max(from.start), range.end.min(from.end));
        let Origin { device, inode, offset } = read(place, start - range.start);
        forget(&(start..end));
        let shifted = start - from.start + to;
        stands_for(shifted..shifted + (end - start), device, inode, offset);
    }
}

fn overlapping(wanted: &Range<usize>) -> Option<(usize, Range<usize>)> {
    RANGES.each_placed().find(|(_, range)| range.start < wanted.end && range.end > wanted.start)
}

/// Calls `visit` with what another process's vload has noted.
pub fn each_text_of(
    peer: &Peer,
    visit: &mut dyn FnMut(Range<usize>, Origin) -> Result<()>,
) -> Result<()> {
    RANGES.each_of(peer, &mut |place, range| {
        let mut copied = [0u64; 3];
        if let Some(file) = FILES.get(place) {
            peer.read((&raw const *file).addr(), &mut copied)?;
        }
        let [device, inode, offset] = copied;
        visit(range, Origin { device, inode, offset })
    })
}
