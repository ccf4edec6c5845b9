//! A persistent hash table of names, packed for the processor's cache.
//!
//! A name server with a million names spends its time waiting for memory, so
//! what a look-up touches is counted in cache lines. Names are spread by their
//! hash over leaves of about [`LOAD`]; a leaf is one piece of memory:
//!
//! ```text
//! count │ tag of each name, zeros up to a whole word │ where each entry starts │ entries
//!   1   │ 8 · words                                  │ 2 · count               │ length of the name, name, value
//! ```
//!
//! A look-up reads the front of one leaf, compares tags (eight more bits of
//! the hash, eight tags at a time), and reads one entry: two lines or three,
//! whatever the size of the table. A change copies one leaf, a kilobyte or
//! two, and the path to it; all other leaves are shared with the version
//! before.
//!
//! The leaves grow and shrink in number one at a time (linear hashing, Litwin
//! 1980), so no change is slower than others because the whole table has to
//! be spread anew.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use super::leaves::Leaves;
use crate::prefetch::prefetch;

/// Names are chosen by strangers: seeded, so that they cannot be chosen to
/// collide.
type Seeded = foldhash::quality::RandomState;

/// Names a leaf on average, right after all leaves were split; twice that
/// right before. More make fewer leaves to find a way through, and more to
/// copy for a change.
const LOAD: usize = 16;

/// The longest value, in octets. Longer ones are the caller's to keep
/// elsewhere: with it, and [`LOAD`], a leaf stays far below the 64 KiB that
/// the starts of its entries reach.
pub const MAX_VALUE: usize = 300;

/// The size of a cache line, in octets.
const LINE: usize = 64;

/// A persistent map from names, in wire form and lower case, to a few octets.
#[derive(Clone)]
pub struct Table {
    seed: Seeded,
    /// Never empty.
    leaves: Leaves,
    count: usize,
}

impl Default for Table {
    fn default() -> Table {
        let mut leaves = Leaves::default();
        leaves.push(Arc::from([0]));
        Table { seed: Seeded::default(), leaves, count: 0 }
    }
}

/// The one leaf a name can stand in, found before it is read, so that the
/// memory of several can be waited for together: first all of
/// [`Spot::fetch_front`], then all of [`Spot::fetch_entry`], then
/// [`Spot::find`].
#[derive(Clone, Copy)]
pub struct Spot<'t> {
    leaf: &'t Arc<[u8]>,
    tag: u8,
    /// The first entry with this tag, once [`Spot::fetch_entry`] has looked.
    first: Option<u8>,
}

/// A name and its value.
#[derive(Clone, Copy)]
pub struct Entry<'t> {
    /// The name, in wire form and lower case.
    pub name: &'t [u8],
    /// What is kept for it.
    pub value: &'t [u8],
}

/// Names that are to be put in at once.
#[derive(Default)]
pub struct NewNames {
    /// Each as it stands in a leaf.
    entries: Vec<u8>,
    /// Where each starts.
    starts: Vec<usize>,
    hashes: Vec<u64>,
}

impl NewNames {
    /// Adds one that neither the table it is for has nor was added before.
    pub fn push(&mut self, table: &Table, name: &[u8], value: &[u8]) {
        assert!(value.len() <= MAX_VALUE, "longer values are kept elsewhere");
        self.hashes.push(table.hash(name));
        self.starts.push(self.entries.len());
        self.entries.push(name.len() as u8);
        self.entries.extend_from_slice(name);
        self.entries.extend_from_slice(value);
    }
}

impl<'t> Entry<'t> {
    /// An entry as it stands in a leaf.
    #[inline]
    fn of(stored: &'t [u8]) -> Entry<'t> {
        let (name, value) = stored[1..].split_at(usize::from(stored[0]));
        Entry { name, value }
    }
}

impl Table {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Where a name stands if it is there.
    #[inline]
    pub fn spot(&self, name: &[u8]) -> Spot<'_> {
        let hash = self.hash(name);
        let leaf = self.leaves.get(leaf_of(hash, self.leaves.len()));
        Spot { leaf, tag: tag_of(hash), first: None }
    }

