//! A seccomp filter's program, evaluated as the kernel does it (classic BPF over `struct
//! seccomp_data`; `seccomp_check_filter`, kernel/seccomp.c, has the instructions that may occur).

/// `struct sock_filter` (linux/filter.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How far to jump when a condition holds.
    pub yes: u8,
    /// How far when it does not.
    pub no: u8,
    /// The constant.
    pub k: u32,
}

/// `struct seccomp_data` (linux/seccomp.h): what a filter sees of a call.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    /// The call's number.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// The address behind the instruction that enters the kernel.
    pub pc: u64,
    /// The arguments.
    pub args: [u64; 6],
}

/// Bytes of `struct seccomp_data`.
const DATA: u32 = 64;

impl Data {
    /// The aligned 32-bit word at `offset`, in the order of bytes of every machine we run on.
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64| (value >> (offset % 8 * 8)) as u32;
        Some(match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => half(self.pc),
            16..=60 if offset.is_multiple_of(4) => half(*self.args.get(offset as usize / 8 - 2)?),
            _ => return None,
        })
    }
}

// Classes and modes (linux/bpf_common.h).
const LD_W_ABS: u16 = 0x20;
const LD_W_LEN: u16 = 0x80;
const LDX_W_LEN: u16 = 0x81;
const LD_IMM: u16 = 0x00;
const LDX_IMM: u16 = 0x01;
const LD_MEM: u16 = 0x60;
const LDX_MEM: u16 = 0x61;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const TAX: u16 = 0x07;
const TXA: u16 = 0x87;
const CLASS: u16 = 0x07;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const SOURCE_X: u16 = 0x08;
const OPERATION: u16 = 0xf0;
const WORDS: usize = 16;

/// What the program says; `None` when it is none that the kernel would have taken.
pub fn run(program: &[Instruction], data: &Data) -> Option<u32> {
    let (mut a, mut x) = (0u32, 0u32);
    let mut memory = [0u32; WORDS];
    let mut at = 0usize;
    loop {
        let Instruction { code, yes, no, k } = *program.get(at)?;
        at += 1;
        let operand = if code & SOURCE_X != 0 { x } else { k };
        match code {
            LD_W_ABS => a = data.word(k)?,
            LD_W_LEN => a = DATA,
            LDX_W_LEN => x = DATA,
            LD_IMM => a = k,
            LDX_IMM => x = k,
            LD_MEM => a = *memory.get(k as usize)?,
            LDX_MEM => x = *memory.get(k as usize)?,
            ST => *memory.get_mut(k as usize)? = a,
            STX => *memory.get_mut(k as usize)? = x,
            RET_K => return Some(k),
            RET_A => return Some(a),
            TAX => x = a,
            TXA => a = x,
            _ if code & CLASS == ALU => match compute(code & OPERATION, a, operand)? {
                Some(value) => a = value,
                // bpf_convert_filter: a division by 0 ends the program with 0.
                None => return Some(0),
            },
            _ if code & CLASS == JMP => {
                let holds = match code & OPERATION {
                    0x00 => {
                        at = at.checked_add(k as usize)?;
                        continue;
                    }
                    0x10 => a == operand,
                    0x20 => a > operand,
                    0x30 => a >= operand,
                    0x40 => a & operand != 0,
                    _ => return None,
                };
                at += usize::from(if holds { yes } else { no });
            }
            _ => return None,
        }
    }
}

