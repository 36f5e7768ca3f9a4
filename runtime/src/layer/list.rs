//! The layers of this process, oldest first, and the way of a call through them.

use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::raw::{Event, Raw, Wants};
use super::spec::Spec;
use super::{Call, modules, system, wanted};
use crate::abi::Entry;
use crate::process::OPTIONS;
use crate::thread::Block;

/// Layers that a process can have.
pub const LAYERS: usize = 16;

/// One loaded module with its arguments.
pub struct Layer {
    raw: AtomicPtr<Raw>,
    index: usize,
    /// A word of the layer's own, for this process.
    pub word: AtomicUsize,
    /// Where its area is mapped.
    pub area: AtomicUsize,
}

impl Layer {
    /// The module.
    pub fn raw(&self) -> &'static Raw {
        // SAFETY: a layer that the list gives out has been pushed, which stores a `&'static Raw`.
        unsafe { &*self.raw.load(Ordering::Acquire) }
    }

    /// Its place in the list, the same in all processes of a session.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its place in time: what it asks itself goes to layers with smaller ones.
    pub fn epoch(&self) -> u64 {
        self.index as u64
    }

    /// Its arguments.
    pub fn spec(&self) -> Option<Spec<'static>> {
        Spec::parse(OPTIONS.values(modules::OPTION).nth(self.index)?).ok()
    }

    /// Where its area is mapped in this process, or 0.
    pub fn area(&self) -> usize {
        self.area.load(Ordering::Relaxed)
    }

    /// The layer's word in a thread's block: 0 at first, and in a thread that has just been started
    /// what its starter's was.
    pub fn thread_word<'b>(&self, block: &'b mut Block) -> &'b mut usize {
        &mut block.layer_words[self.index]
    }
}

struct List {
    layers: [Layer; LAYERS],
    used: AtomicUsize,
}

static LIST: List = List::new();

impl List {
    const fn new() -> Self {
        let mut layers = [const {
            Layer {
                raw: AtomicPtr::new(core::ptr::null_mut()),
                index: 0,
                word: AtomicUsize::new(0),
                area: AtomicUsize::new(0),
            }
        }; LAYERS];
        let mut index = 0;
        while index < LAYERS {
            layers[index].index = index;
            index += 1;
        }
        Self { layers, used: AtomicUsize::new(0) }
    }

    /// Puts a layer above all others. `None` when the list is full.
    fn push(&self, raw: &'static Raw) -> Option<&Layer> {
        let used = self.used.load(Ordering::Relaxed);
        let layer = self.layers.get(used)?;
        layer.raw.store(core::ptr::from_ref(raw).cast_mut(), Ordering::Release);
        self.used.store(used + 1, Ordering::Release);
        Some(layer)
    }

    fn all(&self) -> &[Layer] {
        &self.layers[..self.used.load(Ordering::Acquire)]
    }

    /// The newest of the first `below` layers that wants the call.
    fn newest(&self, below: usize, entry: Entry, number: usize) -> Option<&Layer> {
        let older = self.all().get(..below)?;
        older.iter().rev().find(|layer| layer.raw().wants.has(entry, number))
    }
}

/// Puts a layer above all others in this process. `None` when there are too many.
pub fn push(raw: &'static Raw) -> Option<&'static Layer> {
    LIST.push(raw)
}

/// Makes stubs send what the layer wants.
pub fn want(raw: &Raw) {
    match raw.wants {
        Wants::Every => wanted::want_everything(),
        Wants::Numbers(numbers) => numbers.iter().for_each(|&number| wanted::want(number)),
    }
}

/// What lies below a layer.
#[derive(Clone, Copy)]
pub struct Next {
    layer: &'static Layer,
}

impl Next {
    /// The layer whose turn it is.
    pub fn own(self) -> &'static Layer {
        self.layer
    }

    /// Gives the call to the next layer down that wants it; the system comes last.
    pub fn call(self, call: &mut Call<'_>) -> isize {
        pass_down(self.layer.index, call)
    }
}

fn pass_down(below: usize, call: &mut Call<'_>) -> isize {
    match LIST.newest(below, call.entry, call.number) {
        Some(layer) => (layer.raw().call)(call, Next { layer }),
        None => crate::module::framework::call(call).unwrap_or_else(|| system::call(call)),
    }
}

/// Gives what a layer asks itself to the newest one with a smaller epoch that wants it.
pub fn pass_below(epoch: u64, call: &mut Call<'_>) -> isize {
    pass_down(epoch as usize, call)
}

/// Gives the call to the newest layer that wants it.
pub fn dispatch(call: &mut Call<'_>) -> isize {
    pass_down(LIST.used.load(Ordering::Acquire), call)
}

/// Tells every layer, oldest first.
pub fn tell(event: Event, block: &mut Block) {
    for layer in LIST.all() {
        (layer.raw().event)(layer, event, block);
    }
}

/// The layers, oldest first.
pub fn layers() -> &'static [Layer] {
    LIST.all()
}

#[cfg(test)]
mod tests {
    use super::super::raw::{no_event, nothing};
    use super::*;

    const fn raw(name: &'static str, wants: Wants) -> Raw {
        Raw {
            name,
            description: "",
            keys: &[],
            wants,
            only_looks: true,
            init: nothing,
            attach: nothing,
            call: |_, _| 0,
            event: no_event,
            image: None,
        }
    }

    static EVERY: Raw = raw("every", Wants::Every);
    static SOME: Raw = raw("some", Wants::Numbers(&[1, 60]));

    #[test]
    fn the_newest_that_wants_a_call_is_first_and_the_next_is_older() {
        let list = List::new();
        for raw in [&EVERY, &SOME, &EVERY, &SOME] {
            assert!(list.push(raw).is_some());
        }
        let order = |entry, number| {
            let mut below = list.all().len();
            let mut order = std::vec::Vec::new();
            while let Some(layer) = list.newest(below, entry, number) {
                below = layer.index();
                order.push(below);
            }
            order
        };
        assert_eq!(order(Entry::Native, 60), [3, 2, 1, 0]);
        assert_eq!(order(Entry::Native, 61), [2, 0]);
        assert_eq!(order(Entry::Native, usize::MAX), [2, 0]);
        // A number of another table is not the number of that list.
        assert_eq!(order(Entry::Compat, 1), [2, 0]);
    }

    #[test]
    fn a_full_list_says_so() {
        let list = List::new();
        for index in 0..LAYERS {
            assert_eq!(list.push(&EVERY).map(Layer::index), Some(index));
        }
        assert!(list.push(&EVERY).is_none());
        assert_eq!(list.all().len(), LAYERS);
    }
}
