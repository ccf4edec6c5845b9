//! Texts that nobody should write: changed in places, with pieces that mean
//! something put in or repeated.

use crate::dice::Dice;

/// Changes a text in a place or some.
pub fn mutate(octets: &mut Vec<u8>, dice: &mut Dice, pieces: &[&str]) {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(octets.len() + 1);
        let piece = pieces[dice.roll(pieces.len())].as_bytes();
        match dice.roll(9) {
            0 | 1 => drop(octets.splice(at..at, piece.iter().copied())),
            2 => drop(octets.splice(at..at, piece.repeat(1 + dice.roll(20)))),
            3 => octets.truncate(at),
            4 => {
                let end = (at + 1 + dice.roll(12)).min(octets.len());
                octets.drain(at..end);
            }
            5 => {
                // What is there, in another's place.
                let end = (at + dice.roll(40)).min(octets.len());
                let copy = octets[at..end].to_vec();
                let to = dice.roll(octets.len() + 1);
                octets.splice(to..to, copy);
            }
            6 => octets.insert(at, dice.roll(256) as u8),
            _ if octets.is_empty() => octets.extend_from_slice(piece),
            7 => {
                let at = at.min(octets.len() - 1);
                octets[at] ^= 1 << dice.roll(8);
            }
            _ => {
                // One line in another's place.
                let lines: Vec<&[u8]> = octets.split(|octet| *octet == b'\n').collect();
                let (from, to) = (dice.roll(lines.len()), dice.roll(lines.len()));
                let mut lines = lines;
                lines[to] = lines[from];
                *octets = lines.join(&b'\n');
            }
        }
    }
}
