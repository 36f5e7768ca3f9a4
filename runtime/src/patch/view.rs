//! Reading the patched image of a file.

use alloc::vec::Vec;

use super::blob::{
    Header, ISLAND, ORIGINAL, POINT, REFUSED, RUN, SITE, SiteRecord, TABLES, TextRun,
};
use super::bytes::{slice, u32_at, u64_at};
use super::insn::{Entry, Flow};
use super::island::Island;
use super::plan::PAGE;
use super::shape::{Shape, ShapeSet};
use super::site::{KEEPS_NEXT, KEEPS_SITE, Refusal, Refused};

/// Reads images.
pub struct Blob;

impl Blob {
    /// Checks an image and opens it. `None` if it is none, is of another version or is damaged.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<BlobView<'_>> {
        let header = Header::read(data)?;
        let mut at = TABLES as u64;
        let mut table = |count: u32, size: usize| {
            let len = u64::from(count) * size as u64;
            let bytes = slice(data, at, len)?;
            at += len;
            Some(bytes)
        };
        let [runs, sites, points, refused, islands, originals] = header.counts;
        let view = BlobView {
            runs: table(runs, RUN)?,
            sites: table(sites, SITE)?,
            points: table(points, POINT)?,
            refused: table(refused, REFUSED)?,
            islands: table(islands, ISLAND)?,
            originals: table(originals, ORIGINAL)?,
            stubs: slice(data, header.stub_offset, header.stub_len)?,
            data,
            header,
        };
        (at <= view.header.stub_offset && view.is_sound()).then_some(view)
    }
}

/// An open image.
pub struct BlobView<'a> {
    data: &'a [u8],
    header: Header,
    runs: &'a [u8],
    sites: &'a [u8],
    points: &'a [u8],
    refused: &'a [u8],
    islands: &'a [u8],
    originals: &'a [u8],
    stubs: &'a [u8],
}

impl<'a> BlobView<'a> {
    fn is_sound(&self) -> bool {
        let Header { stub_vaddr, stub_len, stub_offset, .. } = self.header;
        let pages = |fields: &[u64]| fields.iter().all(|field| field % PAGE == 0);
        let stubs = pages(&[stub_vaddr, stub_len, stub_offset])
            && u32::try_from(stub_len).is_ok()
            && stub_vaddr.checked_add(stub_len).and_then(|end| end.checked_add(PAGE)).is_some();
        let runs = self.runs().all(|run| {
            pages(&[run.file_offset, run.len, run.vaddr, run.offset])
                && run.len != 0
                && run.vaddr.checked_add(run.len).is_some()
                && run.file_offset.checked_add(run.len).is_some()
                && slice(self.data, run.offset, run.len).is_some()
        });
        let (mut stub, mut tail) = (0, 0);
        let sites = (0..self.site_count()).all(|index| {
            let Some(site) = self.site(index) else { return false };
            let end = u64::from(site.stub) + u64::from(site.stub_len);
            let points = u64::from(site.points) + u64::from(site.point_count);
            let sound = u64::from(site.stub) >= stub
                && end <= stub_len
                && site.head >= tail
                && site.tail > site.vaddr
                && site.point_count != 0
                && points * POINT as u64 <= self.points.len() as u64;
            (stub, tail) = (end, site.tail);
            sound
        });
        let refused = (0..self.refused.len() / REFUSED).all(|index| self.refusal(index).is_some());
        let mut free = stub_vaddr.saturating_add(stub_len).saturating_add(PAGE);
        let islands = self.islands().all(|island| {
            let sound = pages(&[island.vaddr, island.len, island.offset])
                && island.vaddr >= free
                && island.vaddr.checked_add(island.len).is_some()
                && slice(self.data, island.offset, island.len).is_some();
            free = island.vaddr.saturating_add(island.len);
            sound
        });
        stubs && runs && sites && refused && islands
    }

    /// What the caller of `build` stored.
    #[must_use]
    pub fn key(&self) -> [u64; 6] {
        self.header.key
    }

    /// The shapes that were allowed.
    #[must_use]
    pub fn shapes(&self) -> ShapeSet {
        self.header.shapes
    }

    /// Whether any site is a trap, so that the resident must own SIGTRAP.
    #[must_use]
    pub fn has_traps(&self) -> bool {
        self.header.has_traps
    }