    /// A name's value.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Entry<'_>> {
        self.spot(name).find(name)
    }

    /// Puts a value in, or another in its place.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) {
        assert!(value.len() <= MAX_VALUE, "longer values are kept elsewhere");
        let hash = self.hash(name);
        let number = leaf_of(hash, self.leaves.len());
        let leaf = self.leaves.get(number);
        let old = find(leaf, tag_of(hash), name).map(|(at, _)| at);
        let new = Entry { name, value };
        let leaf = changed(leaf, old, Some((tag_of(hash), new)));
        self.leaves.set(number, leaf);
        if old.is_none() {
            self.count += 1;
            if self.count > LOAD * self.leaves.len() {
                self.split();
            }
        }
    }

    /// Puts in names that are not there, all at once: each leaf is written
    /// once, not once for each of its names.
    pub fn insert_new(&mut self, names: NewNames) {
        let NewNames { entries, starts, hashes } = names;
        let old: Vec<(u64, Entry<'_>)> =
            self.iter().map(|entry| (self.hash(entry.name), entry)).collect();
        let count = old.len() + starts.len();
        let leaves = count.div_ceil(LOAD).max(1);
        // The leaf of each name before its number: in order, the names of a
        // leaf stand together.
        let hashes = old.iter().map(|(hash, _)| *hash).chain(hashes);
        let mut order: Vec<(u32, u32, u8)> = hashes
            .zip(0..)
            .map(|(hash, name)| (leaf_of(hash, leaves) as u32, name, tag_of(hash)))
            .collect();
        order.sort_unstable();
        let entry = |name: usize| match name.checked_sub(old.len()) {
            None => old[name].1,
            Some(new) => {
                let end = starts.get(new + 1).copied().unwrap_or(entries.len());
                Entry::of(&entries[starts[new]..end])
            }
        };
        let mut built = Leaves::default();
        let mut names = order.iter().peekable();
        let mut of_leaf = Vec::new();
        for leaf in 0..leaves as u32 {
            of_leaf.clear();
            while let Some((_, name, tag)) = names.next_if(|(of, ..)| *of == leaf) {
                of_leaf.push((*tag, entry(*name as usize)));
            }
            built.push(packed(&of_leaf));
        }
        (self.leaves, self.count) = (built, count);
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &[u8]) {
        let hash = self.hash(name);
        let number = leaf_of(hash, self.leaves.len());
        let leaf = self.leaves.get(number);
        let Some((old, _)) = find(leaf, tag_of(hash), name) else { return };
        let leaf = changed(leaf, Some(old), None);
        self.leaves.set(number, leaf);
        self.count -= 1;
        if self.count < LOAD / 2 * (self.leaves.len() - 1) {
            self.merge();
        }
    }

    /// Everything there is, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.leaves.iter().flat_map(|leaf| tagged(leaf)).map(|(_, entry)| entry)
    }

    /// One leaf more: what belongs into it moves there from one other.
    fn split(&mut self) {
        let new = self.leaves.len();
        let from = buddy_of(new);
        let (go, stay): (Vec<_>, Vec<_>) = tagged(self.leaves.get(from))
            .partition(|(_, entry)| leaf_of(self.hash(entry.name), new + 1) == new);
        let (go, stay) = (packed(&go), packed(&stay));
        self.leaves.set(from, stay);
        self.leaves.push(go);
    }

    /// One leaf less.
    fn merge(&mut self) {
        let last = self.leaves.pop().expect("merged when there are two");
        let to = buddy_of(self.leaves.len());
        let both: Vec<_> = tagged(self.leaves.get(to)).chain(tagged(&last)).collect();
        let both = packed(&both);
        self.leaves.set(to, both);
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(name);
        hasher.finish()
    }
}

impl<'t> Spot<'t> {
    /// Has the leaf's address brought into the processor's cache. Like the
    /// next two it does not wait for that.
    #[inline]
    pub fn fetch_leaf(&self) {
        prefetch(self.leaf);
    }

