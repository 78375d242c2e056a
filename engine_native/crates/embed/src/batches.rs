//! Which texts share a call of the model.

/// Tokens in a call, padding included. Larger calls are slower: a core is busy with far less.
const BATCH_TOKENS: usize = 512;

/// Return the indices of `lengths`, the short first, in groups of `texts` and 512 tokens at most.
#[must_use]
pub fn batches(lengths: &[usize], texts: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| lengths[*index]);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match groups.last_mut() {
            Some(group) if group.len() < texts && (group.len() + 1) * lengths[index] <= BATCH_TOKENS => {
                group.push(index);
            }
            _ => groups.push(vec![index]),
        }
    }
    groups
}
