//! Rows found by name.
//!
//! A row is its name and what is said of it; the name is not kept a second
//! time. What finds it is the pair of the name's hash and the row's number.

use std::hash::BuildHasher;

use super::{NewRows, Pairs, Rows};

/// Names are chosen by strangers: seeded, so that they cannot be chosen to
/// collide.
type Seeded = foldhash::quality::RandomState;

/// Rows found by name, each name once.
#[derive(Clone)]
pub struct Table {
    rows: Rows,
    by_name: Pairs,
    seed: Seeded,
    /// The name in a row.
    name: fn(&[u8]) -> &[u8],
}

/// A table whose rows are put in one after the other, at first.
pub struct NewTable {
    table: Table,
    rows: NewRows,
    hashes: Vec<u32>,
}

impl Table {
    /// An empty one, for rows in which `name` finds the name.
    pub fn new(name: fn(&[u8]) -> &[u8]) -> Table {
        Table { rows: Rows::default(), by_name: Pairs::default(), seed: Seeded::default(), name }
    }

    /// What a name is found by. Others that find rows by names may use it.
    pub fn hash(&self, name: &[u8]) -> u32 {
        self.seed.hash_one(name) as u32
    }

    /// The row of a name, and its number.
    pub fn find(&self, name: &[u8]) -> Option<(u32, &[u8])> {
        let rows = self.by_name.with(self.hash(name)).map(|number| (number, self.row(number)));
        rows.into_iter().find(|(_, row)| (self.name)(row) == name)
    }

    /// The row with this number, if there is one.
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        self.rows.get(number)
    }

    /// The row with this number, which was given by this table.
    ///
    /// # Panics
    /// When the row was removed since.
    pub fn row(&self, number: u32) -> &[u8] {
        self.rows.get(number).expect("whoever has the number of a row forgets it with the row")
    }

    /// Every row with its number, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.rows.iter()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Puts a row in, or in the place of the one of the same name, and says
    /// its number: a name keeps it until it is removed.
    pub fn put(&mut self, row: &[u8]) -> u32 {
        let name = (self.name)(row);
        if let Some((number, _)) = self.find(name) {
            self.rows.set(number, row);
            return number;
        }
        let hash = self.hash(name);
        let number = self.rows.insert(row);
        self.by_name.insert(hash, number);
        number
    }

    /// Takes a row out; its number will be given to another one.
    pub fn remove(&mut self, number: u32) {
        let hash = self.hash((self.name)(self.row(number)));
        self.by_name.remove(hash, number);
        self.rows.remove(number);
    }
}

impl NewTable {
    /// For rows in which `name` finds the name.
    pub fn new(name: fn(&[u8]) -> &[u8]) -> NewTable {
        NewTable { table: Table::new(name), rows: NewRows::default(), hashes: Vec::new() }
    }

    /// Adds a row with a name that none before it has, and says its number.
    pub fn push(&mut self, row: &[u8]) -> u32 {
        self.hashes.push(self.table.hash((self.table.name)(row)));
        self.rows.push(row)
    }

    /// All of them, and a way to find them that is faster than the table's own
    /// as long as it lasts.
    pub fn done(self) -> (Table, Finder) {
        let finder = Finder::of(&self.hashes);
        let by_name = Pairs::of(self.hashes.into_iter().zip(0..));
        (Table { rows: self.rows.done(), by_name, ..self.table }, finder)
    }
}

/// Finds the rows that were put into a new table, for whoever looks many of
/// them up at once: 16 octets a row, in which the table's own pairs take six.
/// Rows put in later are not known to it.
#[derive(Default)]
pub struct Finder {
    /// The hash of a name, and the number of its row, from 1; 0 is a free
    /// place. A row stands at the place of its hash or behind it; half of them
    /// or more are free.
    places: Vec<(u32, u32)>,
}

impl Finder {
    fn of(hashes: &[u32]) -> Finder {
        let mut places = vec![(0, 0); (2 * hashes.len()).next_power_of_two()];
        let mask = places.len() - 1;
        for (&hash, number) in hashes.iter().zip(1..) {
            let mut at = hash as usize & mask;
            while places[at].1 != 0 {
                at = (at + 1) & mask;
            }
            places[at] = (hash, number);
        }
        Finder { places }
    }

    /// The number of a name's row, the hash being [`Table::hash`]'s.
    pub fn find(&self, table: &Table, hash: u32, name: &[u8]) -> Option<u32> {
        let mask = self.places.len().checked_sub(1)?;
        let places = (hash as usize..).map(|at| self.places[at & mask]);
        places.take_while(|(_, number)| *number != 0).find_map(|(its, number)| {
            let row = || table.get(number - 1).is_some_and(|row| (table.name)(row) == name);
            (its == hash && row()).then_some(number - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{NewTable, Table};

    /// The name is what stands before the colon.
    fn name(row: &[u8]) -> &[u8] {
        row.split(|octet| *octet == b':').next().unwrap_or_default()
    }

    fn find(table: &Table, name: &str) -> Option<String> {
        table.find(name.as_bytes()).map(|(_, row)| String::from_utf8(row.to_vec()).unwrap())
    }

    #[test]
    fn names_with_the_same_hash_are_told_apart() {
        let mut table = Table::new(name);
        let (one, two) = (table.put(b"one:1"), table.put(b"two:2"));
        // As if both had the hash of the first.
        let hashes = [table.hash(b"one"), table.hash(b"two")];
        table.by_name.remove(hashes[1], two);
        table.by_name.insert(hashes[0], two);
        assert_eq!(table.find(b"one"), Some((one, &b"one:1"[..])));
        assert_eq!(table.find(b"two"), None);
        table.remove(one);
        assert_eq!(table.find(b"one"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_table_is_a_map_by_name(
            first in prop::collection::btree_map("[a-z]{1,2}", any::<u16>(), 0..300),
            steps in prop::collection::vec(("[a-z]{1,2}", prop::option::weighted(0.6, any::<u32>())), 0..300),
        ) {
            let mut table = NewTable::new(name);
            let mut model = BTreeMap::new();
            for (name, value) in first {
                let row = format!("{name}:{value}");
                table.push(row.as_bytes());
                model.insert(name, row);
            }
            let (mut table, finder) = table.done();
            for name in model.keys().map(String::as_str).chain(["", "abc"]) {
                let number = table.find(name.as_bytes()).map(|(number, _)| number);
                prop_assert_eq!(number.is_some(), model.contains_key(name));
                let hash = table.hash(name.as_bytes());
                prop_assert_eq!(finder.find(&table, hash, name.as_bytes()), number);
            }
            let (kept, kept_model) = (table.clone(), model.clone());
            for (name, value) in steps {
                let number = table.find(name.as_bytes()).map(|(number, _)| number);
                match (value, number) {
                    (Some(value), number) => {
                        let row = format!("{name}:{value}");
                        let now = table.put(row.as_bytes());
                        prop_assert!(number.is_none_or(|number| number == now));
                        model.insert(name, row);
                    }
                    (None, Some(number)) => {
                        table.remove(number);
                        prop_assert!(model.remove(&name).is_some());
                    }
                    (None, None) => prop_assert!(!model.contains_key(&name)),
                }
            }
            for (table, model) in [(table, model), (kept, kept_model)] {
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.iter().count(), model.len());
                for (name, row) in model {
                    prop_assert_eq!(find(&table, &name), Some(row));
                }
            }
        }
    }
}