/// One operation: `None` is none of the kernel's, `Some(None)` a division by 0.
fn compute(operation: u16, a: u32, operand: u32) -> Option<Option<u32>> {
    Some(Some(match operation {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => return Some(a.checked_div(operand)),
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.wrapping_shl(operand),
        0x70 => a.wrapping_shr(operand),
        0x80 => a.wrapping_neg(),
        0xa0 => a ^ operand,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::{Data, Instruction, run};

    const ALLOW: u32 = 0x7fff_0000;
    const DATA: Data = Data {
        number: 39,
        arch: 0xc000_003e,
        pc: 0x1122_3344_5566_7788,
        args: [1, 2, 0x0000_0005_0000_0003, 4, 5, u64::MAX],
    };

    fn op(code: u16, k: u32) -> Instruction {
        Instruction { code, yes: 0, no: 0, k }
    }

    fn jump(code: u16, k: u32, yes: u8, no: u8) -> Instruction {
        Instruction { code, yes, no, k }
    }

    fn value(program: &[Instruction]) -> Option<u32> {
        let mut all = program.to_vec();
        all.push(op(0x16, 0));
        run(&all, &DATA)
    }

    #[test]
    fn every_word_of_the_data() {
        let expected = [
            39,
            0xc000_003e,
            0x5566_7788,
            0x1122_3344,
            1,
            0,
            2,
            0,
            3,
            5,
            4,
            0,
            5,
            0,
            u32::MAX,
            u32::MAX,
        ];
        for (index, word) in expected.into_iter().enumerate() {
            assert_eq!(value(&[op(0x20, index as u32 * 4)]), Some(word), "{index}");
        }
        assert_eq!(value(&[op(0x20, 64)]), None);
        assert_eq!(value(&[op(0x20, 2)]), None);
        assert_eq!(value(&[op(0x80, 0)]), Some(64));
        assert_eq!(value(&[op(0x81, 0), op(0x87, 0)]), Some(64));
    }

    #[test]
    fn arithmetic() {
        let with = |code: u16, k: u32| value(&[op(0x00, 100), op(code, k)]);
        assert_eq!(with(0x04, 7), Some(107));
        assert_eq!(with(0x14, 101), Some(u32::MAX));
        assert_eq!(with(0x24, 3), Some(300));
        assert_eq!(with(0x34, 7), Some(14));
        assert_eq!(with(0x44, 3), Some(103));
        assert_eq!(with(0x54, 6), Some(4));
        assert_eq!(with(0x64, 2), Some(400));
        assert_eq!(with(0x74, 2), Some(25));
        assert_eq!(with(0x84, 0), Some(100u32.wrapping_neg()));
        assert_eq!(with(0xa4, 1), Some(101));
        // By X, and by X when it is 0.
        assert_eq!(value(&[op(0x00, 100), op(0x01, 9), op(0x3c, 0)]), Some(11));
        assert_eq!(value(&[op(0x00, 100), op(0x3c, 0)]), Some(0));
        assert_eq!(value(&[op(0x00, 100), op(0x94, 3)]), None);
    }

    #[test]
    fn memory_and_registers() {
        assert_eq!(value(&[op(0x00, 8), op(0x02, 15), op(0x00, 1), op(0x60, 15)]), Some(8));
        assert_eq!(value(&[op(0x00, 8), op(0x07, 0), op(0x03, 0), op(0x60, 0)]), Some(8));
        assert_eq!(value(&[op(0x00, 8), op(0x02, 3), op(0x61, 3), op(0x87, 0)]), Some(8));
        assert_eq!(value(&[op(0x60, 16)]), None);
    }

    #[test]
    fn jumps() {
        let ends = |condition: Instruction| {
            run(&[op(0x20, 0), condition, op(0x06, 1), op(0x06, ALLOW)], &DATA)
        };
        assert_eq!(ends(jump(0x15, 39, 1, 0)), Some(ALLOW));
        assert_eq!(ends(jump(0x15, 40, 1, 0)), Some(1));
        assert_eq!(ends(jump(0x25, 38, 1, 0)), Some(ALLOW));
        assert_eq!(ends(jump(0x25, 39, 1, 0)), Some(1));
        assert_eq!(ends(jump(0x35, 39, 1, 0)), Some(ALLOW));
        assert_eq!(ends(jump(0x45, 1, 1, 0)), Some(ALLOW));
        assert_eq!(ends(jump(0x45, 8, 0, 1)), Some(ALLOW));
        assert_eq!(ends(jump(0x05, 1, 0, 0)), Some(ALLOW));
        assert_eq!(ends(jump(0x05, 9, 0, 0)), None, "out of the program");
    }
}
