//! How a debugger goes from a stub, and from the resident, to the site ([`crate::view::unwind`]): rules of DWARF's call frame
//! information (DWARF 5, section 6.4; the numbers of registers: System V ABI, AMD64 supplement, figure 3.36).

use core::mem::{offset_of, size_of};

use super::CallRegs;
use super::forward::forward_range;
use super::watch::watched_range;
use crate::thread::{Block, NEXT_BLOCK, STACK};
use crate::view::unwind::Unwinding;
use crate::view::unwind::dwarf::{Expression, Rules, op};

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

/// All sets of rules, and where each is. First they are made with room to spare, to see how long they are.
struct Sets<const SIZE: usize> {
    rules: Rules<SIZE>,
    stub: u32,
    resident: u32,
    forward: u32,
    watched: u32,
}

static SETS: Sets<{ sets::<4096>().rules.bytes().len() }> = sets();

const fn sets<const SIZE: usize>() -> Sets<SIZE> {
    let mut rules = Rules::EMPTY;
    let stub = rules.begin(RETURN_COLUMN);
    stub_rules(&mut rules);
    rules.end(stub);
    let resident = rules.begin(RETURN_COLUMN);
    resident_rules(&mut rules);
    rules.end(resident);
    let forward = rules.begin(RETURN_COLUMN);
    forward_rules(&mut rules);
    rules.end(forward);
    let watched = rules.begin(RETURN_COLUMN);
    watched_rules(&mut rules);
    rules.end(watched);
    Sets { rules, stub, resident, forward, watched }
}

/// Whether the byte at the program counter is that `ret`: 1 or 0.
const fn returns() -> Expression {
    let mut code = Expression::EMPTY;
    code.register(RETURN_COLUMN, 0).load(1).number(RET).op(op::EQ);
    code
}

/// What the `lea` at the address on the stack names: the signed displacement at its end counts from behind it.
const fn named_by_lea(code: &mut Expression) {
    const SIGN: u64 = 1 << 31;
    code.op(op::DUP).add(3).load(4).number(SIGN).op(op::XOR).number(SIGN).op(op::MINUS);
    code.op(op::PLUS).add(LEA_LENGTH as usize);
}

/// The rules, and what they are for.
pub fn unwinding() -> Option<Unwinding> {
    let mut parts = [(SETS.forward, forward_range()), (SETS.watched, watched_range())];
    parts.sort_unstable_by_key(|(_, range)| *range);
    Some(Unwinding {
        rules: SETS.rules.bytes(),
        addresses: SETS.rules.addresses(),
        stub: SETS.stub,
        resident: SETS.resident,
        parts,
    })
}

/// Behind the call of a stub, or where the resident goes on in it: nothing has been pushed.
const fn stub_rules<const SIZE: usize>(rules: &mut Rules<SIZE>) {
    // The frame ends where the stack pointer is; behind the return address for a function's stub.
    let mut frame = returns();
    frame.number(8).op(op::MUL).register(SP, 0).op(op::PLUS);
    rules.frame_is(&frame);
    let mut address = Expression::EMPTY;
    // A `lea` at the counter, or right before it; else it stays, and the debugger ends there.
    let mut at = Expression::EMPTY;
    named_by_lea(&mut at);
    let mut stays = Expression::EMPTY;
    stays.add(LEA_LENGTH as usize);
    let mut before = Expression::EMPTY;
    before.number(LEA_LENGTH as u64).op(op::MINUS);
    is_lea(&mut before);
    before.either(&at, &stays);
    let mut named = Expression::EMPTY;
    named.register(RETURN_COLUMN, 0);
    is_lea(&mut named);
    named.either(&at, &before);
    let mut on_stack = Expression::EMPTY;
    on_stack.register(SP, 0).op(op::DEREF);
    address.append(&returns()).either(&on_stack, &named);
    rules.register_is(RETURN_COLUMN, &address);
}

/// Whether there is a `lea` at the address on the stack, which stays: 1 or 0.
const fn is_lea(code: &mut Expression) {
    code.op(op::DUP).load(4).number(0xff_ffff).op(op::AND).number(LEA).op(op::EQ);
}

/// The block for which the condition holds; 0 where there is none.
const fn block(is_found: &Expression) -> Expression {
    let mut one = Expression::EMPTY;
    one.number(1);
    let mut ends = Expression::EMPTY;
    ends.op(op::DUP).number(0).op(op::EQ).either(&one, is_found);
    let mut next = Expression::EMPTY;
    next.add(NEXT_BLOCK).op(op::DEREF);
    let mut block = Expression::EMPTY;
    block.address().op(op::DEREF).until(&ends, &next);
    block
}

/// What `value` makes of the block; of none, the value that `register` has, with which the debugger ends.
const fn of_block(block: &Expression, value: &Expression, register: u8) -> Expression {
    let mut none = Expression::EMPTY;
    none.op(op::DROP).register(register, 0);
    let mut code = Expression::EMPTY;
    code.append(block).op(op::DUP).either(value, &none);
    code
}

/// The caller's registers, as the entry has pushed them right below the block.
const fn pushed<const SIZE: usize>(rules: &mut Rules<SIZE>, block: &Expression) {
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
    rules.frame_is(&saved(block, offset_of!(CallRegs, rsp), SP));
    let mut index = 0;
    while index < REGISTERS.len() {
        let (register, offset) = REGISTERS[index];
        rules.register_is(register, &saved(block, offset, register));
        index += 1;
    }
}

/// What was pushed of a register, at `offset` of the caller's registers.
const fn saved(block: &Expression, offset: usize, register: u8) -> Expression {
    let mut value = Expression::EMPTY;
    value.number((size_of::<CallRegs>() - offset) as u64).op(op::MINUS).op(op::DEREF);
    of_block(block, &value, register)
}

/// In the resident, anywhere: the thread's block is the one in whose stack the stack pointer is.
const fn resident_rules<const SIZE: usize>(rules: &mut Rules<SIZE>) {
    // 0 < block - rsp <= STACK
    let mut is_found = Expression::EMPTY;
    is_found.op(op::DUP).register(SP, 0).op(op::MINUS);
    is_found.op(op::DUP).number(0).op(op::GT);
    is_found.op(op::SWAP).number(STACK as u64).op(op::LE).op(op::AND);
    pushed(rules, &block(&is_found));
}

/// Where a call is made on the caller's behalf: a register has the block, so that thousands of threads that wait are found as fast.
const fn forward_rules<const SIZE: usize>(rules: &mut Rules<SIZE>) {
    let mut block = Expression::EMPTY;
    block.register(BLOCK, 0);
    pushed(rules, &block);
}

/// Where a watched call is made, on the caller's stack: the block of the thread has the stack pointer, and where the stub goes on.
const fn watched_rules<const SIZE: usize>(rules: &mut Rules<SIZE>) {
    let mut is_found = Expression::EMPTY;
    is_found.op(op::DUP).add(offset_of!(Block, watched_sp)).op(op::DEREF);
    is_found.register(SP, 0).op(op::EQ).op(op::OVER);
    is_found.add(offset_of!(Block, state)).load(4).number(1).op(op::EQ).op(op::AND);
    let mut way = Expression::EMPTY;
    way.add(offset_of!(Block, watched_way)).op(op::DEREF);
    let mut frame = Expression::EMPTY;
    frame.register(SP, 0);
    rules.frame_is(&frame);
    rules.register_is(RETURN_COLUMN, &of_block(&block(&is_found), &way, RETURN_COLUMN));
}
