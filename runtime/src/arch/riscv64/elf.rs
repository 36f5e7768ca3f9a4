//! Which executables a kernel of this architecture takes (`arch/riscv/include/asm/elf.h`).

use goblin::elf::header as raw;

/// The layout of the ELF structures of a native program.
pub const CLASS: crate::image::Class = crate::image::Class::Elf64;

/// The end of a program's address space with 48-bit addresses (Sv48). Machines with Sv39 have
/// less, see [`Limits`](crate::image::Limits).
pub const TASK_SIZE: u64 = 1 << 47;

/// `elf_read_implies_exec` for a program without `PT_GNU_STACK`.
pub const READ_IMPLIES_EXEC: bool = false;

/// Whether the kernel looks into `PT_GNU_PROPERTY` (`CONFIG_ARCH_USE_GNU_PROPERTY`), and the
/// property it knows with the size that its value must have.
pub const GNU_PROPERTY: Option<(u32, u32)> = None;

/// `elf_check_arch`: the machine, and the class because both classes share it.
pub fn accepts(class: u8, machine: u16) -> bool {
    machine == raw::EM_RISCV && class == raw::ELFCLASS64
}
