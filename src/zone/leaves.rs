//! A persistent, growing array of leaves: what the versions of a table share.
//!
//! Three levels of 64, the topmost as long as it needs to be. Unlike a general
//! persistent vector it keeps nothing beside its pointers, so that on the way to
//! a leaf only the last read, of its own pointer, may miss the cache.

use std::sync::Arc;

/// One piece of memory.
pub type Leaf = Arc<[u8]>;

/// Pointers in a node.
const WIDTH: usize = 64;

type Page = Arc<[Option<Leaf>; WIDTH]>;
type Section = Arc<[Option<Page>; WIDTH]>;

/// A persistent array of leaves: a clone shares everything, a change copies
/// the way to one leaf.
#[derive(Clone, Default)]
pub struct Leaves {
    sections: Arc<Vec<Section>>,
    count: usize,
}

impl Leaves {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// One of them, by its number.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub fn get(&self, number: usize) -> &Leaf {
        let page = &self.sections[number / (WIDTH * WIDTH)][number / WIDTH % WIDTH];
        let leaf = page.as_ref().and_then(|page| page[number % WIDTH].as_ref());
        leaf.expect("the number of a leaf")
    }

    /// Puts another one in the place of one.
    pub fn set(&mut self, number: usize, leaf: Leaf) {
        *self.slot(number) = Some(leaf);
    }

    /// Adds one behind the last.
    pub fn push(&mut self, leaf: Leaf) {
        let number = self.count;
        self.count += 1;
        *self.slot(number) = Some(leaf);
    }

    /// Takes the last one out.
    pub fn pop(&mut self) -> Option<Leaf> {
        self.count = self.count.checked_sub(1)?;
        self.slot(self.count).take()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Leaf> {
        (0..self.count).map(|number| self.get(number))
    }

    /// The place of one, in nodes that no other version shares.
    fn slot(&mut self, number: usize) -> &mut Option<Leaf> {
        let sections = Arc::make_mut(&mut self.sections);
        let section = number / (WIDTH * WIDTH);
        if section == sections.len() {
            sections.push(Arc::new([const { None }; WIDTH]));
        }
        let page = &mut Arc::make_mut(&mut sections[section])[number / WIDTH % WIDTH];
        let page = page.get_or_insert_with(|| Arc::new([const { None }; WIDTH]));
        &mut Arc::make_mut(page)[number % WIDTH]
    }
}
