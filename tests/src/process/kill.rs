//! One run of the kill test: a relay and clients under load, each killed at random moments and started again, and
//! an account of what was reported saved.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use syncline::Value;
use syncline_core::random::Random;
use tempfile::TempDir;

use super::child::Running;
use super::relay::Relay;
use super::{PATIENCE, binary, load, store};

/// Clients in a run.
const USERS: [&str; 3] = ["ada", "ben", "cleo"];

/// How long the load lasts.
const LOAD_TIME: Duration = Duration::from_secs(5);

/// Longest time between two kills, in milliseconds.
const LONGEST_PEACE: u64 = 400;

/// Longest time that a killed process stays away, in milliseconds.
const LONGEST_ABSENCE: u64 = 200;

/// How long one client is listened to before the next.
const GLANCE: Duration = Duration::from_millis(2);

/// The document that everybody edits.
const DOC: &str = "kill/board";

/// A run, named by its seed. What the system does meanwhile is not.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Chooses victims and moments.
    pub seed: u64,
    /// What the document is made of.
    pub family: &'static str,
}

/// What happened in a run that kept every promise.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Edits that are everywhere in the end.
    pub edits: usize,
    /// Processes killed, the relay among them.
    pub kills: u64,
    /// How often the relay was killed.
    pub relay_kills: u64,
    /// From the last restart until all clients were equal.
    pub settled: Duration,
}

impl Run {
    /// Plays the run; an error says which promise was broken, and where the stores are.
    pub async fn play(self) -> Result<Figures, String> {
        let mut scene = Scene::set(self).await?;
        match scene.play().await {
            Ok(figures) => Ok(figures),
            Err(broken) => Err(format!("{self:?}: {broken}; the stores are in {}", scene.keep())),
        }
    }
}

struct Scene {
    run: Run,
    random: Random,
    relay: Relay,
    clients: Vec<Client>,
    folder: TempDir,
    kills: u64,
    relay_kills: u64,
}

impl Scene {
    async fn set(run: Run) -> Result<Self, String> {
        let relay = Relay::start();
        let spec = load::spec(run.family).map_err(|error| error.to_string())?;
        load::prepare(&relay.url(), DOC, spec).await.map_err(|error| error.to_string())?;
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let clients = USERS.iter().map(|user| Client::new(user)).collect();
        let random = Random::new(run.seed);
        Ok(Self { run, random, relay, clients, folder, kills: 0, relay_kills: 0 })
    }

    async fn play(&mut self) -> Result<Figures, String> {
        (0..self.clients.len()).for_each(|index| self.start(index));
        let begun = Instant::now();
        while begun.elapsed() < LOAD_TIME {
            self.pass(LONGEST_PEACE).await;
            let victim = self.random.index(self.clients.len() + 1);
            self.kill_and_restart(victim).await?;
        }
        let last_restart = Instant::now();
        self.clients.iter_mut().for_each(|client| client.process().tell("stop"));
        let settled = self.settle(last_restart)?;
        let edits = self.verify().await?;
        Ok(Figures { edits, kills: self.kills, relay_kills: self.relay_kills, settled })
    }

    /// Lets time go by: when something is killed is what is random here.
    async fn pass(&mut self, most_millis: u64) {
        tokio::time::sleep(Duration::from_millis(self.random.below(most_millis))).await;
    }

    async fn kill_and_restart(&mut self, victim: usize) -> Result<(), String> {
        self.kills += 1;
        if victim == self.clients.len() {
            self.relay_kills += 1;
            self.relay.kill();
            self.clients.iter_mut().for_each(Client::listen);
            self.check_relay().await?;
            self.pass(LONGEST_ABSENCE).await;
            self.relay.restart();
            return Ok(());
        }
        self.clients[victim].kill();
        self.check_client(victim).await?;
        self.pass(LONGEST_ABSENCE).await;
        self.start(victim);
        Ok(())
    }

    fn start(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.generation += 1;
        let mut command = Command::new(binary::path("load"));
        command.arg("--store").arg(self.folder.path().join(client.store_name()));
        command.args(["--relay", &self.relay.url(), "--user", client.user, "--doc", DOC]);
        command.args(["--family", self.run.family, "--generation", &client.generation.to_string()]);
        client.process = Some(Running::start(&mut command));
    }

    /// Everything reported saved at the relay is in the killed relay's store.
    async fn check_relay(&self) -> Result<BTreeSet<String>, String> {
        let held = edits_in(&self.relay.store()).await?;
        self.clients.iter().try_for_each(|client| client.relay.is_in(&held, "the relay's store"))?;
        Ok(held)
    }

