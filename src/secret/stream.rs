//! An endless byte stream from a derived seed, for keys that need more than 32 bytes or several tries.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Block `i` (from 0) is HMAC-SHA256(seed, `i` as a 64-bit big-endian number); the stream is the blocks in order.
pub struct KeyStream {
    seed: Zeroizing<[u8; 32]>,
    next: u64,
    rest: Zeroizing<Vec<u8>>,
}

impl KeyStream {
    pub fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { seed, next: 0, rest: Zeroizing::new(Vec::new()) }
    }

    /// The next 32 bytes, at the next block's start.
    pub fn block(&mut self) -> Zeroizing<[u8; 32]> {
        let counter = self.next.to_be_bytes();
        self.next += 1;
        Zeroizing::new(hmac_sha256(self.seed.as_slice(), &[&counter]))
    }

    /// Fills `out` with the stream's next bytes. What is left of the last block starts the next call.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut filled = 0;
        while filled < out.len() {
            if self.rest.is_empty() {
                self.rest = Zeroizing::new(self.block().to_vec());
            }
            let take = self.rest.len().min(out.len() - filled);
            out[filled..filled + take].copy_from_slice(&self.rest[..take]);
            self.rest = Zeroizing::new(self.rest[take..].to_vec());
            filled += take;
        }
    }
}

/// HMAC-SHA256 (RFC 2104) over the parts one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length");
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_does_not_depend_on_how_it_is_read() {
        let stream = || KeyStream::new(Zeroizing::new([9; 32]));
        let mut whole = [0; 100];
        stream().fill(&mut whole);
        let (mut pieces, mut at, mut reader) = ([0; 100], 0, stream());
        for size in [1, 31, 33, 0, 35] {
            reader.fill(&mut pieces[at..at + size]);
            at += size;
        }
        assert_eq!((at, pieces), (100, whole));
        assert_eq!(stream().block().as_slice(), &whole[..32]);
    }

    #[test]
    fn hmac_matches_rfc_4231_case_2() {
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
