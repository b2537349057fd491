//! How the objects of a backup are compressed: Cinder's algorithms, each by its own crate.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

use bzip2::read::BzDecoder;
use bzip2::write::BzEncoder;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Algorithm {
    /// The bytes as they are.
    None,
    /// Deflate with the header of zlib.
    Zlib,
    /// Burrows and Wheeler's.
    Bzip2,
    /// Zstandard.
    Zstd,
}

impl Algorithm {
    /// The algorithm by any of its names, in any case.
    pub(in super::super) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "none" | "off" | "no" => Self::None,
            "zlib" | "gzip" => Self::Zlib,
            "bz2" | "bzip2" => Self::Bzip2,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }

    /// The name that is written beside an object.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zlib => "zlib",
            Self::Bzip2 => "bz2",
            Self::Zstd => "zstd",
        }
    }

    /// Compresses `length` bytes into `out`.
    pub(super) fn encoder<'a, 'f>(self, out: &'a mut BufWriter<&'f File>, length: u64) -> io::Result<Encoder<'a, 'f>> {
        Ok(match self {
            Self::None => Encoder::None(out),
            Self::Zlib => Encoder::Zlib(ZlibEncoder::new(out, flate2::Compression::default())),
            Self::Bzip2 => Encoder::Bzip2(BzEncoder::new(out, bzip2::Compression::default())),
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                // Python's module reads no object that does not tell its length first.
                encoder.set_pledged_src_size(Some(length))?;
                encoder.include_contentsize(true)?;
                Encoder::Zstd(encoder)
            }
        })
    }

    /// Reads what was compressed.
    pub(super) fn decoder(self, file: File) -> io::Result<Box<dyn Read>> {
        let file = BufReader::with_capacity(1 << 18, file);
        Ok(match self {
            Self::None => Box::new(file),
            Self::Zlib => Box::new(ZlibDecoder::new(file)),
            Self::Bzip2 => Box::new(BzDecoder::new(file)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
        })
    }
}

/// Compresses what is written into it.
pub(super) enum Encoder<'a, 'f> {
    None(&'a mut BufWriter<&'f File>),
    Zlib(ZlibEncoder<&'a mut BufWriter<&'f File>>),
    Bzip2(BzEncoder<&'a mut BufWriter<&'f File>>),
    Zstd(zstd::Encoder<'static, &'a mut BufWriter<&'f File>>),
}

impl Encoder<'_, '_> {
    /// Compresses more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::None(out) => out.write_all(bytes),
            Self::Zlib(out) => out.write_all(bytes),
            Self::Bzip2(out) => out.write_all(bytes),
            Self::Zstd(out) => out.write_all(bytes),
        }
    }

    /// Writes what is left.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::None(_) => Ok(()),
            Self::Zlib(out) => out.finish().map(|_| ()),
            Self::Bzip2(out) => out.finish().map(|_| ()),
            Self::Zstd(out) => out.finish().map(|_| ()),
        }
    }
}
