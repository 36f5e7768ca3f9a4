//! The patched image of a file as it is stored and mapped.
//!
//! ```text
//! header | text runs | sites | points | refused | islands | originals | … page | stubs … page | text … | islands …
//! ```
//!
//! All fields are little-endian and all addresses are those of the file, so one image serves
//! every process and every load bias. It may come back from a disk, so [`Blob::parse`](super::Blob::parse) believes
//! nothing that it has not checked.

use super::bytes::Reader;
use super::insn::Entry;
use super::shape::{Shape, ShapeSet};
use super::site::Site;
use super::stub::Emitted;
use alloc::vec::Vec;

/// What an image begins with.
pub(super) const MAGIC: [u8; 8] = *b"vload\0px";
/// The version of the format.
pub(super) const VERSION: u32 = 3;
/// Where the tables begin, and the size of an entry of each.
pub(super) const TABLES: usize = 128;
pub(super) const RUN: usize = 32;
pub(super) const SITE: usize = 32;
pub(super) const POINT: usize = 8;
pub(super) const REFUSED: usize = 16;
pub(super) const ISLAND: usize = 24;
pub(super) const ORIGINAL: usize = 16;
/// Bytes that one entry of the table of originals holds.
pub(super) const ORIGINAL_ROOM: usize = 7;

/// The first bytes of an image.
pub(super) struct Header {
    pub magic: [u8; 8],
    pub version: u32,
    pub has_traps: bool,
    pub shapes: ShapeSet,
    pub key: [u64; 6],
    pub stub_vaddr: u64,
    pub stub_len: u64,
    pub stub_offset: u64,
    pub counts: [u32; 6],
}

impl Header {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.magic);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&u32::from(self.has_traps).to_le_bytes());
        out.extend_from_slice(&self.shapes.to_bytes());
        for field in self.key.into_iter().chain([self.stub_vaddr, self.stub_len, self.stub_offset])
        {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for count in self.counts {
            out.extend_from_slice(&count.to_le_bytes());
        }
        out.resize(TABLES, 0);
    }

    pub fn read(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let header = Self {
            magic: reader.take(8)?.try_into().ok()?,
            version: reader.u32()?,
            has_traps: reader.u32()? != 0,
            shapes: ShapeSet::from_bytes(reader.take(8)?.try_into().ok()?)?,
            key: read_array(&mut reader, Reader::u64)?,
            stub_vaddr: reader.u64()?,
            stub_len: reader.u64()?,
            stub_offset: reader.u64()?,
            counts: read_array(&mut reader, Reader::u32)?,
        };
        (header.magic == MAGIC && header.version == VERSION).then_some(header)
    }
}

fn read_array<'a, T: Copy + Default, const N: usize>(
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Option<T>,
) -> Option<[T; N]> {
    let mut fields = [T::default(); N];
    for field in &mut fields {
        *field = read(reader)?;
    }
    Some(fields)
}

/// Appends one entry of the table of sites.
pub(super) fn write_site(out: &mut Vec<u8>, site: &Site, stub: &Emitted, points: u32) {
    out.extend_from_slice(&site.vaddr.to_le_bytes());
    out.extend_from_slice(&stub.start.to_le_bytes());
    out.extend_from_slice(&((stub.end - stub.start) as u16).to_le_bytes());
    out.extend_from_slice(&[
        site.shape as u8,
        site.entry as u8,
        site.keeps,
        u8::from(site.number.is_some()),
        (site.vaddr - site.head) as u8,
        (site.tail - site.vaddr) as u8,
    ]);
    out.extend_from_slice(&site.number.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&stub.points.to_le_bytes());
    out.extend_from_slice(&points.to_le_bytes());
}

/// A run of patched text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRun {
    /// The offset in the original file that it replaces.
    pub file_offset: u64,
    /// Its length: whole pages.
    pub len: u64,
    /// The address in the file that it is mapped at, before the load bias is added.
    pub vaddr: u64,
    /// Where in the image its bytes are: whole pages.
    pub offset: u64,
}

/// A patched site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRecord {
    /// The address of the system-call instruction in the file.
    pub vaddr: u64,
    /// The offset of its stub.
    pub stub: u32,
    /// The length of its stub, with the descriptor.
    pub stub_len: u16,
    /// How it is redirected.
    pub shape: Shape,
    /// How it enters the kernel.
    pub entry: Entry,
    /// [`KEEPS_SITE`](super::KEEPS_SITE) and [`KEEPS_NEXT`](super::KEEPS_NEXT).
    pub keeps: u8,
    /// The call number, where the code before the site fixes it.
    pub number: Option<u32>,
    /// The address of the first instruction that moved into the stub.
    pub head: u64,
    /// The address behind the last one.
    pub tail: u64,
    pub(super) points: u32,
    pub(super) point_count: u32,
}
