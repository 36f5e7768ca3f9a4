//! The stubs of one file as they are emitted, one behind the other.

use super::fate::Fault;
use alloc::vec::Vec;

use super::{Entry, Shape, SiteDesc};

/// The page behind the stubs, one for each process: what a stub reads and where it leaves to.
pub struct Link;

impl Link {
    /// Where the address of the resident's entry for system calls is.
    pub const SYSCALL: u64 = 0;
    /// Where the address of the table is that has a byte for the low 16 bits of each number: not 0 when
    /// the call is wanted.
    pub const TABLE: u64 = 8;
    /// Where the address of the resident's entry for `int $0x80` is.
    pub const INT80: u64 = 16;
    /// Where the address is that a stub goes to behind its call in a process that is watched.
    pub const RETURNED: u64 = 24;
    /// A stub has the place in the table of a number below this in its instruction.
    pub const CONSTANTS: u16 = 4096;
    /// Where the table has the bytes of the functions: not 0 when a layer owns it.
    pub const FUNCTIONS: u32 = 1 << 16;
}

/// From this offset on, a program counter in the stubs stands for this address of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The offset in the stubs.
    pub offset: u32,
    /// The address that the kernel would have shown.
    pub shown: u64,
}

/// Where one site's stub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The offset of its first instruction.
    pub start: u32,
    /// The offset behind its descriptor.
    pub end: u32,
    /// Its first point.
    pub points: u32,
}

/// What the description at a stub's end says besides where it is: addresses, of the file or of the
/// stub.
pub struct Description {
    /// The address of the site.
    pub site: u64,
    /// Where the stub begins.
    pub start: u64,
    /// Where it asks whether the call is wanted.
    pub test: u64,
    /// Its own system-call instruction.
    pub gate: u64,
    /// Where it goes on behind the call.
    pub resume: u64,
    /// How the call enters the kernel.
    pub entry: Entry,
    /// See [`Site::keeps`](super::Site::keeps).
    pub keeps: u8,
    /// How the site leads here.
    pub shape: Shape,
}

/// Stubs under construction.
pub struct Stub {
    bytes: Vec<u8>,
    vaddr: u64,
    /// The address of the link page.
    pub link: u64,
    /// What is wrong with the stubs on purpose.
    pub fault: Option<Fault>,
    points: Vec<Point>,
    emitted: Vec<Emitted>,
    start: usize,
    first_point: usize,
}

impl Stub {
    /// Stubs that will be at `vaddr`, with the link page at `link`.
    pub fn new(vaddr: u64, link: u64) -> Self {
        Self {
            bytes: Vec::new(),
            vaddr,
            link,
            fault: None,
            points: Vec::new(),
            emitted: Vec::new(),
            start: 0,
            first_point: 0,
        }
    }

    /// Begins the stub of a site.
    pub fn begin(&mut self) {
        self.start = self.bytes.len();
        self.first_point = self.points.len();
    }

    /// Ends the stub that was begun.
    pub fn end(&mut self) {
        self.emitted.push(Emitted {
            start: self.start as u32,
            end: self.bytes.len() as u32,
            points: self.first_point as u32,
        });
    }

    /// The address of the stub that was begun.
    pub fn start(&self) -> u64 {
        self.vaddr + self.start as u64
    }

    /// The address of the next byte.
    pub fn here(&self) -> u64 {
        self.vaddr + self.bytes.len() as u64
    }

    /// Appends code.
    pub fn put(&mut self, code: &[u8]) {
        self.bytes.extend_from_slice(code);
    }

    /// Replaces bytes at an address that has been passed.
    pub fn patch(&mut self, address: u64, code: &[u8]) {
        let at = (address - self.vaddr) as usize;
        if let Some(place) = self.bytes.get_mut(at..at + code.len()) {
            place.copy_from_slice(code);
        }
    }

    /// Appends `filler` up to a multiple of `align`.
    pub fn align(&mut self, align: usize, filler: u8) {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), filler);
    }

    /// From here on, a signal handler is shown `address`.
    pub fn shows(&mut self, address: u64) {
        let point = Point { offset: self.bytes.len() as u32, shown: address };
        let own = self.points.get_mut(self.first_point..).and_then(|points| points.last_mut());
        match own {
            Some(last) if last.offset == point.offset => *last = point,
            _ => self.points.push(point),
        }
    }

    /// Appends the description of what has been emitted. `None` if the stub is too long for it.
    pub fn describe(&mut self, stub: &Description) -> Option<()> {
        let desc = self.here();
        let back = |address: u64| u8::try_from(desc - address).ok();
        let record = SiteDesc {
            site: i32::try_from(stub.site.wrapping_sub(desc) as i64).ok()?,
            resume: back(stub.resume)?,
            gate: back(stub.gate)?,
            entry: stub.entry as u8,
            keeps: stub.keeps,
            start: u16::try_from(desc - stub.start).ok()?,
            shape: stub.shape as u8,
            test: back(stub.test)?,
        };
        self.put(&record.to_bytes());
        Some(())
    }

    /// The code, its points, and where each site's stub is.
    pub fn finish(self) -> (Vec<u8>, Vec<Point>, Vec<Emitted>) {
        (self.bytes, self.points, self.emitted)
    }
}
