//! DNS messages that nobody should send, made by somebody who knows the
//! language: compression that leads in circles, the longest names, counts that
//! lie, OPT and TSIG where they do not belong, ends in the middle.

use crate::dice::Dice;

/// Names that servers here know, nearly know, and do not.
const NAMES: [&str; 14] = [
    "",
    "example",
    "home.example",
    "x.home.example",
    "_acme-challenge.home.example",
    "www.example",
    "a.b.c.example",
    "x.wild.example",
    "x.ns.sub.example",
    "big.example",
    "many.example",
    "nas.example",
    "test",
    "version.bind",
];

/// Types that are read in some way of their own, and some that are not.
const TYPES: [u16; 24] = [
    0, 1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 41, 43, 64, 65, 249, 250, 251, 252, 253, 255, 257,
    65_280,
];

const CLASSES: [u16; 7] = [1, 1, 1, 254, 255, 3, 0];

const OPCODES: [u8; 8] = [0, 0, 0, 4, 5, 5, 1, 2];

/// A message being made.
struct Draft<'d> {
    out: Vec<u8>,
    /// Where names begin that others may point to.
    starts: Vec<usize>,
    dice: &'d mut Dice,
}

/// A message from its first octet to its last, or not quite.
pub fn message(dice: &mut Dice) -> Vec<u8> {
    let opcode = OPCODES[dice.roll(OPCODES.len())];
    let flags = [opcode << 3 | dice.roll(2) as u8, [0, 0, 0, 0x10, 0x20, 0x40][dice.roll(6)]];
    let mut draft = Draft { out: vec![0x12, 0x67, flags[0], flags[1]], starts: Vec::new(), dice };
    draft.out.resize(12, 0);
    let mut counts = [[1, 1, 1, 1, 1, 0, 2, 3][draft.dice.roll(8)], 0, 0, 0];
    for _ in 0..counts[0] {
        draft.name();
        let rtype = if opcode == 0 { draft.rtype() } else { 6 };
        draft.number(rtype);
        draft.class();
    }
    for (section, count) in counts.iter_mut().enumerate().skip(1) {
        *count = match (opcode, section) {
            (0, 1 | 2) => usize::from(draft.dice.roll(8) == 0),
            (_, 3) => [0, 0, 1, 1, 1, 2, 3][draft.dice.roll(7)],
            _ => draft.dice.roll(4),
        };
        for number in 0..*count {
            match (section, draft.dice.roll(6)) {
                (3, 0..3) => draft.opt(),
                (3, 3 | 4) if number + 1 == *count => draft.tsig(),
                (_, 5) if draft.dice.roll(8) == 0 => draft.opt(),
                (_, 5) if draft.dice.roll(8) == 0 => draft.tsig(),
                _ => draft.record(),
            }
        }
    }
    for (number, count) in counts.into_iter().enumerate() {
        let lie = [0, 1, count + 1, count.saturating_sub(1), 0xff, 0xffff];
        let count = if draft.dice.roll(20) == 0 { lie[draft.dice.roll(6)] } else { count };
        draft.out[4 + 2 * number..][..2].copy_from_slice(&(count as u16).to_be_bytes());
    }
    let mut out = draft.out;
    match dice.roll(12) {
        0 => out.truncate(dice.roll(out.len())),
        1 => out.extend(std::iter::repeat_n(dice.roll(256) as u8, 1 + dice.roll(20))),
        _ => {}
    }
    out
}

