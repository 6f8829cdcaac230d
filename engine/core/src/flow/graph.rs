//! The graph of a flow: a stable order, cycles as paths, waves, and who comes before whom.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Who needs whom, by number in the order of the file.
#[derive(Debug)]
pub(crate) struct Graph {
    needs: Vec<Vec<usize>>,
}

impl Graph {
    pub fn new(mut needs: Vec<Vec<usize>>) -> Self {
        for needs in &mut needs {
            needs.sort_unstable();
            needs.dedup();
        }
        Self { needs }
    }

    /// The steps so that each comes after all it needs; where that leaves a choice, the order of the file decides. Steps on a cycle are
    /// left out.
    pub fn order(&self) -> Vec<usize> {
        let dependents = self.dependents();
        let mut open: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let ready = open
            .iter()
            .enumerate()
            .filter(|(_, open)| **open == 0)
            .map(|(step, _)| Reverse(step));
        let mut ready: BinaryHeap<_> = ready.collect();
        let mut order = Vec::with_capacity(self.needs.len());
        while let Some(Reverse(step)) = ready.pop() {
            order.push(step);
            for dependent in &dependents[step] {
                open[*dependent] -= 1;
                if open[*dependent] == 0 {
                    ready.push(Reverse(*dependent));
                }
            }
        }
        order
    }

    fn dependents(&self) -> Vec<Vec<usize>> {
        let mut dependents = vec![Vec::new(); self.needs.len()];
        for (step, needs) in self.needs.iter().enumerate() {
            for need in needs {
                dependents[*need].push(step);
            }
        }
        dependents
    }

    /// One cycle of each knot, as a path that ends where it began: each step needs the next.
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        let edges = self
            .needs
            .iter()
            .enumerate()
            .flat_map(|(step, needs)| needs.iter().map(move |need| (step, *need)));
        let mut graph = DiGraph::<(), ()>::with_capacity(self.needs.len(), 0);
        for _ in &self.needs {
            graph.add_node(());
        }
        graph.extend_with_edges(edges.map(|(a, b)| (NodeIndex::new(a), NodeIndex::new(b))));
        // Of the ways to find knots, this one needs no stack as deep as the longest chain.
        let mut cycles: Vec<Vec<usize>> = kosaraju_scc(&graph)
            .into_iter()
            .map(|knot| knot.into_iter().map(NodeIndex::index).collect::<Vec<_>>())
            .filter(|knot| {
                knot.len() > 1 || knot.iter().any(|step| self.needs[*step].contains(step))
            })
            .filter_map(|knot| self.shortest_cycle(&knot))
            .collect();
        cycles.sort();
        cycles
    }

    /// The shortest way from the first step of a knot back to it.
    fn shortest_cycle(&self, knot: &[usize]) -> Option<Vec<usize>> {
        let start = *knot.iter().min()?;
        let mut came_from = vec![None; self.needs.len()];
        let mut inside = vec![false; self.needs.len()];
        for step in knot {
            inside[*step] = true;
        }
        let mut queue = VecDeque::from([start]);
        while let Some(step) = queue.pop_front() {
            for need in self.needs[step].iter().filter(|need| inside[**need]) {
                if *need == start {
                    let mut path = vec![start, step];
                    let mut at = step;
                    while at != start {
                        at = came_from[at]?;
                        path.push(at);
                    }
                    path.reverse();
                    return Some(path);
                }
                if came_from[*need].is_none() {
                    came_from[*need] = Some(step);
                    queue.push_back(*need);
                }
            }
        }
        None
    }

    /// The number of each step's wave: one more than the last of those it needs. The graph must have no cycle.
    pub fn waves(&self) -> Vec<usize> {
        let mut waves = vec![0; self.needs.len()];
        for step in self.order() {
            waves[step] = self.needs[step]
                .iter()
                .map(|need| waves[*need] + 1)
                .max()
                .unwrap_or(0);
        }
        waves
    }

    /// For each step, all that come before it: a set of bits.
    pub fn before(&self) -> Vec<Vec<u64>> {
        let words = self.needs.len().div_ceil(64);
        let mut before = vec![vec![0_u64; words]; self.needs.len()];
        for step in self.order() {
            let mut mine = vec![0_u64; words];
            for need in &self.needs[step] {
                mine[need / 64] |= 1 << (need % 64);
                for (mine, theirs) in mine.iter_mut().zip(&before[*need]) {
                    *mine |= theirs;
                }
            }
            before[step] = mine;
        }
        before
    }
}

/// Whether a set of bits holds a number.
pub(crate) fn holds(bits: &[u64], number: usize) -> bool {
    bits.get(number / 64)
        .is_some_and(|word| word >> (number % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_decides_where_the_graph_leaves_a_choice() {
        let graph = Graph::new(vec![vec![2], vec![], vec![], vec![0, 1]]);
        assert_eq!(graph.order(), [1, 2, 0, 3]);
        assert_eq!(graph.waves(), [1, 0, 0, 2]);
        assert!(graph.cycles().is_empty());
    }

    #[test]
    fn a_cycle_is_a_path_from_its_first_step() {
        let graph = Graph::new(vec![vec![], vec![3], vec![1, 0], vec![2]]);
        assert_eq!(graph.cycles(), [vec![1, 3, 2, 1]]);
        assert_eq!(Graph::new(vec![vec![0]]).cycles(), [vec![0, 0]]);
        assert_eq!(
            Graph::new(vec![vec![1], vec![0], vec![3], vec![2]]).cycles(),
            [vec![0, 1, 0], vec![2, 3, 2]]
        );
    }

    #[test]
    fn what_comes_before_is_known_through_others() {
        let before = Graph::new(vec![vec![], vec![0], vec![1], vec![]]).before();
        assert!(
            holds(&before[2], 0)
                && holds(&before[2], 1)
                && !holds(&before[2], 3)
                && !holds(&before[0], 2)
        );
    }
}
