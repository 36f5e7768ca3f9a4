//! How a debugger goes from a stub, and from the resident, to the site ([`crate::view::unwind`]): rules of DWARF's call frame
//! information (DWARF 5, section 6.4; the numbers of registers: System V ABI, AMD64 supplement, figure 3.36).

use alloc::vec::Vec;
use core::mem::{offset_of, size_of};

use super::CallRegs;
use super::forward::forward_range;
use super::watch::watched_range;
use crate::thread::{Block, NEXT_BLOCK, STACK};
use crate::view::unwind::Unwinding;
use crate::view::unwind::dwarf::{self, Expression, op};

/// The column of the return address.
const RETURN_COLUMN: u8 = 16;
/// `rsp`.
const SP: u8 = 7;
/// `rbx`, which has the block where a call is made on the caller's behalf.
const BLOCK: u8 = 3;

/// `lea …(%rip), %rcx`, with which a stub goes on behind its call, and its length. It names the address behind the site.
const LEA: u64 = 0x0d_8d48;
const LEA_LENGTH: u8 = 7;
/// `ret`, with which the stub of a function does.
const RET: u64 = 0xc3;

/// Bytes that no set of rules is longer than.
const MOST: usize = 2048;

/// Whether the byte at the program counter is that `ret`: 1 or 0.
fn returns() -> Expression {
    let mut code = Expression::new();
    code.register(RETURN_COLUMN, 0).load(1).number(RET).op(op::EQ);
    code
}

/// What the `lea` at the address on the stack names: the signed displacement at its end counts from behind it.
fn named_by_lea(code: &mut Expression) {
    const SIGN: u64 = 1 << 31;
    code.op(op::DUP).add(3).load(4).number(SIGN).op(op::XOR).number(SIGN).op(op::MINUS);
    code.op(op::PLUS).add(LEA_LENGTH.into());
}

/// The rules, for blocks of which the first one's address is at `pool`.
pub fn unwinding(pool: usize) -> Option<Unwinding> {
    let mut parts =
        alloc::vec![(forward_rules(), forward_range()), (watched_rules(pool), watched_range())];
    parts.sort_unstable_by_key(|(_, range)| *range);
    Some(Unwinding {
        return_column: RETURN_COLUMN,
        stub: stub_rules(),
        resident: resident_rules(pool),
        parts,
    })
}

/// Behind the call of a stub, or where the resident goes on in it: nothing has been pushed.
fn stub_rules() -> Vec<u8> {
    let mut rules = Vec::with_capacity(MOST);
    // The frame ends where the stack pointer is; behind the return address for a function's stub.
    let mut frame = returns();
    frame.number(8).op(op::MUL).register(SP, 0).op(op::PLUS);
    dwarf::frame_is(&mut rules, &frame);
    let mut address = Expression::new();
    // A `lea` at the counter, or right before it; else it stays, and the debugger ends there.
    let is_lea = |code: &mut Expression| {
        code.op(op::DUP).load(4).number(0xff_ffff).op(op::AND).number(LEA).op(op::EQ);
    };
    let mut at = Expression::new();
    named_by_lea(&mut at);
    let mut stays = Expression::new();
    stays.add(LEA_LENGTH.into());
    let mut before = Expression::new();
    before.number(LEA_LENGTH.into()).op(op::MINUS);
    is_lea(&mut before);
    before.either(&at, &stays);
    let mut named = Expression::new();
    named.register(RETURN_COLUMN, 0);
    is_lea(&mut named);
    named.either(&at, &before);
    let mut on_stack = Expression::new();
    on_stack.register(SP, 0).op(op::DEREF);
    address.append(&returns()).either(&on_stack, &named);
    dwarf::register_is(&mut rules, RETURN_COLUMN, &address);
    rules
}

