//! A store of ours in front of a server.

use syncline::json::to_canonical_json;
use syncline::{
    Document, Engine, Family, Kind, Operation, Path, SaveError, Saved, Spec, SqliteStorage, Value,
};
use syncline_core::random::Random;
use syncline_tests::process::PATIENCE;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::LONGEST_WAIT;

/// A store with the document, opened with or without a server.
pub struct Store {
    pub runtime: Runtime,
    folder: TempDir,
    name: String,
    family: Family,
    open: Option<(Engine, Document)>,
}

impl Store {
    pub fn new(name: &str, family: Family) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        Self { runtime, folder, name: name.to_owned(), family, open: None }
    }

    /// Opens the store, connected or not. What was open before is closed.
    pub fn open(&mut self, address: Option<&str>) {
        self.close();
        let _inside = self.runtime.enter();
        let storage =
            SqliteStorage::open(self.folder.path().join("s.db"), syncline::storage::Options::default());
        let builder = Engine::builder(storage.unwrap()).user("store").longest_wait(LONGEST_WAIT);
        let builder = match address {
            Some(address) => builder.server(address.parse().unwrap()),
            None => builder.keeps_unacknowledged(true),
        };
        let engine = builder.open().unwrap();
        let spec = Spec { family: self.family, kind: Kind::Tree };
        let document = self.runtime.block_on(engine.document(&self.name, spec)).unwrap();
        self.open = Some((engine, document));
    }

    pub fn close(&mut self) {
        if let Some((engine, _)) = self.open.take() {
            self.runtime.block_on(engine.close());
        }
    }

    pub fn engine(&self) -> &Engine {
        &self.open.as_ref().unwrap().0
    }

    pub fn document(&self) -> &Document {
        &self.open.as_ref().unwrap().1
    }

    pub fn json(&self) -> String {
        to_canonical_json(&self.document().value(&Path::root()).unwrap())
    }

    pub fn pending(&self) -> u64 {
        self.document().progress().pending
    }

    /// Waits until the server has told everything and applied everything.
    pub fn bring_together(&self) {
        let both = async {
            self.document().in_sync().await.unwrap();
            self.document().saved(Saved::Relay).await.unwrap();
        };
        let in_time = self.runtime.block_on(async { timeout(PATIENCE, both).await });
        let status = self.engine().status();
        in_time.unwrap_or_else(|_| panic!("{:?}, {status:?}", self.document().obstacle()));
    }

    /// How waiting for a relay ends that cannot come to a good end.
    pub fn failure(&self) -> SaveError {
        let waiting = async { timeout(PATIENCE, self.document().saved(Saved::Relay)).await };
        self.runtime.block_on(waiting).unwrap().unwrap_err()
    }

    pub fn perform(&self, operation: Operation) {
        self.document().perform(operation).unwrap();
    }

    pub fn edit(&self, random: &mut Random) {
        let path = |path: &str| path.parse::<Path>().unwrap();
        let document = self.document();
        let length = |at: &str| document.read(|content| content.len(&path(at))).unwrap().unwrap_or(0);
        let number = i64::try_from(random.index(1_000)).unwrap();
        let at = random.index(length("/text") + 1);
        let delete = random.index(3).min(length("/text") - at);
        let insert = format!("store{number} ");
        self.perform(Operation::Splice { path: path("/text"), at, delete, insert });
        self.perform(Operation::Put {
            path: path(&format!("/map/k{}", random.index(4))),
            value: Value::Int(number),
        });
        let at = random.index(length("/list") + 1);
        self.perform(Operation::Insert {
            path: path(&format!("/list/{at}")),
            values: vec![Value::Int(number)],
        });
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
