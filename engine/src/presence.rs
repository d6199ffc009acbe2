//! Who is present in a document: coming in, being seen, and seeing the others.

use futures_util::Stream;
use syncline_core::path::Path;
use syncline_core::presence::{Anchor, Presence, Selection, SessionId, Status};

use crate::document::Document;

/// Somebody who is present in a document, as long as this lives: dropped, they are gone.
///
/// What is shown is told to everybody else who is present as soon as the relay can be reached, and again when it can be
/// reached again. Nothing of it is stored.
pub struct Session {
    document: Document,
    id: SessionId,
    shown: Presence,
}

impl Session {
    /// Which session it is, among all that are present.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// What is shown.
    #[must_use]
    pub const fn shown(&self) -> &Presence {
        &self.shown
    }

    /// Shows something else. That somebody has done something just now is shown with it.
    ///
    /// What is beyond the limits of [`Presence::excess`] is refused, and what was shown before stays.
    pub fn show(&mut self, change: impl FnOnce(&mut Presence)) -> Result<(), Excess> {
        let presence = Presence { active: self.document.now(), ..self.shown.clone() };
        self.shown = changed(presence, change)?;
        self.document.announce(self.id, Some(self.shown.clone()));
        Ok(())
    }

    /// Shows whether they are at it.
    pub fn set_status(&mut self, status: Status) -> Result<(), Excess> {
        self.show(|presence| presence.status = status)
    }

    /// Shows a place in a text, or a stretch of it, in code points; the cursor is at `head`. Nothing is shown of a place
    /// that is not there.
    pub fn select(&mut self, path: &Path, anchor: usize, head: usize) -> Result<(), Excess> {
        let selection = self.document.selection(path, anchor, head);
        self.show(|presence| presence.selection = selection)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.document.announce(self.id, None);
    }
}

/// What is shown after a change, unless that is too large.
fn changed(mut presence: Presence, change: impl FnOnce(&mut Presence)) -> Result<Presence, Excess> {
    change(&mut presence);
    match presence.excess() {
        Some((what, limit)) => Err(Excess { what, limit }),
        None => Ok(presence),
    }
}

/// Something that was to be shown is too large.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what} exceeds the limit of {limit} bytes")]
pub struct Excess {
    what: &'static str,
    limit: usize,
}

impl Document {
    /// Comes into the document, to be seen by everybody else who is there, under the engine's user name.
    #[must_use]
    pub fn enter(&self) -> Session {
        self.come(self.fresh())
    }

    /// Comes into the document with something to show, so that nobody sees it without that. What is beyond the limits of
    /// [`Presence::excess`] is refused.
    pub fn enter_as(&self, change: impl FnOnce(&mut Presence)) -> Result<Session, Excess> {
        Ok(self.come(changed(self.fresh(), change)?))
    }

    fn fresh(&self) -> Presence {
        Presence { active: self.now(), ..Presence::of(self.user()) }
    }

    fn come(&self, shown: Presence) -> Session {
        let id = self.new_session();
        self.announce(id, Some(shown.clone()));
        Session { document: self.clone(), id, shown }
    }

    /// Who is present, here and elsewhere, in order of session.
    #[must_use]
    pub fn present(&self) -> Vec<(SessionId, Presence)> {
        self.look(|replica, doc| {
            replica.present(doc).map(|(session, presence)| (session, presence.clone())).collect()
        })
    }

    /// Yields whenever somebody has come, moved or gone, or the document is open no longer; what comes faster than it is
    /// taken is one.
    pub fn watch_present(&self) -> impl Stream<Item = ()> + Send + Unpin + 'static {
        let present = self.channels().present.subscribe();
        Box::pin(futures_util::stream::unfold(present, |mut present| async {
            present.changed().await.ok()?;
            Some(((), present))
        }))
    }

    /// A place in a text that stays where it is while others write.
    #[must_use]
    pub fn anchor(&self, path: &Path, at: usize) -> Option<Anchor> {
        self.read(|content| content.anchor(path, at)).flatten()
    }

    /// A place in a text, or a stretch of it with the cursor at `head`, in code points; `None` if it is not there.
    #[must_use]
    pub fn selection(&self, path: &Path, anchor: usize, head: usize) -> Option<Selection> {
        let (anchor, head) = self.anchor(path, anchor).zip(self.anchor(path, head))?;
        Some(Selection { path: path.clone(), anchor, head })
    }

    /// Where such a place is now, in code points.
    #[must_use]
    pub fn locate(&self, path: &Path, anchor: &Anchor) -> Option<usize> {
        self.read(|content| content.locate(path, anchor)).flatten()
    }
}
