//! The peer: samod, with its storage in files.

use std::path::Path;
use std::time::{Duration, Instant};

use automerge::Automerge;
use samod::storage::TokioFilesystemStorage;
use samod::{DocHandle, DocumentId, Repo};
use syncline::BoxError;

use crate::bare;
use crate::edits::Edit;

/// How it is called in what is shown.
pub const NAME: &str = "samod 0.16";

async fn repo(folder: &Path) -> Result<Repo, BoxError> {
    std::fs::create_dir_all(folder)?;
    Ok(Repo::build_tokio().with_storage(TokioFilesystemStorage::new(folder)).load().await)
}

/// Puts documents into a folder, and returns their names. A document of more than ten changes is saved as a whole, a smaller
/// one as a file for each change.
pub async fn write(
    folder: &Path,
    documents: impl Iterator<Item = Result<Automerge, BoxError>>,
) -> Result<Vec<String>, BoxError> {
    let repo = repo(folder).await?;
    let mut names = Vec::new();
    for document in documents {
        names.push(repo.create(document?).await?.document_id().to_string());
    }
    repo.stop().await;
    Ok(names)
}

/// Makes edits in a new document, one after the other, until there are no more or this time is over: how many there were, how
/// long it took until the last of them was made, and until the repository had written all and stopped.
///
/// If there are more, the document that is left in the folder is another one, which had all of them when it was put there.
/// Returns its name, too.
pub async fn edit(
    folder: &Path,
    edits: &[Edit],
    most: Duration,
) -> Result<(usize, Duration, Duration, String), BoxError> {
    let repo = repo(folder).await?;
    let document = repo.create(bare::automerge(&[])?).await?;
    let name = document.document_id().to_string();
    let text = document.with_document(|document| bare::text(document))?;
    let (started, mut count) = (Instant::now(), 0);
    while let Some(edit) = edits.get(count)
        && started.elapsed() < most
    {
        document.with_document(|document| bare::edit_text(document, &text, edit))?;
        count += 1;
        tokio::task::yield_now().await;
    }
    let made = started.elapsed();
    drop(document);
    repo.stop().await;
    let saved = started.elapsed();
    if count == edits.len() {
        return Ok((count, made, saved, name));
    }
    std::fs::remove_dir_all(folder)?;
    let names = write(folder, std::iter::once(bare::automerge(edits))).await?;
    Ok((count, made, saved, names.concat()))
}

/// Opens a document of a repository that is open already: how long that took, and the text.
pub async fn load(folder: &Path, name: &str) -> Result<(Duration, String), BoxError> {
    let repo = repo(folder).await?;
    let started = Instant::now();
    let document = find(&repo, name).await?;
    let taken = started.elapsed();
    let text = document.with_document(|document| bare::automerge_text(document))?;
    repo.stop().await;
    Ok((taken, text))
}

async fn find(repo: &Repo, name: &str) -> Result<DocHandle, BoxError> {
    let id: DocumentId = name.parse()?;
    Ok(repo.find(id).await?.ok_or_else(|| format!("{NAME} has no document {name}"))?)
}

/// Opens a repository, finds a document, and stops: how long each of these took, and the text.
pub async fn open_once(folder: &Path, name: &str) -> Result<([Duration; 3], String), BoxError> {
    let started = Instant::now();
    let repo = repo(folder).await?;
    let opened = started.elapsed();
    let document = find(&repo, name).await?;
    let text = document.with_document(|document| bare::automerge_text(document))?;
    let read = started.elapsed();
    repo.stop().await;
    Ok(([opened, read - opened, started.elapsed() - read], text))
}
