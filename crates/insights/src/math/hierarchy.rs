//! Discovery: rows in, a tree of categories at every granularity out.
//!
//! 1. Rows are centred and scaled to unit length; above `discover` rows a
//!    sample chosen by content stands for all.
//! 2. Each row is smoothed with its neighbours ([`super::neighbours::smooth`])
//!    and a Ward tree is grown over all of them ([`super::linkage`]).
//! 3. The leaf level is the cut whose silhouette times stability is highest
//!    ([`super::granularity`]); if those leaves hardly divide the top level, a
//!    finer cut that is nearly as good.
//! 4. Rows move once to the leaf whose centre they are nearest to.
//! 5. Leaves are joined by average linkage into the upper tree; the top level
//!    joins leaves as long as they have more in common than a fixed cosine.
//! 6. Rows unlike their leaf and unlike their nearest rows are residue.

use super::granularity::{Candidate, Growth, choose, judge, second_level};
use super::linkage::{Criterion, Merge, agglomerate, cut};
use super::matrix::Matrix;
use super::neighbours::best;
use super::random::{content_key, lowest};
use super::route::Router;

/// Advanced knobs. The defaults are meant for every corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Decides which rows are sampled and how halves are drawn; nothing else.
    pub seed: u64,
    /// Distinct rows looked at for discovery; the rest is routed.
    pub discover: usize,
    /// Neighbours a row is smoothed with.
    pub neighbours: usize,
    /// Times it is smoothed.
    pub rounds: usize,
    /// Pairs of halves that vote on granularity.
    pub resamples: usize,
    /// Numbers of leaves with at least this share of the best merit are equally good.
    pub plateau: f64,
    /// Two leaves share a top category while their mean cosine (about the corpus mean) is above this.
    pub kinship: f32,
    /// Rows below this share of the typical fit are residue.
    pub outlier: f32,
    /// Leaves wanted; `None` lets the rows decide.
    pub leaves: Option<usize>,
    /// How many there are by nature, where other rows say that; these still say what speaks for
    /// each number of them.
    pub natural: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            discover: 6_000,
            neighbours: 20,
            rounds: 2,
            resamples: 4,
            plateau: 0.85,
            kinship: 0.29,
            outlier: 0.5,
            leaves: None,
            natural: None,
        }
    }
}

/// A grouping of all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The group of every row, `0..groups`; `None` for residue.
    pub labels: Vec<Option<u32>>,
    pub groups: usize,
}

/// The whole tree of resolutions over the rows.
///
/// Cuts of it are nested: a finer cut never mixes two groups of a coarser one.
#[derive(Debug, Clone)]
pub struct Dendrogram {
    /// Every number of groups that was judged, and what spoke for it.
    pub candidates: Vec<Candidate>,
    /// Which rows took part in discovery, ascending.
    pub sample: Vec<usize>,
    /// Places new rows in the leaf categories.
    pub router: Router,
    /// Leaf of every row, residue included.
    leaf: Vec<u32>,
    leaves: usize,
    /// For every row, the sampled row (a place in `sample`) whose path below the leaf it follows.
    host: Vec<u32>,
    /// Whether the row fits nowhere.
    residue: Vec<bool>,
    /// How clearly every row belongs to its leaf.
    confidence: Vec<f32>,
    /// Merges of sampled rows (Ward).
    lower: Vec<Merge>,
    /// Merges of leaves (average linkage of their centres).
    upper: Vec<Merge>,
    kinship: f32,
}

