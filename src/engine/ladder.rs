//! Which snapshots are kept: many young ones, few old ones.

use std::collections::HashSet;

use crate::domain::Timestamp;

/// How many are kept of each step of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    pub(super) hourly: usize,
    pub(super) daily: usize,
    pub(super) weekly: usize,
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
const WEEK_US: i64 = 7 * DAY_US;
/// The first of January 1970 was a Thursday, and weeks begin on Mondays.
const MONDAY_US: i64 = 3 * DAY_US;

impl Keep {
    /// Which of the snapshots of these times may go. The youngest stays; and so do the last one of each of so many hours,
    /// days and weeks (UTC) that have one. Where a server stood still, its hours do not count, so that they cost nothing.
    pub(super) fn superfluous(self, times: &[Timestamp]) -> Vec<Timestamp> {
        let mut young_first = times.to_vec();
        young_first.sort_unstable();
        young_first.dedup();
        young_first.reverse();
        let steps = [
            (self.hourly, HOUR_US, 0),
            (self.daily, DAY_US, 0),
            (self.weekly, WEEK_US, MONDAY_US),
        ];
        let mut kept: HashSet<Timestamp> = young_first.first().copied().into_iter().collect();
        for (count, length, shift) in steps {
            let mut spans = HashSet::new();
            for time in &young_first {
                if spans.len() >= count {
                    break;
                }
                if spans.insert(time.0.saturating_add(shift).div_euclid(length)) {
                    kept.insert(*time);
                }
            }
        }
        young_first.retain(|time| !kept.contains(time));
        young_first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, proptest};

    use super::{DAY_US, HOUR_US, Keep};
    use crate::domain::Timestamp;

    const KEEP: Keep = Keep {
        hourly: 3,
        daily: 2,
        weekly: 2,
    };

    /// Monday, 2026-10-12, 00:00 UTC, and so many hours.
    fn at(hours: i64) -> Timestamp {
        Timestamp(20_738 * DAY_US + hours * HOUR_US)
    }

    fn kept(keep: Keep, times: &[Timestamp]) -> Vec<Timestamp> {
        let gone = keep.superfluous(times);
        times
            .iter()
            .copied()
            .filter(|time| !gone.contains(time))
            .collect()
    }

    #[test]
    fn the_last_of_each_hour_day_and_week_stays() {
        // Every hour for ten days, from Monday on; the last is on a Wednesday, 23:00.
        let times: Vec<Timestamp> = (0..10 * 24).map(at).collect();
        let expected = [
            // Sunday is the end of the first week.
            at(7 * 24 - 1),
            // Tuesday is the day before the last.
            at(9 * 24 - 1),
            at(10 * 24 - 3),
            at(10 * 24 - 2),
            at(10 * 24 - 1),
        ];
        assert_eq!(kept(KEEP, &times), expected);
    }

    #[test]
    fn hours_without_a_snapshot_do_not_count() {
        let times = [at(0), at(500), at(501)];
        assert_eq!(kept(KEEP, &times), times);
    }

    #[test]
    fn several_in_one_hour_are_one() {
        let minute = HOUR_US / 60;
        let times: Vec<Timestamp> = (0..50).map(|n| Timestamp(at(5).0 + n * minute)).collect();
        assert_eq!(kept(KEEP, &times), [Timestamp(at(5).0 + 49 * minute)]);
    }

    #[test]
    fn the_youngest_stays_whatever_the_settings_say() {
        let none = Keep {
            hourly: 0,
            daily: 0,
            weekly: 0,
        };
        assert_eq!(kept(none, &[at(1), at(3), at(2)]), [at(3)]);
        assert!(none.superfluous(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn to_choose_again_changes_nothing(
            times in prop::collection::vec((0_i64..5_000).prop_map(at), 0..60),
            hourly in 0_usize..6, daily in 0_usize..6, weekly in 0_usize..6,
        ) {
            let keep = Keep { hourly, daily, weekly };
            let first = kept(keep, &times);
            let again = kept(keep, &first);
            assert_eq!(first, again);
        }
    }
}
