//! Raw modules in Rust: a trait, and what makes an image of it.
//!
//! ```ignore
//! struct Busy;
//! impl Raw for Busy {
//!     fn call(&self, _: Layer<'_>, call: &mut Call, next: Next<'_>) -> c_long {
//!         match call.number as u32 {
//!             linux::general::__NR_getpid => 1,
//!             _ => next.call(call),
//!         }
//!     }
//! }
//! vload_module::raw_module!(Busy, Busy, "busy", "everybody is the first process", numbers: [39]);
//! ```

use core::ffi::{c_char, c_int, c_long};
use core::marker::PhantomData;

use crate::abi::{self, MAGIC, Module, RAW, RawOperations, VERSION, offered};
use crate::{Errno, Layer, Result};

pub use crate::abi::Call;

/// What a raw module does. Its value is a constant: what it wants to remember is in session memory
/// ([`Layer::area`]), or in atomics of its own, which are each program's.
pub trait Raw: Sync {
    /// Once for each layer in a session, in the process that loads it; an error refuses the layer.
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        let _ = layer;
        Ok(())
    }

    /// Once for each layer in each program that a process begins; an error leaves the layer out of it.
    fn attach(&self, layer: Layer<'_>) -> Result<()> {
        let _ = layer;
        Ok(())
    }

    /// Before a layer is removed, in the process that removes it; an error keeps it.
    fn fini(&self, layer: Layer<'_>) -> Result<()> {
        let _ = layer;
        Ok(())
    }

    /// Something has happened that is no call.
    fn event(&self, layer: Layer<'_>, event: Event) {
        let _ = (layer, event);
    }

    /// A call of the set. What it gives back is the call's result: 0 or more, or a negative error number.
    fn call(&self, layer: Layer<'_>, call: &mut Call, next: Next<'_>) -> c_long;
}

/// What a layer hears of besides calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// An exec has succeeded, and this is the new program.
    Exec,
    /// This is a process that has just been started.
    Process,
    /// This is a thread that has just been started.
    Thread,
}

/// The layers below, while a call is answered.
pub struct Next<'a> {
    layer: *mut abi::Layer,
    called: PhantomData<&'a ()>,
}

impl Next<'_> {
    /// Below a layer.
    pub(crate) fn of(layer: Layer<'_>) -> Self {
        Self { layer: layer.as_raw(), called: PhantomData }
    }

    /// Gives the call to the next layer down that wants it, as it is now; the system comes last. Its result, which
    /// the layer may give back as it is, or not; -512 says that a signal came before the call had any effect, and
    /// that it comes again if that is what the layer gives back.
    pub fn call(&self, call: &mut Call) -> c_long {
        // SAFETY: the layer is one, and the program's own arguments mean what they mean to the system.
        unsafe { offered::vload_next(self.layer, call) }
    }
}

/// Where an image has its module.
#[doc(hidden)]
pub trait Value {
    /// Its type.
    type Raw: Raw + 'static;
    /// The one value.
    fn value() -> &'static Self::Raw;
}

fn result(of: Result<()>) -> c_int {
    of.map_or_else(|Errno(number)| -number, |()| 0)
}

macro_rules! exported {
    ($($name:ident)*) => {
        $(unsafe extern "C" fn $name<V: Value>(layer: *mut abi::Layer) -> c_int {
            // SAFETY: vload calls with its layer.
            result(V::value().$name(unsafe { Layer::new(layer) }))
        })*
    };
}

exported! { init attach fini }

unsafe extern "C" fn event<V: Value>(layer: *mut abi::Layer, event: c_int) {
    let event = match event {
        abi::EXEC => Event::Exec,
        abi::PROCESS => Event::Process,
        abi::THREAD => Event::Thread,
        _ => return,
    };
    // SAFETY: vload calls with its layer.
    V::value().event(unsafe { Layer::new(layer) }, event);
}

unsafe extern "C" fn call<V: Value>(layer: *mut abi::Layer, call: *mut Call) -> c_long {
    // SAFETY: vload calls with its layer and a call, which is this function's until it returns.
    let (layer, call) = unsafe { (Layer::new(layer), &mut *call) };
    V::value().call(layer, call, Next::of(layer))
}

/// What an image does with calls. No numbers: every call by every entry.
#[doc(hidden)]
pub const fn operations<V: Value>(numbers: Option<&'static [usize]>) -> RawOperations {
    let (numbers, count) = match numbers {
        Some(numbers) => (numbers.as_ptr(), numbers.len()),
        None => (core::ptr::null(), usize::MAX),
    };
    RawOperations { call: call::<V>, numbers, count }
}

/// What an image says of itself.
#[doc(hidden)]
pub const fn module<V: Value>(
    name: *const c_char,
    description: *const c_char,
    keys: *const c_char,
    flags: u64,
    area: u64,
    operations: &'static RawOperations,
) -> Module {
    Module {
        magic: MAGIC,
        version: VERSION,
        kind: RAW,
        name,
        description,
        keys,
        flags,
        area,
        init: Some(init::<V>),
        attach: Some(attach::<V>),
        fini: Some(fini::<V>),
        event: Some(event::<V>),
        operations: (&raw const *operations).cast(),
    }
}

/// Makes an image of a [`Raw`]: its constant value, name and description; then, as they are wanted, `numbers: [39, 110]` for the calls
/// that it wants by the processor's own instruction (without it: every call by every entry), `keys: "a,b"` for the
/// arguments that it takes, `area: BYTES` of session memory, `looks_only: true` where it gives no call another meaning.
#[macro_export]
macro_rules! raw_module {
    ($type:ty, $value:expr, $name:literal, $description:literal
        $(, numbers: [$($number:expr),* $(,)?])? $(, keys: $keys:literal)? $(, area: $area:expr)?
        $(, looks_only: $looks_only:expr)? $(,)?) => {
        static VLOAD_RAW: $type = $value;
        static VLOAD_OPERATIONS: $crate::abi::RawOperations =
            $crate::raw::operations::<VloadRaw>($crate::numbers!($([$($number),*])?));
        struct VloadRaw;
        impl $crate::raw::Value for VloadRaw {
            type Raw = $type;
            fn value() -> &'static $type {
                &VLOAD_RAW
            }
        }
        #[doc = $description]
        #[unsafe(no_mangle)]
        pub static vload_module: $crate::abi::Module = $crate::raw::module::<VloadRaw>(
            concat!($name, "\0").as_ptr().cast(),
            concat!($description, "\0").as_ptr().cast(),
            $crate::zero_terminated!($($keys)?),
            0 $(| if $looks_only { $crate::abi::LOOKS_ONLY } else { 0 })?,
            0 $(+ $area as u64)?,
            &VLOAD_OPERATIONS,
        );
        $crate::without_unwinding!();
    };
}

/// A list of numbers, or none.
#[doc(hidden)]
#[macro_export]
macro_rules! numbers {
    () => {
        None
    };
    ([$($number:expr),*]) => {
        Some(&[$($number as usize),*])
    };
}
