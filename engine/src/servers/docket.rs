//! Which documents a server is to have, and of which of them there is news.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use syncline_core::id::DocId;
use tokio::sync::Notify;

/// The documents of a server's family that are open here. The engine writes it, whoever talks to the server reads it.
#[derive(Default)]
pub(crate) struct Docket {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Default)]
struct State {
    open: BTreeSet<DocId>,
    news: BTreeSet<DocId>,
}

/// What is new of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// It is open, and there may be more of its log.
    Open(DocId),
    /// It is not open any more.
    Closed(DocId),
}

impl Docket {
    /// A document is open, or more of its log is on disk.
    pub fn open(&self, doc: &DocId) {
        let mut state = self.lock();
        state.open.insert(doc.clone());
        state.news.insert(doc.clone());
        drop(state);
        self.told.notify_one();
    }

    /// More of a log is on disk.
    pub fn on_durable(&self, doc: &DocId) {
        let mut state = self.lock();
        if state.open.contains(doc) && state.news.insert(doc.clone()) {
            drop(state);
            self.told.notify_one();
        }
    }

    /// A document is not open any more.
    pub fn close(&self, doc: &DocId) {
        let mut state = self.lock();
        if state.open.remove(doc) {
            state.news.insert(doc.clone());
            drop(state);
            self.told.notify_one();
        }
    }

    /// Everything is news to whoever reads from now on.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        state.news = state.open.clone();
        drop(state);
        self.told.notify_one();
    }

    /// Waits for news and takes them; each document once, as it is now. Dropped before that, it has taken nothing.
    pub(super) async fn news(&self) -> Vec<News> {
        loop {
            let news = self.take();
            if !news.is_empty() {
                return news;
            }
            self.told.notified().await;
        }
    }

    /// Waits until a document is open, and says so if that takes long.
    pub(super) async fn any_open(&self, waits: impl Fn()) {
        while self.lock().open.is_empty() {
            waits();
            self.told.notified().await;
        }
    }

    /// The documents that are open.
    pub(super) fn all_open(&self) -> BTreeSet<DocId> {
        self.lock().open.clone()
    }

    fn take(&self) -> Vec<News> {
        let mut state = self.lock();
        let news = std::mem::take(&mut state.news);
        let tell = |doc| if state.open.contains(&doc) { News::Open(doc) } else { News::Closed(doc) };
        news.into_iter().map(tell).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use futures_util::FutureExt;

    use super::*;

    fn doc(name: &str) -> DocId {
        DocId::new(name).unwrap()
    }

    #[test]
    fn a_document_is_news_once_and_as_it_is_now() {
        let docket = Docket::default();
        docket.on_durable(&doc("other"));
        assert_eq!(docket.news().now_or_never(), None);
        docket.open(&doc("a"));
        docket.on_durable(&doc("a"));
        docket.open(&doc("b"));
        docket.close(&doc("b"));
        docket.close(&doc("c"));
        let news = vec![News::Open(doc("a")), News::Closed(doc("b"))];
        assert_eq!(docket.news().now_or_never(), Some(news));
        docket.on_durable(&doc("a"));
        assert_eq!(docket.news().now_or_never(), Some(vec![News::Open(doc("a"))]));
    }

    #[test]
    fn whoever_begins_hears_of_everything_that_is_open() {
        let docket = Docket::default();
        assert_eq!(docket.any_open(|| ()).now_or_never(), None);
        docket.open(&doc("a"));
        assert!(docket.any_open(|| ()).now_or_never().is_some() && docket.news().now_or_never().is_some());
        docket.begin();
        assert_eq!(docket.news().now_or_never(), Some(vec![News::Open(doc("a"))]));
    }
}
