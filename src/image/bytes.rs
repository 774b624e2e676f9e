//! Fixed-width integers in byte slices.
//!
//! Reads beyond the end give zero and writes beyond it do nothing: a hostile image can then never panic. Callers check
//! sizes where a short structure must be an error.

/// `N` bytes at `offset`, zeros where the slice is too short.
fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let end = offset.checked_add(N);
    end.and_then(|end| bytes.get(offset..end)).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}

pub(super) fn le16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array(bytes, offset))
}

pub(super) fn le32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(bytes, offset))
}

pub(super) fn le64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array(bytes, offset))
}

pub(super) fn be32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(array(bytes, offset))
}

pub(super) fn be64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(array(bytes, offset))
}

/// Copies `value` to `offset`.
pub(super) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    let end = offset.checked_add(value.len());
    if let Some(slice) = end.and_then(|end| bytes.get_mut(offset..end)) {
        slice.copy_from_slice(value);
    }
}

pub(super) fn put_le16(bytes: &mut [u8], offset: usize, value: u16) {
    put(bytes, offset, &value.to_le_bytes());
}

pub(super) fn put_le32(bytes: &mut [u8], offset: usize, value: u32) {
    put(bytes, offset, &value.to_le_bytes());
}

/// Whether all bytes are zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
