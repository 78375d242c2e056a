//! Texts in, vectors out.

use crate::batches::batches;
use crate::chunker::{Chunk, Chunker, MAX_TOKENS};
use crate::error::Error;
use crate::runtime::environment;
use ort::session::Session;
use ort::value::TensorRef;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How to run the model.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The cores of one call, at least one.
    pub threads: usize,
    /// Texts in one call. With int8 weights it must be 1: texts that share a call share the scale of quantisation.
    pub batch: usize,
    /// The components of a vector.
    pub dimensions: usize,
}

/// A loaded model with its tokenizer; calls from several threads wait for each other.
pub struct Engine {
    chunker: Chunker,
    /// `Session::run` is not safe to call from two threads at once, say the authors of `ort`.
    session: Mutex<Session>,
    options: Options,
}

impl Engine {
    /// Load a model: the runtime's shared library, the ONNX file, `tokenizer.json`.
    ///
    /// # Errors
    /// If one of the files cannot be used; the text names it.
    pub fn new(library: &Path, model: &Path, tokenizer: &Path, options: Options) -> Result<Self, Error> {
        // Both take some 20 ms, and a process that answers one query waits for them.
        let (chunker, session) = std::thread::scope(|scope| {
            let chunker = scope.spawn(|| Chunker::new(tokenizer));
            let session = load(library, model, options.threads);
            (chunker.join(), session)
        });
        let chunker = chunker.map_err(|_| Error::new(tokenizer.display(), "reading it failed"))??;
        let session = session.map_err(|error| Error::new(model.display(), error))?;
        Ok(Self { chunker, session: Mutex::new(session), options })
    }

    /// Return the chunks of a text.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn chunks(&self, text: &str) -> Result<Vec<Chunk>, Error> {
        self.chunker.chunks(text)
    }

    /// Return the vectors of all chunks of all texts, one after the other, and the number of chunks of each text.
    ///
    /// # Errors
    /// If the tokenizer or the model fails.
    pub fn embed(&self, texts: &[&str]) -> Result<(Vec<f32>, Vec<usize>), Error> {
        let chunked = texts.iter().map(|text| self.chunks(text)).collect::<Result<Vec<_>, _>>()?;
        let counts = chunked.iter().map(Vec::len).collect();
        let rows: Vec<Vec<i32>> = chunked.into_iter().flatten().map(|chunk| chunk.ids).collect();
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let width = self.options.dimensions;
        let mut vectors = vec![0.0; rows.len() * width];
        for batch in batches(&lengths, self.options.batch) {
            let found = self.run(&batch.iter().map(|index| rows[*index].as_slice()).collect::<Vec<_>>())?;
            for (index, vector) in batch.iter().zip(found.chunks_exact(width)) {
                vectors[index * width..(index + 1) * width].copy_from_slice(vector);
            }
        }
        Ok((vectors, counts))
    }

    /// One call of the model: rows of token ids to unit vectors, padded to the longest row.
    fn run(&self, rows: &[&[i32]]) -> Result<Vec<f32>, Error> {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0).min(MAX_TOKENS);
        let (mut ids, mut mask) = (vec![0_i32; rows.len() * longest], vec![0_i32; rows.len() * longest]);
        for (place, row) in rows.iter().enumerate() {
            ids[place * longest..][..row.len()].copy_from_slice(row);
            mask[place * longest..][..row.len()].fill(1);
        }
        let shape = [rows.len(), longest];
        let ids = TensorRef::from_array_view((shape, ids.as_slice()))?;
        let mask = TensorRef::from_array_view((shape, mask.as_slice()))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs!["input_ids" => ids, "attention_mask" => mask])?;
        let (_, vectors) = outputs["embedding"].try_extract_tensor::<f32>()?;
        if vectors.len() == rows.len() * self.options.dimensions {
            return Ok(vectors.to_vec());
        }
        Err(Error::new("the model", format!("{} values for {} texts", vectors.len(), rows.len())))
    }
}

fn load(library: &Path, model: &Path, threads: usize) -> Result<Session, Error> {
    let environment = environment(library)?;
    let load = || -> ort::Result<Session> {
        let builder = Session::builder(environment)?.with_intra_threads(threads.max(1))?.with_inter_threads(1)?;
        // Memory patterns are kept per input shape, and every text has its own length.
        builder.with_memory_pattern(false)?.with_intra_op_spinning(false)?.commit_from_file(model)
    };
    let session = load()?;
    let names: Vec<&str> = session.inputs().iter().chain(session.outputs()).map(ort::value::Outlet::name).collect();
    if names == ["input_ids", "attention_mask", "embedding"] {
        return Ok(session);
    }
    Err(Error::new("it has other inputs and outputs", names.join(", ")))
}
