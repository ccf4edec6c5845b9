//! Rows of octets, known by number.
//!
//! ```text
//!   number 70 ──▶ page 2, the 6th of its PAGE rows
//!   page: length · row · length · row · …    a free number has length 0
//! ```
//!
//! A length is a number in groups of 7 bits, the lowest first, the highest
//! bit set but in the last octet. A page is one allocation without room to
//! spare: a row costs its octets and about three more.

use std::sync::Arc;

use imbl::Vector;

/// Rows of a page: a row is found by going over those before it, and a change
/// writes all of them anew.
const PAGE: usize = 32;

/// Rows of octets, known by number. No row is empty.
#[derive(Clone, Default)]
pub struct Rows {
    pages: Vector<Arc<[u8]>>,
    /// Numbers given back, to be given again before new ones.
    free: Vector<u32>,
    /// Every number below was given once.
    end: u32,
}

impl Rows {
    /// The row with this number.
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        let page = self.pages.get(number as usize / PAGE)?;
        let row = page_rows(page).nth(number as usize % PAGE)?;
        (!row.is_empty()).then_some(row)
    }

    /// Every row with its number, in the order of numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let rows = self.pages.iter().flat_map(|page| page_rows(page));
        (0..).zip(rows).filter(|(_, row)| !row.is_empty())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.end as usize - self.free.len()
    }

    /// Puts a row in and gives it a number.
    pub fn insert(&mut self, row: &[u8]) -> u32 {
        let number = self.free.pop_back().unwrap_or_else(|| {
            self.end += 1;
            self.end - 1
        });
        self.set(number, row);
        number
    }

    /// Puts another row in the place of the one with this number.
    pub fn set(&mut self, number: u32, row: &[u8]) {
        let (at, slot) = (number as usize / PAGE, number as usize % PAGE);
        if at == self.pages.len() {
            self.pages.push_back(Arc::default());
        }
        let page = &mut self.pages[at];
        let start: usize = page_rows(page).take(slot).map(taken).sum();
        let rest = start + page_rows(page).nth(slot).map_or(0, taken);
        if rest - start == taken(row)
            && let Some(octets) = Arc::get_mut(page)
        {
            octets[rest - row.len()..rest].copy_from_slice(row);
            return;
        }
        let mut octets = Vec::with_capacity(page.len() + row.len() + 5);
        octets.extend_from_slice(&page[..start]);
        append(&mut octets, row);
        octets.extend_from_slice(&page[rest..]);
        *page = octets.into();
    }

    /// Takes a row out; its number will be given to another one.
    pub fn remove(&mut self, number: u32) {
        self.set(number, &[]);
        self.free.push_back(number);
    }
}

/// Rows put in one after the other, at first: each page is written once.
#[derive(Default)]
pub struct NewRows {
    rows: Rows,
    page: Vec<u8>,
}

impl NewRows {
    /// Adds a row; it has the next number, from 0.
    pub fn push(&mut self, row: &[u8]) -> u32 {
        append(&mut self.page, row);
        self.rows.end += 1;
        if (self.rows.end as usize).is_multiple_of(PAGE) {
            self.end_page();
        }
        self.rows.end - 1
    }

    /// All of them.
    pub fn done(mut self) -> Rows {
        if !self.page.is_empty() {
            self.end_page();
        }
        self.rows
    }

    fn end_page(&mut self) {
        self.rows.pages.push_back(self.page.as_slice().into());
        self.page.clear();
    }
}

/// The rows of a page in order, free numbers as empty ones.
fn page_rows(mut page: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if page.is_empty() {
            return None;
        }
        let (mut length, mut shift) = (0, 0);
        loop {
            let (&octet, rest) = page.split_first()?;
            page = rest;
            length |= usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet < 0x80 {
                break;
            }
        }
        let (row, rest) = page.split_at(length);
        page = rest;
        Some(row)
    })
}

/// Octets a row takes in its page, its length included.
fn taken(row: &[u8]) -> usize {
    let bits = usize::BITS - row.len().leading_zeros();
    row.len() + bits.div_ceil(7).max(1) as usize
}

fn append(page: &mut Vec<u8>, row: &[u8]) {
    let mut length = row.len();
    while length >= 0x80 {
        page.push(length as u8 | 0x80);
        length >>= 7;
    }
    page.push(length as u8);
    page.extend_from_slice(row);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::NewRows;

    /// Mostly short; some around the lengths at which a length grows.
    fn row() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![8 => 1..40usize, 1 => 126..130usize, 1 => 16_382..16_386usize];
        (any::<u8>(), length).prop_map(|(octet, length)| vec![octet; length])
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Vec<u8>),
        Set(usize, Vec<u8>),
        Remove(usize),
        Keep,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => row().prop_map(Step::Insert),
            4 => (any::<usize>(), row()).prop_map(|(at, row)| Step::Set(at, row)),
            4 => any::<usize>().prop_map(Step::Remove),
            1 => Just(Step::Keep),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rows_are_a_map_by_number(
            first in prop::collection::vec(row(), 0..100),
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut rows = NewRows::default();
            let mut model: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            for row in first {
                let number = rows.push(&row);
                prop_assert_eq!(model.insert(number, row), None);
            }
            let mut rows = rows.done();
            let mut kept = (rows.clone(), model.clone());
            for step in steps {
                let some = |at: usize| model.keys().nth(at % model.len().max(1)).copied();
                match step {
                    Step::Insert(row) => {
                        let number = rows.insert(&row);
                        prop_assert_eq!(model.insert(number, row), None);
                    }
                    Step::Set(at, row) => {
                        let Some(number) = some(at) else { continue };
                        rows.set(number, &row);
                        model.insert(number, row);
                    }
                    Step::Remove(at) => {
                        let Some(number) = some(at) else { continue };
                        rows.remove(number);
                        model.remove(&number);
                        prop_assert_eq!(rows.get(number), None);
                    }
                    Step::Keep => kept = (rows.clone(), model.clone()),
                }
                prop_assert_eq!(rows.len(), model.len());
            }
            for (rows, model) in [(rows, model), kept] {
                prop_assert!(rows.iter().eq(model.iter().map(|(n, row)| (*n, row.as_slice()))));
                prop_assert!(model.iter().all(|(n, row)| rows.get(*n) == Some(row)));
            }
        }
    }
}
