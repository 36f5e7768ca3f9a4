//! What a processor's decoder says about one instruction.

/// How a site enters the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Entry {
    /// The processor's system-call instruction: `syscall`, `svc`, `ecall`.
    Syscall = 0,
    /// `int $0x80`, with the numbers and the pointer width of i386.
    Int80 = 1,
}

impl Entry {
    /// Its name in what `vload check` prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::Int80 => "int80",
        }
    }
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the following instruction.
    Next,
    /// Into the kernel and back to the following instruction.
    Site(Entry),
    /// To this address or to the following instruction.
    Branch(u64),
    /// To this address.
    Jump(u64),
    /// To this address, and perhaps back.
    Call(u64),
    /// Somewhere else, and perhaps back.
    CallIndirect,
    /// Somewhere else. A pointer that was read from memory was put there by a relocation, by an
    /// address operand or as a constant of a program that is not position independent, so what
    /// names it is known; one that was computed may come from a table of distances.
    JumpIndirect {
        /// Whether the pointer comes from a register, so that it may have been computed.
        computed: bool,
    },
    /// Nowhere that the code says: a return.
    Stop,
    /// Nowhere: an instruction that is there to fault.
    Trap,
}

impl Flow {
    /// Whether the following instruction is not reached from this one.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::Jump(_) | Self::JumpIndirect { .. } | Self::Stop | Self::Trap)
    }
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Its length in bytes.
    pub len: u8,
    /// Offset of an operand that is relative to the instruction's own address; 0 if none is.
    pub relative: u8,
    /// Whether the relative operand is of a form that cannot be moved.
    pub fixed: bool,
    /// Whether ordinary programs never contain it.
    pub odd: bool,
    /// Where control goes next.
    pub flow: Flow,
}

/// How an instruction may name an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It calls it.
    Call,
    /// It jumps to it, on a condition or without.
    Jump,
    /// It makes a pointer to it.
    Address,
}

/// An address that an instruction may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// How.
    pub kind: Naming,
    /// The address of the instruction.
    pub source: u64,
    /// The address it names.
    pub target: u64,
}
