//! Where a call comes from.

use crate::arch::{CallRegs, SYSCALL_INSTRUCTION};
use crate::patch::SiteDesc;

/// What brought a call: the stub of a site, or the instruction itself, found out by a signal.
pub struct Origin {
    /// The address of the instruction in the target's code.
    pub address: usize,
    /// Where the call is made again.
    pub again: usize,
    /// Where the caller goes on; `None`: where its call of the site's function returns.
    pub resume: Option<usize>,
    /// Whether it enters by the processor's old way (`int $0x80`).
    pub compat: bool,
    /// The call has been made already, in the stub.
    pub made: bool,
}

impl Origin {
    /// The origin that the entry code left in `regs`: the address of a stub's site description, or,
    /// where there is none, 0 for the usual instruction and 1 for the old one, with the address
    /// behind it as the program counter. The low bit of a description's address says that its stub has
    /// made the call (`watch`).
    ///
    /// # Safety
    /// `regs` must be as the entry code left them.
    pub unsafe fn of(regs: &CallRegs) -> Self {
        let at = regs.desc as usize;
        if at <= 1 {
            let address = regs.pc().wrapping_sub(SYSCALL_INSTRUCTION);
            return Self {
                address,
                again: address,
                resume: Some(regs.pc()),
                compat: at == 1,
                made: false,
            };
        }
        let made = at & 1 != 0;
        let at = at & !1;
        // SAFETY: the stub passed the address of its own description, which is a multiple of 4.
        let site = unsafe { &*(at as *const SiteDesc) };
        let address = at.wrapping_add_signed(site.site as isize);
        Self {
            address,
            again: if site.test == 0 { address } else { at - usize::from(site.test) },
            resume: (!site.returns()).then(|| at - usize::from(site.resume)),
            compat: site.entry != 0,
            made,
        }
    }
}
