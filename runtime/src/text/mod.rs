//! The patched texts that this process maps: putting them in place, and the way between an address
//! in a stub and the address that the program would have shown.

mod calls;
mod divert;
mod emulator;
mod executable;
mod image;
mod native;
mod pieces;
mod place;
mod protect;
mod region;
mod store;
mod traps;
mod vdso;

pub use calls::{mmap, munmap};
pub use divert::{divert, undivert};
pub use emulator::note_alone;
pub use image::{UNTOUCHED, plan_of, set_shapes, shapes};
pub use pieces::PRIVATE_PAGES;
pub use place::{Mapping, Prepared, cover, cover_reserved};
pub use protect::{is_text_of, on_mappings};
pub use region::{
    REGIONS, Trapped, describe_regions, description_at, each_link_page, each_stub_range,
    force_unlock, is_resumable, leave_stub, lock, resume_pc, shown_pc, site_at, site_behind,
    trap_at,
};
pub use vdso::{MARK as VDSO, bytes as vdso_bytes, cover_vdso, replace};
