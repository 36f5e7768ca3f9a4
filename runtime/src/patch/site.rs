//! A proven site, what will be done to it, and why a candidate was refused.

use super::insn::Entry;
use super::shape::Shape;

/// The address of the site still starts code that makes the call again.
pub const KEEPS_SITE: u8 = 1;
/// The address behind the site is still an instruction.
pub const KEEPS_NEXT: u8 = 2;
/// The site is a whole function: its call goes on where its caller wants it to return.
pub const RETURNS: u8 = 4;

/// A proven site and its shape. All addresses are those of the file, without load bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The address of the system-call instruction.
    pub vaddr: u64,
    /// How it enters the kernel.
    pub entry: Entry,
    /// How it is redirected.
    pub shape: Shape,
    /// [`KEEPS_SITE`] and [`KEEPS_NEXT`].
    pub keeps: u8,
    /// The call number, where the code before the site fixes it.
    pub number: Option<u32>,
    /// The first instruction that moves into the stub; `vaddr` if none before the site does.
    pub head: u64,
    /// Where control returns to: behind the last instruction that moved into the stub.
    pub tail: u64,
    /// Where the long jump to the stub is: in the window, in padding, or on an island.
    pub jump: u64,
}

/// Why a candidate is not a proven site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// The bytes are inside another instruction of proven code: never executed as a call.
    Inside = 0,
    /// No start that the file names leads here.
    NoStart = 1,
    /// The code around it does not decode.
    Undecodable = 2,
    /// Something names an address inside an instruction of the code around it.
    Misaligned = 3,
    /// The segment is writable: the program may write its own code there.
    Writable = 4,
    /// The bytes are in a segment that is executed from but in a section that is not code.
    NotCode = 5,
    /// The caller asked for it to be left alone.
    Skipped = 6,
    /// The bytes are outside proven code, and control comes to them neither from proven code nor
    /// from any other address that the file names: constants among the code.
    Unreached = 7,
    /// The instruction has prefixes before the bytes of a site: no shape is made for that.
    Prefixed = 8,
    /// No shape fits that may be used.
    NoShape = 9,
}

impl Refusal {
    /// Whether the call may be made without vload noticing. Where it is not, only an address that
    /// the program computes out of nothing would lead to it, as to the middle of any instruction.
    #[must_use]
    pub fn is_hole(self) -> bool {
        !matches!(self, Self::Inside | Self::Unreached)
    }

    /// Its name in what `vload check` prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::NoStart => "no-start",
            Self::Undecodable => "undecodable",
            Self::Misaligned => "misaligned",
            Self::Writable => "writable",
            Self::NotCode => "not-code",
            Self::Skipped => "skipped",
            Self::Unreached => "unreached",
            Self::Prefixed => "prefixed",
            Self::NoShape => "no-shape",
        }
    }

    /// What it means, for a person.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Inside => "the bytes are inside another instruction",
            Self::NoStart => "no address that the file names leads here",
            Self::Undecodable => "the code around it does not decode",
            Self::Misaligned => "something leads into an instruction of the code around it",
            Self::Writable => "the segment is writable: the program may write its own code there",
            Self::NotCode => "the section is not code",
            Self::Skipped => "left alone by --skip",
            Self::Unreached => "nothing that the file names leads here: constants among the code",
            Self::Prefixed => "the instruction has prefix bytes",
            Self::NoShape => "no shape fits but a trap, which cannot be used here",
        }
    }

    /// Whether a text with it is watched for its sake: a hole, unless it is one that was asked for.
    #[must_use]
    pub fn is_watched(self) -> bool {
        self.is_hole() && self != Self::Skipped
    }

    /// The refusal of that number.
    #[must_use]
    pub fn from_raw(raw: u8) -> Option<Self> {
        const ALL: [Refusal; 10] = [
            Refusal::Inside,
            Refusal::NoStart,
            Refusal::Undecodable,
            Refusal::Misaligned,
            Refusal::Writable,
            Refusal::NotCode,
            Refusal::Skipped,
            Refusal::Unreached,
            Refusal::Prefixed,
            Refusal::NoShape,
        ];
        ALL.into_iter().find(|refusal| *refusal as u8 == raw)
    }
}

/// A candidate that stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its address in the file.
    pub vaddr: u64,
    /// How it would enter the kernel.
    pub entry: Entry,
    /// Why.
    pub reason: Refusal,
}

/// What the resident's entry is told about the site it was entered from: the address of this
/// record, which lies behind the stub's code. All distances count back from the record itself, so
/// that it needs no relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct SiteDesc {
    /// The address of the site minus the address of this record.
    pub site: i32,
    /// How far back the stub goes on when the call is done.
    pub resume: u8,
    /// How far back the stub's own system-call instruction is.
    pub gate: u8,
    /// An [`Entry`].
    pub entry: u8,
    /// [`KEEPS_SITE`], [`KEEPS_NEXT`] and [`RETURNS`].
    pub keeps: u8,
    /// How far back the stub's first instruction is.
    pub start: u16,
    /// A [`Shape`].
    pub shape: u8,
    /// How far back the test of the wanted calls is, which a call made again begins with; 0 when it
    /// begins at the site.
    pub test: u8,
}

impl SiteDesc {
    /// Whether the site is a whole function ([`RETURNS`]).
    #[must_use]
    pub fn returns(&self) -> bool {
        self.keeps & RETURNS != 0
    }

    /// The record as it stands in a stub.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.first_chunk()?;
        let [resume, gate, entry, keeps] = *bytes[4..].first_chunk()?;
        Some(Self {
            site: i32::from_le_bytes(*bytes.first_chunk()?),
            resume,
            gate,
            entry,
            keeps,
            start: u16::from_le_bytes(*bytes[8..].first_chunk()?),
            shape: bytes[10],
            test: bytes[11],
        })
    }

    /// The record as it stands in the stub.
    #[must_use]
    pub fn to_bytes(self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        bytes[..4].copy_from_slice(&self.site.to_le_bytes());
        bytes[4..8].copy_from_slice(&[self.resume, self.gate, self.entry, self.keeps]);
        bytes[8..10].copy_from_slice(&self.start.to_le_bytes());
        bytes[10..].copy_from_slice(&[self.shape, self.test]);
        bytes
    }

    /// The record that stands in a stub as `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        let [a, b, c, d, resume, gate, entry, keeps, e, f, shape, test] = *bytes;
        let (site, start) = (i32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]));
        Self { site, resume, gate, entry, keeps, start, shape, test }
    }
}