/// The block in `pool` for which the condition holds; 0 where there is none.
fn block(pool: usize, is_found: &Expression) -> Expression {
    let mut one = Expression::new();
    one.number(1);
    let mut ends = Expression::new();
    ends.op(op::DUP).number(0).op(op::EQ).either(&one, is_found);
    let mut next = Expression::new();
    next.add(NEXT_BLOCK as u64).op(op::DEREF);
    let mut block = Expression::new();
    block.address(pool).op(op::DEREF).until(&ends, &next);
    block
}

/// What `value` makes of the block; of none, the value that `register` has, with which the debugger ends.
fn of_block(block: &Expression, value: &Expression, register: u8) -> Expression {
    let mut none = Expression::new();
    none.op(op::DROP).register(register, 0);
    let mut code = Expression::new();
    code.append(block).op(op::DUP).either(value, &none);
    code
}

/// The caller's registers, as the entry has pushed them right below the block.
fn pushed(block: &Expression) -> Vec<u8> {
    const REGISTERS: [(u8, usize); 12] = [
        (RETURN_COLUMN, offset_of!(CallRegs, rip)),
        (BLOCK, offset_of!(CallRegs, rbx)),
        (6, offset_of!(CallRegs, rbp)),
        (12, offset_of!(CallRegs, r12)),
        (13, offset_of!(CallRegs, r13)),
        (14, offset_of!(CallRegs, r14)),
        (15, offset_of!(CallRegs, r15)),
        (5, offset_of!(CallRegs, rdi)),
        (4, offset_of!(CallRegs, rsi)),
        (1, offset_of!(CallRegs, rdx)),
        (8, offset_of!(CallRegs, r8)),
        (9, offset_of!(CallRegs, r9)),
    ];
    let saved = |offset: usize, register: u8| {
        let mut value = Expression::new();
        value.number((size_of::<CallRegs>() - offset) as u64).op(op::MINUS).op(op::DEREF);
        of_block(block, &value, register)
    };
    let mut rules = Vec::with_capacity(MOST);
    dwarf::frame_is(&mut rules, &saved(offset_of!(CallRegs, rsp), SP));
    for (register, offset) in REGISTERS {
        dwarf::register_is(&mut rules, register, &saved(offset, register));
    }
    rules
}

/// In the resident, anywhere: the thread's block is the one in whose stack the stack pointer is.
fn resident_rules(pool: usize) -> Vec<u8> {
    // 0 < block - rsp <= STACK
    let mut is_found = Expression::new();
    is_found.op(op::DUP).register(SP, 0).op(op::MINUS);
    is_found.op(op::DUP).number(0).op(op::GT);
    is_found.op(op::SWAP).number(STACK as u64).op(op::LE).op(op::AND);
    pushed(&block(pool, &is_found))
}

/// Where a call is made on the caller's behalf: a register has the block, so that thousands of threads that wait are found as fast.
fn forward_rules() -> Vec<u8> {
    let mut block = Expression::new();
    block.register(BLOCK, 0);
    pushed(&block)
}

/// Where a watched call is made, on the caller's stack: the block of the thread has the stack pointer, and where the stub goes on.
fn watched_rules(pool: usize) -> Vec<u8> {
    let mut is_found = Expression::new();
    is_found.op(op::DUP).add(offset_of!(Block, watched_sp) as u64).op(op::DEREF);
    is_found.register(SP, 0).op(op::EQ).op(op::OVER);
    is_found.add(offset_of!(Block, state) as u64).load(4).number(1).op(op::EQ).op(op::AND);
    let mut way = Expression::new();
    way.add(offset_of!(Block, watched_way) as u64).op(op::DEREF);
    let mut frame = Expression::new();
    frame.register(SP, 0);
    let mut rules = Vec::with_capacity(MOST);
    dwarf::frame_is(&mut rules, &frame);
    let address = of_block(&block(pool, &is_found), &way, RETURN_COLUMN);
    dwarf::register_is(&mut rules, RETURN_COLUMN, &address);
    rules
}
