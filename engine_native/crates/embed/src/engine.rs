//! Texts in, vectors out.

use crate::batches::batches;
use crate::chunker::{Chunk, Chunker};
use crate::error::Error;
use crate::runtime::environment;
use ort::session::Session;
use ort::value::TensorRef;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How a model is used and run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cores of one call, at least one.
    pub threads: usize,
    /// Texts in one call. With int8 weights it must be 1: texts that share a call share the scale of quantisation.
    pub batch: usize,
    /// The components of a vector.
    pub dimensions: usize,
    /// The tokens of a chunk, special ones included.
    pub window: usize,
    /// What stands before a query.
    pub query_prompt: String,
    /// What stands before a passage.
    pub passage_prompt: String,
}

/// What a text is embedded as: some models want another prompt before each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something to be found.
    Passage,
    /// Something to find by.
    Query,
}

/// A loaded model with its tokenizer; calls from several threads wait for each other.
pub struct Engine {
    chunker: Chunker,
    /// `Session::run` is not safe to call from two threads at once, say the authors of `ort`.
    session: Mutex<Session>,
    options: Options,
    query_prompt: Vec<i32>,
    passage_prompt: Vec<i32>,
}

impl Engine {
    /// Load a model: the runtime's shared library, the ONNX file, `tokenizer.json`.
    ///
    /// # Errors
    /// If one of the files cannot be used; the text names it.
    pub fn new(library: &Path, model: &Path, tokenizer: &Path, options: Options) -> Result<Self, Error> {
        // Both take some 20 ms, and a process that answers one query waits for them.
        let (chunker, session) = std::thread::scope(|scope| {
            let chunker = scope.spawn(|| Chunker::new(tokenizer, options.window));
            let session = load(library, model, options.threads);
            (chunker.join(), session)
        });
        let chunker = chunker.map_err(|_| Error::new(tokenizer.display(), "reading it failed"))??;
        let session = session.map_err(|error| Error::new(model.display(), error))?;
        let (query_prompt, passage_prompt) =
            (chunker.prompt(&options.query_prompt)?, chunker.prompt(&options.passage_prompt)?);
        Ok(Self { chunker, session: Mutex::new(session), options, query_prompt, passage_prompt })
    }

    /// Return the chunks of a text.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn chunks(&self, text: &str, role: Role) -> Result<Vec<Chunk>, Error> {
        let prompt = if role == Role::Query { &self.query_prompt } else { &self.passage_prompt };
        self.chunker.chunks(text, prompt)
    }

    /// Return for each text the vectors of its chunks, one after the other.
    ///
    /// # Errors
    /// If the tokenizer or the model fails.
    pub fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, Error> {
        let chunked = texts.iter().map(|text| self.chunks(text, role)).collect::<Result<Vec<_>, _>>()?;
        let width = self.options.dimensions;
        let mut vectors: Vec<Vec<f32>> = chunked.iter().map(|chunks| vec![0.0; chunks.len() * width]).collect();
        // Where each chunk belongs: its text, and its place among the text's chunks.
        let places: Vec<(usize, usize)> =
            chunked.iter().enumerate().flat_map(|(text, chunks)| (0..chunks.len()).map(move |at| (text, at))).collect();
        let rows: Vec<&[i32]> = chunked.iter().flatten().map(|chunk| chunk.ids.as_slice()).collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        for batch in batches(&lengths, self.options.batch) {
            let found = self.run(&batch.iter().map(|index| rows[*index]).collect::<Vec<_>>())?;
            for (index, vector) in batch.iter().zip(found.chunks_exact(width)) {
                let (text, at) = places[*index];
                vectors[text][at * width..(at + 1) * width].copy_from_slice(vector);
            }
        }
        Ok(vectors)
    }

    /// Return one vector for each query: of a long one, the normalised mean of its chunks.
    ///
    /// # Errors
    /// If the tokenizer or the model fails.
    pub fn embed_queries(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let found = self.embed(texts, Role::Query)?;
        Ok(found.into_iter().map(|chunks| one_vector(chunks, self.options.dimensions)).collect())
    }

    /// One call of the model: rows of token ids to unit vectors, padded to the longest row.
    fn run(&self, rows: &[&[i32]]) -> Result<Vec<f32>, Error> {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
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

/// Return the normalised mean of unit vectors; one alone is as it is.
fn one_vector(chunks: Vec<f32>, width: usize) -> Vec<f32> {
    if chunks.len() == width {
        return chunks;
    }
    let mut sum = vec![0.0_f32; width];
    for chunk in chunks.chunks_exact(width) {
        sum.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    sum.iter().map(|x| x / length).collect()
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