/// Grows the tree. `vectors`: distinct rows in a canonical order; `multiplicity`: how often each occurs.
///
/// The same rows give the same tree on any number of cores. Cost: quadratic in
/// `min(rows, discover)`, linear beyond.
#[must_use]
pub fn hierarchy(vectors: &Matrix, multiplicity: &[u32], options: &Options) -> Dendrogram {
    assert_eq!(vectors.rows, multiplicity.len(), "one multiplicity per row");
    let sample = draw(vectors, options);
    // A text sent a thousand times is one way of asking: it weighs more, but not a thousandfold.
    let weights: Vec<f32> = sample.iter().map(|&i| 1.0 + (multiplicity[i].max(1) as f32).ln()).collect();
    let raw = vectors.select(&sample);
    let origin = if raw.rows < 3 { vec![0.0; raw.cols] } else { raw.mean(&weights) };
    let rows = raw.directions_from(&origin);

    let growth = Growth { neighbours: options.neighbours, rounds: options.rounds };
    let (smoothed, lower) = growth.grow(&rows, &weights);
    let candidates = match options.leaves {
        Some(_) => Vec::new(),
        None => judge(&rows, &lower, growth, options.resamples, options.seed),
    };
    let given = options.leaves.or(options.natural.map(|leaves| leaves.min(rows.rows)));
    let wanted = given.unwrap_or_else(|| choose(&candidates, options.plateau));
    let mut level = Level::new(&rows, &smoothed, &lower, wanted, &weights);
    let tops = top_count(&level.upper, level.leaves, options.kinship);
    if given.is_none() && level.leaves > 1 && level.leaves < 2 * tops {
        // Leaves that hardly divide the top level are no second level.
        if let Some(finer) = second_level(&candidates, rows.rows, tops, options.plateau) {
            level = Level::new(&rows, &smoothed, &lower, finer, &weights);
        }
    }
    let Level { leaves, grown, settled, upper } = level;
    let copies: Vec<u32> = sample.iter().map(|&i| multiplicity[i]).collect();
    let router = Router::new(origin, rows, &settled, leaves, &weights, &copies, options.outlier);

    let mut leaf = vec![0u32; vectors.rows];
    let mut host = vec![0u32; vectors.rows];
    let mut residue = vec![false; vectors.rows];
    let mut confidence = vec![0.0f32; vectors.rows];
    let mut sampled = vec![false; vectors.rows];
    let known = router.known_confidence();
    let hosts = router.hosts(&grown);
    for (place, &i) in sample.iter().enumerate() {
        sampled[i] = true;
        (leaf[i], host[i], residue[i]) = (settled[place], hosts[place], router.residue[place]);
        confidence[i] = known[place];
    }
    let rest: Vec<usize> = (0..vectors.rows).filter(|&i| !sampled[i]).collect();
    for (&i, route) in rest.iter().zip(router.route(&vectors.select(&rest))) {
        (leaf[i], host[i], residue[i]) =
            (route.nearest_leaf, hosts[route.nearest_row as usize], route.leaf.is_none());
        confidence[i] = route.confidence;
    }
    Dendrogram {
        candidates,
        sample,
        router,
        leaf,
        leaves,
        host,
        residue,
        confidence,
        lower,
        upper,
        kinship: options.kinship,
    }
}

/// A choice of leaves, and the tree above them.
struct Level {
    leaves: usize,
    /// Leaf of every row as the Ward tree has it.
    grown: Vec<u32>,
    /// Leaf of every row after moving to the nearest.
    settled: Vec<u32>,
    upper: Vec<Merge>,
}

impl Level {
    fn new(rows: &Matrix, smoothed: &Matrix, lower: &[Merge], leaves: usize, weights: &[f32]) -> Self {
        let leaves = leaves.clamp(rows.rows.min(1), rows.rows);
        let grown = cut(rows.rows, lower, leaves);
        let settled = settle(rows, smoothed, &grown, leaves, weights);
        let centres = smoothed.sums(&settled, leaves, weights).normalized();
        let upper = agglomerate(&centres, &vec![1.0; leaves], Criterion::Average);
        Self { leaves, grown, settled, upper }
    }
}

/// How many top categories: leaves are joined while they are akin, and further until a reader can take
/// the list in, which is twelve or twice the root of the number of leaves.
fn top_count(upper: &[Merge], leaves: usize, kinship: f32) -> usize {
    let akin = upper.iter().filter(|merge| 1.0 - merge.height >= kinship).count();
    let readable = 12.max((2.0 * (leaves as f64).sqrt()).ceil() as usize);
    (leaves - akin).min(readable)
}

