//! DWARF's call frame information, as far as `arch/*/unwind.rs` needs it (DWARF 5, sections 2.5 and 6.4).

use alloc::vec::Vec;

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

/// An expression: operations on a stack of words. Every program makes some when it starts, so they take no heap.
pub struct Expression {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Default for Expression {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], length: 0 }
    }
}

impl Expression {
    /// One that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
        self
    }

    /// An operation without operands.
    pub fn op(&mut self, code: u8) -> &mut Self {
        self.put(&[code])
    }

    /// Pushes a number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        match u8::try_from(value) {
            Ok(small @ 0..32) => self.op(LIT0 + small),
            _ => self.op(CONST8U).put(&value.to_ne_bytes()),
        }
    }

    /// Pushes an address.
    pub fn address(&mut self, value: usize) -> &mut Self {
        self.op(ADDR).put(&value.to_ne_bytes())
    }

    /// Pushes a register, one of the first 32, and `offset` more, at most 63.
    pub fn register(&mut self, register: u8, offset: u8) -> &mut Self {
        self.put(&[BREG0 + register, offset])
    }

    /// Adds a number to the top.
    pub fn add(&mut self, value: u64) -> &mut Self {
        self.op(PLUS_UCONST);
        uleb(value as usize, |byte| {
            self.op(byte);
        });
        self
    }

    /// The `size` bytes at an address.
    pub fn load(&mut self, size: u8) -> &mut Self {
        self.put(&[DEREF_SIZE, size])
    }

    /// What `other` does.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.put(other.bytes())
    }

    /// Takes the top: `then` if it is not 0, else `other`.
    pub fn either(&mut self, then: &Self, other: &Self) -> &mut Self {
        self.jump(BRA, (other.length + JUMP) as isize).append(other);
        self.jump(SKIP, then.length as isize).append(then)
    }

    /// Does `step` again and again while `condition`, which pushes a word, is 0.
    pub fn until(&mut self, condition: &Self, step: &Self) -> &mut Self {
        let turn = condition.length + JUMP + step.length + JUMP;
        self.append(condition).jump(BRA, (step.length + JUMP) as isize).append(step);
        self.jump(SKIP, -(turn as isize))
    }

    fn jump(&mut self, code: u8, distance: isize) -> &mut Self {
        self.op(code).put(&(distance as i16).to_ne_bytes())
    }
}

/// The frame is at what the expression gives.
pub fn frame_is(rules: &mut Vec<u8>, expression: &Expression) {
    rules.push(DEF_CFA_EXPRESSION);
    block(rules, expression);
}

/// The register had the value that the expression gives.
pub fn register_is(rules: &mut Vec<u8>, register: u8, expression: &Expression) {
    rules.extend([VAL_EXPRESSION, register]);
    block(rules, expression);
}

fn block(rules: &mut Vec<u8>, expression: &Expression) {
    uleb(expression.length, |byte| rules.push(byte));
    rules.extend_from_slice(expression.bytes());
}

/// An unsigned number in groups of seven bits, the lowest first (section 7.6).
fn uleb(mut value: usize, mut put: impl FnMut(u8)) {
    while value >= 0x80 {
        put(value as u8 | 0x80);
        value >>= 7;
    }
    put(value as u8);
}
