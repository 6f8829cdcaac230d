//! Two people, three browser tabs and a provider that cannot be trusted, in any order: whatever they do, a token never comes to lie under
//! anybody but the person who gave it, and nobody who brings another's answer makes the provider be asked at all.
//!
//! One of the two is an attacker: opens any page whose address can be guessed, sends addresses to the other one, keeps answers of the
//! provider back and has them opened in other tabs. The other one only ever signs in with accounts of their own. A schedule is made of a
//! number; `ACTAS_SCHEDULE=7` plays that one alone and says what happens.

use actas_core::run::ConnectionKind;
use futures::future::join_all;

use super::*;

/// How many schedules are played, and by how many players at once.
const SCHEDULES: u64 = 10_000;
const PLAYERS: u64 = 4;
/// How many acts a schedule has.
const ACTS: usize = 6;

/// Numbers that depend on the seed alone (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.below(from.len())])
    }
}

/// A browser tab: who sits at it, and the session that it holds, if they are logged in.
struct Tab {
    human: usize,
    session: Option<String>,
}

/// A trip to the provider that a tab began.
#[derive(Clone)]
struct Begun {
    state: String,
    client: usize,
    human: usize,
    session: String,
}

/// An answer of the provider on its way: nobody has seen it but who gave it.
#[derive(Clone)]
struct Answer {
    state: String,
    code: String,
    human: usize,
}

/// What became of all schedules together, so that a test which does nothing is found out.
#[derive(Debug, Default)]
struct Tally {
    connected: usize,
    refused: usize,
    used: usize,
}

struct Play<'a> {
    bench: &'a Bench,
    clients: &'a [ClientRow; 2],
    people: [UserRow; 2],
    attacker: usize,
    dice: Dice,
    tabs: [Tab; 3],
    /// Which runs there are, whose, and what they ask for.
    runs: Vec<(SlotAsk, usize)>,
    links: Vec<(SignInId, usize)>,
    begun: Vec<Begun>,
    /// Answers that the attacker kept back.
    kept: Vec<Answer>,
    /// Answers that a tab has had before: what a back button brings again.
    shown: Vec<(usize, Answer)>,
    serial: usize,
    say: bool,
    tally: Tally,
}