    /// Everything reported saved by a killed client is in its store.
    async fn check_client(&self, index: usize) -> Result<BTreeSet<String>, String> {
        let client = &self.clients[index];
        let held = edits_in(&self.folder.path().join(client.store_name())).await?;
        client.local.is_in(&held, &client.store_name())?;
        Ok(held)
    }

    /// Waits until all clients have stopped and hold the same.
    fn settle(&mut self, since: Instant) -> Result<Duration, String> {
        loop {
            self.clients.iter_mut().for_each(|client| client.listen_for(GLANCE));
            let states: BTreeSet<_> = self.clients.iter().map(|client| client.state.clone()).collect();
            if states.len() == 1 && !states.contains(&None) {
                return Ok(since.elapsed());
            }
            if since.elapsed() > PATIENCE {
                let told: Vec<_> = self.clients.iter().map(|client| (client.user, &client.state)).collect();
                return Err(format!("not equal after {PATIENCE:?}: {told:?}"));
            }
        }
    }

    /// Ends the clients, which then hold on disk what they showed, kills the relay once more, and finds everything
    /// reported saved in every store.
    async fn verify(&mut self) -> Result<usize, String> {
        self.clients.iter_mut().try_for_each(Client::end)?;
        self.relay.kill();
        let everything = self.check_relay().await?;
        for index in 0..self.clients.len() {
            let held = self.check_client(index).await?;
            let client = &self.clients[index];
            self.clients.iter().try_for_each(|other| other.relay.is_in(&held, &client.store_name()))?;
            if held != everything {
                return Err(format!("{} and the relay differ", client.user));
            }
        }
        Ok(everything.len())
    }

    /// Keeps the stores for whoever looks for the cause.
    fn keep(self) -> String {
        let Self { relay, clients, folder, .. } = self;
        drop(clients);
        format!("{} and {}", folder.keep().display(), relay.keep().display())
    }
}

async fn edits_in(path: &std::path::Path) -> Result<BTreeSet<String>, String> {
    match store::read(path, DOC).await {
        None => Ok(BTreeSet::new()),
        // Before its first contact a client has the document, but nothing in it.
        Some(Value::Map(root)) if root.is_empty() => Ok(BTreeSet::new()),
        Some(content) => load::edits(&content).map_err(|error| format!("{}: {error}", path.display())),
    }
}

/// One client and what it reported.
struct Client {
    user: &'static str,
    generation: u64,
    process: Option<Running>,
    local: Reported,
    relay: Reported,
    /// The last state it told after it was stopped.
    state: Option<String>,
}

impl Client {
    fn new(user: &'static str) -> Self {
        let reported = |place| Reported { user, place, last: BTreeMap::new() };
        let (local, relay) = (reported("locally"), reported("at the relay"));
        Self { user, generation: 0, process: None, local, relay, state: None }
    }

    fn store_name(&self) -> String {
        format!("{}.db", self.user)
    }

    fn process(&mut self) -> &mut Running {
        self.process.as_mut().expect("the client runs")
    }

    /// Kills it; what it said before counts.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let ended = process.kill();
            ended.lines.iter().for_each(|line| self.hear(line));
        }
    }

    /// Lets it close its store.
    fn end(&mut self) -> Result<(), String> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.tell("end");
        let ended = process.wait();
        match ended.status.success() {
            true => Ok(()),
            false => Err(format!("{} ended with {}: {}", self.user, ended.status, ended.errors)),
        }
    }

    fn listen(&mut self) {
        let said: Vec<String> = self.process.iter().flat_map(Running::lines).collect();
        said.iter().for_each(|line| self.hear(line));
    }

    fn listen_for(&mut self, time: Duration) {
        if let Some(line) = self.process().line_within(time) {
            self.hear(&line);
        }
        self.listen();
    }

    fn hear(&mut self, line: &str) {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (what, rest.parse()) {
            ("local", Ok(number)) => _ = self.local.last.insert(self.generation, number),
            ("relay", Ok(number)) => _ = self.relay.last.insert(self.generation, number),
            ("state", _) => self.state = Some(rest.to_owned()),
            _ => {}
        }
    }
}

/// Edits of one client that were reported saved: all up to a number, in each generation.
struct Reported {
    user: &'static str,
    place: &'static str,
    last: BTreeMap<u64, u64>,
}

impl Reported {
    fn is_in(&self, held: &BTreeSet<String>, whose: &str) -> Result<(), String> {
        for (generation, last) in &self.last {
            let ids = (1..=*last).map(|number| format!("{}.{generation}.{number}", self.user));
            if let Some(lost) = ids.into_iter().find(|id| !held.contains(id)) {
                return Err(format!("edit {lost} was reported saved {} and is not in {whose}", self.place));
            }
        }
        Ok(())
    }
}
