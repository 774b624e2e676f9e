//! RSA private keys from a seed: the same seed and size always give the same key, whatever any library's own key
//! generation does.

use super::modular::Modulus;
use crate::secret::KeyStream;
use rsa::{BigUint, RsaPrivateKey};
use zeroize::Zeroizing;

/// The public exponent, as everybody uses it. Prime, which [`find_prime`] relies on.
const EXPONENT: u32 = 65_537;
/// Odd candidates looked at from one starting point.
const WINDOW: usize = 8_192;
/// Miller-Rabin rounds with bases from the stream, after one with base 2. For random candidates of 1024 bits and more,
/// FIPS 186-5 (table B.1) asks for at most five for an error below 2^-112.
const ROUNDS: usize = 8;

/// The key of `bits` bits (even, at least 2048) whose primes come from two streams.
///
/// Each prime has `bits / 2` bits and is searched in its own thread, since this is slow. When both together make no key
/// (they would have to be equal), the streams are read on.
pub fn derive(bits: usize, mut first: KeyStream, mut second: KeyStream) -> RsaPrivateKey {
    let small_primes = small_primes(sieved(bits / 2));
    loop {
        let (p, q) = std::thread::scope(|scope| {
            let p = scope.spawn(|| find_prime(bits / 2, &mut first, &small_primes));
            let q = find_prime(bits / 2, &mut second, &small_primes);
            match p.join() {
                Ok(p) => (p, q),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        // The larger one first, so that which stream found which does not matter.
        let (p, q) = if p > q { (p, q) } else { (q, p) };
        if let Ok(key) = RsaPrivateKey::from_p_q(p, q, BigUint::from(EXPONENT)) {
            return key;
        }
    }
}

/// The next prime of `bits` bits (a multiple of 8) from the stream.
///
/// Reads `bits / 8` bytes as a big-endian number and sets its two highest bits and its lowest. Of this number and the
/// next 8191 in steps of 2, the first that still has that size, is not 1 modulo 65537, and passes Miller-Rabin with
/// base 2 and then with eight bases from the stream, each of `bits / 8` bytes modulo the candidate minus 3, plus 2. When
/// there is none, it starts again with the stream's next bytes.
fn find_prime(bits: usize, stream: &mut KeyStream, small_primes: &[u32]) -> BigUint {
    loop {
        let mut bytes = read(bits, stream);
        let last = bytes.len() - 1;
        bytes[0] |= 0xc0;
        bytes[last] |= 1;
        let start = BigUint::from_bytes_be(&bytes);
        let sieve = sieve(&bytes, small_primes);
        for step in (0..WINDOW).filter(|step| !sieve[*step]) {
            let candidate = &start + BigUint::from(2 * step);
            if candidate.bits() == bits && is_prime(&candidate, stream) {
                return candidate;
            }
        }
    }
}

fn read(bits: usize, stream: &mut KeyStream) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; bits / 8]);
    stream.fill(&mut bytes);
    bytes
}

/// For each step from the start: whether it is ruled out by a small factor or the exponent.
fn sieve(start: &[u8], small_primes: &[u32]) -> Vec<bool> {
    let mut out = vec![false; WINDOW];
    for prime in small_primes {
        // start + 2 * step = 0 (mod prime)
        mark(&mut out, *prime, (prime - remainder(start, *prime)) % prime);
    }
    // start + 2 * step = 1 (mod exponent)
    mark(&mut out, EXPONENT, (EXPONENT + 1 - remainder(start, EXPONENT)) % EXPONENT);
    out
}

/// Marks every step whose double is `double_step` modulo the odd number `modulus`.
fn mark(out: &mut [bool], modulus: u32, double_step: u32) {
    let first = if double_step.is_multiple_of(2) { double_step / 2 } else { (double_step + modulus) / 2 };
    for step in (first as usize..out.len()).step_by(modulus as usize) {
        out[step] = true;
    }
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    let divisor = u64::from(divisor);
    // Sizes are multiples of 32 bits, so every chunk is four bytes.
    let fold = |remainder: u64, chunk: &[u8]| {
        let digit = chunk.iter().fold(0u64, |digit, byte| digit << 8 | u64::from(*byte));
        ((remainder << 32) | digit) % divisor
    };
    number.chunks(4).fold(0, fold) as u32
}

