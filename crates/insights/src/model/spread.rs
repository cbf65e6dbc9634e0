//! Categories from the threads a model read, carried to those it did not.
//!
//! What a model says of a thread and what the thread itself says do not mix: as
//! vectors they differ in style as much as in topic. So where only some threads
//! were read, these alone make the categories, and every other thread goes where
//! the read threads are whose *own* words are most like its own. How clear that
//! is shows in its confidence. Read threads are placed so as well, by the others: how
//! often that agrees with their reading tells how far shares can be trusted ([`crate::shares`]).

use assay_domain::ProjectId;
use assay_domain::report::{CategoryKind, Focus};
use assay_store::Memo;

use super::Work;
use crate::context::Context;
use crate::embed::{self, Vectors};
use crate::grouping::{Grouping, Member, Node, ReadThread};
use crate::math::Matrix;
use crate::summary::Topic;
use crate::{Error, group};

/// Fewer read threads are too few to make categories of.
const ENOUGH: usize = 24;
/// Read threads that decide about one that was not.
const NEAREST: usize = 7;
/// This share of the read threads is less like all others than a thread may be to be placed.
const STRANGE: f64 = 0.03;

const UNLIKE: &str = "unlike every thread that the model read";
const WORDLESS: &str = "holds no request in words";

/// Groups all threads, as [`group::threads`] where a model read all of them or hardly any.
///
/// # Errors
/// Where the embedder or the store fails.
pub(crate) async fn threads<S: Memo>(
    work: &Work<'_>,
    ctx: &Context<'_, S>,
    project: ProjectId,
    threads: &[ReadThread],
    vectors: &Vectors,
) -> Result<Grouping, Error> {
    let config = &work.grouped();
    let is_read = |thread: &usize| threads[*thread].summary.own_words.is_some();
    let (read, rest): (Vec<usize>, Vec<usize>) = (0..threads.len()).partition(is_read);
    if read.len() < ENOUGH || rest.is_empty() || config.focus != Focus::Usage {
        return group::threads(threads, vectors, config, ctx.embedder);
    }
    let chosen: Vec<ReadThread> = read.iter().map(|&thread| threads[thread].clone()).collect();
    let found = group::threads(&chosen, &vectors.of_some(&read), config, ctx.embedder)?;
    let own: Vec<&[Topic]> = threads
        .iter()
        .map(|thread| thread.summary.own_words.as_ref().unwrap_or(&thread.summary.topics).as_slice())
        .collect();
    let own = embed::of_topics(ctx, project, &own).await?;
    work.note(|books| books.threads_inferred = rest.len());
    Ok(carried(found, &read, &rest, &own))
}

/// The grouping of the read threads, and everybody else beside their like.
fn carried(found: Grouping, read: &[usize], rest: &[usize], own: &Vectors) -> Grouping {
    let Grouping { mut nodes, members, granularities, stability, .. } = found;
    let mut placed: Vec<Option<Member>> = vec![None; read.len() + rest.len()];
    let mut teachers: Vec<Teacher> = Vec::new();
    for (&thread, member) in read.iter().zip(members) {
        if let (CategoryKind::Discovered | CategoryKind::Predefined, Some(row)) =
            (nodes[member.leaf].kind, own.row_of[thread])
        {
            teachers.push(Teacher { thread, row, leaf: member.leaf });
        }
        placed[thread] = Some(member);
    }
    let school = School::of(own, teachers);
    let mut alike: Vec<Option<usize>> = vec![None; placed.len()];
    for (&thread, place) in read.iter().zip(school.place(own, read)) {
        alike[thread] = place.ok().map(|(leaf, _)| leaf);
    }
    for (&thread, place) in rest.iter().zip(school.place(own, rest)) {
        alike[thread] = place.ok().map(|(leaf, _)| leaf);
        placed[thread] = Some(match place {
            Ok((leaf, confidence)) => Member { leaf, confidence, reason: None },
            Err(reason) => {
                Member { leaf: other(&mut nodes), confidence: 0.0, reason: Some(reason.to_owned()) }
            }
        });
    }
    let mut inferred = vec![false; placed.len()];
    rest.iter().for_each(|&thread| inferred[thread] = true);
    let members = placed.into_iter().flatten().collect();
    Grouping { nodes, members, granularities, stability, inferred, alike }.without_empty_nodes()
}

/// "Other", made where there is none.
fn other(nodes: &mut Vec<Node>) -> usize {
    nodes.iter().position(|node| node.kind == CategoryKind::Other).unwrap_or_else(|| {
        nodes.push(Node {
            parent: None,
            kind: CategoryKind::Other,
            name: Some("Other".into()),
            description: None,
        });
        nodes.len() - 1
    })
}

/// A read thread, its own words and its leaf.
#[derive(Clone, Copy)]
struct Teacher {
    thread: usize,
    row: usize,
    leaf: usize,
}

/// The read threads with their leaves, as others are compared with them.
struct School {
    rows: Matrix,
    teachers: Vec<Teacher>,
    /// Whoever is less like any of them is placed nowhere.
    least: f32,
}