impl<'a> Play<'a> {
    async fn new(bench: &'a Bench, clients: &'a [ClientRow; 2], seed: u64, say: bool) -> Self {
        let mut dice = Dice(seed);
        let people = ["ana", "ben"].map(|login| {
            let mut row = user(login);
            row.login = format!("{login}-{seed}");
            row
        });
        bench
            .commit(
                people
                    .iter()
                    .map(|user| Op::AddUser {
                        workspace: bench.workspace.clone(),
                        user: user.clone(),
                    })
                    .collect(),
            )
            .await;
        let tab = |human: usize, name: &str| Tab {
            human,
            session: Some(format!("session-{seed}-{human}-{name}")),
        };
        Self {
            bench,
            clients,
            attacker: dice.below(2),
            tabs: [tab(0, "first"), tab(1, "first"), tab(0, "second")],
            people,
            dice,
            runs: Vec::new(),
            links: Vec::new(),
            begun: Vec::new(),
            kept: Vec::new(),
            shown: Vec::new(),
            serial: 0,
            say,
            tally: Tally::default(),
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.say {
            eprintln!("{}", what());
        }
    }

    fn who(&self, human: usize) -> Who {
        self.bench.who(&self.people[human])
    }

    async fn act(&mut self) {
        // What cannot be done yet is no act.
        if self.begun.is_empty() && !self.dice.one_in(4) {
            return self.press().await;
        }
        match self.dice.below(16) {
            0 => self.start().await,
            1 => self.open().await,
            2..5 => self.press().await,
            5..10 => self.consent().await,
            10 => self.inject().await,
            11 => self.again().await,
            12 => self.answer_on_the_page().await,
            13 => match self.dice.one_in(2) {
                true => self.change_tab().await,
                false => self.take_away().await,
            },
            _ => self.use_something().await,
        }
    }

    /// Somebody presses a flow's button; their run looks for an account and may pause.
    async fn start(&mut self) {
        let human = self.dice.below(2);
        let client = self.dice.below(2);
        let run = self.bench.run(&self.people[human]).await;
        let mut ask = self.bench.ask(&run, &self.people[human]);
        ask.binding = Binding::Dynamic {
            client: self.clients[client].id.clone(),
            parent: None,
        };
        ask.surface.client = self.clients[client].id.clone();
        self.say(|| format!("{human} starts a run through client {client}"));
        if let Resolution::Ask { reason, connection } =
            self.bench.connections.resolve(&ask).await.unwrap()
        {
            let id = self.bench.pause_for(&ask, reason, connection).await;
            self.links.push((id, human));
        }
        self.runs.push((ask, human));
    }

    fn links_of(&self, human: usize) -> Vec<(SignInId, usize)> {
        let links = self.links.iter().filter(|(_, person)| *person == human);
        links.cloned().collect()
    }

    /// A tab opens the page of any sign-in there is.
    async fn open(&mut self) {
        let tab = self.dice.below(3);
        let Some((id, person)) = self.dice.pick(&self.links).cloned() else {
            return;
        };
        let Tab {
            human,
            session: Some(_),
        } = &self.tabs[tab]
        else {
            return;
        };
        let human = *human;
        let seen = self
            .bench
            .connections
            .view(
                &self.bench.workspace,
                &id,
                &self.people[human].id,
                &self.who(human),
            )
            .await;
        self.say(|| format!("{human} opens a page for {person}: {}", seen.is_ok()));
        assert!(
            seen.is_err() || (human == person && self.is_in(human)),
            "a page for somebody else, or for one who is switched off"
        );
    }

    /// A tab presses the button of any sign-in, or wants to renew any connection.
    async fn press(&mut self) {
        // Mostly in a tab of somebody who is asked for something.
        let asked = self.links.last().map_or(0, |(_, person)| *person);
        let tab = match self.dice.one_in(3) {
            true => self.dice.below(3),
            false => asked,
        };
        let human = self.tabs[tab].human;
        let Some(session) = self.tabs[tab].session.clone() else {
            return;
        };
        let (this, user) = (&self.bench.connections, &self.people[human].id);
        let (url, whose) = if self.dice.one_in(5) {
            let all = self.connections().await;
            let Some((row, owner)) = self.dice.pick(&all).cloned() else {
                return;
            };
            let url = this
                .begin_reconnect(
                    &self.bench.workspace,
                    &row.id,
                    user,
                    &session,
                    &self.who(human),
                )
                .await;
            (url, owner)
        } else {
            let links = match self.dice.one_in(4) {
                true => self.links.clone(),
                false => self.links_of(human),
            };
            let Some((id, person)) = self.dice.pick(&links).cloned() else {
                return;
            };
            let url = this
                .begin(&self.bench.workspace, &id, user, &session, &self.who(human))
                .await;
            (url, person)
        };
        self.say(|| format!("{human} presses a button of {whose}: {}", url.is_ok()));
        let Ok(url) = url else {
            return;
        };
        assert_eq!(whose, human, "a trip that begins for somebody else");
        assert!(self.is_in(human), "a trip of one who is switched off");
        let told = url
            .query_pairs()
            .find(|(name, _)| name == "client_id")
            .unwrap()
            .1
            .into_owned();
        let client = usize::from(told == self.clients[1].oauth_client_id);
        self.begun.push(Begun {
            state: state_of(&url),
            client,
            human,
            session,
        });
    }

    /// Somebody is at the provider, with an address of their own or one that was sent to them, and says yes with an account of theirs. The
    /// provider sends them back, sometimes with less or more than it should.
    async fn consent(&mut self) {
        let Some(begun) = self.dice.pick(&self.begun).cloned() else {
            return;
        };
        // Mostly where it was begun, in the browser that has not been closed since.
        let home = self
            .tabs
            .iter()
            .position(|tab| tab.session.as_ref() == Some(&begun.session));
        let anywhere = self.dice.below(3);
        let tab = home.filter(|_| !self.dice.one_in(3)).unwrap_or(anywhere);
        let human = self.tabs[tab].human;
        // The victim gives addresses of theirs to nobody; the attacker gives theirs to everybody.
        if begun.human != human && begun.human != self.attacker {
            return;
        }
        self.serial += 1;
        let second = if self.dice.one_in(4) { "-second" } else { "" };
        let account = format!("{}{second}@crm", self.people[human].login);
        let code = self.bench.provider.code(&account);
        let answer = Answer {
            state: begun.state,
            code,
            human,
        };
        if human == self.attacker && self.dice.one_in(3) {
            self.say(|| format!("{human} keeps an answer back"));
            self.kept.push(answer);
        } else {
            self.load(tab, answer).await;
        }
    }

    /// The attacker has a tab open an answer made of what they know.
    async fn inject(&mut self) {
        let tab = self.dice.below(3);
        let known: Vec<Begun> = self
            .begun
            .iter()
            .filter(|begun| begun.human == self.attacker)
            .cloned()
            .collect();
        let (Some(begun), Some(kept)) = (
            self.dice.pick(&known).cloned(),
            self.dice.pick(&self.kept).cloned(),
        ) else {
            return;
        };
        self.load(
            tab,
            Answer {
                state: begun.state,
                ..kept
            },
        )
        .await;
    }

    /// The back button, a reload, or both at once.
    async fn again(&mut self) {
        let Some((tab, answer)) = self.dice.pick(&self.shown).cloned() else {
            return;
        };
        self.load(tab, answer).await;
    }

    /// A tab opens the provider's answer.
    async fn load(&mut self, tab: usize, answer: Answer) {
        let Some(begun) = self
            .begun
            .iter()
            .find(|begun| begun.state == answer.state)
            .cloned()
        else {
            return;
        };
        let human = self.tabs[tab].human;
        let session = self.tabs[tab].session.clone().map(|hash| SessionRow {
            hash,
            ..self.bench.session(&self.people[human])
        });
        let path = if self.dice.one_in(12) {
            1 - begun.client
        } else {
            begun.client
        };
        let mut query = vec![
            ("state", answer.state.clone()),
            ("code", answer.code.clone()),
        ];
        let mut whole = true;
        match self.dice.below(24) {
            0 => whole = false,
            1 => {
                query.push(("iss", "https://other.example".to_owned()));
                whole = false;
            }
            2 => {
                query.retain(|(name, _)| *name != "code");
                query.push(("error", "access_denied".to_owned()));
                query.push(("iss", ISSUER.to_owned()));
                whole = false;
            }
            3 => {
                query.push(("iss", ISSUER.to_owned()));
                query.push(("state", answer.state.clone()));
                whole = false;
            }
            _ => query.push(("iss", ISSUER.to_owned())),
        }
        let query: Vec<(String, String)> = query
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let before = self.bench.provider.book().token_requests.len();
        let times = if self.dice.one_in(6) { 2 } else { 1 };
        let who = self.who(human);
        let tries = (0..times).map(|_| {
            self.bench
                .connections
                .callback(&self.clients[path].id, &query, session.as_ref(), &who)
        });
        let results = join_all(tries).await;
        let done = results.iter().filter(|result| result.is_ok()).count();
        let asked: Vec<_> = self.bench.provider.book().token_requests[before..].to_vec();
        self.say(|| {
            let ends: Vec<_> = results
                .iter()
                .map(|result| result.as_ref().map_or_else(CallbackError::code, |_| "ok"))
                .collect();
            format!("{human} brings an answer of {}: {ends:?}", answer.human)
        });
        assert!(done <= 1, "one answer counted twice");
        let theirs = session
            .as_ref()
            .is_some_and(|s| s.hash == begun.session && human == begun.human);
        if !theirs || !whole || path != begun.client || !self.is_in(human) {
            assert_eq!(
                (done, asked.len()),
                (0, 0),
                "an answer of somebody else, or a crooked one, went on"
            );
        }
        assert!(asked.len() <= 1, "one code was redeemed twice");
        for request in &asked {
            assert_eq!(
                request["client_id"], self.clients[begun.client].oauth_client_id,
                "a code was sent as another client"
            );
        }
        self.tally.connected += done;
        self.tally.refused += usize::from(done == 0);
        self.shown.push((tab, answer));
        self.check().await;
    }

    /// Says no on a page, or agrees with any connection there is.
    async fn answer_on_the_page(&mut self) {
        let tab = self.dice.below(3);
        let human = self.tabs[tab].human;
        let Some((id, person)) = self.dice.pick(&self.links).cloned() else {
            return;
        };
        if self.tabs[tab].session.is_none() {
            return;
        }
        let (this, ws, user) = (
            &self.bench.connections,
            &self.bench.workspace,
            &self.people[human].id,
        );
        if self.dice.one_in(3) {
            let no = this.decline(ws, &id, user, &self.who(human)).await;
            assert!(
                no.is_err() || (human == person && self.is_in(human)),
                "a no of somebody else, or of one who is switched off"
            );
        } else {
            let all = self.connections().await;
            let Some((row, owner)) = self.dice.pick(&all).cloned() else {
                return;
            };
            let yes = this.agree(ws, &id, user, &row.id, &self.who(human)).await;
            self.say(|| {
                format!(
                    "{human} agrees for {person} with {owner}'s: {}",
                    yes.is_ok()
                )
            });
            assert!(
                yes.is_err() || (human == person && human == owner && self.is_in(human)),
                "somebody agreed for another, or with another's account"
            );
        }
        self.check().await;
    }

    /// Logging out, logging in anew, and the third tab's other person.
    async fn change_tab(&mut self) {
        let tab = self.dice.below(3);
        self.serial += 1;
        if tab == 2 && self.dice.one_in(2) {
            self.tabs[2].human = 1 - self.tabs[2].human;
        }
        let human = self.tabs[tab].human;
        self.tabs[tab].session = (!self.dice.one_in(3))
            .then(|| format!("session-{}-{}", self.people[human].login, self.serial));
    }

    /// A run ends, a connection goes, an account is taken back at the provider, a person is switched off or on.
    async fn take_away(&mut self) {
        match self.dice.below(4) {
            0 => {
                if self.runs.len() > 1 {
                    let (ask, _) = self.runs.swap_remove(self.dice.below(self.runs.len()));
                    self.bench.end(&ask.run).await;
                }
            }
            1 => {
                let tab = self.dice.below(3);
                let human = self.tabs[tab].human;
                let all = self.connections().await;
                let Some((row, owner)) = self.dice.pick(&all).cloned() else {
                    return;
                };
                let gone = self
                    .bench
                    .connections
                    .disconnect(
                        &self.bench.workspace,
                        &row.id,
                        &self.people[human].id,
                        &self.who(human),
                    )
                    .await;
                assert!(gone.is_err() || human == owner, "disconnected another's");
            }
            2 => {
                let human = self.dice.below(2);
                let login = self.people[human].login.clone();
                let mut book = self.bench.provider.book();
                book.access
                    .retain(|_, account| !account.starts_with(&login));
                book.refresh
                    .retain(|_, account| !account.starts_with(&login));
            }
            _ => {
                let human = self.dice.below(2);
                self.people[human].disabled = !self.people[human].disabled && self.dice.one_in(2);
                self.bench
                    .commit(vec![Op::ChangeUser {
                        workspace: self.bench.workspace.clone(),
                        user: self.people[human].clone(),
                    }])
                    .await;
            }
        }
    }

    /// A run acts: through what it was bound to, or, if somebody meddled, through any connection there is.
    async fn use_something(&mut self) {
        let Some((ask, human)) = self.dice.pick(&self.runs).cloned() else {
            return;
        };
        if let Resolution::Bound(bound) = self.bench.connections.resolve(&ask).await.unwrap() {
            self.credential(&ask.run, human, &bound.connection).await;
        }
        let all = self.connections().await;
        if let Some((row, owner)) = self.dice.pick(&all).cloned() {
            let got = self.credential(&ask.run, human, &row.id).await;
            assert!(!got || owner == human, "a run acted as somebody else");
        }
    }

    /// Takes a credential for a run and looks whose it is at the provider.
    async fn credential(&mut self, run: &RunId, human: usize, connection: &ConnectionId) -> bool {
        let using = self.bench.using(run, connection, &self.people[human]);
        let Ok(usable) = self.bench.connections.credential(&using).await else {
            return false;
        };
        assert!(
            self.is_of(&usable.account, human) && !self.people[human].disabled,
            "a run of {} got the account {}",
            self.people[human].login,
            usable.account
        );
        self.tally.used += 1;
        true
    }

    /// Whether somebody is not switched off.
    fn is_in(&self, human: usize) -> bool {
        !self.people[human].disabled
    }

    fn is_of(&self, account: &str, human: usize) -> bool {
        let login = &self.people[human].login;
        account == format!("{login}@crm") || account == format!("{login}-second@crm")
    }

    /// All personal connections of the two, with whose they are.
    async fn connections(&self) -> Vec<(ConnectionRow, usize)> {
        let mut all = Vec::new();
        for (human, person) in self.people.iter().enumerate() {
            let rows = self
                .bench
                .reader()
                .personal_connections(Some(&person.id))
                .await
                .unwrap();
            all.extend(rows.into_iter().map(|row| (row, human)));
        }
        all
    }

    /// What must be so after every act: each connection is an account of its owner, and each grant is one's own.
    async fn check(&self) {
        for (row, human) in self.connections().await {
            assert_eq!(row.kind, ConnectionKind::Personal);
            assert!(
                self.is_of(&row.account, human),
                "{} lies under {}",
                row.account,
                self.people[human].login
            );
            assert_eq!(row.subject, format!("id-of-{}", row.account));
        }
    }

    /// What must be so at the end: the sealed tokens are those of their owners, and a run was told of a sign-in only if its own person has
    /// an account there.
    async fn check_secrets(&mut self) {
        for (row, human) in self.connections().await {
            let found = self
                .bench
                .connections
                .secret(&self.bench.reader(), row, crate::secrets::ACCESS)
                .await
                .unwrap_or_else(|error| panic!("{error:?}"));
            let (_, Some(token)) = found else {
                continue;
            };
            let whose = self
                .bench
                .provider
                .book()
                .access
                .get(token.reveal())
                .cloned();
            assert!(
                whose.is_none_or(|account| self.is_of(&account, human)),
                "a token of somebody else lies under {}",
                self.people[human].login
            );
        }
        for (ask, human) in &self.runs {
            let grants = self
                .bench
                .reader()
                .grant(&self.people[*human].id, &ask.flow, &ask.slot)
                .await
                .unwrap();
            if let Some(grant) = grants {
                let row = self.bench.reader().connection(&grant.connection).await;
                if let Some(row) = row.unwrap() {
                    assert_eq!(row.owner, self.people[*human].id, "a grant of another's");
                }
            }
        }
    }
}

/// A workspace that is known to the provider as two clients.
async fn stage() -> (Bench, [ClientRow; 2]) {
    let bench = Bench::new().await;
    let second = ClientRow {
        id: bits(ClientId::from_bits),
        name: "second".parse().unwrap(),
        oauth_client_id: "actas-second".to_owned(),
        is_default: false,
        ..bench.client.clone()
    };
    bench
        .connections
        .put_client(
            &bench.workspace,
            second.clone(),
            Some(Secret::new("another-client-secret".to_owned())),
            &bench.who(&bench.ana),
        )
        .await
        .unwrap();
    let clients = [bench.client.clone(), second];
    (bench, clients)
}

async fn play(bench: &Bench, clients: &[ClientRow; 2], seed: u64, say: bool) -> Tally {
    let mut play = Play::new(bench, clients, seed, say).await;
    play.start().await;
    for _ in 0..ACTS {
        play.act().await;
    }
    play.check_secrets().await;
    play.tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_ten_thousand_schedules_no_token_comes_to_lie_under_somebody_else() {
    let one = std::env::var("ACTAS_SCHEDULE")
        .ok()
        .map(|seed| seed.parse::<u64>().unwrap());
    if let Some(seed) = one {
        let (bench, clients) = stage().await;
        eprintln!("{:?}", play(&bench, &clients, seed, true).await);
        return;
    }
    let mut players = Vec::new();
    for player in 0..PLAYERS {
        let (bench, clients) = stage().await;
        players.push(tokio::spawn(async move {
            let mut all = Tally::default();
            for seed in (player..SCHEDULES).step_by(usize::try_from(PLAYERS).unwrap()) {
                let result = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(play(
                    &bench, &clients, seed, false,
                )))
                .await;
                let Ok(tally) = result else {
                    panic!("schedule {seed}: say ACTAS_SCHEDULE={seed} to see it alone");
                };
                all.connected += tally.connected;
                all.refused += tally.refused;
                all.used += tally.used;
            }
            all
        }));
    }
    let mut all = Tally::default();
    for tally in join_all(players).await {
        let tally = tally.unwrap();
        all.connected += tally.connected;
        all.refused += tally.refused;
        all.used += tally.used;
    }
    // A test in which nothing succeeds shows nothing.
    let enough = usize::try_from(SCHEDULES / 10).unwrap();
    assert!(
        all.connected > enough && all.refused > enough && all.used > enough,
        "{all:?}"
    );
}
