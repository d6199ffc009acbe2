//! Who is present in a document: `syncline presence`.

use std::collections::BTreeMap;
use std::io::Write;

use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use syncline::present::{Metadata, Selection, Status};
use syncline::{Document, Path, Presence, Session, SessionId};

use crate::args::Global;
use crate::failure::Failure;
use crate::read::on_one_line;
use crate::{session, sync};

/// What to show of oneself.
pub struct Shown {
    pub name: Option<String>,
    pub color: Option<String>,
    pub away: bool,
    pub at: Option<String>,
    pub metadata: Option<String>,
}

/// Somebody who is there, and where in a text, by now.
#[derive(Clone, PartialEq)]
struct Seen {
    presence: Presence,
    place: Option<(usize, usize)>,
}

/// Is present in a document, and prints who else is, until interrupted.
pub async fn presence(global: &Global, doc: &str, shown: &Shown) -> Result<(), Failure> {
    let mut stop = sync::Stop::listen()?;
    let store = match global.relay.is_empty() {
        true => session::existing_store(global)?,
        false => session::open_store(global)?,
    };
    let engine = session::online(global, store)?;
    let followed = async {
        let document = sync::here_or_fetched(global, &engine, doc).await?;
        let session = enter(&document, shown)?;
        follow(global, &document, &session).await
    };
    let result = tokio::select! {
        result = followed => result,
        () = stop.asked() => Ok(()),
    };
    engine.close().await;
    sync::unless_unread(result)
}

fn enter(document: &Document, shown: &Shown) -> Result<Session, Failure> {
    let metadata = shown.metadata.as_deref().map(metadata).transpose()?;
    let selection = shown.at.as_deref().map(|at| selection(document, at)).transpose()?;
    let session = document.enter_as(|presence| {
        presence.name = shown.name.clone().unwrap_or_else(|| presence.name.clone());
        presence.color = shown.color.clone().unwrap_or_default();
        presence.status = if shown.away { Status::Away } else { Status::Online };
        presence.metadata = metadata.unwrap_or_default();
        presence.selection = selection;
    });
    session.map_err(|error| Failure::Presence(error.to_string()))
}

fn selection(document: &Document, at: &str) -> Result<Selection, Failure> {
    let (path, position) = place(at)?;
    let there = document.selection(&path, position, position);
    there.ok_or_else(|| Failure::Presence(format!("there is no place {at} in a text of the document")))
}

fn metadata(text: &str) -> Result<Metadata, Failure> {
    let json = serde_json::from_str(text).ok().and_then(Metadata::new);
    json.ok_or_else(|| Failure::Presence("the metadata is not a JSON object of at most 4 KiB".to_owned()))
}

/// A path and a position in the text there.
fn place(at: &str) -> Result<(Path, usize), Failure> {
    let malformed = || Failure::Presence(format!("{at:?} is no place such as /text:12"));
    let (path, position) = at.rsplit_once(':').ok_or_else(malformed)?;
    Ok((path.parse()?, position.parse().map_err(|_| malformed())?))
}

async fn follow(global: &Global, document: &Document, session: &Session) -> Result<(), Failure> {
    let (mut changes, mut edits) = (document.watch_present(), document.changes());
    let mut before = BTreeMap::new();
    loop {
        let now = seen(document);
        for line in lines(&before, &now, session.id(), global.json) {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        before = now;
        let ended = document.ended();
        tokio::select! {
            _ = changes.next() => {}
            // Places move with what is written in front of them.
            _ = edits.next() => {}
            error = ended => return Err(error.into()),
        }
    }
}

fn seen(document: &Document) -> BTreeMap<SessionId, Seen> {
    let place = |presence: &Presence| {
        let selection = presence.selection.as_ref()?;
        let locate = |anchor| document.locate(&selection.path, anchor);
        locate(&selection.anchor).zip(locate(&selection.head))
    };
    document
        .present()
        .into_iter()
        .map(|(id, presence)| (id, Seen { place: place(&presence), presence }))
        .collect()
}

/// What has changed, a line each.
fn lines(
    before: &BTreeMap<SessionId, Seen>,
    now: &BTreeMap<SessionId, Seen>,
    own: SessionId,
    as_json: bool,
) -> Vec<String> {
    let line = |sign, id: &SessionId, seen: &Seen| match as_json {
        true => in_json(sign, *id, seen, own).to_string(),
        false => in_words(sign, seen, *id == own),
    };
    let gone = before.iter().filter(|(id, _)| !now.contains_key(*id)).map(|(id, seen)| line('-', id, seen));
    let there = now.iter().filter_map(|(id, seen)| match before.get(id) {
        None => Some(line('+', id, seen)),
        Some(earlier) if moved(earlier, seen) => Some(line('=', id, seen)),
        Some(_) => None,
    });
    gone.chain(there).collect()
}

/// Whether something is different besides the time.
fn moved(earlier: &Seen, now: &Seen) -> bool {
    let timeless = |seen: &Seen| Presence { active: Default::default(), ..seen.presence.clone() };
    earlier.place != now.place || timeless(earlier) != timeless(now)
}

fn in_words(sign: char, Seen { presence, place }: &Seen, own: bool) -> String {
    let mut line = format!("{sign} {}", on_one_line(&presence.name));
    if presence.name != presence.user.as_str() {
        line += &format!(" ({})", on_one_line(presence.user.as_str()));
    }
    if own {
        line += " - you";
    }
    if presence.status == Status::Away {
        line += ", away";
    }
    if let (Some(selection), Some((anchor, head))) = (&presence.selection, place) {
        line += &format!(", at {}:{head}", on_one_line(&selection.path.to_string()));
        if anchor != head {
            line += &format!(", selecting from {anchor}");
        }
    }
    line
}

fn in_json(sign: char, id: SessionId, Seen { presence, place }: &Seen, own: SessionId) -> Json {
    let change = match sign {
        '+' => "join",
        '-' => "leave",
        _ => "update",
    };
    let cursor = presence.selection.as_ref().zip(*place).map(|(selection, (anchor, head))| {
        json!({"path": selection.path.to_string(), "anchor": anchor, "head": head})
    });
    json!({
        "change": change,
        "session": id.to_string(),
        "you": id == own,
        "user": presence.user.as_str(),
        "name": presence.name,
        "color": presence.color,
        "status": presence.status,
        "selection": cursor,
        "active": presence.active.rfc3339(),
        "metadata": presence.metadata,
    })
}
