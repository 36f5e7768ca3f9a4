//! Writing the patched image of a [`Plan`]: one block of bytes that a loader maps piece by piece.

use super::blob::{
    Header, ISLAND, MAGIC, ORIGINAL, ORIGINAL_ROOM, POINT, REFUSED, RUN, SITE, TABLES, VERSION,
    write_site,
};
use super::bytes::clamp;
use super::fixed::Load;
use super::function::Owned;
use super::island::{self, Pages};
use super::plan::{PAGE, Plan, Text};
use super::site::Site;
use super::stub::{Emitted, Point, Stub};
use crate::arch;
use crate::sort;
use alloc::vec::Vec;
use core::ops::Range;

/// A text of up to this many bytes is copied whole, so that it stays one mapping.
const WHOLE: u64 = 4 << 20;

/// A run of patched text: the file offset it replaces and its bytes.
struct Run {
    offset: u64,
    vaddr: u64,
    bytes: Vec<u8>,
}

/// What patching makes of the text.
struct Rewritten {
    runs: Vec<Run>,
    islands: Vec<Pages>,
    originals: Vec<Original>,
}

/// Some of the file's own bytes where the text has others, at most [`ORIGINAL_ROOM`].
struct Original {
    vaddr: u64,
    bytes: Vec<u8>,
}

/// The stubs with all that is known of them.
struct Stubs {
    bytes: Vec<u8>,
    points: Vec<Point>,
    emitted: Vec<Emitted>,
    /// Of each fixed address: the load, and the address of its stub.
    fixed: Vec<(u64, Load, u64)>,
}

/// Unmapped pages between a file's last segment and its stubs: what runs over the end of its data
/// faults there, as natively.
const GAP: u64 = 16 * PAGE;

