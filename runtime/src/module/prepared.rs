//! What a process needs of a module's image: it is made of a file once, when that is loaded into a session, and
//! lies in the session's memory. What a process does with it is then no more than to map and to add.
//!
//! ```text
//! Prepared | relocations | numbers of calls | … page | the image, as long as its addresses reach
//! ```

use core::mem::offset_of;

use super::offered;

/// The unit of mappings.
pub const PAGE: u64 = 4096;
/// Segments that an image can have.
pub const SEGMENTS: usize = 8;
/// The longest image.
pub const LARGEST: u64 = 64 << 20;
/// The longest name of a module, with its zero, and the longest description.
pub const NAME: usize = 32;
const DESCRIPTION: usize = 128;

/// A piece of an image with one protection.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its first address, a multiple of the page size.
    pub start: u64,
    /// One past its last.
    pub end: u64,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub flags: u64,
}

/// What a word's value is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// From zero.
    Nothing,
    /// From the image itself.
    Own,
    /// From the image of the framework.
    Framework,
    /// From a function of vload's, by its place in the table.
    Offered(u32),
}

impl Base {
    /// As a relocation in an image has it.
    pub fn code(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Own => 1,
            Self::Framework => 2,
            Self::Offered(index) => index + 3,
        }
    }

    fn of_code(code: u32) -> Self {
        match code {
            0 => Self::Nothing,
            1 => Self::Own,
            2 => Self::Framework,
            more => Self::Offered(more - 3),
        }
    }
}

/// A word that depends on where things are mapped.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relocation {
    /// Where it is in the image.
    pub at: u32,
    /// What it is counted from ([`Base::code`]).
    pub base: u32,
    /// What is added.
    pub add: u64,
}

/// What a process needs to know of an image.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    /// What it was made for: `offered::KEY`.
    pub made_for: u64,
    /// What tells it from others: the `sum` of all that follows.
    pub key: u64,
    /// The key of the framework that it is linked to; 0 for none.
    pub framework: u64,
    /// Bytes that it takes in memory, a multiple of the page size.
    pub span: u64,
    /// Where in what is stored the image begins.
    pub start: u64,
    /// Where its `vload_module` is.
    pub module: u64,
    /// What can be made read-only once it is relocated.
    pub relro: [u64; 2],
    /// The array of its constructors: its first byte, and one past its last.
    pub constructors: [u64; 2],
    /// How many relocations follow.
    pub relocations: u64,
    /// How many numbers of calls that its layers want follow them; `u64::MAX`: none, they want every call.
    pub numbers: u64,
    /// The pieces; those that are empty are none.
    pub pieces: [Piece; SEGMENTS],
    /// The module's flags.
    pub flags: u64,
    /// The vector state that its code touches, as bits of `arch::KEPT`.
    pub vectors: u64,
    /// Bytes of session memory that each layer of it has.
    pub area: u64,
    /// `abi::RAW`, `abi::SERVICE` or `abi::FRAMEWORK`.
    pub kind: u64,
    /// The module's name, and zeros.
    pub name: [u8; NAME],
    /// What it does, and zeros.
    pub description: [u8; DESCRIPTION],
}

impl Prepared {
    /// All zeros.
    pub const NOTHING: Self = Self {
        made_for: 0,
        key: 0,
        framework: 0,
        span: 0,
        start: 0,
        module: 0,
        relro: [0; 2],
        constructors: [0; 2],
        relocations: 0,
        numbers: 0,
        pieces: [Piece { start: 0, end: 0, flags: 0 }; SEGMENTS],
        flags: 0,
        vectors: 0,
        area: 0,
        kind: 0,
        name: [0; NAME],
        description: [0; DESCRIPTION],
    };

    /// What is stored in `bytes`, which begin at a multiple of 8, if it is what [`super::judge`] has made for this vload
    /// and nothing has changed it since.
    pub fn of(bytes: &[u8]) -> Option<&Self> {
        if bytes.len() < size_of::<Self>() || !bytes.as_ptr().cast::<Self>().is_aligned() {
            return None;
        }
        // SAFETY: as long, aligned, and made of integers.
        let found = unsafe { &*bytes.as_ptr().cast::<Self>() };
        (found.made_for == offered::KEY && found.key == sum(bytes)).then_some(found)
    }

    /// The numbers of the calls that its layers want; `None`: they want every call.
    ///
    /// # Safety
    /// As for [`relocations`](Self::relocations).
    pub unsafe fn numbers(&self) -> Option<&[u64]> {
        // SAFETY: the caller's promise.
        let behind = unsafe { self.relocations() }.as_ptr_range().end.cast();
        (self.numbers != u64::MAX)
            // SAFETY: as above.
            .then(|| unsafe { core::slice::from_raw_parts(behind, self.numbers as usize) })
    }

    /// What is stored at `start`.
    ///
    /// # Safety
    /// Something whole must be there, and stay.
    pub unsafe fn at(start: usize) -> &'static Self {
        // SAFETY: the caller's promise.
        unsafe { &*(start as *const Self) }
    }

    /// The relocations behind it.
    ///
    /// # Safety
    /// It must be the beginning of something whole ([`of`](Self::of)).
    pub unsafe fn relocations(&self) -> &[Relocation] {
        let first = core::ptr::from_ref(self).wrapping_add(1).cast();
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(first, self.relocations as usize) }
    }
}

/// What tells these bytes from others: a sum of all that is behind the keys.
pub fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().skip(offset_of!(Prepared, framework)).fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Relocation {
    /// Where the word is, and its value where things are at the addresses that `base` gives.
    pub fn value(&self, base: impl FnOnce(Base) -> usize) -> (usize, usize) {
        (self.at as usize, base(Base::of_code(self.base)).wrapping_add(self.add as usize))
    }
}