impl Draft<'_> {
    fn number(&mut self, number: u16) {
        self.out.extend(number.to_be_bytes());
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.roll(of.len())]
    }

    fn rtype(&mut self) -> u16 {
        self.one(&TYPES)
    }

    fn class(&mut self) {
        let class = self.one(&CLASSES);
        self.number(class);
    }

    fn octets(&mut self, most: usize) {
        for _ in 0..self.dice.roll(most + 1) {
            self.out.push(self.dice.roll(256) as u8);
        }
    }

    fn labels(&mut self, text: &str) {
        for label in text.split('.').filter(|label| !label.is_empty()) {
            self.out.push(label.len() as u8);
            let upper = self.dice.roll(4) == 0;
            let label = if upper { label.to_ascii_uppercase() } else { label.to_owned() };
            self.out.extend_from_slice(label.as_bytes());
        }
    }

    fn pointer(&mut self, to: usize) {
        self.number(0xc000 | (to as u16 & 0x3fff));
    }

    /// Where somebody would point who means well: at a name, or into one.
    fn earlier(&mut self) -> usize {
        match self.starts.len() {
            0 => 12,
            count => self.starts[self.dice.roll(count)],
        }
    }

    /// A name, of any of the kinds there are.
    fn name(&mut self) {
        let here = self.out.len();
        let known = self.one(&NAMES);
        match self.dice.roll(24) {
            // As long as they may be, and one octet longer.
            0 => self.long(&[63, 63, 63, 61]),
            1 => self.long(&[63, 63, 63, 62]),
            2 => self.long(&[1; 127]),
            3 => self.long(&[1; 128]),
            // As long with the rest of another.
            4 => {
                let to = self.earlier();
                let most = 240 - self.dice.roll(60);
                for _ in 0..most / 31 {
                    self.label(30);
                }
                self.pointer(to);
            }
            // A label that is none.
            5 => {
                let picked = self.one(&[0x40, 0x7f, 0x80, 0xbf]);
                self.out.push(picked);
                self.octets(70);
            }
            // Pointers at themselves, forward, into the header, in a circle, at
            // nothing, into the middle of a label.
            6 => self.pointer(here),
            7 => {
                let to = here + 2 + self.dice.roll(40);
                self.pointer(to);
            }
            8 => {
                let to = self.dice.roll(12);
                self.pointer(to);
            }
            9 => {
                self.pointer(here + 2);
                self.pointer(here);
            }
            10 => {
                self.labels("a");
                self.pointer(here);
            }
            11 => self.pointer(0x3fff),
            12 => {
                let to = self.earlier() + 1 + self.dice.roll(12);
                self.pointer(to);
            }
            // A pointer at a pointer at a pointer.
            13 => {
                let mut to = self.earlier();
                for _ in 0..self.dice.roll(20) {
                    let next = self.out.len();
                    self.pointer(to);
                    to = next;
                }
                self.pointer(to);
            }
            14..18 if !self.starts.is_empty() => {
                let to = self.earlier();
                if self.dice.roll(2) == 0 {
                    let picked = self.one(&["x", "www", "home", "*", "_acme-challenge"]);
                    self.labels(picked);
                }
                self.pointer(to);
            }
            _ => {
                self.labels(known);
                self.out.push(0);
            }
        }
        self.starts.push(here);
    }

    fn label(&mut self, length: u8) {
        self.out.push(length);
        let letter = b"aZ0-*\0."[self.dice.roll(7)];
        self.out.extend(std::iter::repeat_n(letter, length.into()));
    }

    fn long(&mut self, labels: &[u8]) {
        for length in labels {
            self.label(*length);
        }
        self.out.push(0);
    }

    /// What follows owner and type of a record: class, TTL, data with its
    /// length, which may lie.
    fn rest(&mut self, ttl: u32, data: impl FnOnce(&mut Self)) {
        self.out.extend(ttl.to_be_bytes());
        let start = self.out.len();
        self.number(0);
        data(self);
        let length = self.out.len() - start - 2;
        let length = match self.dice.roll(24) {
            0 => 0,
            1 => length + 1,
            2 => length.saturating_sub(1),
            3 => 0xffff,
            _ => length,
        };
        self.out[start..start + 2].copy_from_slice(&(length as u16).to_be_bytes());
    }

    fn record(&mut self) {
        self.name();
        let rtype = self.rtype();
        self.number(rtype);
        self.class();
        let ttl = [0, 0, 60, 300, u32::MAX, 1 << 31][self.dice.roll(6)];
        if self.dice.roll(4) == 0 {
            return self.rest(0, |_| {});
        }
        self.rest(ttl, |draft| draft.data(rtype));
    }

    fn data(&mut self, rtype: u16) {
        let numbers = |draft: &mut Self, count: usize| {
            for _ in 0..count {
                draft.out.push(draft.dice.roll(3) as u8);
            }
        };
        match rtype {
            1 => self.out.extend([192, 0, 2, self.dice.roll(256) as u8]),
            28 => self.out.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
            2 | 5 | 12 => self.name(),
            6 => {
                self.name();
                self.name();
                numbers(self, 20);
            }
            15 => {
                numbers(self, 2);
                self.name();
            }
            33 => {
                numbers(self, 6);
                self.name();
            }
            13 | 16 => {
                for _ in 0..=self.dice.roll(3) {
                    let length = self.dice.roll(6) as u8;
                    self.label(length);
                }
            }
            35 => {
                numbers(self, 4);
                for _ in 0..3 {
                    self.label(1);
                }
                self.name();
            }
            64 | 65 => {
                numbers(self, 2);
                self.name();
                for key in 0..self.dice.roll(4) as u16 {
                    self.number(key);
                    self.number(4);
                    numbers(self, 4);
                }
            }
            257 => {
                self.out.push(0);
                self.labels("issue");
                self.labels("ca");
            }
            _ => self.octets(12),
        }
    }

    fn opt(&mut self) {
        if self.dice.roll(8) == 0 {
            self.name();
        } else {
            self.out.push(0);
        }
        self.number(41);
        let picked = self.one(&[0, 511, 512, 1232, 4096, 65_535]);
        self.number(picked);
        let ttl = [0, 0, 0x8000, 0x1_0000, 0xff00_0000, 0x7fff][self.dice.roll(6)];
        self.rest(ttl, |draft| {
            for _ in 0..draft.dice.roll(4) {
                // NSID, DAU, client subnet, expire, cookie, keepalive, padding,
                // chain, error.
                let code = [3, 5, 8, 9, 10, 10, 11, 12, 13, 15, 65_001][draft.dice.roll(11)];
                draft.number(code);
                let length = [0, 1, 2, 4, 7, 8, 9, 16, 24, 32, 40, 41][draft.dice.roll(12)];
                let said = if draft.dice.roll(16) == 0 { 0xffff } else { length };
                draft.number(said);
                for _ in 0..length {
                    draft.out.push(draft.dice.roll(4) as u8);
                }
            }
        });
    }

    fn tsig(&mut self) {
        if self.dice.roll(3) == 0 {
            self.name();
        } else {
            let picked = self.one(&["abcdefgh", "nobodyis"]);
            self.labels(picked);
            self.out.push(0);
        }
        self.number(250);
        let picked = self.one(&[255, 255, 255, 1]);
        self.number(picked);
        let ttl = u32::from(self.dice.roll(12) == 0);
        self.rest(ttl, |draft| {
            let algorithm = ["hmac-sha256", "hmac-sha512", "hmac-md5", "HMAC-SHA384"];
            let algorithm = draft.one(&algorithm);
            draft.labels(algorithm);
            draft.out.push(0);
            draft.out.extend([0, 0, 0x69, 0x55, 0xb9, 0x80]);
            draft.number(300);
            let length = [0, 9, 10, 16, 31, 32, 33, 64][draft.dice.roll(8)];
            draft.number(length);
            for _ in 0..length {
                draft.out.push(draft.dice.roll(256) as u8);
            }
            draft.number(0x1267);
            let picked = draft.one(&[0, 16, 17, 18, 1]);
            draft.number(picked);
            let other = draft.dice.roll(2) as u16 * 6;
            draft.number(other);
            draft.out.extend(std::iter::repeat_n(0, other.into()));
        });
    }
}

