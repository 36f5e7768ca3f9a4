//! Finding system-call sites, proving them, choosing a shape, building the patched image.
//!
//! [`analyze`] is a pure function of a file's bytes: it looks for everything that could be a site
//! ([`Entry`]), proves from the starts that the file itself names which of them are, and chooses
//! for each how it is redirected ([`Shape`]). [`Plan::build`] writes the result as one block of
//! bytes, which [`Blob::parse`] opens again wherever it comes from.
//!
//! | module | knows |
//! |---|---|
//! | `elf`, `bytes` | headers and checked reads |
//! | `starts` | the addresses that a file names |
//! | `run`, `code`, `reach`, `tables` | decoding between them, and the proof |
//! | `names`, `near`, `around` | what a shape must know about a site's surroundings |
//! | `plan` | the order of all that |
//! | `linkage` | which libraries a file asks for |
//! | `fixed` | calls of functions at addresses that are the kernel's |
//! | `function` | functions that stand for calls |
//! | `stub`, `island`, `build`, `blob` | the image |
//!
//! What depends on the processor is in [`crate::arch::patch`].

mod around;
mod blob;
mod build;
pub(crate) mod bytes;
mod code;
pub(crate) mod elf;
mod fate;
mod fixed;
mod function;
mod insn;
mod island;
mod linkage;
mod names;
mod near;
mod plan;
pub(crate) mod raw;
mod reach;
mod run;
mod shape;
mod site;
pub(crate) mod starts;
mod stub;
mod tables;
mod view;

pub use around::{Around, Room};
pub use blob::{SiteRecord, TextRun};
pub use fate::{Fate, Fault};
pub use fixed::{FixedCall, Load};
pub use function::{Function, Owned};
pub use insn::{Entry, Flow, Insn, Naming, Reference};
pub use island::Island;
pub use linkage::Linkage;
pub use names::Names;
pub use plan::{Error, Plan, analyze};
pub use run::{Kind, Run, Step};
pub use shape::{Shape, ShapeSet};
pub use site::{KEEPS_NEXT, KEEPS_SITE, RETURNS, Refusal, Refused, Site, SiteDesc};
pub use starts::relocations::Meaning;
pub use stub::{Description, Link, Stub};
pub use view::{Blob, BlobView};

#[cfg(test)]
pub(crate) mod tests;