    /// The address of the stubs, before the load bias is added.
    #[must_use]
    pub fn stub_vaddr(&self) -> u64 {
        self.header.stub_vaddr
    }

    /// The length of the stubs: whole pages. The link page is behind them.
    #[must_use]
    pub fn stub_len(&self) -> u64 {
        self.header.stub_len
    }

    /// Where in the image the stubs are: whole pages.
    #[must_use]
    pub fn stub_offset(&self) -> u64 {
        self.header.stub_offset
    }

    /// The address of the link page, before the load bias is added.
    #[must_use]
    pub fn link_vaddr(&self) -> u64 {
        self.header.stub_vaddr + self.header.stub_len
    }

    /// The address behind the link page and all islands.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.islands().last().map_or(self.link_vaddr() + PAGE, |island| island.end())
    }

    /// The islands, by address: all are behind the link page.
    pub fn islands(&self) -> impl Iterator<Item = Island> + use<'a> {
        self.islands.chunks_exact(ISLAND).filter_map(|entry| {
            Some(Island {
                vaddr: u64_at(entry, 0)?,
                len: u64_at(entry, 8)?,
                offset: u64_at(entry, 16)?,
            })
        })
    }

    /// The bytes of an island.
    #[must_use]
    pub fn island_bytes(&self, island: &Island) -> &'a [u8] {
        slice(self.data, island.offset, island.len).unwrap_or(&[])
    }

    /// The bytes of the stubs.
    #[must_use]
    pub fn stubs(&self) -> &'a [u8] {
        self.stubs
    }

    /// The runs of patched text.
    pub fn runs(&self) -> impl Iterator<Item = TextRun> + use<'a> {
        self.runs.chunks_exact(RUN).filter_map(|entry| {
            Some(TextRun {
                file_offset: u64_at(entry, 0)?,
                len: u64_at(entry, 8)?,
                vaddr: u64_at(entry, 16)?,
                offset: u64_at(entry, 24)?,
            })
        })
    }

    /// The bytes of a run.
    #[must_use]
    pub fn text(&self, run: &TextRun) -> &'a [u8] {
        slice(self.data, run.offset, run.len).unwrap_or(&[])
    }

    /// The file's own bytes where the image has others: an address, and what is there from it on.
    pub fn originals(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        self.originals.chunks_exact(ORIGINAL).filter_map(|entry| {
            let (&length, bytes) = entry.get(8..)?.split_first()?;
            Some((u64_at(entry, 0)?, bytes.get(..usize::from(length))?))
        })
    }

    /// The bytes of a run as the file has them.
    #[must_use]
    pub fn original_text(&self, run: &TextRun) -> Vec<u8> {
        let mut text = self.text(run).to_vec();
        for (vaddr, bytes) in self.originals() {
            let Some(at) = vaddr.checked_sub(run.vaddr).filter(|&at| at < run.len) else {
                continue;
            };
            for (place, byte) in text.iter_mut().skip(at as usize).zip(bytes) {
                *place = *byte;
            }
        }
        text
    }

    /// How many sites there are.
    #[must_use]
    pub fn site_count(&self) -> usize {
        self.sites.len() / SITE
    }

    /// The site of that index. They are sorted by address and by stub alike.
    #[must_use]
    pub fn site(&self, index: usize) -> Option<SiteRecord> {
        let entry = self.sites.get(index.checked_mul(SITE)?..)?.get(..SITE)?;
        let vaddr = u64_at(entry, 0)?;
        let [shape, entry_kind, keeps, has_number, before, after] =
            *entry.get(14..20)?.first_chunk::<6>()?;
        let number = u32_at(entry, 20)?;
        Some(SiteRecord {
            vaddr,
            stub: u32_at(entry, 8)?,
            stub_len: super::bytes::u16_at(entry, 12)?,
            shape: Shape::from_raw(shape)?,
            entry: match entry_kind {
                0 => Entry::Syscall,
                1 => Entry::Int80,
                _ => return None,
            },
            keeps,
            number: (has_number != 0).then_some(number),
            head: vaddr.checked_sub(u64::from(before))?,
            tail: vaddr.checked_add(u64::from(after))?,
            points: u32_at(entry, 24)?,
            point_count: u32_at(entry, 28)?,
        })
    }

    /// All sites.
    pub fn sites(&self) -> impl Iterator<Item = SiteRecord> + '_ {
        (0..self.site_count()).filter_map(|index| self.site(index))
    }

    fn refusal(&self, index: usize) -> Option<Refused> {
        let entry = self.refused.get(index.checked_mul(REFUSED)?..)?.get(..REFUSED)?;
        Some(Refused {
            vaddr: u64_at(entry, 0)?,
            reason: Refusal::from_raw(entry[8])?,
            entry: if entry[9] == 0 { Entry::Syscall } else { Entry::Int80 },
        })
    }

    /// The candidates that stay as they are.
    pub fn refused(&self) -> impl Iterator<Item = Refused> + '_ {
        (0..self.refused.len() / REFUSED).filter_map(|index| self.refusal(index))
    }

    /// The last site for which `before` holds; it holds for a first part of them.
    fn last_site(&self, before: impl Fn(&SiteRecord) -> bool) -> Option<SiteRecord> {
        let (mut low, mut high) = (0, self.site_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(&self.site(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.site(low.checked_sub(1)?)
    }

    /// The site whose stub has this offset in it.
    #[must_use]
    pub fn site_by_stub_offset(&self, offset: u32) -> Option<SiteRecord> {
        let site = self.last_site(|site| site.stub <= offset)?;
        (offset - site.stub < u32::from(site.stub_len)).then_some(site)
    }

    /// The site at this address.
    #[must_use]
    pub fn site_by_vaddr(&self, vaddr: u64) -> Option<SiteRecord> {
        self.last_site(|site| site.vaddr <= vaddr).filter(|site| site.vaddr == vaddr)
    }

    /// The points of a site's stub: an offset, and the address that is shown from there on.
    fn points(&self, site: &SiteRecord) -> impl Iterator<Item = (u32, u64)> + use<'a> {
        let vaddr = site.vaddr;
        let first = site.points as usize * POINT;
        let all = self.points.get(first..).unwrap_or(&[]);
        all.chunks_exact(POINT).take(site.point_count as usize).filter_map(move |point| {
            let delta = i64::from(u32_at(point, 4)? as i32);
            Some((u32_at(point, 0)?, vaddr.wrapping_add_signed(delta)))
        })
    }

    /// The address that the kernel would have shown for a program counter in the stubs: up to and
    /// including the stub's own system call, that of the instruction to be made next or of the
    /// site; behind it, that of what follows.
    #[must_use]
    pub fn original_pc(&self, offset: u32) -> Option<u64> {
        let site = self.site_by_stub_offset(offset)?;
        self.points(&site).take_while(|point| point.0 <= offset).last().map(|point| point.1)
    }

    /// The address that the kernel would have shown for a program counter at a jump to a stub: that of the site
    /// that led there. It is in padding or on an island, or is the site itself.
    #[must_use]
    pub fn original_pc_at_jump(&self, vaddr: u64) -> Option<u64> {
        let islands = self.islands().map(|island| (island.vaddr, self.island_bytes(&island)));
        let text = self.runs().map(|run| (run.vaddr, self.text(&run)));
        let jump = islands.chain(text).find_map(|(start, bytes)| {
            let rest = bytes.get(usize::try_from(vaddr.checked_sub(start)?).ok()?..)?;
            (!rest.is_empty()).then_some(rest)
        })?;
        let Flow::Jump(stub) = crate::arch::patch::decode(jump, vaddr)?.flow else { return None };
        self.original_pc(u32::try_from(stub.checked_sub(self.stub_vaddr())?).ok()?)
    }

    /// The site and the offset in the stubs at which to go on for an address of the file whose
    /// instruction is no longer there. `None` for one that can be executed in place.
    #[must_use]
    pub fn resume_from(&self, shown: u64) -> Option<(SiteRecord, u32)> {
        let site = self.last_site(|site| site.head <= shown)?;
        let in_place = shown >= site.tail
            || (shown == site.vaddr && site.keeps & KEEPS_SITE != 0)
            || (shown == site.vaddr + crate::arch::patch::SITE_LEN && site.keeps & KEEPS_NEXT != 0)
            || shown == site.head;
        if in_place {
            return None;
        }
        self.points(&site).find(|point| point.1 == shown).map(|point| (site, point.0))
    }
}
