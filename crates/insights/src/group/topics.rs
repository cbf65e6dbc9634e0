//! The usage lens: threads grouped by what people ask for.
//!
//! Discovery works on the distinct contents ([`Vectors`]); every thread then
//! follows its row. What is unlike everything goes to "Other" with a reason,
//! and so do threads in which nobody asks for anything.

use assay_domain::ReportConfig;
use assay_domain::report::{CategoryKind, Shape};
use assay_llm::Embed;

use crate::Error;
use crate::embed::Vectors;
use crate::grouping::{Grouping, Member, Node, ReadThread};
use crate::math::{Dendrogram, Matrix, Options, hierarchy};

/// Below this cosine a request has nothing to do with a predefined category.
const RELATED: f32 = 0.15;
/// A predefined category is looked into from this many distinct contents on.
const WORTH_DIVIDING: usize = 12;

/// The one category where the data holds no groups.
pub(crate) const EVERYTHING: &str = "All requests";

const UNLIKE: &str = "unlike the requests of every category";
const WORDLESS: &str = "holds no request in words";
const UNRELATED: &str = "unrelated to every given category";

/// Discovers categories on all levels.
pub(super) fn discover(threads: &[ReadThread], vectors: &Vectors, shape: &Shape, seed: u64) -> Grouping {
    // Where a model puts many requests into the same few words, these are too few to be divided.
    let is_telling = |asked: &&Vectors| asked.rows.rows * 4 >= vectors.rows.rows * 3;
    let asked = vectors.asked.as_deref().filter(|_| *shape == Shape::Automatic).filter(is_telling);
    let natural = asked.map(|asked| {
        hierarchy(&asked.rows, &asked.multiplicity, &Options { seed, ..Options::default() }).leaves()
    });
    let mut tree = Tree { natural, ..Tree::default() };
    let everything: Vec<usize> = (0..vectors.rows.rows).collect();
    let found = tree.divide(None, &everything, vectors, shape, seed, true);
    tree.granularities = found.granularities;
    tree.finish(threads, vectors, found.places, found.stability)
}

/// Places threads in the given categories and discovers subcategories inside.
pub(super) fn within(
    threads: &[ReadThread],
    vectors: &Vectors,
    config: &ReportConfig,
    embedder: &dyn Embed,
) -> Result<Grouping, Error> {
    let texts: Vec<String> = config
        .categories
        .iter()
        .map(|category| match category.description.as_str() {
            "" => category.name.clone(),
            description => format!("{}: {description}", category.name),
        })
        .collect();
    let given = embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut inside: Vec<Vec<usize>> = vec![Vec::new(); given.len()];
    let mut places: Vec<Place> = vec![Place::Nowhere(UNRELATED); vectors.rows.rows];
    let nearest: Vec<Option<Near>> =
        (0..vectors.rows.rows).map(|row| Near::of(vectors.rows.row(row), &given)).collect();
    for (row, near) in nearest.iter().enumerate() {
        if let Some(near) = near {
            inside[near.category].push(row);
        }
    }
    let typical = typical_margin(&nearest);
    let clear = |row: usize| nearest[row].as_ref().map_or(0.5, |near| clarity(near.margin, typical));
    let mut tree = Tree::default();
    for (category, rows) in config.categories.iter().zip(&inside) {
        if rows.is_empty() {
            continue;
        }
        let top = tree.nodes.len();
        tree.nodes.push(Node {
            parent: None,
            kind: CategoryKind::Predefined,
            name: Some(category.name.clone()),
            description: Some(category.description.clone()).filter(|text| !text.is_empty()),
        });
        let shape = match &config.shape {
            Shape::Automatic => Shape::Automatic,
            // The top level is given; each category gets its share of the finest.
            Shape::Levels(counts) => {
                let finest = counts.first().copied().unwrap_or(1);
                Shape::Levels(vec![(finest * rows.len() / vectors.rows.rows.max(1)).max(1)])
            }
        };
        if rows.len() < WORTH_DIVIDING {
            rows.iter().for_each(|&row| places[row] = Place::In(top, clear(row)));
            continue;
        }
        let found = tree.divide(Some(top), rows, vectors, &shape, config.seed, false);
        for (&row, place) in rows.iter().zip(found.places) {
            places[row] = match place {
                Place::In(leaf, confidence) => Place::In(leaf, confidence.min(clear(row))),
                nowhere => nowhere,
            };
        }
    }
    Ok(tree.finish(threads, vectors, places, None))
}

/// The given category that is most like a row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Near {
    category: usize,
    /// How much more like it than the next.
    margin: f32,
}

impl Near {
    /// `None` where no category is related. Of equals the first wins.
    fn of(row: &[f32], given: &[Vec<f32>]) -> Option<Self> {
        let (mut best, mut second) = ((f32::NEG_INFINITY, 0), f32::NEG_INFINITY);
        for (category, vector) in given.iter().enumerate() {
            let cosine: f32 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
            if cosine > best.0 {
                (second, best) = (best.0, (cosine, category));
            } else {
                second = second.max(cosine);
            }
        }
        (best.0 >= RELATED).then(|| Self { category: best.1, margin: (best.0 - second).min(1.0) })
    }
}

fn typical_margin(nearest: &[Option<Near>]) -> f32 {
    let mut margins: Vec<f32> = nearest.iter().flatten().map(|near| near.margin).collect();
    margins.sort_by(f32::total_cmp);
    margins.get(margins.len() / 2).copied().unwrap_or_default().max(1e-3)
}

