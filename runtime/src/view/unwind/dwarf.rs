//! DWARF's call frame information, as far as `arch/*/unwind.rs` needs it (DWARF 5, sections 2.5 and 6.4). It is made when
//! vload is built: every start copies it, and few are ever looked at by a debugger.

/// Operations of an expression (section 7.7.1).
pub mod op {
    /// The word at an address.
    pub const DEREF: u8 = 0x06;
    /// The number on top once more.
    pub const DUP: u8 = 0x12;
    /// Without the number on top.
    pub const DROP: u8 = 0x13;
    /// The second number once more.
    pub const OVER: u8 = 0x14;
    /// The two on top change places.
    pub const SWAP: u8 = 0x16;
    /// Of two, as the others.
    pub const AND: u8 = 0x1a;
    /// The second minus the top.
    pub const MINUS: u8 = 0x1c;
    /// The product.
    pub const MUL: u8 = 0x1e;
    /// The sum.
    pub const PLUS: u8 = 0x22;
    /// One or the other bit.
    pub const XOR: u8 = 0x27;
    /// Whether they are equal: 1 or 0.
    pub const EQ: u8 = 0x29;
    /// Whether the second is greater, with signs.
    pub const GT: u8 = 0x2b;
    /// Whether it is less or equal, with signs.
    pub const LE: u8 = 0x2c;
}

const ADDR: u8 = 0x03;
const CONST8U: u8 = 0x0e;
const PLUS_UCONST: u8 = 0x23;
const BRA: u8 = 0x28;
const SKIP: u8 = 0x2f;
const LIT0: u8 = 0x30;
const BREG0: u8 = 0x70;
const DEREF_SIZE: u8 = 0x94;
/// Bytes of `BRA` and `SKIP`, whose distance counts from behind them.
const JUMP: usize = 3;

const DEF_CFA_EXPRESSION: u8 = 0x0f;
const VAL_EXPRESSION: u8 = 0x16;

/// The longest expression, in bytes.
const LONGEST: usize = 192;
/// How many addresses a section of rules may have.
const ADDRESSES: usize = 32;

/// An expression: operations on a stack of words.
pub struct Expression {
    bytes: [u8; LONGEST],
    length: usize,
    /// Where in it an address is to be put, if there is one.
    address: Option<usize>,
}

impl Expression {
    /// One that does nothing.
    pub const EMPTY: Self = Self { bytes: [0; LONGEST], length: 0, address: None };

    const fn bytes(&self) -> &[u8] {
        self.bytes.split_at(self.length).0
    }

    const fn put(&mut self, bytes: &[u8]) -> &mut Self {
        copy(&mut self.bytes, &mut self.length, bytes);
        self
    }

    /// An operation without operands.
    pub const fn op(&mut self, code: u8) -> &mut Self {
        self.put(&[code])
    }

    /// Pushes a number.
    pub const fn number(&mut self, value: u64) -> &mut Self {
        match value {
            0..32 => self.op(LIT0 + value as u8),
            _ => self.op(CONST8U).put(&value.to_ne_bytes()),
        }
    }

    /// Pushes the address that the section is given when it is copied.
    pub const fn address(&mut self) -> &mut Self {
        self.op(ADDR);
        assert!(self.address.is_none());
        self.address = Some(self.length);
        self.put(&[0; size_of::<usize>()])
    }

    /// Pushes a register, one of the first 32, and `offset` more, at most 63.
    pub const fn register(&mut self, register: u8, offset: u8) -> &mut Self {
        self.put(&[BREG0 + register, offset])
    }

    /// Adds a number to the top.
    pub const fn add(&mut self, value: usize) -> &mut Self {
        let (bytes, length) = uleb(value);
        self.op(PLUS_UCONST).put(bytes.split_at(length).0)
    }

    /// The `size` bytes at an address.
    pub const fn load(&mut self, size: u8) -> &mut Self {
        self.put(&[DEREF_SIZE, size])
    }

    /// What `other` does.
    pub const fn append(&mut self, other: &Self) -> &mut Self {
        if let Some(at) = other.address {
            assert!(self.address.is_none());
            self.address = Some(self.length + at);
        }
        self.put(other.bytes())
    }

