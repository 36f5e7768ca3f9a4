//! Sorting in few bytes. The library's sort is copied whole for every type that it sorts, 3 to 6 KB
//! each.

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

/// Sorts plain addresses, of which there are many: a quicksort, which takes half of [`by`]'s time.
pub fn addresses(list: &mut [u64]) {
    // What has been sorted before, as a rule, with a few more at its end.
    if !list.is_sorted() {
        quicksort(list, 2 * (usize::BITS - list.len().leading_zeros()));
    }
}

/// Sorts, by `rounds` divisions of the list at most: what takes more, because the middle of each part is
/// one of its least or greatest, is for the heapsort.
fn quicksort(mut list: &mut [u64], mut rounds: u32) {
    while list.len() > 1 {
        if rounds == 0 {
            return by_key(list, |&address| address);
        }
        rounds -= 1;
        let (mut low, mut high) = (0, list.len() - 1);
        // Not the last element, so that neither part is empty.
        let pivot = list[high / 2];
        loop {
            while list[low] < pivot {
                low += 1;
            }
            while list[high] > pivot {
                high -= 1;
            }
            if low >= high {
                break;
            }
            list.swap(low, high);
            low += 1;
            high -= 1;
        }
        // The shorter part by recursion, which is not deep then.
        let (mut shorter, mut longer) = list.split_at_mut(high + 1);
        if shorter.len() > longer.len() {
            (shorter, longer) = (longer, shorter);
        }
        quicksort(shorter, rounds);
        list = longer;
    }
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
                let mut digits: Vec<u64> = list.iter().map(|&digit| digit as u64).collect();
                by_key(&mut list, |&digit| digit);
                assert_eq!(list, expected);
                addresses(&mut digits);
                assert!(digits.iter().zip(&expected).all(|(&a, &b)| a == b as u64));
            }
        }
    }

    /// Numbers without order.
    fn long() -> Vec<u32> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        (0..10_000).map(next).collect()
    }

    #[test]
    fn a_long_list_is_sorted() {
        let mut list = long();
        by(&mut list, |a, b| a > b);
        assert!(list.windows(2).all(|two| two[0] >= two[1]));
    }

    #[test]
    fn long_lists_of_addresses_are_sorted() {
        let of = |modulus: u32| long().into_iter().map(move |number| u64::from(number % modulus));
        let rising = || 0..5_000u64;
        let lists: [Vec<u64>; 6] = [
            of(u32::MAX).collect(),
            of(7).collect(),
            rising().rev().collect(),
            rising().chain(rising()).collect(),
            rising().chain(rising().rev()).collect(),
            rising().chain(of(5_000)).collect(),
        ];
        for list in lists {
            let mut expected = list.clone();
            expected.sort();
            for rounds in [0, 3, u32::MAX] {
                let mut sorted = list.clone();
                quicksort(&mut sorted, rounds);
                assert!(sorted == expected);
            }
            let mut sorted = list;
            addresses(&mut sorted);
            assert!(sorted == expected);
        }
    }
}
