//! Signatures over DNS messages (RFC 8945, hmac-sha256), and the hash they are
//! made of (FIPS 180-4), so that the load program needs nothing but itself.

use std::time::{SystemTime, UNIX_EPOCH};

/// `hmac-sha256`.
const ALGORITHM: &[u8] = b"\x0bhmac-sha256\0";

/// A key that a server shares with us.
#[derive(Clone)]
pub struct Key {
    name: Vec<u8>,
    /// The hash after the first block of each of HMAC's two passes: all that
    /// depends on the secret alone.
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Key {
    /// A key whose name is one label, and its secret of at most 64 octets, in
    /// hexadecimal.
    pub fn new(name: &str, secret: &str) -> Key {
        let octet = |at: usize| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("hex");
        let mut block = [0; 64];
        (0..secret.len() / 2).for_each(|at| block[at] = octet(at));
        let begun = |pad: u8| {
            let mut state = START;
            compress(&mut state, &block.map(|octet| octet ^ pad));
            state
        };
        let name = [&[name.len() as u8], name.as_bytes(), &[0]].concat();
        Key { name, inner: begun(0x36), outer: begun(0x5c) }
    }

    /// Signs a message without additional records.
    pub fn sign(&self, message: &mut Vec<u8>) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let timers = [&time.to_be_bytes()[2..], &300u16.to_be_bytes()].concat();
        // Class ANY, TTL 0; no error, no other data.
        let variables =
            [&self.name[..], &[0, 255, 0, 0, 0, 0], ALGORITHM, &timers, &[0; 4]].concat();
        let inner = finish(self.inner, &[&message[..], &variables].concat());
        let mac = finish(self.outer, &inner);
        let id = [message[0], message[1]];
        message[11] = 1;
        message.extend_from_slice(&self.name);
        message.extend([0, 250, 0, 255, 0, 0, 0, 0]);
        message.extend(((ALGORITHM.len() + 16 + mac.len()) as u16).to_be_bytes());
        message.extend_from_slice(ALGORITHM);
        message.extend_from_slice(&timers);
        message.extend((mac.len() as u16).to_be_bytes());
        message.extend_from_slice(&mac);
        message.extend_from_slice(&[id[0], id[1], 0, 0, 0, 0]);
    }
}

/// The hash of 64 octets that `state` has seen, and these.
fn finish(mut state: [u32; 8], octets: &[u8]) -> [u8; 32] {
    let mut rest = octets.to_vec();
    rest.push(0x80);
    rest.resize((rest.len() + 8).next_multiple_of(64) - 8, 0);
    rest.extend((8 * (64 + octets.len() as u64)).to_be_bytes());
    for block in rest.chunks_exact(64) {
        compress(&mut state, block.try_into().expect("64 octets"));
    }
    let mut hash = [0; 32];
    for (at, word) in state.iter().enumerate() {
        hash[4 * at..4 * at + 4].copy_from_slice(&word.to_be_bytes());
    }
    hash
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = [0u32; 64];
    for (word, octets) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes(octets.try_into().expect("four octets"));
    }
    for at in 16..64 {
        let (a, b) = (words[at - 15], words[at - 2]);
        let s0 = a.rotate_right(7) ^ a.rotate_right(18) ^ a >> 3;
        let s1 = b.rotate_right(17) ^ b.rotate_right(19) ^ b >> 10;
        words[at] = words[at - 16].wrapping_add(s0).wrapping_add(words[at - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (word, round) in words.iter().zip(ROUNDS) {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = e & f ^ !e & g;
        let one = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(round).wrapping_add(*word);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let two = s0.wrapping_add(a & b ^ a & c ^ b & c);
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(more);
    }
}

const START: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];
