//! An ordered set of pairs of numbers.
//!
//! ```text
//!   map: first pair of a page ──▶ page
//!   page: widths (2 octets) · base (4 octets) · pair · pair · …
//!   pair: first number less the base · second number, in as many octets as
//!         the widest of the page needs
//! ```
//!
//! Neighbours in an ordered set are near each other, so a pair takes about 6
//! octets instead of the 8 of two numbers or the 20 and more of a node in a
//! tree. A change writes one page anew, at most [`MOST`] pairs.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

/// The most pairs of a page; one more and it becomes two.
const MOST: usize = 256;

/// Pairs of a page when many are put in at once: room for some more.
const FILL: usize = 192;

/// A page with fewer is joined with the one before or after it, if that has
/// room.
const FEW: usize = 64;

/// Octets before the pairs: the two widths, the base.
const HEAD: usize = 6;

/// An ordered set of pairs of numbers.
#[derive(Clone, Default)]
pub struct Pairs {
    pages: OrdMap<u64, Page>,
}

/// Pairs in order, at least one, packed.
#[derive(Clone)]
struct Page(Arc<[u8]>);

/// Both numbers as one, which has the order of the pairs.
fn joined(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

fn parted(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

impl Pairs {
    /// These pairs, in any order, each once.
    pub fn of(pairs: impl IntoIterator<Item = (u32, u32)>) -> Pairs {
        let mut pairs: Vec<u64> = pairs.into_iter().map(|(a, b)| joined(a, b)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let pages = pairs.chunks(FILL).map(|page| (page[0], Page::of(page))).collect();
        Pairs { pages }
    }

    /// The least pair.
    pub fn first(&self) -> Option<(u32, u32)> {
        self.pages.get_min().map(|(first, _)| parted(*first))
    }

    /// The second numbers of the pairs with this first one, in order.
    pub fn with(&self, first: u32) -> impl Iterator<Item = u32> {
        let least = joined(first, 0);
        let (start, page) = self.pages.range(..=least).next_back().unzip();
        // They are nearly always in one page, and no other is looked for.
        let rest = (Bound::Excluded(start.copied().unwrap_or(least)), Bound::Unbounded);
        let after = std::iter::once_with(move || self.pages.range(rest).map(|(_, page)| page));
        let pairs = page.into_iter().chain(after.flatten()).flat_map(move |page| page.from(least));
        pairs.map(parted).take_while(move |pair| pair.0 == first).map(|pair| pair.1)
    }

    /// Puts a pair in, and says whether it is new.
    pub fn insert(&mut self, first: u32, second: u32) -> bool {
        let pair = joined(first, second);
        // What is less than every pair goes to the front of the first page.
        let home = self.pages.get_prev(&pair);
        let home = home.or_else(|| self.pages.get_min().map(|(start, page)| (start, page)));
        let (start, mut pairs) = match home {
            Some((start, page)) => (*start, page.all()),
            None => (pair, Vec::new()),
        };
        let Err(at) = pairs.binary_search(&pair) else { return false };
        pairs.insert(at, pair);
        self.put(start, &pairs);
        true
    }

    /// Takes a pair out, and says whether it was there.
    pub fn remove(&mut self, first: u32, second: u32) -> bool {
        let pair = joined(first, second);
        let Some((&start, page)) = self.pages.get_prev(&pair) else { return false };
        let mut pairs = page.all();
        let Ok(at) = pairs.binary_search(&pair) else { return false };
        pairs.remove(at);
        if pairs.len() < FEW {
            self.join(start, &mut pairs);
        }
        self.put(start, &pairs);
        true
    }

    /// Adds the pairs of a neighbour to those of a page, if they are not too
    /// many for one.
    fn join(&mut self, start: u64, pairs: &mut Vec<u64>) {
        let before = start.checked_sub(1).and_then(|end| self.pages.get_prev(&end));
        let after = start.checked_add(1).and_then(|end| self.pages.get_next(&end));
        let room = |(_, page): &(&u64, &Page)| page.len() + pairs.len() <= FILL;
        let Some((&other, page)) = before.filter(room).or(after.filter(room)) else { return };
        let page = page.all();
        // Every pair of a page is less than every one of the next.
        pairs.splice(if other < start { 0..0 } else { pairs.len()..pairs.len() }, page);
        self.pages.remove(&other);
    }

    /// Writes the page that began with `start` anew, as one, two or none.
    fn put(&mut self, start: u64, pairs: &[u64]) {
        if pairs.first() != Some(&start) {
            self.pages.remove(&start);
        }
        let size = if pairs.len() > MOST { pairs.len().div_ceil(2) } else { MOST };
        for page in pairs.chunks(size) {
            self.pages.insert(page[0], Page::of(page));
        }
    }
}

/// What only tests ask for.
#[cfg(test)]
impl Pairs {
    fn len(&self) -> usize {
        self.iter().count()
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.pages.values().flat_map(|page| page.from(0)).map(parted)
    }
}

impl Page {
    fn of(pairs: &[u64]) -> Page {
        let (base, _) = parted(pairs[0]);
        let (last, _) = parted(pairs[pairs.len() - 1]);
        let greatest = pairs.iter().map(|pair| parted(*pair).1).max().unwrap_or_default();
        let widths = [width(last - base), width(greatest)];
        let size = usize::from(widths[0] + widths[1]);
        let mut octets = Vec::with_capacity(HEAD + size * pairs.len());
        octets.extend(widths);
        octets.extend(base.to_be_bytes());
        for &pair in pairs {
            let (first, second) = parted(pair);
            octets.extend(&(first - base).to_be_bytes()[4 - usize::from(widths[0])..]);
            octets.extend(&second.to_be_bytes()[4 - usize::from(widths[1])..]);
        }
        Page(octets.into())
    }

    fn size(&self) -> usize {
        usize::from(self.0[0] + self.0[1])
    }

    fn len(&self) -> usize {
        (self.0.len() - HEAD) / self.size()
    }

    fn get(&self, at: usize) -> u64 {
        let start = HEAD + at * self.size();
        let (first, second) = self.0[start..start + self.size()].split_at(usize::from(self.0[0]));
        let number = |octets: &[u8]| octets.iter().fold(0, |n, octet| n << 8 | u32::from(*octet));
        joined(number(&self.0[2..HEAD]) + number(first), number(second))
    }

    fn all(&self) -> Vec<u64> {
        let mut pairs = Vec::with_capacity(self.len() + 1);
        pairs.extend(self.from(0));
        pairs
    }

    /// The pairs that are not less than this one.
    fn from(&self, least: u64) -> impl Iterator<Item = u64> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.get(middle) < least { low = middle + 1 } else { high = middle }
        }
        (low..self.len()).map(|at| self.get(at))
    }
}

/// How many octets hold a number; one at least.
fn width(number: u32) -> u8 {
    (4 - number.leading_zeros() / 8).max(1) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Pairs;

    #[test]
    fn a_million_pairs_of_hashes_take_little_more_than_six_octets_each() {
        let hash = |n: u32| n.wrapping_mul(2_654_435_769).rotate_left(13).wrapping_mul(97);
        let pairs = Pairs::of((0..1_000_000).map(|n| (hash(n), n)));
        let octets: usize = pairs.pages.values().map(|page| page.0.len()).sum();
        assert!((6_000_000..6_200_000).contains(&octets), "{octets}");
    }

    #[test]
    fn pages_are_joined_when_most_pairs_are_gone() {
        let mut pairs = Pairs::of((0..10_000).map(|n| (n, n)));
        for n in (0..10_000).filter(|n| n % 50 != 0) {
            assert!(pairs.remove(n, n));
        }
        assert_eq!(
            pairs.iter().collect::<Vec<_>>(),
            (0..10_000).step_by(50).map(|n| (n, n)).collect::<Vec<_>>()
        );
        assert!(pairs.pages.len() <= 5, "{} pages for 200 pairs", pairs.pages.len());
    }

    /// Few numbers, so that pairs meet; some great ones, so that widths vary.
    fn number() -> impl Strategy<Value = u32> {
        prop_oneof![4 => 0..40u32, 1 => any::<u32>(), 1 => Just(u32::MAX), 1 => Just(0)]
    }

    fn pair() -> impl Strategy<Value = (u32, u32)> {
        (number(), prop_oneof![0..300u32, number()])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pairs_are_a_set(
            first in prop::collection::vec(pair(), 0..1500),
            then in prop::collection::vec((any::<bool>(), pair()), 0..1500),
        ) {
            let mut model: BTreeSet<(u32, u32)> = first.iter().copied().collect();
            let mut pairs = Pairs::of(first);
            let (kept, kept_model) = (pairs.clone(), model.clone());
            for (insert, pair) in then {
                if insert {
                    prop_assert_eq!(pairs.insert(pair.0, pair.1), model.insert(pair));
                } else {
                    // One that is there, if there is any after it.
                    let pair = model.range(pair..).next().copied().unwrap_or(pair);
                    prop_assert_eq!(pairs.remove(pair.0, pair.1), model.remove(&pair));
                }
                prop_assert_eq!(pairs.len(), model.len());
                prop_assert_eq!(pairs.first(), model.first().copied());
                let with: Vec<u32> = pairs.with(pair.0).collect();
                let range = model.range((pair.0, 0)..=(pair.0, u32::MAX));
                prop_assert_eq!(with, range.map(|pair| pair.1).collect::<Vec<_>>());
            }
            prop_assert!(pairs.iter().eq(model));
            prop_assert!(kept.iter().eq(kept_model));
        }
    }
}
