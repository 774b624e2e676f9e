//! What the clock says about a cluster. Output never depends on it; warnings may.

use crate::spec::Cluster;
use crate::spec::units::Date;

const DAY: i64 = 86_400;
/// Enough to review, build and deploy.
const SOON: i64 = 30 * DAY;

/// Midnight of today in UTC, so that two runs of one day say the same; `SOURCE_DATE_EPOCH` gives another day.
pub fn today() -> Date {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Date::from_unix_seconds(given.unwrap_or(since.as_secs() as i64))
}

/// Certificates live from `pki.epoch` on: a node with others starts, and nobody trusts it.
pub fn validity_warning(cluster: &Cluster, today: Date) -> Option<String> {
    let pki = &cluster.spec.pki;
    let (from, now) = (pki.epoch.unix_seconds(), today.unix_seconds());
    let until = from + i64::try_from(pki.lifetimes.certificate.seconds).unwrap_or(i64::MAX / 2);
    let last = Date::from_unix_seconds(until);
    let help = format!("write `pki: {{epoch: {today}}}`, build and deploy");
    if now < from {
        return Some(format!("no certificate is valid before {}: nodes will refuse each other; {help}", pki.epoch));
    }
    match until - now {
        left if left <= 0 => Some(format!("the certificates have expired on {last}; {help}")),
        left if left < SOON => Some(format!("the certificates expire on {last}, in {} days; {help}", left / DAY)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::MINIMAL;

    #[test]
    fn certificates_out_of_their_time_are_told() {
        let text = MINIMAL.to_owned();
        let cluster = crate::spec::parse(&text).unwrap();
        let epoch = cluster.spec.pki.epoch.unix_seconds();
        let said =
            |days: i64| validity_warning(&cluster, Date::from_unix_seconds(epoch + days * DAY)).unwrap_or_default();
        for (days, expected) in [(-1, "valid before"), (0, ""), (330, ""), (340, "expire on"), (400, "have expired")] {
            assert!(
                said(days).contains(expected) && said(days).is_empty() == expected.is_empty(),
                "{days}: {}",
                said(days)
            );
        }
    }
}
