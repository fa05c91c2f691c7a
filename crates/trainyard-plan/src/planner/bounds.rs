//! Lower bounds on the cost of the layers that a search has not placed yet.
//!
//! Let the layers before `x` go to the devices of a set C in any way, and let Tᵈ be the cost of those
//! on d. For any weights w ≥ 0 that sum to 1 over C, and any 0 ≤ μ ≤ β,
//!
//! ```text
//! α Σ Tᵈ + μ max Tᵈ  ≥  Σ (α + μ wᵈ) Tᵈ  ≥  Σ over layers of min over d of (α + μ wᵈ) tᵈ(layer)
//! ```
//!
//! so with `sum` and `max` of what is placed, no partition costs less than α sum + (β − μ) max + that
//! last sum. It is tight where (α + μ wᵈ) tᵈ is the same on all devices that are used, which makes
//! α + μ wᵈ = max(α, c sᵈ) for speeds sᵈ and the least c at which the weights reach 1. A few μ are
//! tried, as the tightest depends on `max`.

use super::goal::Goal;
use super::space::Space;

/// Shares of β that are tried as μ: none and all are the two extremes, and two between them are worth
/// what each costs, an addition a look (100 layers × 8 unlike devices are exact within the budget with
/// them, and are not without).
const SHARES: [f64; 4] = [0.0, 0.4, 0.75, 1.0];

/// The bounds for one set of used devices.
pub(super) struct Rest {
    /// The bound, by share of β and position of the grid.
    lines: Vec<Vec<f64>>,
    /// Layers that the unused devices could hold at most, by their bytes.
    reach: usize,
}

impl Rest {
    /// Least that the rest can add by its sum alone.
    #[inline]
    pub(super) fn cheapest(&self, at: usize) -> f64 {
        self.lines.first().map_or(0.0, |line| line[at])
    }
}

/// Bounds for every set that a search comes across.
pub(super) struct Bounds {
    alpha: f64,
    beta: f64,
    /// Weight of each group of the grid in the goal's maximum, by device. Cuts lie on the grid, so a
    /// group is a layer to the bound.
    weigh: Vec<Vec<f64>>,
    /// 1 ÷ the weight of the whole model, by device.
    speed: Vec<f64>,
    /// Least bytes of the layers before each position of the grid.
    bytes: Vec<u128>,
    budget: Vec<u64>,
    limited: bool,
    by_set: Vec<Option<Box<Rest>>>,
}

impl Bounds {
    pub(super) fn new(space: &Space, grid: &[usize]) -> Self {
        let devices = space.device_count();
        let (alpha, beta) = space.goal.weights();
        let weight = |device, layer| match space.goal {
            Goal::Time(_) => space.layer_time(device, layer),
            Goal::Share => {
                space.layer_bytes(device, layer) as f64 / space.budget(device).max(1) as f64
            }
            Goal::Need(_) => 0.0,
        };
        let weigh = |device| {
            let group =
                |pair: &[usize]| (pair[0]..pair[1]).map(|layer| weight(device, layer)).sum();
            grid.windows(2).map(group).collect()
        };
        let weigh: Vec<Vec<f64>> = (0..devices).map(weigh).collect();
        let whole: Vec<f64> = weigh.iter().map(|weights| weights.iter().sum()).collect();
        // Any weights give a bound; these keep them finite where a device takes no time at all.
        let least = whole.iter().copied().fold(0.0, f64::max) * 1e-12;
        let least_bytes = |layer: usize| {
            let bytes = (0..devices).map(|device| space.layer_bytes(device, layer));
            u128::from(bytes.min().unwrap_or(0))
        };
        let mut bytes = vec![0; grid.len()];
        for (x, pair) in grid.windows(2).enumerate() {
            bytes[x + 1] = bytes[x] + (pair[0]..pair[1]).map(least_bytes).sum::<u128>();
        }
        Self {
            alpha,
            beta,
            weigh,
            speed: whole.iter().map(|whole| 1.0 / whole.max(least)).collect(),
            bytes,
            budget: (0..devices).map(|device| space.budget(device)).collect(),
            limited: matches!(space.goal, Goal::Time(_)),
            by_set: std::iter::repeat_with(|| None).take(1 << devices).collect(),
        }
    }

    /// Works out the bounds for a set of used devices. Returns whether they were not there yet.
    pub(super) fn prepare(&mut self, used: u32) -> bool {
        let new = self.by_set[used as usize].is_none();
        if new {
            self.by_set[used as usize] = Some(Box::new(self.rest(used)));
        }
        new
    }

    /// The bounds that were [prepared](Self::prepare).
    pub(super) fn of(&self, used: u32) -> &Rest {
        const NOTHING: &Rest = &Rest { lines: Vec::new(), reach: usize::MAX };
        self.by_set[used as usize].as_deref().unwrap_or(NOTHING)
    }

    fn rest(&self, used: u32) -> Rest {
        let unused = (0..self.speed.len()).filter(|device| used & (1 << device) == 0);
        let unused: Vec<usize> = unused.collect();
        let room: u128 = unused.iter().map(|device| u128::from(self.budget[*device])).sum();
        let reach = if unused.is_empty() {
            0
        } else if self.limited {
            self.bytes.iter().take_while(|bytes| **bytes <= room).count().saturating_sub(1)
        } else {
            usize::MAX
        };
        let lines = SHARES.iter().map(|share| self.line(&unused, share * self.beta));
        Rest { lines: lines.collect(), reach }
    }

    fn line(&self, unused: &[usize], mu: f64) -> Vec<f64> {
        let factors = self.factors(unused, mu);
        let least = |group: usize| {
            let on = |(device, factor): (&usize, &f64)| self.weigh[*device][group] * factor;
            unused.iter().zip(&factors).map(on).fold(f64::INFINITY, f64::min)
        };
        let mut line = vec![0.0];
        for group in 0..self.bytes.len() - 1 {
            line.push(line[group] + least(group));
        }
        line
    }

    /// α + μ wᵈ for the devices of a set.
    fn factors(&self, unused: &[usize], mu: f64) -> Vec<f64> {
        let mut fastest: Vec<f64> = unused.iter().map(|device| self.speed[*device]).collect();
        fastest.sort_by(|a, b| b.total_cmp(a));
        let (mut sum, mut least) = (0.0, f64::INFINITY);
        for (more, speed) in fastest.iter().enumerate() {
            sum += speed;
            least = f64::min(least, (mu + self.alpha * (more + 1) as f64) / sum);
        }
        unused.iter().map(|device| self.alpha.max(least * self.speed[*device])).collect()
    }

    /// Lower bound of partitions with `sum` and `max` in their later stages, and before them the
    /// layers up to the position `at`; infinite where those fit nowhere.
    #[inline]
    pub(super) fn cost(&self, rest: &Rest, at: usize, sum: f64, max: f64) -> f64 {
        if at > rest.reach {
            return f64::INFINITY;
        }
        let mut bound = f64::NEG_INFINITY;
        for (line, share) in rest.lines.iter().zip(SHARES) {
            bound = bound.max(line[at] + (1.0 - share) * self.beta * max);
        }
        self.alpha * sum + bound
    }
}
