//! Which executables a kernel of this architecture takes (`arch/arm64/include/asm/elf.h`).

use goblin::elf::header as raw;

/// The layout of the ELF structures of a native program.
pub const CLASS: crate::image::Class = crate::image::Class::Elf64;

/// The end of a program's address space with 48-bit addresses. Kernels built for others have
/// less or more, see [`Limits`](crate::image::Limits).
pub const TASK_SIZE: u64 = 1 << 48;

/// `elf_read_implies_exec` for a program without `PT_GNU_STACK`.
pub const READ_IMPLIES_EXEC: bool = false;

/// Whether the kernel looks into `PT_GNU_PROPERTY` (`CONFIG_ARCH_USE_GNU_PROPERTY`), and the
/// property it knows with the size that its value must have:
/// `GNU_PROPERTY_AARCH64_FEATURE_1_AND`, which asks for `PROT_BTI`.
pub const GNU_PROPERTY: Option<(u32, u32)> = Some((0xc000_0000, 4));

/// `elf_check_arch`: the kernel looks at the machine and not at `EI_CLASS`.
pub fn accepts(_class: u8, machine: u16) -> bool {
    machine == raw::EM_AARCH64
}