/// How clearly a row is in one given category and no other: 0.5 (a tie) to 1, nine to one at the
/// typical margin, as among discovered ones. It is the same however many rows there are.
fn clarity(margin: f32, typical: f32) -> f64 {
    1.0 / (1.0 + (-9.0_f64.ln() * f64::from(margin / typical)).exp())
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Node and confidence.
    In(usize, f64),
    /// Why not.
    Nowhere(&'static str),
}

/// Nodes as they are made, parents before children.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    granularities: Vec<usize>,
    /// How many leaves there are by what is asked for alone.
    natural: Option<usize>,
}

struct Divided {
    /// One per row that was divided.
    places: Vec<Place>,
    stability: Option<f64>,
    granularities: Vec<usize>,
}

impl Tree {
    /// Discovers categories among some rows and hangs them below `parent`.
    fn divide(
        &mut self,
        parent: Option<usize>,
        rows: &[usize],
        vectors: &Vectors,
        shape: &Shape,
        seed: u64,
        has_other: bool,
    ) -> Divided {
        let chosen: Matrix = vectors.rows.select(rows);
        let multiplicity: Vec<u32> = rows.iter().map(|&row| vectors.multiplicity[row]).collect();
        let levels: &[usize] = match shape {
            Shape::Automatic => &[],
            Shape::Levels(counts) => counts,
        };
        let leaves = levels.first().map(|&count| count.clamp(1, rows.len().max(1)));
        let options = Options { seed, leaves, natural: self.natural, ..Options::default() };
        let found = hierarchy(&chosen, &multiplicity, &options);
        let node_of_leaf = self.plant(parent, &found, levels);
        let cut = found.default_cut();
        let places = (0..rows.len())
            .map(|row| {
                let confidence = f64::from(found.confidence(row));
                match cut.labels[row] {
                    Some(leaf) => Place::In(node_of_leaf[leaf as usize], confidence),
                    None if has_other => Place::Nowhere(UNLIKE),
                    None => Place::In(node_of_leaf[found.nearest_leaf(row) as usize], confidence),
                }
            })
            .collect();
        let chosen = found.candidates.iter().find(|candidate| candidate.groups == found.leaves());
        Divided {
            places,
            stability: chosen.map(|candidate| candidate.stability),
            granularities: found.candidates.iter().map(|candidate| candidate.groups).collect(),
        }
    }

    /// Makes the nodes of a dendrogram and returns the node of every leaf. A
    /// category with a single subcategory is that subcategory.
    fn plant(&mut self, parent: Option<usize>, found: &Dendrogram, levels: &[usize]) -> Vec<usize> {
        let leaves = found.leaves();
        if let (Some(parent), 0 | 1) = (parent, leaves) {
            return vec![parent; leaves];
        }
        if leaves == 1 {
            self.nodes.push(Node {
                parent: None,
                kind: CategoryKind::Discovered,
                name: Some(EVERYTHING.into()),
                description: Some("No groups stand out among these requests.".into()),
            });
            return vec![self.nodes.len() - 1];
        }
        // From the coarsest level down; each names the group of every leaf.
        let mut cuts: Vec<Vec<u32>> = match levels {
            [] | [_] if parent.is_some() => Vec::new(),
            [] | [_] => vec![found.top_cut().0],
            [_, coarser @ ..] => coarser.iter().rev().map(|&count| found.upper_cut(count).0).collect(),
        };
        cuts.push((0..leaves as u32).collect());
        let mut node_of: Vec<Option<usize>> = vec![parent; leaves];
        for (level, cut) in cuts.iter().enumerate() {
            let finer = cuts.get(level + 1);
            let mut made: Vec<Option<usize>> = vec![None; leaves];
            for leaf in 0..leaves {
                let group = cut[leaf] as usize;
                let members: Vec<usize> = (0..leaves).filter(|&other| cut[other] as usize == group).collect();
                // The next level down has the very same group: let that one stand for both.
                let is_single =
                    finer.is_some_and(|finer| members.iter().all(|&other| finer[other] == finer[leaf]));
                if is_single {
                    continue;
                }
                if made[members[0]].is_none() {
                    made[members[0]] = Some(self.nodes.len());
                    self.nodes.push(Node {
                        parent: node_of[leaf],
                        kind: CategoryKind::Discovered,
                        name: None,
                        description: None,
                    });
                }
                made[leaf] = made[members[0]];
            }
            for leaf in 0..leaves {
                if made[leaf].is_some() {
                    node_of[leaf] = made[leaf];
                }
            }
        }
        node_of.into_iter().map(|node| node.unwrap_or_default()).collect()
    }

    /// Gives every thread the place of its row, adds "Other" if anybody needs
    /// it and drops categories that nobody is in.
    fn finish(
        mut self,
        threads: &[ReadThread],
        vectors: &Vectors,
        places: Vec<Place>,
        stability: Option<f64>,
    ) -> Grouping {
        let place_of = |thread: usize| match vectors.row_of[thread] {
            Some(row) => places[row],
            None => Place::Nowhere(WORDLESS),
        };
        let other = self.nodes.len();
        if (0..threads.len()).any(|thread| matches!(place_of(thread), Place::Nowhere(_))) {
            self.nodes.push(Node {
                parent: None,
                kind: CategoryKind::Other,
                name: Some("Other".into()),
                description: None,
            });
        }
        let members = (0..threads.len())
            .map(|thread| match place_of(thread) {
                Place::In(leaf, confidence) => Member { leaf, confidence, reason: None },
                Place::Nowhere(reason) => {
                    Member { leaf: other, confidence: 0.0, reason: Some(reason.into()) }
                }
            })
            .collect();
        let granularities = self.granularities;
        Grouping { nodes: self.nodes, members, granularities, stability, ..Grouping::default() }
            .without_empty_nodes()
    }
}
