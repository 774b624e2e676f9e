//! How an upload that was interrupted is told from one that is whole: a volume `FILE.uploading` is there from before the
//! first byte of `FILE` until its bytes have been read back and their digest is right. Its size says how much is there.

/// Bytes that are sent at once.
pub const SEGMENT: u64 = 64 << 20;

/// The name of a file's marker volume.
pub fn marker(file: &str) -> String {
    format!("{file}.uploading")
}

/// Size of the marker when so many whole segments are there.
pub fn marker_size(segments: u64) -> u64 {
    segments + 1
}

/// Bytes that are there, by the size of the marker.
pub fn progress(marker_size: u64) -> u64 {
    marker_size.saturating_sub(1).saturating_mul(SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_tells_how_much_is_there() {
        assert_eq!(marker("base.qcow2"), "base.qcow2.uploading");
        assert_eq!((progress(marker_size(0)), progress(marker_size(3))), (0, 3 * SEGMENT));
        // A marker of an odd size, of another program's making, means nothing.
        assert_eq!(progress(0), 0);
    }
}