    /// Takes the top: `then` if it is not 0, else `other`.
    pub const fn either(&mut self, then: &Self, other: &Self) -> &mut Self {
        self.jump(BRA, (other.length + JUMP) as isize).append(other);
        self.jump(SKIP, then.length as isize).append(then)
    }

    /// Does `step` again and again while `condition`, which pushes a word, is 0.
    pub const fn until(&mut self, condition: &Self, step: &Self) -> &mut Self {
        let turn = condition.length + JUMP + step.length + JUMP;
        self.append(condition).jump(BRA, (step.length + JUMP) as isize).append(step);
        self.jump(SKIP, -(turn as isize))
    }

    const fn jump(&mut self, code: u8, distance: isize) -> &mut Self {
        self.op(code).put(&(distance as i16).to_ne_bytes())
    }
}

/// Sets of rules (CIEs; section 6.4.1) of up to `SIZE` bytes, one behind the other.
pub struct Rules<const SIZE: usize> {
    bytes: [u8; SIZE],
    length: usize,
    /// Where in them the address is to be put.
    addresses: [u16; ADDRESSES],
    count: usize,
}

impl<const SIZE: usize> Rules<SIZE> {
    /// No set.
    pub const EMPTY: Self =
        Self { bytes: [0; SIZE], length: 0, addresses: [0; ADDRESSES], count: 0 };

    /// Begins a set, whose return address is in the column. Where it is.
    pub const fn begin(&mut self, return_column: u8) -> u32 {
        /// The length, `CIE_id`, version 3 without an augmentation, factors 1 and 1.
        const BEGINNING: [u8; 12] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 3, 0, 1, 1];
        let at = self.length;
        self.put(&BEGINNING);
        self.put(&[return_column]);
        at as u32
    }

    /// The frame is at what the expression gives.
    pub const fn frame_is(&mut self, expression: &Expression) {
        self.put(&[DEF_CFA_EXPRESSION]);
        self.block(expression);
    }

    /// The register had the value that the expression gives.
    pub const fn register_is(&mut self, register: u8, expression: &Expression) {
        self.put(&[VAL_EXPRESSION, register]);
        self.block(expression);
    }

    /// Ends the set that began at `at`.
    pub const fn end(&mut self, at: u32) {
        // What fills it up is `DW_CFA_nop`, 0.
        self.length = self.length.next_multiple_of(size_of::<usize>());
        let mut place = at as usize;
        let length = (self.length - place - size_of::<u32>()) as u32;
        copy(&mut self.bytes, &mut place, &length.to_ne_bytes());
    }

    const fn block(&mut self, expression: &Expression) {
        let (bytes, length) = uleb(expression.length);
        self.put(bytes.split_at(length).0);
        if let Some(at) = expression.address {
            self.addresses[self.count] = (self.length + at) as u16;
            self.count += 1;
        }
        self.put(expression.bytes());
    }

    const fn put(&mut self, bytes: &[u8]) {
        copy(&mut self.bytes, &mut self.length, bytes);
    }

    /// The sets.
    pub const fn bytes(&self) -> &[u8] {
        self.bytes.split_at(self.length).0
    }

    /// Where in them the address is to be put.
    pub const fn addresses(&self) -> &[u16] {
        self.addresses.split_at(self.count).0
    }
}

/// Copies `from` to `place`, which moves behind it.
const fn copy(to: &mut [u8], place: &mut usize, from: &[u8]) {
    let mut index = 0;
    while index < from.len() {
        to[*place] = from[index];
        *place += 1;
        index += 1;
    }
}

/// An unsigned number in groups of seven bits, the lowest first (section 7.6), and how many they are.
const fn uleb(mut value: usize) -> ([u8; 10], usize) {
    let (mut bytes, mut length) = ([0; 10], 0);
    loop {
        let more = value >= 0x80;
        bytes[length] = value as u8 & 0x7f | (more as u8) << 7;
        value >>= 7;
        length += 1;
        if !more {
            return (bytes, length);
        }
    }
}