/// Changes a message in a place or some, or makes another one.
pub fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    if octets.len() < 13 || dice.roll(6) == 0 {
        *octets = message(dice);
        return;
    }
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(octets.len());
        match dice.roll(10) {
            0 => octets[at] = dice.roll(256) as u8,
            1 => octets[at] ^= 1 << dice.roll(8),
            2 => octets[at] = [0, 1, 12, 0x3f, 0x40, 0x80, 0xc0, 0xff][dice.roll(8)],
            3 => octets.insert(at, [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff][dice.roll(7)]),
            4 => drop(octets.remove(at)),
            5 => octets.truncate(at),
            6 => {
                // A count that lies.
                let at = (4 + dice.roll(8)).min(octets.len() - 1);
                octets[at] = [0, 1, 2, 3, 0xff][dice.roll(5)];
            }
            7 => {
                // A piece of it once more, somewhere.
                let length = dice.roll(40).min(octets.len() - at);
                let piece = octets[at..at + length].to_vec();
                let to = dice.roll(octets.len());
                octets.splice(to..to, piece);
            }
            8 => {
                // The end of another message.
                let other = message(dice);
                octets.truncate(at);
                octets.extend_from_slice(&other[dice.roll(other.len().max(1)).min(other.len())..]);
            }
            _ => {
                // One more record at the end, and said so.
                let mut draft = Draft { out: std::mem::take(octets), starts: vec![12], dice };
                match draft.dice.roll(3) {
                    0 => draft.record(),
                    1 => draft.opt(),
                    _ => draft.tsig(),
                }
                *octets = draft.out;
                octets[11] = octets[11].wrapping_add(1);
            }
        }
        if octets.len() < 13 {
            octets.resize(13, 0);
        }
    }
}
