//! The hashes that indexed directories sort names by.
//!
//! Source: the kernel's `fs/ext4/hash.c` and the description of hash tree directories in its ext4 documentation.

/// Hash versions as a directory's index stores them.
const HALF_MD4: u8 = 1;
const TEA: u8 = 2;
const HALF_MD4_UNSIGNED: u8 = 4;
const TEA_UNSIGNED: u8 = 5;
/// The largest value is kept as an end mark.
const END: u32 = 0x7fff_ffff << 1;

/// The hash of a name; `None` for versions that current volumes do not use.
///
/// `unsigned` is the volume's choice for versions that do not say it themselves.
pub(super) fn hash(version: u8, unsigned: bool, seed: [u32; 4], name: &[u8]) -> Option<u32> {
    let start = if seed == [0; 4] { [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476] } else { seed };
    let value = match version {
        HALF_MD4 => half_md4(start, name, unsigned),
        HALF_MD4_UNSIGNED => half_md4(start, name, true),
        TEA => tea(start, name, unsigned),
        TEA_UNSIGNED => tea(start, name, true),
        _ => return None,
    };
    let value = value & !1;
    Some(if value == END { END - 2 } else { value })
}

/// Spreads up to `N * 4` bytes of a name over words, padded with its length.
fn words<const N: usize>(name: &[u8], unsigned: bool) -> [u32; N] {
    let length = name.len() as u32;
    let pad = length | length << 8;
    let pad = pad | pad << 16;
    let mut out = [pad; N];
    for (word, chunk) in out.iter_mut().zip(name.chunks(4)) {
        *word = chunk.iter().fold(pad, |value, byte| {
            let byte = if unsigned { u32::from(*byte) } else { i32::from(*byte as i8) as u32 };
            byte.wrapping_add(value << 8)
        });
    }
    out
}

fn half_md4(mut state: [u32; 4], name: &[u8], unsigned: bool) -> u32 {
    for start in (0..name.len()).step_by(32) {
        half_md4_transform(&mut state, &words::<8>(&name[start..], unsigned));
    }
    state[1]
}

fn half_md4_transform(state: &mut [u32; 4], input: &[u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    let rounds: [(Mix, u32, [usize; 8], [u32; 4]); 3] = [
        (|x, y, z| z ^ (x & (y ^ z)), 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (|x, y, z| (x & y).wrapping_add((x ^ y) & z), 0x5a82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
        (|x, y, z| x ^ y ^ z, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ];
    let mut v = *state;
    for (mix, constant, order, shifts) in rounds {
        for (step, index) in order.into_iter().enumerate() {
            // The four words take turns: a, d, c, b.
            let at = (4 - step % 4) % 4;
            let (x, y, z) = (v[(at + 1) % 4], v[(at + 2) % 4], v[(at + 3) % 4]);
            let sum = v[at].wrapping_add(mix(x, y, z)).wrapping_add(input[index]).wrapping_add(constant);
            v[at] = sum.rotate_left(shifts[step % 4]);
        }
    }
    for (word, added) in state.iter_mut().zip(v) {
        *word = word.wrapping_add(added);
    }
}

fn tea(mut state: [u32; 4], name: &[u8], unsigned: bool) -> u32 {
    for start in (0..name.len()).step_by(16) {
        let key = words::<4>(&name[start..], unsigned);
        let (mut b0, mut b1, mut sum) = (state[0], state[1], 0u32);
        for _ in 0..16 {
            sum = sum.wrapping_add(0x9e37_79b9);
            let part =
                |b: u32, k0: u32, k1: u32| (b << 4).wrapping_add(k0) ^ b.wrapping_add(sum) ^ (b >> 5).wrapping_add(k1);
            b0 = b0.wrapping_add(part(b1, key[0], key[1]));
            b1 = b1.wrapping_add(part(b0, key[2], key[3]));
        }
        state[0] = state[0].wrapping_add(b0);
        state[1] = state[1].wrapping_add(b1);
    }
    state[0]
}
