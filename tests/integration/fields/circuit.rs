//! The order in which values follow each other.

/// A walk over all ordered pairs of different numbers below `count`, each once: it ends where it began.
pub fn circuit(count: usize) -> Vec<usize> {
    let mut next: Vec<Vec<usize>> = (0..count)
        .map(|from| (0..count).rev().filter(|to| *to != from).collect())
        .collect();
    let (mut stack, mut walk) = (vec![0; count.min(1)], Vec::new());
    while let Some(at) = stack.last() {
        match next[*at].pop() {
            Some(to) => stack.push(to),
            None => walk.extend(stack.pop()),
        }
    }
    walk.reverse();
    walk
}

#[test]
fn a_circuit_has_each_ordered_pair_once() {
    for count in 0..8 {
        let walk = circuit(count);
        let mut pairs: Vec<_> = walk.windows(2).map(|pair| (pair[0], pair[1])).collect();
        pairs.sort_unstable();
        let all = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let all: Vec<_> = all.filter(|(from, to)| from != to).collect();
        assert_eq!(pairs, all);
        assert_eq!(walk.len(), all.len() + count.min(1));
    }
}