/// The rows discovery looks at: all, or the `discover` with the lowest content keys.
fn draw(vectors: &Matrix, options: &Options) -> Vec<usize> {
    if vectors.rows <= options.discover {
        return (0..vectors.rows).collect();
    }
    let keys: Vec<u64> = (0..vectors.rows).map(|i| content_key(vectors.row(i), options.seed)).collect();
    lowest(&keys, options.discover)
}

/// Moves every row once to the leaf it is nearest to, half by its own direction and half by its smoothed one.
///
/// A leaf that would lose all its rows keeps them.
fn settle(rows: &Matrix, smoothed: &Matrix, grown: &[u32], leaves: usize, weights: &[f32]) -> Vec<u32> {
    if leaves < 2 {
        return grown.to_vec();
    }
    let own = rows.sums(grown, leaves, weights).normalized();
    let calm = smoothed.sums(grown, leaves, weights).normalized();
    let by_own = rows.map_products(&own, |_, products| products.to_vec());
    let moved = smoothed.map_products(&calm, |i, products| {
        let both: Vec<f32> = products.iter().zip(&by_own[i]).map(|(a, b)| a + b).collect();
        best(&both, 1, None).first().map_or(grown[i], |&(_, leaf)| leaf)
    });
    let mut left = vec![false; leaves];
    moved.iter().for_each(|&leaf| left[leaf as usize] = true);
    grown.iter().zip(moved).map(|(&was, now)| if left[was as usize] { now } else { was }).collect()
}

impl Dendrogram {
    /// The leaf level: what is shown by default.
    #[must_use]
    pub fn default_cut(&self) -> Cut {
        self.with_residue(&self.leaf, self.leaves)
    }

    /// The top category of every leaf, and how many there are.
    #[must_use]
    pub fn top_cut(&self) -> (Vec<u32>, usize) {
        self.upper_cut(top_count(&self.upper, self.leaves, self.kinship))
    }

    /// The group of every leaf when leaves are joined into `groups` groups.
    #[must_use]
    pub fn upper_cut(&self, groups: usize) -> (Vec<u32>, usize) {
        let groups = groups.clamp(1, self.leaves.max(1));
        (cut(self.leaves, &self.upper, groups), groups.min(self.leaves))
    }

    /// Any granularity: `groups` groups, from one to the number of sampled rows.
    ///
    /// Above the leaf level leaves are joined; below it they are divided along
    /// the Ward tree. Never more groups than distinct rows sampled.
    #[must_use]
    pub fn cut_at(&self, groups: usize) -> Cut {
        if groups <= self.leaves {
            let (of_leaf, groups) = self.upper_cut(groups);
            let labels: Vec<u32> = self.leaf.iter().map(|&l| of_leaf[l as usize]).collect();
            return self.with_residue(&labels, groups);
        }
        let groups = groups.min(self.sample.len());
        let fine = cut(self.sample.len(), &self.lower, groups);
        let labels: Vec<u32> = self.host.iter().map(|&h| fine[h as usize]).collect();
        self.with_residue(&labels, groups)
    }

    /// How many leaves there are.
    #[must_use]
    pub fn leaves(&self) -> usize {
        self.leaves
    }

    /// How clearly a row belongs to its leaf and no other: 0.5 (a tie) to 1.
    #[must_use]
    pub fn confidence(&self, row: usize) -> f32 {
        self.confidence[row]
    }

    /// The leaf a row would have if no row were residue.
    #[must_use]
    pub fn nearest_leaf(&self, row: usize) -> u32 {
        self.leaf[row]
    }

