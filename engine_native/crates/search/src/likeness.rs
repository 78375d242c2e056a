//! How alike the words of a question are to those of texts: late interaction over 1-bit codes.
//!
//! Of each word of the question, the best of a text's words counts (`MaxSim`: Khattab and Zaharia, arXiv 2004.12832).
//! The share of bits that two codes have in common stands for the cosine of what they were made of (Charikar 2002).

use crate::codes::DIMENSIONS;
use crate::error::Error;

/// The 1-bit codes of words of one dimension, in whole machine words.
struct Words {
    /// Machine words of a code.
    size: usize,
    bits: Vec<u64>,
}

impl Words {
    /// Take codes of `bytes` bytes each. A code that ends within a machine word is filled up with zeros.
    fn new(codes: &[u8], bytes: usize) -> Self {
        let size = bytes.div_ceil(8);
        let mut bits = Vec::with_capacity(codes.len() / bytes * size);
        for code in codes.chunks_exact(bytes) {
            let (whole, rest) = code.as_chunks();
            bits.extend(whole.iter().map(|part| u64::from_ne_bytes(*part)));
            if !rest.is_empty() {
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                bits.push(u64::from_ne_bytes(last));
            }
        }
        Self { size, bits }
    }

    fn each(&self) -> impl Iterator<Item = &[u64]> {
        self.bits.chunks_exact(self.size)
    }

    /// Return in how many bits `code` differs from the nearest of these; None where there is none.
    fn least_difference(&self, code: &[u64]) -> Option<u32> {
        let differing = |own: &[u64]| own.iter().zip(code).map(|(a, b)| (a ^ b).count_ones()).sum();
        self.each().map(differing).min()
    }
}

/// Return for each document, for each word, the greatest likeness with a word of the document, from -1 to 1.
///
/// `words` and each document are codes of `dimensions` bits, filled up to whole bytes with zeros, one after the other.
/// The likeness of two codes is `1 - 2 * differing bits / dimensions`. A document without codes has no likenesses.
///
/// # Errors
/// [`Error::Input`] for a dimension outside [`DIMENSIONS`], and for bytes that are no whole number of codes.
pub fn likeness(words: &[u8], documents: &[&[u8]], dimensions: usize) -> Result<Vec<Vec<f64>>, Error> {
    if !DIMENSIONS.contains(&dimensions) {
        let (least, most) = (DIMENSIONS.start(), DIMENSIONS.end());
        return Err(Error::Input(format!("codes have {least} to {most} dimensions, not {dimensions}")));
    }
    let bytes = dimensions.div_ceil(8);
    if let Some(odd) = documents.iter().chain([&words]).map(|codes| codes.len()).find(|len| !len.is_multiple_of(bytes))
    {
        return Err(Error::Input(format!("{odd} bytes are no whole number of codes of {bytes} bytes")));
    }
    let words = Words::new(words, bytes);
    #[allow(clippy::cast_precision_loss)] // At most 2,048.
    let alike = |differing: u32| 1.0 - f64::from(2 * differing) / dimensions as f64;
    let likenesses = |document: &&[u8]| {
        let document = Words::new(document, bytes);
        words.each().filter_map(|word| document.least_difference(word)).map(alike).collect()
    };
    Ok(documents.iter().map(likenesses).collect())
}