    /// Has the front of the leaf brought in.
    #[inline]
    pub fn fetch_front(&self) {
        prefetch(&self.leaf[0]);
        prefetch(&self.leaf[LINE.min(self.leaf.len() - 1)]);
    }

    /// Has the entry brought in, once the front has come.
    #[inline]
    pub fn fetch_entry(&mut self) {
        let front = Front::of(self.leaf);
        if let Some(at) = front.with_tag(self.tag).next() {
            let start = front.start(at);
            prefetch(&self.leaf[start]);
            prefetch(&self.leaf[(start + LINE).min(self.leaf.len() - 1)]);
            self.first = Some(at as u8);
        }
    }

    /// The entry of this name, whose spot it is.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Entry<'t>> {
        if let Some(first) = self.first
            && let Some(entry) = Front::of(self.leaf).named(self.leaf, first.into(), name)
        {
            return Some(entry);
        }
        find(self.leaf, self.tag, name).map(|(_, entry)| entry)
    }
}

/// Which of `leaves` leaves a hash belongs to: the lowest bits that number
/// them all, one bit less where that leaf is yet to come.
#[inline]
fn leaf_of(hash: u64, leaves: usize) -> usize {
    let mask = leaves.next_power_of_two() - 1;
    let number = hash as usize & mask;
    if number < leaves { number } else { number & (mask >> 1) }
}

/// The leaf that held what belongs to leaf `number` before there was one.
fn buddy_of(number: usize) -> usize {
    number ^ (1 << number.ilog2())
}

/// Bits of the hash that no number of leaves uses.
#[inline]
fn tag_of(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// A leaf without its entries.
struct Front<'t> {
    /// Eight in a word, the first the lowest.
    tags: &'t [[u8; WORD]],
    starts: &'t [[u8; 2]],
}

/// Tags that are compared at a time.
const WORD: usize = 8;

/// Octets before the entries of a leaf of so many names.
fn front(names: usize) -> usize {
    1 + names.next_multiple_of(WORD) + 2 * names
}

impl<'t> Front<'t> {
    #[inline]
    fn of(leaf: &'t [u8]) -> Front<'t> {
        let count = usize::from(leaf[0]);
        let (tags, rest) = leaf[1..].split_at(count.next_multiple_of(WORD));
        Front { tags: tags.as_chunks().0, starts: &rest.as_chunks().0[..count] }
    }

    /// Where an entry starts in the leaf.
    #[inline]
    fn start(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes(self.starts[at]))
    }

    /// The tag of an entry.
    fn tag(&self, at: usize) -> u8 {
        self.tags[at / WORD][at % WORD]
    }

    /// The entries that may have this tag: certainly those that do, rarely
    /// one right behind such a one that does not.
    #[inline]
    fn with_tag(&self, tag: u8) -> impl Iterator<Item = usize> {
        const LOWEST: u64 = u64::from_le_bytes([1; WORD]);
        const HIGHEST: u64 = LOWEST << 7;
        let (same, count) = (LOWEST * u64::from(tag), self.starts.len());
        let words = self.tags.iter().enumerate().flat_map(move |(number, word)| {
            // The highest bit of each octet that became zero (Mycroft's trick).
            let other = u64::from_le_bytes(*word) ^ same;
            let mut found = other.wrapping_sub(LOWEST) & !other & HIGHEST;
            std::iter::from_fn(move || {
                let at =
                    (found != 0).then(|| WORD * number + found.trailing_zeros() as usize / 8)?;
                found &= found - 1;
                Some(at)
            })
        });
        words.take_while(move |at| *at < count)
    }

