//! Sorting in few bytes. The library's sort is copied whole for every type that it sorts, 3 to 5 KB
//! each: it is for lists of plain addresses, which are long; this is for all others.

/// Sorts by `before`, which says whether its first argument must come before its second. What is
/// equal comes in any order. A heapsort: in place, without recursion, never worse than n log n.
pub fn by<T>(list: &mut [T], before: impl Fn(&T, &T) -> bool) {
    heapsort(list.len(), &mut |step| match step {
        Step::Before(a, b) => before(&list[a], &list[b]),
        Step::Swap(a, b) => {
            list.swap(a, b);
            true
        }
    });
}

/// Sorts by a key.
pub fn by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    by(list, |a, b| key(a) < key(b));
}

/// What is done with two elements of a list, by their indexes.
enum Step {
    /// Whether the first must come before the second.
    Before(usize, usize),
    /// They change places.
    Swap(usize, usize),
}

/// Sorts a list that only `act` knows, so that there is one copy of this for all of them.
#[inline(never)]
fn heapsort(length: usize, act: &mut dyn FnMut(Step) -> bool) {
    // Tables of files are sorted already, as a rule.
    if (1..length).all(|index| !act(Step::Before(index, index - 1))) {
        return;
    }
    for root in (0..length / 2).rev() {
        sift(length, root, act);
    }
    for end in (1..length).rev() {
        act(Step::Swap(0, end));
        sift(end, 0, act);
    }
}

/// Lets the element at `root` sink to where no child must come behind it.
fn sift(length: usize, mut root: usize, act: &mut dyn FnMut(Step) -> bool) {
    loop {
        let mut last = root;
        for child in [2 * root + 1, 2 * root + 2] {
            if child < length && act(Step::Before(last, child)) {
                last = child;
            }
        }
        if last == root {
            return;
        }
        act(Step::Swap(root, last));
        root = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_order_of_a_few_is_sorted() {
        for length in 0..=6usize {
            // Each list of `length` digits below `length`, repeated ones included.
            for number in 0..length.pow(length as u32) {
                let mut list: Vec<usize> =
                    (0..length).map(|digit| number / length.pow(digit as u32) % length).collect();
                let mut expected = list.clone();
                expected.sort();
                by_key(&mut list, |&digit| digit);
                assert_eq!(list, expected);
            }
        }
    }

    #[test]
    fn a_long_list_is_sorted() {
        let mut state = 1u32;
        let mut list: Vec<u32> = (0..10_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 8
            })
            .collect();
        by(&mut list, |a, b| a > b);
        assert!(list.windows(2).all(|two| two[0] >= two[1]));
    }
}
