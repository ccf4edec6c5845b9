//! Values as octets in memory: postcard's form.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// A value's octets.
pub fn octets(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("a vector takes any octets")
}

/// Puts a value's octets in the place of what is there.
pub fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    out.clear();
    postcard::serialize_with_flavor(value, Into(out)).expect("a vector takes any octets");
}

/// A row that is written into memory which is there already.
struct Into<'a>(&'a mut Vec<u8>);

impl Flavor for Into<'_> {
    type Output = ();

    fn try_push(&mut self, octet: u8) -> postcard::Result<()> {
        self.0.push(octet);
        Ok(())
    }

    fn try_extend(&mut self, octets: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(octets);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// What [`octets`] or [`write`] wrote.
pub fn read<'a, T: Deserialize<'a>>(row: &'a [u8]) -> T {
    postcard::from_bytes(row).expect("what was written here is read here")
}
