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

/// An expression: operations on a stack of words.
#[derive(Default)]
pub struct Expression(Vec<u8>);

impl Expression {
    /// One that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An operation without operands.
    pub fn op(&mut self, code: u8) -> &mut Self {
        self.0.push(code);
        self
    }

    /// Pushes a number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        match u8::try_from(value) {
            Ok(small @ 0..32) => self.op(LIT0 + small),
            _ => {
                self.0.push(CONST8U);
                self.0.extend(value.to_ne_bytes());
                self
            }
        }
    }

    /// Pushes an address.
    pub fn address(&mut self, value: usize) -> &mut Self {
        self.0.push(ADDR);
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// Pushes a register, one of the first 32, and `offset` more, at most 63.
    pub fn register(&mut self, register: u8, offset: u8) -> &mut Self {
        self.0.extend([BREG0 + register, offset]);
        self
    }

    /// Adds a number to the top.
    pub fn add(&mut self, value: u64) -> &mut Self {
        self.0.push(PLUS_UCONST);
        uleb(&mut self.0, value as usize);
        self
    }

    /// The `size` bytes at an address.
    pub fn load(&mut self, size: u8) -> &mut Self {
        self.0.extend([DEREF_SIZE, size]);
        self
    }

    /// What `other` does.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// Takes the top: `then` if it is not 0, else `other`.
    pub fn either(&mut self, then: &Self, other: &Self) -> &mut Self {
        self.jump(BRA, (other.0.len() + JUMP) as isize).append(other);
        self.jump(SKIP, then.0.len() as isize).append(then)
    }

    /// Does `step` again and again while `condition`, which pushes a word, is 0.
    pub fn until(&mut self, condition: &Self, step: &Self) -> &mut Self {
        let turn = condition.0.len() + JUMP + step.0.len() + JUMP;
        self.append(condition).jump(BRA, (step.0.len() + JUMP) as isize).append(step);
        self.jump(SKIP, -(turn as isize))
    }

    fn jump(&mut self, code: u8, distance: isize) -> &mut Self {
        self.0.push(code);
        self.0.extend((distance as i16).to_ne_bytes());
        self
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
    uleb(rules, expression.0.len());
    rules.extend_from_slice(&expression.0);
}

/// An unsigned number in groups of seven bits, the lowest first (section 7.6).
fn uleb(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
