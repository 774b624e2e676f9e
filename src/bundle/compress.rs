//! The layer's compression: one zstd frame, always made the same way.
//!
//! Contexts are kept per thread, because setting one up costs more than compressing a small tree. They carry no state
//! from one frame to the next.

use super::BundleError;
use std::cell::RefCell;
use std::io;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// zstd's level. Part of the format: another level gives other digests.
pub const LEVEL: i32 = 1;

struct Encoder {
    compressor: Compressor<'static>,
    scratch: Vec<u8>,
}

thread_local! {
    static ENCODER: RefCell<Option<Encoder>> = const { RefCell::new(None) };
}

/// Compresses `bytes` into one frame that states its content size and has neither checksum nor dictionary.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>, BundleError> {
    ENCODER
        .with_borrow_mut(|encoder| {
            let encoder = match encoder {
                Some(encoder) => encoder,
                None => encoder.insert(Encoder::new()?),
            };
            encoder.scratch.clear();
            encoder.scratch.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
            encoder.compressor.compress_to_buffer(bytes, &mut encoder.scratch)?;
            let frame = encoder.scratch.as_slice().to_vec();
            // One unusually large tree must not cost its size on every thread for the rest of the build.
            if encoder.scratch.capacity() > 8 << 20 {
                encoder.scratch = Vec::new();
            }
            Ok(frame)
        })
        .map_err(|source| BundleError::Compression { verb: "compressed", source })
}

/// Decompresses one frame that must hold exactly `size` bytes.
pub fn decompress(frame: &[u8], size: usize) -> Result<Vec<u8>, BundleError> {
    let fail = |source| BundleError::Compression { verb: "decompressed", source };
    // Read before anything is allocated: a frame that claims another size is refused at once.
    if !matches!(zstd::zstd_safe::get_frame_content_size(frame), Ok(Some(stated)) if stated == size as u64) {
        return Err(fail(io::Error::other("its frame states another size than the config's entries need")));
    }
    let bytes = zstd::bulk::decompress(frame, size).map_err(fail)?;
    if bytes.len() != size {
        return Err(fail(io::Error::other("it ends early")));
    }
    Ok(bytes)
}

impl Encoder {
    fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        // Large inputs give other bytes with 0 workers than with 1 or more.
        compressor.set_parameter(CParameter::NbWorkers(1))?;
        Ok(Self { compressor, scratch: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reused_contexts_give_the_same_frames() {
        let large: Vec<u8> = (0..3_000_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let first = compress(&large).unwrap();
        compress(b"in between").unwrap();
        assert_eq!(compress(&large).unwrap(), first);
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| compress(&large).unwrap()).join().unwrap());
        assert_eq!(elsewhere, first);
        assert_eq!(decompress(&first, large.len()).unwrap(), large);
    }

    #[test]
    fn frames_with_another_size_are_refused_before_allocation() {
        let frame = compress(&vec![0; 1 << 20]).unwrap();
        assert!(decompress(&frame, 1 << 19).is_err());
        assert!(decompress(&frame, usize::MAX).is_err());
        let mut two = frame.clone();
        two.extend_from_slice(&frame);
        assert!(decompress(&two, 1 << 20).is_err());
    }
}