impl School {
    fn of(own: &Vectors, teachers: Vec<Teacher>) -> Self {
        let rows: Vec<usize> = teachers.iter().map(|teacher| teacher.row).collect();
        let rows = own.rows.select(&rows);
        // How like each is to the one that is most like it, itself left out.
        let mut nearest = rows.map_products(&rows, |place, products| {
            let others = products.iter().enumerate().filter(|(other, _)| *other != place);
            others.map(|(_, likeness)| *likeness).fold(-1.0_f32, f32::max)
        });
        nearest.sort_by(f32::total_cmp);
        let least = nearest.get((nearest.len() as f64 * STRANGE) as usize).copied().unwrap_or(-1.0);
        Self { rows, teachers, least }
    }

    /// Leaf and confidence of each thread by the others, or why it has none.
    fn place(&self, own: &Vectors, threads: &[usize]) -> Vec<Result<(usize, f64), &'static str>> {
        let placed: Vec<(usize, usize)> =
            threads.iter().filter_map(|&thread| Some((thread, own.row_of[thread]?))).collect();
        let rows: Vec<usize> = placed.iter().map(|(_, row)| *row).collect();
        let vote = |place: usize, products: &[f32]| self.vote(placed[place].0, products);
        let mut found = own.rows.select(&rows).map_products(&self.rows, vote).into_iter();
        let place = |&thread: &usize| match own.row_of[thread] {
            Some(_) => found.next().unwrap_or(Err(UNLIKE)),
            None => Err(WORDLESS),
        };
        threads.iter().map(place).collect()
    }

    /// The nearest others vote, each by how much more like it is than the least like of them.
    fn vote(&self, thread: usize, products: &[f32]) -> Result<(usize, f64), &'static str> {
        let others = products.iter().copied().zip(&self.teachers);
        let mut near: Vec<(f32, &Teacher)> = others.filter(|(_, teacher)| teacher.thread != thread).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.thread.cmp(&b.1.thread)));
        near.truncate(NEAREST);
        let (Some(&(best, _)), Some(&(last, _))) = (near.first(), near.last()) else { return Err(UNLIKE) };
        if best < self.least {
            return Err(UNLIKE);
        }
        let mut votes: std::collections::BTreeMap<usize, f32> = std::collections::BTreeMap::new();
        for (likeness, teacher) in near {
            // The last one has a voice too.
            *votes.entry(teacher.leaf).or_default() += likeness - last + 0.05;
        }
        let all: f32 = votes.values().sum();
        let mut ranked: Vec<(f32, usize)> = votes.into_iter().map(|(leaf, votes)| (votes, leaf)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let second = ranked.get(1).map_or(0.0, |(votes, _)| *votes);
        let (most, leaf) = ranked[0];
        Ok((leaf, f64::from(0.5 + 0.5 * (most - second) / all.max(f32::MIN_POSITIVE))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: CategoryKind) -> Node {
        Node { parent: None, kind, name: None, description: None }
    }

    /// Threads on two axes: six read ones, and four that were not.
    #[test]
    fn threads_that_were_not_read_go_where_their_like_is_and_strangers_to_other() {
        let vectors: [[f32; 3]; 10] = [
            [1.0, 0.0, 0.0],
            [0.98, 0.2, 0.0],
            [0.97, -0.24, 0.0],
            [0.0, 1.0, 0.0],
            [0.2, 0.98, 0.0],
            [-0.24, 0.97, 0.0],
            [0.99, 0.1, 0.0],
            [0.1, 0.99, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 0.0, 0.0],
        ];
        let own = Vectors {
            rows: Matrix::new(10, 3, vectors.concat()),
            multiplicity: vec![1; 10],
            row_of: (0..10).map(|thread| (thread < 9).then_some(thread)).collect(),
            distinct_texts: 9,
            student_texts: 0,
            asked: None,
        };
        let members = (0..6).map(|thread| Member { leaf: thread / 3, confidence: 1.0, reason: None });
        let found = Grouping {
            nodes: vec![node(CategoryKind::Discovered), node(CategoryKind::Discovered)],
            members: members.collect(),
            ..Grouping::default()
        };
        let grouping = carried(found, &[0, 1, 2, 3, 4, 5], &[6, 7, 8, 9], &own);
        let leaves: Vec<usize> = grouping.members.iter().map(|member| member.leaf).collect();
        assert_eq!(leaves, [0, 0, 0, 1, 1, 1, 0, 1, 2, 2]);
        assert_eq!(grouping.members[8].reason.as_deref(), Some(UNLIKE));
        assert_eq!(grouping.members[9].reason.as_deref(), Some(WORDLESS));
        assert_eq!(grouping.inferred.iter().filter(|inferred| **inferred).count(), 4);
        assert!(grouping.members[6].confidence > 0.5);
        assert_eq!(grouping.alike[..6], [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1)]);
        assert_eq!((grouping.alike[7], grouping.alike[8]), (Some(1), None));
    }
}