    fn with_residue(&self, labels: &[u32], groups: usize) -> Cut {
        let labels = labels.iter().zip(&self.residue).map(|(&l, &out)| (!out).then_some(l)).collect();
        Cut { labels, groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::mix;

    /// `families x kinds x each` rows: kinds of a family are close, rows of a kind closer.
    fn corpus(families: usize, kinds: usize, each: usize) -> (Matrix, Vec<u32>) {
        let noise = |key: usize| mix(key as u64) as f32 / u64::MAX as f32 - 0.5;
        let (mut data, mut kind_of) = (Vec::new(), Vec::new());
        for family in 0..families {
            for kind in 0..kinds {
                for row in 0..each {
                    let key = (family * kinds + kind) * each + row;
                    let mut x: Vec<f32> = (0..64).map(|c| 0.06 * noise(key * 64 + c)).collect();
                    x[family] += 1.0;
                    x[20 + family * kinds + kind] += 0.7;
                    crate::math::matrix::normalize(&mut x);
                    data.extend(x);
                    kind_of.push((family * kinds + kind) as u32);
                }
            }
        }
        (Matrix::new(kind_of.len(), 64, data), kind_of)
    }

    fn grow(x: &Matrix) -> Dendrogram {
        hierarchy(x, &vec![1; x.rows], &Options::default())
    }

    fn labels(cut: &Cut) -> Vec<u32> {
        cut.labels.iter().map(|l| l.unwrap_or(u32::MAX)).collect()
    }

    #[test]
    fn kinds_become_leaves_and_families_the_level_above() {
        let (x, kinds) = corpus(4, 3, 20);
        let tree = grow(&x);
        assert_eq!(tree.leaves(), 12);
        assert_eq!(crate::math::agreement::adjusted_rand(&labels(&tree.default_cut()), &kinds), 1.0);
        let families: Vec<u32> = kinds.iter().map(|k| k / 3).collect();
        assert_eq!(crate::math::agreement::adjusted_rand(&labels(&tree.cut_at(4)), &families), 1.0);
    }

    #[test]
    fn cuts_are_nested() {
        let (x, _) = corpus(4, 3, 20);
        let tree = grow(&x);
        let cuts: Vec<Vec<u32>> = [1, 3, 6, 12, 17, 40, 200].map(|k| labels(&tree.cut_at(k))).to_vec();
        for pair in cuts.windows(2) {
            let mut parent = std::collections::BTreeMap::new();
            for (coarse, fine) in pair[0].iter().zip(&pair[1]) {
                assert_eq!(parent.entry(*fine).or_insert(*coarse), coarse);
            }
        }
    }

    #[test]
    fn the_number_of_cores_changes_nothing() {
        let (x, _) = corpus(5, 3, 30);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let tree = grow(&x);
                let bits: Vec<u32> = tree.router.centres.data.iter().map(|v| v.to_bits()).collect();
                (tree.default_cut(), tree.top_cut(), tree.candidates, bits)
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(5));
    }

    #[test]
    fn few_rows_make_few_categories() {
        for n in [0, 1, 2, 5, 20] {
            let (x, _) = corpus(1, 1, n);
            let tree = grow(&x);
            assert_eq!(tree.default_cut().labels.len(), n);
            assert!(tree.leaves() <= n.max(1) && (n == 0 || tree.leaves() >= 1), "{n} rows");
            assert_eq!(tree.cut_at(3).labels.len(), n);
            assert!(tree.top_cut().1 <= tree.leaves());
        }
    }

    #[test]
    fn rows_that_were_not_sampled_join_the_leaves_found() {
        let (x, kinds) = corpus(4, 3, 50);
        let options = Options { discover: 240, ..Options::default() };
        let tree = hierarchy(&x, &vec![1; x.rows], &options);
        assert_eq!(tree.sample.len(), 240);
        assert_eq!(crate::math::agreement::adjusted_rand(&labels(&tree.default_cut()), &kinds), 1.0);
    }

    #[test]
    fn strangers_are_residue() {
        let (mut x, _) = corpus(3, 3, 20);
        for stranger in 0..3 {
            let mut row: Vec<f32> = (0..64).map(|c| ((c * 7 + stranger * 13) % 11) as f32 - 5.0).collect();
            row[50 + stranger] += 30.0;
            crate::math::matrix::normalize(&mut row);
            x.data.extend(row);
        }
        x.rows += 3;
        let cut =
            hierarchy(&x, &vec![1; x.rows], &Options { leaves: Some(9), ..Options::default() }).cut_at(9);
        assert!(cut.labels[..180].iter().all(Option::is_some));
        assert!(cut.labels[180..].iter().filter(|l| l.is_none()).count() >= 2);
    }
}
