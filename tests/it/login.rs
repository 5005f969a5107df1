//! Logging in to the board (fault 127), and what each role may do there (fault 133).

use axum::http::Method;
use baton::api::{Api, Need, Peer, router, routes};
use baton::domain::access::{Access, PasswordHash, Role, TokenHash, User};
use baton::domain::plan::Mode;
use baton::engine::command::{Asked, Command};
use jiff::SignedDuration;
use reqwest::header::{COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::board::{chromium, loaded, problems};
use super::harness::{AGREEMENT, ROSTER, World};

const PASSWORD: &str = "correct horse battery";
const TOKEN: &str = "baton_token-of-the-scraper";

/// Anna is an operator, Vera a viewer, `scraper` a script that looks and `robot` one that acts.
fn access() -> Access {
    let password = PasswordHash::of(PASSWORD, [7; 16]).unwrap();
    let user = |name: &str, role, password: Option<&PasswordHash>, token: Option<&str>| User {
        name: name.into(),
        role,
        password: password.cloned(),
        token: token.map(TokenHash::of),
    };
    let users = vec![
        user("anna", Role::Operator, Some(&password), None),
        user("vera", Role::Viewer, Some(&password), None),
        user("scraper", Role::Viewer, None, Some(TOKEN)),
        user("robot", Role::Operator, None, Some("baton_token-of-the-robot")),
    ];
    Access { users, ..Access::default() }
}

struct Board {
    world: World,
    at: String,
    client: Client,
    _servers: JoinSet<()>,
}

impl Board {
    async fn new() -> Self {
        Self::with(access(), |_| {}).await
    }

    /// A board over a world with a lead whose hand-off waits for approval.
    async fn with(access: Access, adjust: impl Fn(&mut baton::daemon::assemble::Assembly)) -> Self {
        let mut world = World::with(AGREEMENT, Mode::Plan).await;
        let mut again = world.assembly_with(AGREEMENT, ROSTER);
        again.access = access;
        adjust(&mut again);
        world.restart_as(again, async |_| {}).await;
        let contact = world.contact("Jane");
        world.beat().await;
        world.pass(2).await;
        world.qualify(&contact);
        world.pass(2).await;
        let api = Api { engine: world.parts.engine.clone(), status: world.parts.status.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let mut servers = JoinSet::new();
        let service = router(api)
            .layer(axum::middleware::from_fn(|mut request: axum::extract::Request, next: axum::middleware::Next| {
                // As the daemon's listener does.
                let peer = Peer("127.0.0.1:9".parse().unwrap());
                request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
                next.run(request)
            }))
            .into_make_service();
        servers.spawn(async move { axum::serve(listener, service).await.unwrap() });
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { world, at, client, _servers: servers }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.at))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.at)).header("sec-fetch-site", "same-origin")
    }

    async fn log_in(&self, name: &str, password: &str) -> Response {
        let form = [("name", name), ("password", password), ("next", "/plan")];
        self.post("/login").form(&form).send().await.unwrap()
    }

    /// What the browser of `name` sends once they are logged in.
    async fn cookie(&self, name: &str) -> String {
        let answer = self.log_in(name, PASSWORD).await;
        assert_eq!(answer.status(), 303, "{name}");
        assert_eq!(answer.headers()[LOCATION], "/plan");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// What the audit's chain says that people asked for.
    async fn asked(&self) -> Vec<String> {
        let file = self.world.folder.path().join("baton.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).read_only(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let all: Vec<String> =
            sqlx::query_scalar("SELECT content FROM audit ORDER BY seq").fetch_all(&pool).await.unwrap();
        all.iter()
            .flat_map(|content| content.lines())
            .filter(|line| line.starts_with("asked "))
            .map(str::to_owned)
            .collect()
    }

    async fn plan_id(&self) -> String {
        self.world.parts.engine.propose().await.unwrap().id
    }
}

async fn text(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What each route needs, written down a second time: a route that is added or loosened without a thought turns this red.
const NEEDS: [(&str, &str, &str); 31] = [
    ("GET", "/", "viewer"),
    ("GET", "/answer/{link}", "proof"),
    ("POST", "/answer/{link}", "proof"),
    ("GET", "/api/v1/companies", "viewer"),
    ("GET", "/api/v1/companies/{company}", "viewer"),
    ("GET", "/api/v1/events", "viewer"),
    ("GET", "/api/v1/findings", "viewer"),
    ("GET", "/api/v1/handoffs", "viewer"),
    ("GET", "/api/v1/handoffs.csv", "viewer"),
    ("GET", "/api/v1/leads/{lead}", "viewer"),
    ("GET", "/api/v1/pairs", "viewer"),
    ("GET", "/api/v1/plan", "viewer"),
    ("GET", "/api/v1/status", "viewer"),
    ("GET", "/board.css", "nothing"),
    ("GET", "/companies", "viewer"),
    ("GET", "/companies/{company}", "viewer"),
    ("GET", "/healthz", "nothing"),
    ("POST", "/hooks/{connection}", "proof"),
    ("POST", "/hooks/{connection}/{secret}", "proof"),
    ("GET", "/leads/{lead}", "viewer"),
    ("GET", "/login", "nothing"),
    ("POST", "/login", "nothing"),
    ("POST", "/logout", "nothing"),
    ("GET", "/metrics", "viewer"),
    ("GET", "/plan", "viewer"),
    ("POST", "/plan/{id}/apply", "operator"),
    ("POST", "/plan/{id}/discard", "operator"),
    ("GET", "/readyz", "nothing"),
    ("GET", "/review", "viewer"),
    ("POST", "/review/{lead}/{other}/apart", "operator"),
    ("POST", "/review/{lead}/{other}/same", "operator"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_through_whom_the_table_says_and_nobody_else_fault_133() {
    let word = |need: Need| match need {
        Need::Nothing => "nothing",
        Need::Proof => "proof",
        Need::Role(role) => role.as_str(),
    };
    let mut declared: Vec<(String, &str, &str)> =
        routes().iter().map(|route| (route.method.to_string(), route.path, word(route.need))).collect();
    declared.sort_by_key(|(method, path, _)| (*path, method.clone()));
    let expected: Vec<(String, &str, &str)> =
        NEEDS.iter().map(|(method, path, need)| ((*method).to_owned(), *path, *need)).collect();
    assert_eq!(declared, expected);

    let board = Board::new().await;
    let (anna, vera) = (board.cookie("anna").await, board.cookie("vera").await);
    for (method, path, need) in NEEDS {
        // Numbers and names that there are not: who comes through gets an answer about that.
        let real = path.replace("{lead}", "L-9").replace("{other}", "L-8").replace("{id}", "none");
        let real = real.replace("{link}", "none").replace("{connection}", "none").replace("{secret}", "none");
        let ask = || if method == Method::GET { board.get(&real) } else { board.post(&real) };
        for (who, rank) in [("nobody", 0), ("viewer", 1), ("operator", 2)] {
            for by_token in [false, true] {
                let request = match (who, by_token) {
                    ("nobody", false) => ask(),
                    ("nobody", true) => ask().bearer_auth("baton_wrong"),
                    ("viewer", false) => ask().header(COOKIE, &vera),
                    ("viewer", true) => ask().bearer_auth(TOKEN),
                    (_, false) => ask().header(COOKIE, &anna),
                    (_, true) => ask().bearer_auth("baton_token-of-the-robot"),
                };
                if path == "/logout" {
                    continue;
                }
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                let is_at_login =
                    answer.headers().get(LOCATION).is_some_and(|to| to.to_str().unwrap().starts_with("/login"));
                let is_let_through =
                    !(is_at_login || status == 403 || status == 401 && need != "proof" && path != "/login");
                let needed = match need {
                    "nothing" | "proof" => 0,
                    "viewer" => 1,
                    _ => 2,
                };
                assert_eq!(is_let_through, rank >= needed, "{method} {path} as {who}, token {by_token}: {status}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_the_plan_and_no_form_and_an_operator_acts_under_their_name_fault_133() {
    let board = Board::new().await;
    let (anna, vera) = (board.cookie("anna").await, board.cookie("vera").await);
    let (status, page) = text(board.get("/plan").header(COOKIE, &vera)).await;
    assert!(status == 200 && page.contains("Jane Roe") && page.contains("An operator lets them go"), "{page}");
    assert_eq!(page.matches("<form").count(), 1, "only the one that logs out: {page}");
    assert!(page.contains("vera") && page.contains("viewer") && page.contains("Log out"), "{page}");
    let (_, page) = text(board.get("/plan").header(COOKIE, &anna)).await;
    assert_eq!(page.matches("<form").count(), 3, "{page}");
    for page in [&page, &text(board.get("/").header(COOKIE, &anna)).await.1, &text(board.get("/login")).await.1] {
        assert_eq!(problems(page), Vec::<String>::new());
    }
    let id = board.plan_id().await;
    let apply = format!("/plan/{id}/apply");
    let (status, said) = text(board.post(&apply).header(COOKIE, &vera)).await;
    assert!(status == 403 && said.contains("takes the role") && said.contains("viewer"), "{said}");
    let (status, said) = text(board.post(&apply).bearer_auth(TOKEN)).await;
    assert!(status == 403 && said.contains("too_little"), "{said}");
    assert_eq!(board.plan_id().await, id, "nothing was let go");
    let discard = format!("/plan/{id}/discard");
    let (status, said) = text(board.post(&discard).header(COOKIE, &anna)).await;
    assert_eq!(status, 200, "{said}");
    let (_, lead) = text(board.get("/leads/L-1").header(COOKIE, &vera)).await;
    assert!(lead.contains("anna on the board"), "who did it stands at what was taken back: {lead}");
    let asked = board.asked().await;
    for line in
        ["asked anna log in to the board", "asked vera log in to the board", "asked anna_on_the_board discard a plan"]
    {
        assert!(asked.iter().any(|said| said == line), "{line} is missing in the chain: {asked:?}");
    }
    assert!(!asked.iter().any(|said| said.contains("vera_on")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_of_a_logged_in_operator_does_not_carry_another_pages_form_fault_126() {
    let board = Board::new().await;
    let anna = board.cookie("anna").await;
    let apply = format!("{}/plan/{}/apply", board.at, board.plan_id().await);
    for site in ["cross-site", "same-site", "none"] {
        let request = board.client.post(&apply).header(COOKIE, &anna).header("sec-fetch-site", site);
        let (status, said) = text(request).await;
        assert!(status == 403 && said.contains("does not come from a page of the board"), "{site}: {said}");
    }
    // Nor can it log somebody in as somebody else, or out.
    for path in ["/login", "/logout"] {
        let request = board.client.post(format!("{}{path}", board.at)).header("sec-fetch-site", "cross-site");
        assert_eq!(text(request).await.0, 403, "{path}");
    }
    // A script has no page.
    let script = board.client.post(&apply).bearer_auth("baton_token-of-the-robot");
    assert_eq!(text(script).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_logged_in_is_sent_to_the_login_and_back_fault_127() {
    let board = Board::new().await;
    for (path, to) in [("/", "/login"), ("/leads/L-1", "/login?next=%2Fleads%2FL-1"), ("/plan", "/login?next=%2Fplan")]
    {
        let answer = board.get(path).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()[LOCATION].to_str().unwrap()), (303, to));
    }
    let answer = board.get("/api/v1/status").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    let (_, health) = text(board.get("/healthz")).await;
    assert!(health.contains("\"status\"") && !health.contains("streams"), "one word for who is not known: {health}");
    assert!(text(board.get("/healthz").bearer_auth(TOKEN)).await.1.contains("streams"));
    // Whom the link is for is proved by the link; the CRM by its signature.
    assert_eq!(text(board.get("/answer/forged")).await.0, 404);
    let page = text(board.get("/login?next=//evil.example")).await.1;
    assert!(page.contains("value=\"/\"") && !page.contains("evil"), "{page}");

    let answer = board.log_in("anna", PASSWORD).await;
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    for part in ["baton=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
    let held = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(text(board.get("/").header(COOKIE, &held)).await.0, 200);
    let answer = board.post("/logout").header(COOKIE, &held).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(text(board.get("/").header(COOKIE, &held)).await.0, 303, "the session is over here, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_https_has_a_cookie_that_goes_over_nothing_else_fault_127() {
    let board = Board::with(access(), |assembly| assembly.rules.public_url = "https://baton.example.com".into()).await;
    let answer = board.log_in("anna", PASSWORD).await;
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-baton=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_answered_the_same_for_every_name_and_soon_not_at_all_fault_127() {
    let board = Board::new().await;
    let wrong = board.log_in("anna", "correct horse batterz").await;
    assert_eq!(wrong.status(), 401);
    let wrong = wrong.text().await.unwrap();
    let unknown = board.log_in("nobody", PASSWORD).await;
    assert_eq!(
        (unknown.status().as_u16(), unknown.text().await.unwrap()),
        (401, wrong),
        "nothing says which was wrong"
    );
    let mut tries = 0;
    let refused = loop {
        let answer = board.log_in("anna", "another guess").await;
        tries += 1;
        if answer.status() != 401 {
            break answer;
        }
        assert!(tries < 30, "it is never too often");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key(RETRY_AFTER));
    assert!(refused.text().await.unwrap().contains("Too many tries"));
    assert_eq!(board.log_in("vera", PASSWORD).await.status(), 429, "the right one from there has to wait, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_each_caller_has_their_own_tries_and_cannot_make_up_more_fault_127() {
    let board = Board::with(Access { behind_proxy: true, ..access() }, |_| {}).await;
    let guess = async |forwarded: String| {
        let form = [("name", "nobody"), ("password", "a guess")];
        board.post("/login").header("x-forwarded-for", forwarded).form(&form).send().await.unwrap().status().as_u16()
    };
    // What the caller says of themselves stands first; the proxy's own word is the last.
    let mut told = Vec::new();
    for number in 0..11 {
        told.push(guess(format!("203.0.113.{number}, 192.0.2.1")).await);
    }
    assert_eq!((told.iter().filter(|status| **status == 401).count(), told[10]), (10, 429), "{told:?}");
    assert_eq!(guess("192.0.2.1, 192.0.2.2".to_owned()).await, 401, "another caller");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_cookie_is_worth_nothing_and_a_command_ends_all_sessions_fault_127() {
    let board = Board::new().await;
    let planted = "baton=baton_planted";
    let form = [("name", "anna"), ("password", PASSWORD)];
    let answer = board.post("/login").header(COOKIE, planted).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert!(!answer.headers()[SET_COOKIE].to_str().unwrap().contains("baton_planted"));
    assert_eq!(text(board.get("/").header(COOKIE, planted)).await.0, 303, "the planted one opens nothing");

    let (anna, vera) = (board.cookie("anna").await, board.cookie("vera").await);
    let end = async |user: Option<&str>| {
        let command = Command::EndSessions { user: user.map(str::to_owned) };
        board.world.parts.engine.execute(&Asked { by: "ops".to_owned(), command }).await
    };
    assert!(end(Some("nobody")).await.unwrap_err().to_string().contains("anna, vera"));
    assert_eq!(end(Some("vera")).await.unwrap().lines, ["1 session ended."]);
    assert_eq!(text(board.get("/").header(COOKIE, &vera)).await.0, 303);
    assert_eq!(text(board.get("/").header(COOKIE, &anna)).await.0, 200);
    assert_eq!(end(None).await.unwrap().lines, ["2 sessions ended."]);
    assert_eq!(text(board.get("/").header(COOKIE, &anna)).await.0, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_users_the_board_is_open_as_ever() {
    let board = Board::with(Access::default(), |_| {}).await;
    let (status, page) = text(board.get("/plan")).await;
    assert!(status == 200 && page.contains("Let exactly these go") && !page.contains("Log out"), "{page}");
    assert_eq!(board.get("/login").send().await.unwrap().headers()[LOCATION], "/");
    assert!(text(board.get("/healthz")).await.1.contains("streams"));
    let id = board.plan_id().await;
    assert_eq!(text(board.post(&format!("/plan/{id}/discard"))).await.0, 200);
    assert_eq!(board.asked().await.last().map(String::as_str), Some("asked the_board discard a plan"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_by_itself_fault_127() {
    let short = Access { idle: SignedDuration::from_millis(400), ..access() };
    let board = Board::with(short, |_| {}).await;
    let cookie = board.cookie("anna").await;
    assert_eq!(text(board.get("/").header(COOKIE, &cookie)).await.0, 200);
    for _ in 0..6 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        // The page renews itself; nobody is there.
        text(board.get("/?renewed=1").header(COOKIE, &cookie)).await;
    }
    assert_eq!(text(board.get("/").header(COOKIE, &cookie)).await.0, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_the_login_instead_of_the_board() {
    let Some(browser) = chromium() else { return };
    let board = Board::new().await;
    let seen = loaded(browser, &format!("{}/plan", board.at)).await;
    assert!(seen.contains("<h2>Log in</h2>") && seen.contains("value=\"/plan\""), "{seen}");
    assert!(!seen.contains("Jane"), "{seen}");
}
