//! Certificates that are about to expire, and the warnings of it.

use std::convert::Infallible;
use std::time::Duration;

use super::certificate::{Certificate, Certificates};

/// From how long before its end on a certificate is warned of.
const SOON_S: i64 = 30 * DAY_S;
/// From how long before its end on it is an error: nobody has much time left to act.
const VERY_SOON_S: i64 = 7 * DAY_S;
/// Between two warnings of the same certificate.
const WARN_EVERY: Duration = Duration::from_hours(24);
const DAY_S: i64 = 24 * 60 * 60;

/// How soon somebody has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    Soon,
    VerySoon,
    Expired,
}

impl Certificates {
    /// Warns of certificates whose end is near, at once and then once a day; never ends. `section` is where the settings of
    /// the connection stand, `now` the time in seconds since 1970.
    pub async fn warn_of_expiry(&self, section: &str, now: impl Fn() -> i64) -> Infallible {
        let ours = format!("our certificate, in {section}.tls.certificate_file");
        let theirs = format!("the certificate of the broker of {section}.url");
        loop {
            for (certificate, whose) in [(&self.ours, &ours), (&self.theirs, &theirs)] {
                if let Some(certificate) = certificate {
                    warn(certificate, whose, now());
                }
            }
            tokio::time::sleep(WARN_EVERY).await;
        }
    }
}

fn warn(certificate: &Certificate, whose: &str, now: i64) {
    let Some(urgency) = urgency(certificate, now) else {
        return;
    };
    let days = (certificate.not_after - now).div_euclid(DAY_S);
    let subject = &certificate.subject;
    match urgency {
        Urgency::Soon => {
            tracing::warn!(
                subject,
                days,
                "{whose} expires in {days} days: replace it in time"
            );
        }
        Urgency::VerySoon => {
            tracing::error!(subject, days, "{whose} expires in {days} days: replace it now");
        }
        Urgency::Expired => {
            tracing::error!(
                subject,
                "{whose} has expired: no new connection can be made until it is replaced"
            );
        }
    }
}

fn urgency(certificate: &Certificate, now: i64) -> Option<Urgency> {
    match certificate.not_after - now {
        left if left < 0 => Some(Urgency::Expired),
        left if left < VERY_SOON_S => Some(Urgency::VerySoon),
        left if left < SOON_S => Some(Urgency::Soon),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Certificate, DAY_S, Urgency, urgency};

    #[test]
    fn a_certificate_is_warned_of_a_month_before_its_end_and_louder_in_the_last_week() {
        let now = 1_800_000_000;
        let left = |seconds: i64| {
            let certificate = Certificate {
                subject: "CN=broker".to_owned(),
                not_after: now + seconds,
            };
            urgency(&certificate, now)
        };
        assert_eq!(left(31 * DAY_S), None);
        assert_eq!(left(30 * DAY_S - 1), Some(Urgency::Soon));
        assert_eq!(left(7 * DAY_S), Some(Urgency::Soon));
        assert_eq!(left(7 * DAY_S - 1), Some(Urgency::VerySoon));
        assert_eq!(left(0), Some(Urgency::VerySoon));
        assert_eq!(left(-1), Some(Urgency::Expired));
    }
}
