//! Texts in, vectors and the codes of words out.

use crate::batches::batches;
use crate::chunker::{Chunk, Chunker};
use crate::codes::{Words, code_bytes, signs};
use crate::error::Error;
use crate::runtime::environment;
use ort::session::Session;
use ort::value::{DynValue, TensorRef};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The output that every model has: one unit vector a text.
const EMBEDDING: &str = "embedding";
/// The output that a model may have: the last hidden state of each token, before pooling.
const TOKENS: &str = "tokens";

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
    /// Words, in lower case, that get no code.
    pub stop_words: HashSet<String>,
}

/// What a text becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// The unit vectors of its chunks, one after the other.
    pub vectors: Vec<f32>,
    /// The codes of its words, one after the other, one bit a dimension; none from a model without `tokens`.
    pub codes: Vec<u8>,
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
    /// None for a model that does not return its tokens.
    words: Option<Words>,
}

/// A chunk in a call of the model, and where what comes out belongs.
struct Row<'a> {
    ids: &'a [i32],
    /// Which of the ids get a code.
    words: Vec<usize>,
    text: usize,
    /// The chunk's first component among the text's vectors, and its first byte among the text's codes.
    vector: usize,
    code: usize,
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
        let tokens = session.outputs().iter().any(|output| output.name() == TOKENS);
        let words = tokens.then(|| Words::new(options.stop_words.clone(), chunker.vocabulary()));
        Ok(Self { chunker, session: Mutex::new(session), options, query_prompt, passage_prompt, words })
    }

    /// Return the chunks of a text.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn chunks(&self, text: &str, role: Role) -> Result<Vec<Chunk>, Error> {
        let prompt = if role == Role::Query { &self.query_prompt } else { &self.passage_prompt };
        self.chunker.chunks(text, prompt)
    }

    /// Return for each text the vectors of its chunks and the codes of its words.
    ///
    /// # Errors
    /// If the tokenizer or the model fails.
    pub fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Embedded>, Error> {
        let chunked = texts.iter().map(|text| self.chunks(text, role)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::with_capacity(texts.len());
        let mut rows: Vec<Row> = Vec::with_capacity(texts.len());
        for (text, chunks) in chunked.iter().enumerate() {
            found.push(self.lay_out(text, chunks, &mut rows));
        }
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        for batch in batches(&lengths, self.options.batch) {
            self.run(&batch.iter().map(|index| &rows[*index]).collect::<Vec<_>>(), &mut found)?;
        }
        Ok(found)
    }

    /// Return one vector for each query, of a long one the normalised mean of its chunks, and the codes of its words.
    ///
    /// # Errors
    /// If the tokenizer or the model fails.
    pub fn embed_queries(&self, texts: &[&str]) -> Result<Vec<Embedded>, Error> {
        let mut found = self.embed(texts, Role::Query)?;
        for query in &mut found {
            query.vectors = one_vector(std::mem::take(&mut query.vectors), self.options.dimensions);
        }
        Ok(found)
    }

    /// Add a text's rows, and return the room for what they give.
    fn lay_out<'a>(&self, text: usize, chunks: &'a [Chunk], rows: &mut Vec<Row<'a>>) -> Embedded {
        let places = self.words.as_ref().map(|words| words.places(chunks, |id| self.chunker.token(id)));
        let mut places = places.into_iter().flatten();
        let (mut vector, mut code) = (0, 0);
        for chunk in chunks {
            let words = places.next().unwrap_or_default();
            let bytes = words.len() * code_bytes(self.options.dimensions);
            rows.push(Row { ids: &chunk.ids, words, text, vector, code });
            vector += self.options.dimensions;
            code += bytes;
        }
        Embedded { vectors: vec![0.0; vector], codes: vec![0; code] }
    }

    /// One call of the model, padded to the longest row; what it gives is put where it belongs.
    fn run(&self, rows: &[&Row], found: &mut [Embedded]) -> Result<(), Error> {
        let longest = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let (mut ids, mut mask) = (vec![0_i32; rows.len() * longest], vec![0_i32; rows.len() * longest]);
        for (place, row) in rows.iter().enumerate() {
            ids[place * longest..][..row.ids.len()].copy_from_slice(row.ids);
            mask[place * longest..][..row.ids.len()].fill(1);
        }
        let shape = [rows.len(), longest];
        let ids = TensorRef::from_array_view((shape, ids.as_slice()))?;
        let mask = TensorRef::from_array_view((shape, mask.as_slice()))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs!["input_ids" => ids, "attention_mask" => mask])?;
        let width = self.options.dimensions;
        let vectors = values(&outputs[EMBEDDING], rows.len() * width)?;
        for (row, vector) in rows.iter().zip(vectors.chunks_exact(width)) {
            found[row.text].vectors[row.vector..][..width].copy_from_slice(vector);
        }
        if self.words.is_some() {
            let states = values(&outputs[TOKENS], rows.len() * longest * width)?;
            for (row, states) in rows.iter().zip(states.chunks_exact(longest * width)) {
                let bytes = row.words.iter().flat_map(|place| signs(&states[place * width..][..width]));
                found[row.text].codes[row.code..].iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            }
        }
        Ok(())
    }
}

/// Return the numbers of an output that must have `count` of them.
fn values(output: &DynValue, count: usize) -> Result<&[f32], Error> {
    let (shape, numbers) = output.try_extract_tensor::<f32>()?;
    if numbers.len() == count {
        return Ok(numbers);
    }
    Err(Error::new("the model", format!("an output of shape {shape:?}, where {count} numbers were expected")))
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
    if matches!(
        names.as_slice(),
        ["input_ids", "attention_mask", EMBEDDING] | ["input_ids", "attention_mask", EMBEDDING, TOKENS]
    ) {
        return Ok(session);
    }
    Err(Error::new("it has other inputs and outputs", names.join(", ")))
}
