//! What the store holds, as the page shows it. Asking the store is work of the thread that commits, and anybody may ask for
//! the page; so it is asked once in a while, whoever wants to know.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline::storage::DocumentSummary;
use syncline_core::event::StoreFault;
use tokio::sync::Mutex;

/// How old the list of documents may be. The page asks a little less often, so it shows what there is.
pub(crate) const LISTING_AGE: Duration = Duration::from_secs(1);

/// Most documents named on the page.
pub(crate) const MAX_LISTED_DOCUMENTS: usize = 200;

/// The documents of a store.
pub(crate) struct Listing {
    /// How many there are.
    pub stored: usize,
    /// The first of them.
    pub first: Vec<DocumentSummary>,
}

/// The last listing.
#[derive(Default)]
pub(crate) struct Listings(Mutex<Option<(Instant, Arc<Listing>)>>);

impl Listings {
    /// A listing of no more than [`LISTING_AGE`]. Who comes while the store is asked waits for that answer; a fault is
    /// kept for nobody.
    pub async fn latest<F>(&self, now: Instant, ask: impl FnOnce() -> F) -> Result<Arc<Listing>, StoreFault>
    where
        F: Future<Output = Result<Vec<DocumentSummary>, StoreFault>>,
    {
        let mut last = self.0.lock().await;
        let is_fresh = |(time, _): &&(Instant, _)| now.saturating_duration_since(*time) < LISTING_AGE;
        if let Some((_, listing)) = last.as_ref().filter(is_fresh) {
            return Ok(listing.clone());
        }
        let mut first = ask().await?;
        let stored = first.len();
        first.truncate(MAX_LISTED_DOCUMENTS);
        first.shrink_to_fit();
        let listing = Arc::new(Listing { stored, first });
        *last = Some((now, listing.clone()));
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use syncline::{DocId, Family, Kind, Spec};

    use super::*;

    fn summary(number: usize) -> DocumentSummary {
        let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
        DocumentSummary { doc: DocId::new(&format!("d{number}")).unwrap(), spec, head: 1, bytes: 1 }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_asks_the_store_is_asked_once_a_second() {
        let (listings, asked, begin) = (Listings::default(), AtomicUsize::new(0), Instant::now());
        let ask = async || Ok((0..=asked.fetch_add(1, Ordering::Relaxed)).map(summary).collect());
        for (milliseconds, times) in [(0, 1), (10, 1), (999, 1), (1_000, 2), (1_500, 2), (2_000, 3)] {
            let listing = listings.latest(begin + Duration::from_millis(milliseconds), ask).await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times, "after {milliseconds} ms");
            assert_eq!((listing.stored, listing.first.len()), (times, times), "after {milliseconds} ms");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_comes_while_the_store_is_asked_waits_for_the_answer() {
        let (listings, now) = (Listings::default(), Instant::now());
        let slow = async || {
            tokio::task::yield_now().await;
            Ok(vec![summary(1)])
        };
        let (one, other) = tokio::join!(
            listings.latest(now, slow),
            listings.latest(now, async || panic!("the store is asked a second time"))
        );
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_fault_is_not_kept_and_a_long_list_is_cut() {
        let (listings, now) = (Listings::default(), Instant::now());
        let fault = async || Err(StoreFault("the disk is gone".to_owned()));
        assert!(listings.latest(now, fault).await.is_err());
        let many = async || Ok((0..MAX_LISTED_DOCUMENTS + 5).map(summary).collect());
        let listing = listings.latest(now, many).await.unwrap();
        assert_eq!((listing.stored, listing.first.len()), (MAX_LISTED_DOCUMENTS + 5, MAX_LISTED_DOCUMENTS));
    }
}
