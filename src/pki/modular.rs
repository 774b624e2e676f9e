//! Powers modulo an odd number, fast enough to search for large primes.
//!
//! Montgomery's method (Math. Comp. 44, 1985) on 64-bit digits, least first. Its time depends on the numbers, so this
//! is for making keys on the build machine only; signing is the RSA library's.

use rsa::BigUint;
use zeroize::Zeroizing;

type Number = Zeroizing<Vec<u64>>;

/// An odd modulus with what reduction needs.
pub struct Modulus {
    digits: Number,
    /// -1 / modulus, modulo 2^64.
    inverse: u64,
    /// 2^(64 * digits), modulo the modulus: what one is in Montgomery's form.
    one: Number,
}

impl Modulus {
    /// `modulus` must be odd and above 1.
    pub fn new(modulus: &BigUint) -> Self {
        let size = modulus.bits().div_ceil(64);
        let digits = digits(modulus, size);
        // Newton's iteration doubles the correct bits: an odd number is its own inverse modulo 8, then 6, 12, .. 96.
        let inverse = (0..5)
            .fold(digits[0], |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(digits[0].wrapping_mul(inverse))));
        let one = self::digits(&((BigUint::from(1u32) << (64 * size)) % modulus), size);
        Self { digits, inverse: inverse.wrapping_neg(), one }
    }

    /// `base` to the power of `exponent`; `base` below the modulus. The result is in Montgomery's form.
    pub fn power(&self, base: &BigUint, exponent: &BigUint) -> Number {
        let mut scratch = Zeroizing::new(vec![0; 2 * self.digits.len() + 1]);
        let base = self.form(base);
        let mut power = self.one.clone();
        for bit in bits(exponent) {
            self.square(&mut power, &mut scratch);
            if bit {
                self.multiply(&mut power, &base, &mut scratch);
            }
        }
        power
    }

    /// 2 to the power of `exponent`, where multiplying is doubling.
    pub fn power_of_two(&self, exponent: &BigUint) -> Number {
        let mut scratch = Zeroizing::new(vec![0; 2 * self.digits.len() + 1]);
        let mut power = self.one.clone();
        for bit in bits(exponent) {
            self.square(&mut power, &mut scratch);
            if bit {
                self.double(&mut power);
            }
        }
        power
    }

    /// Squares a number in Montgomery's form.
    pub fn squared(&self, number: &Number) -> Number {
        let (mut square, mut scratch) = (number.clone(), Zeroizing::new(vec![0; 2 * self.digits.len() + 1]));
        self.square(&mut square, &mut scratch);
        square
    }

    pub fn is_one(&self, number: &Number) -> bool {
        *number == self.one
    }

    /// Whether the number is the modulus minus 1, in Montgomery's form.
    pub fn is_minus_one(&self, number: &Number) -> bool {
        let mut sum = number.clone();
        let carry = add(&mut sum, &self.one);
        // Both are below the modulus, so their sum is 0 modulo it only when it is the modulus.
        carry == 0 && sum == self.digits
    }

    fn form(&self, number: &BigUint) -> Number {
        let size = self.digits.len();
        let modulus =
            BigUint::from_bytes_le(&self.digits.iter().flat_map(|digit| digit.to_le_bytes()).collect::<Vec<_>>());
        digits(&((number << (64 * size)) % modulus), size)
    }

    fn double(&self, number: &mut Number) {
        let same = number.clone();
        let carry = add(number, &same);
        self.reduce_once(number, carry);
    }

    fn multiply(&self, number: &mut Number, factor: &[u64], scratch: &mut [u64]) {
        scratch.fill(0);
        for (i, digit) in number.iter().enumerate() {
            let carry = add_product(&mut scratch[i..], factor, *digit);
            scratch[i + factor.len()] = carry;
        }
        self.reduce(number, scratch);
    }

    /// Each product of two different digits is computed once and doubled.
    fn square(&self, number: &mut Number, scratch: &mut [u64]) {
        let size = number.len();
        scratch.fill(0);
        for i in 0..size {
            let carry = add_product(&mut scratch[2 * i + 1..], &number[i + 1..], number[i]);
            scratch[i + size] = carry;
        }
        let (mut shifted, mut carry) = (0, 0);
        for (i, digit) in number.iter().enumerate() {
            let square = u128::from(*digit) * u128::from(*digit);
            for (place, part) in [(2 * i, square as u64), (2 * i + 1, (square >> 64) as u64)] {
                let doubled = scratch[place] << 1 | shifted;
                shifted = scratch[place] >> 63;
                let sum = u128::from(doubled) + u128::from(part) + u128::from(carry);
                scratch[place] = sum as u64;
                carry = (sum >> 64) as u64;
            }
        }
        self.reduce(number, scratch);
    }

    /// Divides by 2^(64 * digits) modulo the modulus.
    fn reduce(&self, number: &mut Number, scratch: &mut [u64]) {
        let size = self.digits.len();
        let mut above = 0;
        for i in 0..size {
            let factor = scratch[i].wrapping_mul(self.inverse);
            let carry = add_product(&mut scratch[i..], &self.digits, factor);
            let sum = u128::from(scratch[i + size]) + u128::from(carry) + u128::from(above);
            scratch[i + size] = sum as u64;
            above = (sum >> 64) as u64;
        }
        number.copy_from_slice(&scratch[size..2 * size]);
        self.reduce_once(number, above);
    }

    /// Takes the modulus off a number that is below twice the modulus, `above` being its digit beyond the highest.
    fn reduce_once(&self, number: &mut Number, above: u64) {
        if above == 0 && number.iter().rev().lt(self.digits.iter().rev()) {
            return;
        }
        let mut borrow = 0;
        for (digit, modulus) in number.iter_mut().zip(self.digits.iter()) {
            let difference = i128::from(*digit) - i128::from(*modulus) + borrow;
            *digit = difference as u64;
            borrow = difference >> 64;
        }
    }
}

