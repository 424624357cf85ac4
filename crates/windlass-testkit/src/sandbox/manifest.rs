//! The manifest of the application, with places where a test puts what is special about it.

/// What is special about a test's manifest. Every part is TOML.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Lines in `[services.web]`.
    pub web: String,
    /// How many copies of it.
    pub replicas: u32,
    /// Lines in `[services.worker]`; `None` leaves it out.
    pub worker: Option<String>,
    /// Lines in `[services.scheduler]`; `None` leaves it out.
    pub scheduler: Option<String>,
    /// Lines in `[jobs.migrate]`; `None` leaves it out.
    pub migrate: Option<String>,
    /// Lines in `[deploy]`.
    pub deploy: String,
    /// Lines in the route to the web service.
    pub route: String,
    /// Lines that come first, before any table but `[app]`.
    pub top: String,
    /// Further tables.
    pub more: String,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            web: String::new(),
            replicas: 2,
            worker: Some(String::new()),
            scheduler: Some(String::new()),
            migrate: Some(String::new()),
            deploy: String::new(),
            route: String::new(),
            top: String::new(),
            more: String::new(),
        }
    }
}

impl Manifest {
    /// Only the web service, in one copy.
    #[must_use]
    pub fn small() -> Self {
        Self { replicas: 1, worker: None, scheduler: None, migrate: None, ..Self::default() }
    }

    /// The text; `fixture` is the application's program, `port` where the proxy listens.
    ///
    /// Times are short, because what is tested is the order of things. The relation of latencies is
    /// not judged: on a busy machine a fresh process is many times as slow as a warm one.
    #[must_use]
    pub fn text(&self, fixture: &str, port: u16) -> String {
        let Self { web, replicas, deploy, route, top, more, .. } = self;
        let mut text = format!(
            "[app]\nname = \"fixture\"\n\n{top}\n\
             [services.web]\ncommand = [{fixture:?}, \"web\"]\nreplicas = {replicas}\n\
             {port_line}{readiness}{web}\n",
            port_line = line(web, "port", "port = \"auto\""),
            readiness = line(
                web,
                "readiness",
                "readiness = { http = \"/health\", interval = \"100ms\", timeout = \"1s\", \
                 start_period = \"3s\" }"
            ),
        );
        for (name, extra) in [("worker", &self.worker), ("scheduler", &self.scheduler)] {
            let Some(extra) = extra else { continue };
            let singleton = if name == "scheduler" { "singleton = true\n" } else { "" };
            let settle = line(extra, "settle", "settle = \"150ms\"");
            text += &format!(
                "\n[services.{name}]\ncommand = [{fixture:?}, {name:?}]\n{singleton}{settle}{extra}\n"
            );
        }
        if let Some(extra) = &self.migrate {
            text += &format!(
                "\n[jobs.migrate]\ncommand = [{fixture:?}, \"job\", \"migrate\"]\nwhen = \"before-start\"\n{extra}\n"
            );
        }
        text += &format!(
            "\n[listen]\nhttp = \"127.0.0.1:{port}\"\n\n[[routes]]\npath = \"/\"\nservice = \"web\"\n{route}\n\
             \n[deploy]\n{bake}{drain}{disk}{ratio}{deploy}\n{more}\n",
            bake = line(deploy, "bake", "bake = \"200ms\""),
            ratio = line(deploy, "max_p95_ratio", "max_p95_ratio = 100000.0"),
            drain = line(deploy, "drain", "drain = \"5s\""),
            disk = line(deploy, "min_free_disk", "min_free_disk = \"1MiB\""),
        );
        text
    }
}

/// The usual line for a key, unless the test has its own.
fn line(own: &str, key: &str, usual: &str) -> String {
    let has = own.lines().any(|line| line.split('=').next().is_some_and(|word| word.trim() == key));
    if has { String::new() } else { format!("{usual}\n") }
}
