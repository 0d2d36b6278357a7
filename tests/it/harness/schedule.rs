//! Which faults come, in which order, and how long each took to be over.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use super::dice::Dice;

const SEED: &str = "DOMESDAY_FAULTS_SEED";
const ROUNDS: &str = "DOMESDAY_FAULTS_ROUNDS";
/// A schedule of faults, by chance of a seed.
pub(crate) struct Schedule<F> {
    pub(crate) seed: u64,
    pub(crate) dice: Dice,
    faults: Vec<F>,
    figures: BTreeMap<String, Vec<Duration>>,
}

impl<F: Copy + Debug> Schedule<F> {
    /// As many faults as the environment says, or few: each kind once in an order by chance, then again in another. The
    /// first is the first.
    pub(crate) fn new(kinds: &[F], few: u64) -> Self {
        let (seed, rounds) = (number(SEED, 1), number(ROUNDS, few));
        say(&format!("{SEED}={seed} {ROUNDS}={rounds}"));
        let mut dice = Dice::new(seed);
        let mut faults: Vec<F> = Vec::new();
        let rounds = usize::try_from(rounds).expect("a small number");
        while faults.len() < rounds {
            let mut more = kinds.to_vec();
            let fixed = usize::from(faults.is_empty());
            dice.shuffle(&mut more[fixed..]);
            faults.extend(more);
        }
        faults.truncate(rounds);
        Self {
            seed,
            dice,
            faults,
            figures: BTreeMap::new(),
        }
    }

    /// The faults in their order.
    pub(crate) fn faults(&self) -> Vec<F> {
        self.faults.clone()
    }

    /// A pause by chance.
    pub(crate) async fn pause(&mut self, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.below(most_ms))).await;
    }

    /// Takes down how long it was until all was well again.
    pub(crate) fn took(&mut self, fault: F, time: Duration) {
        say(&format!("{fault:?}: {} ms", time.as_millis()));
        self.figures.entry(format!("{fault:?}")).or_default().push(time);
    }

    /// Prints the figures of all rounds.
    pub(crate) fn sum_up(&mut self) {
        for (fault, times) in &mut self.figures {
            times.sort();
            let (count, longest) = (times.len(), times[times.len() - 1].as_millis());
            let median = times[times.len() / 2].as_millis();
            say(&format!(
                "{fault}, {count} times: well again after {median} ms (median), {longest} ms (longest)"
            ));
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(default, |text| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{name} is {text}, which is no number"))
    })
}

/// Says it beside the output of the test.
#[allow(clippy::print_stderr)] // The test runner shows it where it is asked to, and for a test that failed.
pub(crate) fn say(words: &str) {
    eprintln!("faults: {words}");
}
