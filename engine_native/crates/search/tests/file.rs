//! A file of codes is read as it was written, or refused; whatever its bytes are, reading and searching is sound.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use memento_search::{Epoch, Error, Index};
use proptest::prelude::*;

const EPOCH: &Epoch = b"0123456789abcdef";
const DIMENSIONS: usize = 24;
const ROWS: usize = 100;
const HEADER: usize = 52 + 4 * DIMENSIONS;

fn vectors() -> Vec<f32> {
    (0..ROWS * DIMENSIONS).map(|place| ((place * 2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5).collect()
}

fn index() -> Index {
    let mut index = Index::new(DIMENSIONS).unwrap();
    index.extend(&vectors()).unwrap();
    index
}

fn saved() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    index().save(&path, EPOCH).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::read(path).unwrap()
}

fn load(bytes: &[u8], epoch: &Epoch, rows: usize) -> Result<Index, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    std::fs::write(&path, bytes).unwrap();
    Index::load(&path, DIMENSIONS, epoch, rows)
}

#[test]
fn it_is_read_as_it_was_written() {
    let mut read = load(&saved(), EPOCH, ROWS).unwrap();
    assert_eq!(read, index());
    let more = [vectors(), vectors()].concat();
    read.extend(&more).unwrap();
    assert_eq!(read.nearest(&more, &more[..DIMENSIONS], 2 * ROWS, None, 1).unwrap().len(), 2 * ROWS);
}

#[test]
fn another_file_is_refused() {
    let bytes = saved();
    assert!(matches!(load(&bytes, b"fedcba9876543210", ROWS), Err(Error::Unusable(_))));
    assert!(matches!(load(&bytes, EPOCH, ROWS - 1), Err(Error::Unusable(_))));
    assert!(matches!(load(&[bytes.as_slice(), b"x"].concat(), EPOCH, ROWS), Err(Error::Unusable(_))));
    assert!(matches!(Index::load("nowhere/codes".as_ref(), DIMENSIONS, EPOCH, ROWS), Err(Error::Io(_))));
}

#[cfg(unix)]
#[test]
fn it_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    index().save(&path, EPOCH).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_is_found(at: prop::sample::Index, bit in 0_u32..8, cut in any::<Option<prop::sample::Index>>()) {
        let mut bytes = saved();
        match cut {
            Some(length) => bytes.truncate(length.index(bytes.len())),
            None => { let place = at.index(bytes.len()); bytes[place] ^= 1 << bit; }
        }
        prop_assert!(matches!(load(&bytes, EPOCH, ROWS), Err(Error::Unusable(_))));
    }

    /// Somebody may compute the checksums of what they made up: then the answer may be wrong, but it is an answer.
    #[test]
    fn a_made_up_file_is_refused_or_sound(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        numbers in prop::collection::vec(prop::option::weighted(0.2, any::<u64>()), 2),
    ) {
        let mut bytes = saved();
        for (at, value) in changes {
            let place = at.index(bytes.len());
            bytes[place] = value;
        }
        for (place, number) in numbers.iter().enumerate() {
            if let Some(number) = number {
                bytes[16 + 8 * place..24 + 8 * place].copy_from_slice(&number.to_le_bytes());
            }
        }
        bytes[32..48].copy_from_slice(EPOCH);
        let body = crc32fast::hash(&bytes[HEADER + 4..]);
        bytes[48..52].copy_from_slice(&body.to_le_bytes());
        let header = crc32fast::hash(&bytes[..HEADER]);
        bytes[HEADER..HEADER + 4].copy_from_slice(&header.to_le_bytes());
        if let Ok(mut read) = load(&bytes, EPOCH, ROWS) {
            read.extend(&vectors()).unwrap();
            prop_assert_eq!(read.nearest(&vectors(), &vectors()[..DIMENSIONS], 5, None, 1).unwrap().len(), 5);
        }
    }
}