impl Plan<'_> {
    /// Where the stubs go unless the caller knows better: behind the file's last segment.
    #[must_use]
    pub fn default_stub_vaddr(&self) -> u64 {
        self.span.end.saturating_add(GAP)
    }

    /// The patched image with its stubs at `stub_vaddr`, an address of the file's own numbering,
    /// and `key` stored as it is. `None` if the stubs are out of the text's reach, not aligned to
    /// a page or behind an island.
    #[must_use]
    pub fn build(&self, stub_vaddr: Option<u64>, key: [u64; 6]) -> Option<Vec<u8>> {
        let stub_vaddr = stub_vaddr.unwrap_or(self.default_stub_vaddr());
        if !stub_vaddr.is_multiple_of(PAGE) {
            return None;
        }
        // The length does not depend on the addresses, but the link page is behind the stubs.
        let measured = self.emit(stub_vaddr, stub_vaddr)?.bytes.len() as u64;
        let stub_len = measured.next_multiple_of(PAGE);
        let link = stub_vaddr.checked_add(stub_len)?;
        link.checked_add(PAGE)?;
        let Stubs { bytes: stubs, points, emitted, fixed } = self.emit(stub_vaddr, link)?;
        let rewritten = self.rewrite(stub_vaddr, &emitted, &fixed)?;
        if rewritten.islands.first().is_some_and(|island| island.vaddr < link + PAGE) {
            return None;
        }
        Some(self.write(stub_vaddr, key, &stubs, &points, &emitted, &rewritten))
    }

    fn emit(&self, vaddr: u64, link: u64) -> Option<Stubs> {
        let mut stub = Stub::new(vaddr, link);
        stub.fault = self.fault;
        for site in &self.sites {
            let original = self.original(site.head..site.tail)?;
            match self.function_at(site) {
                Some(owned) => arch::patch::emit_function(&mut stub, site, owned, original)?,
                None => arch::patch::emit(&mut stub, site, original)?,
            }
        }
        let mut fixed = Vec::new();
        for (call, load) in self.fixed_loads() {
            fixed.push((call, load, stub.here()));
            arch::patch::emit_fixed(&mut stub, load.number)?;
        }
        let (bytes, points, emitted) = stub.finish();
        Some(Stubs { bytes, points, emitted, fixed })
    }

    /// The loads of fixed addresses that are redirected, by address.
    fn fixed_loads(&self) -> impl Iterator<Item = (u64, Load)> {
        self.fixed.iter().filter_map(|call| Some((call.vaddr, call.load?)))
    }

    fn function_at(&self, site: &Site) -> Option<&Owned> {
        let of_site = |entry: &&(u64, Owned)| entry.0 == site.vaddr;
        self.functions.iter().find(of_site).map(|entry| &entry.1)
    }

    /// The file's bytes at a range of addresses in text.
    fn original(&self, range: Range<u64>) -> Option<&[u8]> {
        let text = self.text_of(range.start)?;
        let from = text.offset + (range.start - text.range.start);
        let len = range.end - range.start;
        Some(clamp(self.file, from..from + len)).filter(|bytes| bytes.len() as u64 == len)
    }

    fn text_of(&self, vaddr: u64) -> Option<&Text> {
        self.texts.iter().find(|text| text.range.contains(&vaddr))
    }

    /// The runs of text with every site's changes made; those behind the file make islands.
    fn rewrite(
        &self,
        stub_vaddr: u64,
        emitted: &[Emitted],
        fixed: &[(u64, Load, u64)],
    ) -> Option<Rewritten> {
        let mut changes: Vec<(u64, u8)> = Vec::new();
        for &(vaddr, load, stub) in fixed {
            let (bytes, len) = arch::patch::rewrite_load(vaddr, &load, stub)?;
            changes.extend((vaddr..).zip(bytes.into_iter().take(len)));
        }
        for (site, stub) in self.sites.iter().zip(emitted) {
            let stub = stub_vaddr + u64::from(stub.start);
            arch::patch::rewrite(site, stub, &mut |address, bytes| {
                changes.extend((address..).zip(bytes.iter().copied()));
            })?;
        }
        let in_text = |change: &(u64, u8)| self.text_of(change.0).is_some();
        let (changes, behind): (Vec<_>, Vec<_>) = changes.into_iter().partition(in_text);
        let pages = ordered(changes.iter().map(|change| change.0 & !(PAGE - 1)));
        let mut runs = Vec::new();
        for text in &self.texts {
            let mut ranges: Vec<Range<u64>> = Vec::new();
            for page in pages.iter().copied().filter(|page| text.range.contains(page)) {
                match ranges.last_mut() {
                    _ if text.range.end - text.range.start <= WHOLE => {
                        ranges = [text.range.clone()].into();
                        break;
                    }
                    Some(last) if last.end == page => last.end += PAGE,
                    _ => ranges.push(page..page + PAGE),
                }
            }
            runs.extend(ranges.into_iter().map(|range| self.copy(text, range)));
        }
        let originals = self.originals(ordered(changes.iter().map(|change| change.0)))?;
        for (address, byte) in changes {
            let run = runs.iter_mut().find(|run: &&mut Run| {
                (run.vaddr..run.vaddr + run.bytes.len() as u64).contains(&address)
            })?;
            let at = (address - run.vaddr) as usize;
            *run.bytes.get_mut(at)? = byte;
        }
        Some(Rewritten { runs, islands: island::gather(behind), originals })
    }

    /// The file's bytes at the addresses.
    fn originals(&self, addresses: Vec<u64>) -> Option<Vec<Original>> {
        let mut found: Vec<Original> = Vec::new();
        for address in addresses {
            let byte = *self.original(address..address + 1)?.first()?;
            match found.last_mut() {
                Some(last)
                    if last.vaddr + last.bytes.len() as u64 == address
                        && last.bytes.len() < ORIGINAL_ROOM =>
                {
                    last.bytes.push(byte);
                }
                _ => found.push(Original { vaddr: address, bytes: [byte].into() }),
            }
        }
        Some(found)
    }

    /// The file's bytes for a range of pages, zeros behind its end.
    fn copy(&self, text: &Text, range: Range<u64>) -> Run {
        let offset = text.offset + (range.start - text.range.start);
        let len = range.end - range.start;
        let mut bytes = Vec::with_capacity(len as usize);
        bytes.extend_from_slice(clamp(self.file, offset..offset + len));
        bytes.resize(len as usize, 0);
        Run { offset, vaddr: range.start, bytes }
    }

    fn write(
        &self,
        stub_vaddr: u64,
        key: [u64; 6],
        stubs: &[u8],
        points: &[Point],
        emitted: &[Emitted],
        rewritten: &Rewritten,
    ) -> Vec<u8> {
        let Rewritten { runs, islands, originals } = rewritten;
        let counts = [
            runs.len(),
            self.sites.len(),
            points.len(),
            self.refused.len(),
            islands.len(),
            originals.len(),
        ];
        let sizes = [RUN, SITE, POINT, REFUSED, ISLAND, ORIGINAL];
        let tables: usize = counts.iter().zip(sizes).map(|(count, size)| count * size).sum();
        let page = PAGE as usize;
        let stub_offset = (TABLES + tables).next_multiple_of(page);
        let stub_len = stubs.len().next_multiple_of(page);
        let texts = || runs.iter().map(|run| &run.bytes);
        let pages = || texts().chain(islands.iter().map(|island| &island.bytes));
        let pages_len: usize = pages().map(Vec::len).sum();
        let mut out = Vec::with_capacity(stub_offset + stub_len + pages_len);
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            has_traps: self.sites.iter().any(|site| site.shape == super::Shape::Trap),
            shapes: self.shapes,
            key,
            stub_vaddr,
            stub_len: stub_len as u64,
            stub_offset: stub_offset as u64,
            counts: counts.map(|count| count as u32),
        };
        header.write(&mut out);
        let own_points = |index: usize, stub: &Emitted| {
            let end = emitted.get(index + 1).map_or(points.len(), |next| next.points as usize);
            stub.points as usize..end
        };
        let mut place = (stub_offset + stub_len) as u64;
        for run in runs {
            let len = run.bytes.len() as u64;
            for field in [run.offset, len, run.vaddr, place] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            place += len;
        }
        for (index, (site, stub)) in self.sites.iter().zip(emitted).enumerate() {
            write_site(&mut out, site, stub, own_points(index, stub).len() as u32);
        }
        for (index, (site, stub)) in self.sites.iter().zip(emitted).enumerate() {
            for point in points.get(own_points(index, stub)).unwrap_or(&[]) {
                out.extend_from_slice(&point.offset.to_le_bytes());
                let delta = point.shown.wrapping_sub(site.vaddr) as i32;
                out.extend_from_slice(&delta.to_le_bytes());
            }
        }
        for refused in &self.refused {
            out.extend_from_slice(&refused.vaddr.to_le_bytes());
            out.extend_from_slice(&[refused.reason as u8, refused.entry as u8, 0, 0, 0, 0, 0, 0]);
        }
        for island in islands {
            let len = island.bytes.len() as u64;
            for field in [island.vaddr, len, place] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            place += len;
        }
        for original in originals {
            let end = out.len() + ORIGINAL;
            out.extend_from_slice(&original.vaddr.to_le_bytes());
            out.push(original.bytes.len() as u8);
            out.extend_from_slice(&original.bytes);
            out.resize(end, 0);
        }
        out.resize(stub_offset, 0);
        out.extend_from_slice(stubs);
        out.resize(stub_offset + stub_len, 0);
        pages().for_each(|bytes| out.extend_from_slice(bytes));
        out
    }
}

/// Addresses in order, each once.
fn ordered(addresses: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut addresses: Vec<u64> = addresses.collect();
    sort::addresses(&mut addresses);
    addresses.dedup();
    addresses
}