/// Prime factors up to where are sieved out. This changes the time only, never the result: what has a factor fails
/// Miller-Rabin as well. The larger the numbers, the more a test costs and the more sieving saves.
fn sieved(bits: usize) -> usize {
    (bits * bits / 16).max(1 << 16)
}

/// All odd primes below `end`.
fn small_primes(end: usize) -> Vec<u32> {
    let mut composite = vec![false; end];
    let mut primes = Vec::new();
    for number in (3..end).step_by(2) {
        if !composite[number] {
            primes.push(number as u32);
            (number * number..end).step_by(2 * number).for_each(|multiple| composite[multiple] = true);
        }
    }
    primes
}

fn is_prime(candidate: &BigUint, stream: &mut KeyStream) -> bool {
    let minus_one = candidate - BigUint::from(1u32);
    let twos = minus_one.trailing_zeros().unwrap_or(0);
    let odd = &minus_one >> twos;
    let modulus = Modulus::new(candidate);
    let passes = |mut power| {
        if modulus.is_one(&power) || modulus.is_minus_one(&power) {
            return true;
        }
        (1..twos).any(|_| {
            power = modulus.squared(&power);
            modulus.is_minus_one(&power)
        })
    };
    let bits = candidate.bits();
    let range = candidate - BigUint::from(3u32);
    let mut base = || BigUint::from_bytes_be(&read(bits, stream)) % &range + 2u32;
    // Base 2 first: it is the fastest, and nearly every number that is not prime fails at once.
    passes(modulus.power_of_two(&odd)) && (0..ROUNDS).all(|_| passes(modulus.power(&base(), &odd)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};

    fn stream(byte: u8) -> KeyStream {
        KeyStream::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn keys_have_their_size_and_follow_from_the_seed_alone() {
        let key = derive(2048, stream(1), stream(2));
        assert_eq!((key.n().bits(), key.e()), (2048, &BigUint::from(EXPONENT)));
        assert!(key.primes().iter().all(|prime| prime.bits() == 1024));
        key.validate().unwrap();
        assert_eq!(key, derive(2048, stream(2), stream(1)));
        assert_ne!(key.n(), derive(2048, stream(1), stream(3)).n());
    }

    #[test]
    fn miller_rabin_knows_primes_from_numbers_that_fool_weaker_tests() {
        let is_prime = |number: &str| is_prime(&number.parse().unwrap(), &mut stream(5));
        // 2^127 - 1, and the largest prime below 2^64.
        assert!(is_prime("170141183460469231731687303715884105727") && is_prime("18446744073709551557"));
        // A Carmichael number, the first strong pseudoprimes to base 2 and to bases 2, 3, 5 and 7, and a square.
        for composite in ["561", "2047", "3215031751", "18446744030759878681"] {
            assert!(!is_prime(composite), "{composite}");
        }
    }

    #[test]
    fn the_sieve_rules_out_what_trial_division_does() {
        let start: Vec<u8> = (0..16).map(|i| 0xc1 + 3 * i).collect();
        let primes = [3, 5, 7, 65_521];
        let sieve = sieve(&start, &primes);
        let first = BigUint::from_bytes_be(&start);
        for (step, out) in sieve.iter().enumerate() {
            let number = &first + BigUint::from(2 * step);
            let divisible = primes.iter().any(|prime| &number % BigUint::from(*prime) == BigUint::from(0u32));
            let unsuited = &number % BigUint::from(EXPONENT) == BigUint::from(1u32);
            assert_eq!(*out, divisible || unsuited, "step {step}");
        }
        assert_eq!(small_primes(1 << 16).len(), 6541);
    }
}