    /// The entry, if it has this name.
    #[inline]
    fn named(&self, leaf: &'t [u8], at: usize, name: &[u8]) -> Option<Entry<'t>> {
        let entry = self.entry(leaf, at);
        (entry.name == name).then_some(entry)
    }

    #[inline]
    fn entry(&self, leaf: &'t [u8], at: usize) -> Entry<'t> {
        let start = self.start(at);
        let end = self.starts.get(at + 1).map_or(leaf.len(), |_| self.start(at + 1));
        Entry::of(&leaf[start..end])
    }
}

/// The entry of a leaf that has this name, and its number.
#[inline]
fn find<'t>(leaf: &'t [u8], tag: u8, name: &[u8]) -> Option<(usize, Entry<'t>)> {
    let front = Front::of(leaf);
    front.with_tag(tag).find_map(|at| Some((at, front.named(leaf, at, name)?)))
}

/// The entries of a leaf, each with its tag.
fn tagged(leaf: &[u8]) -> impl Iterator<Item = (u8, Entry<'_>)> {
    let front = Front::of(leaf);
    (0..front.starts.len()).map(move |at| (front.tag(at), front.entry(leaf, at)))
}

/// A leaf of these entries.
fn packed(entries: &[(u8, Entry<'_>)]) -> Arc<[u8]> {
    let fresh = front(entries.len());
    let length = fresh + entries.iter().map(|(_, entry)| size(entry)).sum::<usize>();
    let mut leaf: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let out = Arc::get_mut(&mut leaf).expect("nobody else has it yet");
    out[0] = count_octet(entries.len());
    let (tags, starts) = out[1..].split_at_mut(entries.len().next_multiple_of(WORD));
    let (starts, mut rest) = starts.split_at_mut(2 * entries.len());
    let mut start = fresh;
    let slots = tags.iter_mut().zip(starts.as_chunks_mut::<2>().0);
    for ((tag, entry), (tag_at, start_at)) in entries.iter().zip(slots) {
        (*tag_at, *start_at) = (*tag, start_octets(start));
        let (own, behind) = rest.split_at_mut(size(entry));
        put(own, entry);
        start += own.len();
        rest = behind;
    }
    leaf
}

/// Octets of an entry.
fn size(entry: &Entry<'_>) -> usize {
    1 + entry.name.len() + entry.value.len()
}

/// Writes an entry into as many octets as it takes.
fn put(out: &mut [u8], Entry { name, value }: &Entry<'_>) {
    out[0] = u8::try_from(name.len()).expect("a name has at most 255 octets");
    out[1..1 + name.len()].copy_from_slice(name);
    out[1 + name.len()..].copy_from_slice(value);
}

/// How many names a leaf has. A seeded hash that puts 256 names, or 64 KiB of
/// them, into one leaf where 32 at most are expected is less likely than a
/// broken machine.
fn count_octet(names: usize) -> u8 {
    u8::try_from(names).expect("a leaf has some dozens of names")
}

fn start_octets(start: usize) -> [u8; 2] {
    u16::try_from(start).expect("a leaf has some kilobytes").to_le_bytes()
}

/// The same leaf without one of its entries, and with another.
fn changed(leaf: &[u8], old: Option<usize>, new: Option<(u8, Entry<'_>)>) -> Arc<[u8]> {
    let before = Front::of(leaf);
    let count = before.starts.len();
    let names = count - usize::from(old.is_some()) + usize::from(new.is_some());
    // Where the old entry starts, and what is behind it.
    let (cut, resume) = match old {
        Some(old) => {
            let start = before.start(old);
            (start, start + size(&before.entry(leaf, old)))
        }
        None => (leaf.len(), leaf.len()),
    };
    let (first, fresh) = (front(count), front(names));
    let end = fresh + (cut - first) + (leaf.len() - resume);
    let length = end + new.as_ref().map_or(0, |(_, entry)| size(entry));
    let mut leaf_after: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let out = Arc::get_mut(&mut leaf_after).expect("nobody else has it yet");

    out[0] = count_octet(names);
    let (tags, starts) = out[1..fresh].split_at_mut(fresh - 1 - 2 * names);
    let mut slots = tags.iter_mut().zip(starts.as_chunks_mut::<2>().0);
    let mut note = |tag: u8, start: usize| {
        let (tag_at, start_at) = slots.next().expect("a slot for each name");
        (*tag_at, *start_at) = (tag, start_octets(start));
    };
    for at in (0..count).filter(|at| Some(*at) != old) {
        let start = before.start(at);
        let gone = if start < resume { 0 } else { resume - cut };
        note(before.tag(at), start - first + fresh - gone);
    }
    if let Some((tag, _)) = new {
        note(tag, end);
    }
    let (front, back) = (&leaf[first..cut], &leaf[resume..]);
    out[fresh..fresh + front.len()].copy_from_slice(front);
    out[fresh + front.len()..end].copy_from_slice(back);
    if let Some((_, entry)) = new {
        put(&mut out[end..], &entry);
    }
    leaf_after
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{MAX_VALUE, NewNames, Table};

    /// Whatever is put in and taken out, and whenever a version is kept: each
    /// version holds what an ordered map holds.
    #[test]
    fn a_table_is_a_map_and_its_versions_stay_as_they_were() {
        let changes = prop::collection::vec((0u16..600, prop::option::of(0..=MAX_VALUE)), 0..3000);
        proptest!(ProptestConfig::with_cases(32), |(changes in changes, kept in 0usize..3000)| {
            let (mut table, mut model) = (Table::default(), BTreeMap::new());
            let mut version = None;
            for (turn, (name, value)) in changes.into_iter().enumerate() {
                if turn == kept {
                    version = Some((table.clone(), model.clone()));
                }
                let name = format!("{name:0width$}", width = usize::from(name) % 256).into_bytes();
                match value {
                    Some(length) => {
                        let value = vec![turn as u8; length];
                        table.insert(&name, &value);
                        model.insert(name, value);
                    }
                    None => {
                        table.remove(&name);
                        model.remove(&name);
                    }
                }
            }
            for (table, model) in [(table, model)].into_iter().chain(version) {
                prop_assert_eq!(table.len(), table.iter().count());
                let entries = table.iter().map(|entry| (entry.name.to_vec(), entry.value.to_vec()));
                prop_assert_eq!(&entries.collect::<BTreeMap<_, _>>(), &model);
                for (name, value) in &model {
                    prop_assert_eq!(table.get(name).map(|entry| entry.value), Some(&value[..]));
                }
                prop_assert!(table.get(b"nobody").is_none());
            }
        });
    }

    /// Names put in at once are there like those put in one by one, and so are
    /// those that were there before.
    #[test]
    fn names_put_in_at_once_are_a_map_too() {
        let names =
            (prop::collection::btree_set(0u32..5000, 0..600), 0usize..100, 0usize..MAX_VALUE);
        proptest!(ProptestConfig::with_cases(64), |((names, before, length) in names)| {
            let mut table = Table::default();
            let mut new = NewNames::default();
            let mut model = BTreeMap::new();
            for (turn, number) in names.into_iter().enumerate() {
                let name = format!("{number:0width$}", width = number as usize % 256).into_bytes();
                let value = vec![turn as u8; (length + turn) % (MAX_VALUE + 1)];
                if turn < before {
                    table.insert(&name, &value);
                } else {
                    new.push(&table, &name, &value);
                }
                prop_assert_eq!(model.insert(name, value), None);
            }
            table.insert_new(new);
            prop_assert_eq!(table.len(), model.len());
            // They go on as a table that was always one: leaves split and merge.
            let mut number = 0u32;
            while model.len() < 700 {
                let name = format!("more{number}").into_bytes();
                table.insert(&name, b"x");
                model.insert(name, b"x".to_vec());
                number += 1;
            }
            let entries = table.iter().map(|entry| (entry.name.to_vec(), entry.value.to_vec()));
            prop_assert_eq!(&entries.collect::<BTreeMap<_, _>>(), &model);
            for (name, value) in std::mem::take(&mut model) {
                prop_assert_eq!(table.get(&name).map(|entry| entry.value), Some(&value[..]));
                table.remove(&name);
            }
            prop_assert_eq!((table.len(), table.iter().count()), (0, 0));
        });
    }

    #[test]
    fn leaves_come_and_go_with_the_names() {
        let mut table = Table::default();
        let name = |number: u32| number.to_be_bytes();
        for number in 0..100_000 {
            table.insert(&name(number), b"");
        }
        assert_eq!(table.leaves.len(), 100_000 / super::LOAD);
        for number in 0..100_000 {
            table.remove(&name(number));
        }
        assert_eq!((table.len(), table.leaves.len()), (0, 1));
    }
}
