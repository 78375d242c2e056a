//! The codes in a file, so that a new process need not encode every vector again.
//!
//! Derived data: a file that fails any check is refused and made again. All numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `MNTCODES` |
//! | 4 | version, 1 |
//! | 4 | dimensions |
//! | 8 | rows |
//! | 8 | rows there were when the centre was taken |
//! | 16 | the epoch of the vectors that were encoded |
//! | 4 | CRC-32 of the codes and factors |
//! | 4 x dimensions | the centre, float32 |
//! | 4 | CRC-32 of all bytes before |
//! | blocks x 32 x code bytes | the codes |
//! | blocks x 32 x 4 | the factors, float32 |

use crate::codes::{Codes, DIMENSIONS, LANES, Layout};
use crate::error::Error;
use crate::index::Index;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"MNTCODES";
const VERSION: u32 = 1;
const FIXED: usize = 52;

/// Bytes that name what was encoded: 16 hexadecimal digits in Memento.
pub type Epoch = [u8; 16];

impl Index {
    /// Write the index to `path`, which another process sees only when it is whole; readable for its owner alone.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path, epoch: &Epoch) -> Result<(), Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let staged = Path::new(&name);
        let written = self.stage(staged, epoch).and_then(|()| Ok(std::fs::rename(staged, path)?));
        if written.is_err() {
            // The error that is reported is the first one; what is left behind is swept with the epoch.
            let _ = std::fs::remove_file(staged);
        }
        written
    }

    fn stage(&self, path: &Path, epoch: &Epoch) -> Result<(), Error> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.write(&mut options.open(path)?, epoch)
    }

    /// Write what the file holds.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, out: &mut impl Write, epoch: &Epoch) -> Result<(), Error> {
        let factors = to_bytes(&self.codes.factors);
        out.write_all(&self.header(epoch, checksum(&[&self.codes.bits, &factors])))?;
        out.write_all(&self.codes.bits)?;
        out.write_all(&factors)?;
        Ok(())
    }

    fn header(&self, epoch: &Epoch, body: u32) -> Vec<u8> {
        let mut header = Vec::with_capacity(FIXED + 4 * self.dimensions() + 4);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        #[allow(clippy::cast_possible_truncation)] // `new` refuses more than 2,048.
        header.extend_from_slice(&(self.dimensions() as u32).to_le_bytes());
        header.extend_from_slice(&(self.len() as u64).to_le_bytes());
        header.extend_from_slice(&(self.centred as u64).to_le_bytes());
        header.extend_from_slice(epoch);
        header.extend_from_slice(&body.to_le_bytes());
        header.extend_from_slice(&to_bytes(self.codes.centre()));
        let sum = checksum(&[&header]);
        header.extend_from_slice(&sum.to_le_bytes());
        header
    }

    /// Read the index that `save` wrote for `epoch`.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a file that is damaged, of another version, of other vectors or of more than `rows`;
    /// [`Error::Io`] if it cannot be read at all.
    pub fn load(path: &Path, dimensions: usize, epoch: &Epoch, rows: usize) -> Result<Self, Error> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let file = BufReader::with_capacity(1 << 16, file);
        Self::read(file, length, dimensions, epoch, rows).map_err(|error| match error {
            Error::Unusable(reason) => Error::Unusable(format!("{}: {reason}", path.display())),
            other => other,
        })
    }

    /// Read what `write` wrote for `epoch`, `length` bytes. Whatever they are, no more is allocated than `length`.
    ///
    /// # Errors
    /// As those of `load`.
    pub fn read(
        mut file: impl Read,
        length: u64,
        dimensions: usize,
        epoch: &Epoch,
        rows: usize,
    ) -> Result<Self, Error> {
        let header = Header::read(&mut file, dimensions)?;
        if header.epoch != *epoch {
            return Err(unusable("it belongs to other vectors"));
        }
        let (Ok(len), Ok(centred)) = (usize::try_from(header.rows), usize::try_from(header.centred)) else {
            return Err(unusable("it has more rows than memory has addresses"));
        };
        let (layout, blocks) = (Layout { dimensions }, len.div_ceil(LANES));
        let body = (blocks as u64).checked_mul((layout.block_bytes() + 4 * LANES) as u64);
        let expected = body.and_then(|body| body.checked_add((FIXED + 4 * dimensions + 4) as u64));
        if len > rows || expected != Some(length) {
            return Err(unusable("its length does not fit its header"));
        }
        let (mut bits, mut factors) = (vec![0; blocks * layout.block_bytes()], vec![0; blocks * LANES * 4]);
        fill(&mut file, &mut bits)?;
        fill(&mut file, &mut factors)?;
        if checksum(&[&bits, &factors]) != header.body {
            return Err(unusable("its codes are damaged"));
        }
        let factors = to_floats(&factors);
        if !header.centre.iter().chain(&factors).all(|x| x.is_finite()) {
            return Err(unusable("it holds values that are not finite"));
        }
        Ok(Self::from_codes(Codes::from_parts(header.centre, len, bits, factors), centred))
    }
}

/// What stands before the codes, its checksum being right.
struct Header {
    rows: u64,
    centred: u64,
    epoch: Epoch,
    /// The checksum of codes and factors.
    body: u32,
    centre: Vec<f32>,
}

impl Header {
    fn read(file: &mut impl Read, dimensions: usize) -> Result<Self, Error> {
        let mut fixed = [0; FIXED];
        fill(file, &mut fixed)?;
        let word = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if !DIMENSIONS.contains(&dimensions)
            || &fixed[..8] != MAGIC
            || word(8) != VERSION
            || word(12) as usize != dimensions
        {
            return Err(unusable("it is no file of codes of this version and dimension"));
        }
        let (mut centre, mut sum) = (vec![0; 4 * dimensions], [0; 4]);
        fill(file, &mut centre)?;
        fill(file, &mut sum)?;
        if checksum(&[&fixed, &centre]) != u32::from_le_bytes(sum) {
            return Err(unusable("its header is damaged"));
        }
        let mut epoch = [0; 16];
        epoch.copy_from_slice(&fixed[32..48]);
        Ok(Self { rows: long(16), centred: long(24), epoch, body: word(48), centre: to_floats(&centre) })
    }
}

fn fill(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => unusable("it is cut off"),
        _ => Error::Io(error),
    })
}

fn unusable(reason: &str) -> Error {
    Error::Unusable(reason.into())
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn to_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}
