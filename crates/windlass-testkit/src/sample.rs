//! Specifications for tests: complete, small, and changed by the test that needs more.

use indexmap::IndexMap;
use windlass_core::name::Name;
use windlass_core::plan::Source;
use windlass_core::spec::{
    self, Build, BuildStep, Checks, ClientPatience, Command, Credential, Deploy, Engine, Env, Job, Limits,
    Listen, Port, Resource, Restart, RestartWhen, Rotation, Service, Setting, Spec, Stop, Strategy, Template,
    Undo, When,
};
use windlass_core::units::Span;

/// A name.
///
/// # Panics
/// When `text` is none: the test is wrong.
#[must_use]
#[expect(clippy::expect_used, reason = "a test that writes a wrong name is to fail")]
pub fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// `line` as an argument list, split at spaces; references in braces are references.
#[must_use]
pub fn command(line: &str) -> Command {
    let word = |word: &str| Template::parse(word).unwrap_or_else(|_| Template::literal(word));
    Command::Argv(line.split(' ').map(word).collect())
}

/// The application `shop` in `production`, with one build step and nothing that runs.
#[must_use]
pub fn shop() -> Spec {
    Spec {
        app: name("shop"),
        environment: name("production"),
        build: Build {
            exclude: vec![],
            include: vec![],
            steps: vec![BuildStep { command: command("make all"), timeout: Span::from_secs(600) }],
            shared: vec![],
            cache: vec![],
            env: Env::default(),
        },
        services: IndexMap::new(),
        jobs: IndexMap::new(),
        crons: IndexMap::new(),
        resources: IndexMap::new(),
        listen: Listen {
            http: vec!["127.0.0.1:8080".into()],
            https: vec![],
            tls: vec![],
            redirect_to_https: false,
            trusted_proxies: Vec::new(),
            patience: ClientPatience::default(),
        },
        routes: vec![],
        deploy: Deploy {
            keep: 5,
            bake: Span::ZERO,
            max_error_rate: 0.05,
            max_p95_ratio: 3.0,
            min_requests: 20,
            drain: Span::from_secs(30),
            smoke: vec![],
            min_free_disk: 0,
        },
        notify: IndexMap::new(),
        settings: IndexMap::new(),
        rotations: IndexMap::new(),
        revoked: IndexMap::new(),
        sealed: None,
    }
}

/// A service that does not listen: a worker.
#[must_use]
pub fn worker(line: &str) -> Service {
    Service {
        command: command(line),
        directory: String::new(),
        port: None,
        replicas: 1,
        singleton: false,
        env: Env::default(),
        user: None,
        checks: Checks { startup: None, readiness: None, liveness: None },
        settle: Span::from_secs(1),
        stop: Stop { signal: "TERM".into(), grace: Span::from_secs(10), quiet: None },
        restart: Restart {
            when: RestartWhen::Always,
            backoff: Span::from_millis(100),
            backoff_max: Span::from_secs(10),
            limit: 5,
            window: Span::from_secs(60),
        },
        again: Span::from_secs(60),
        limits: Limits::default(),
        needs: vec![],
        strategy: Strategy::BlueGreen,
        files: vec![],
    }
}

/// A service that listens, with two copies.
#[must_use]
pub fn web(line: &str) -> Service {
    Service { port: Some(Port::Automatic), replicas: 2, ..worker(line) }
}

/// A service of which two copies must never run.
#[must_use]
pub fn scheduler(line: &str) -> Service {
    Service { singleton: true, ..worker(line) }
}

/// A job.
#[must_use]
pub fn job(line: &str, when: When, undo: Undo) -> Job {
    Job {
        command: command(line),
        directory: String::new(),
        env: Env::default(),
        user: None,
        when,
        undo,
        timeout: Span::from_secs(600),
        limits: Limits::default(),
        schema: None,
    }
}

/// A secret setting with this fingerprint.
#[must_use]
pub fn secret(fingerprint: &str) -> Setting {
    Setting { secret: true, fingerprint: fingerprint.into(), ..Setting::default() }
}

/// A rotation with all its commands.
#[must_use]
pub fn rotation() -> Rotation {
    Rotation {
        create: Some(command("vault create")),
        verify: Some(command("vault verify")),
        revoke: Some(command("vault revoke")),
        env: Env::default(),
        timeout: Span::from_secs(60),
        at: None,
    }
}

/// A private resource.
#[must_use]
pub fn resource(engine: Engine) -> Resource {
    Resource {
        engine,
        source: spec::Source::Private {
            version: None,
            database: "shop".into(),
            port: 0,
            options: IndexMap::new(),
            memory: None,
            credential: Credential::FIRST,
        },
    }
}

/// A source with this digest.
#[must_use]
pub fn source(digest: &str) -> Source {
    Source {
        path: "/src/shop".into(),
        digest: digest.into(),
        parts: IndexMap::new(),
        commit: Some("4f2c9d1".into()),
        dirty: false,
        without: vec![],
    }
}