/// Adds `factor * digit` to the front of `sum` and gives what goes beyond it.
fn add_product(sum: &mut [u64], factor: &[u64], digit: u64) -> u64 {
    let mut carry = 0;
    for (sum, factor) in sum.iter_mut().zip(factor) {
        let product = u128::from(*factor) * u128::from(digit) + u128::from(*sum) + u128::from(carry);
        *sum = product as u64;
        carry = (product >> 64) as u64;
    }
    carry
}

fn add(sum: &mut [u64], other: &[u64]) -> u64 {
    let mut carry = 0;
    for (sum, other) in sum.iter_mut().zip(other) {
        let added = u128::from(*sum) + u128::from(*other) + u128::from(carry);
        *sum = added as u64;
        carry = (added >> 64) as u64;
    }
    carry
}

fn digits(number: &BigUint, size: usize) -> Number {
    let bytes = Zeroizing::new(number.to_bytes_le());
    let mut digits = Zeroizing::new(vec![0; size]);
    for (i, byte) in bytes.iter().enumerate() {
        digits[i / 8] |= u64::from(*byte) << (8 * (i % 8));
    }
    digits
}

/// From the highest to the lowest.
fn bits(number: &BigUint) -> impl Iterator<Item = bool> {
    let bytes = number.to_bytes_be();
    bytes.into_iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::KeyStream;

    #[test]
    fn powers_are_those_of_the_big_number_library() {
        let mut stream = KeyStream::new(Zeroizing::new([3; 32]));
        let mut number = |bytes: usize| {
            let mut number = vec![0; bytes];
            stream.fill(&mut number);
            BigUint::from_bytes_be(&number)
        };
        let all_ones = (BigUint::from(1u32) << 256) - BigUint::from(1u32);
        let lengths = [1, 7, 8, 9, 16, 24, 33, 128, 256];
        let mut moduli: Vec<BigUint> = lengths.iter().map(|length| number(*length) * 2u32 + 3u32).collect();
        moduli.extend([BigUint::from(3u32), all_ones.clone(), (BigUint::from(1u32) << 192) + 1u32]);
        for modulus in &moduli {
            let (base, exponent) = (number(40) % modulus, number(20));
            let fast = Modulus::new(modulus);
            assert_eq!(fast.power(&base, &exponent), fast.form(&base.modpow(&exponent, modulus)), "{modulus}");
            let two = BigUint::from(2u32) % modulus;
            assert_eq!(fast.power_of_two(&exponent), fast.form(&two.modpow(&exponent, modulus)), "{modulus}");
            let minus_one = modulus - 1u32;
            let formed = fast.form(&minus_one);
            assert!(fast.is_minus_one(&formed) && !fast.is_one(&formed) && fast.is_one(&fast.squared(&formed)));
            assert!(!fast.is_minus_one(&fast.form(&base)) || base == minus_one);
        }
    }
}
