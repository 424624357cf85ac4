//! A service of the compose file: a service, a job or a resource of the manifest.

use super::Import;
use super::built;
use super::crond;
use super::env::{entries, lookup};
use super::health::asked;
use super::image::foreign;
use super::interpolate::by_default;
use super::ofelia;
use super::ports::{inward, listening, with_port};
use super::quantity::{bytes, duration};
use super::resource::is_resource;
use super::volume::{in_memory, mount, targets};
use super::yaml::Yaml;
use crate::manifest::Format;
use crate::manifest::draft::{self, Draft, PLACEHOLDER, Section};
use crate::manifest::roles;
use crate::name::Name;

/// Keys of a resource's container that mean nothing here.
const OF_CONTAINER: [&str; 6] = ["image", "restart", "healthcheck", "container_name", "hostname", "expose"];

impl Import {
    pub(super) fn service(
        &mut self,
        key: &str,
        service: &Yaml,
        services: &[(String, Yaml)],
        draft: &mut Draft,
    ) {
        let place = format!("services.{key}");
        self.built_here = built::is_here(service);
        self.targets = targets(service);
        let Some(name) = self.name(key).cloned() else { return };
        if self.fronts.iter().any(|front| front.key == key) {
            return;
        }
        self.node = roles::node_name(name.as_str());
        if name.as_str() != key {
            self.note(service.line, &place, format!("is called {name} here"));
        }
        if self.left_out.iter().any(|other| other == key) {
            return self.leave_out(&place, service);
        }
        if self.resources.contains(key) {
            self.of_resource(&place, key, service);
            return;
        }
        if let Some(runner) = self.runners.iter().find(|runner| runner.key == key).cloned() {
            return self.crons(&place, service, (&name, &runner), draft);
        }
        if self.schedulers.iter().any(|scheduler| scheduler.key == key) {
            return;
        }
        if crond::is_one(service) {
            let message = "its crontab is not in the project: write each of its lines as [cron.NAME], and take this service away";
            self.note(service.line, &place, message);
        }
        let job = self.jobs.iter().any(|job| job == key);
        let section_name = if job { format!("[jobs.{name}]") } else { format!("[services.{name}]") };
        let mut own = Draft::default();
        let section = own.section(section_name);
        let is_behind = self.fronts.iter().any(|front| front.target.as_deref() == Some(key));
        let port = if job { None } else { self.port(&place, &name, service) };
        let port = port.or_else(|| listening(service).or_else(|| asked(service)).filter(|_| is_behind));
        let port = match job || is_behind {
            true => port,
            false => port.or_else(|| self.told_elsewhere(&place, key, service, services)),
        };
        self.run(&place, service, port, section);
        if let Some(directory) = self.directories.get(key) {
            section.set("directory", draft::text(directory));
        }
        self.role(&place, &name, service, job, section);
        if is_behind && port.is_none() {
            section
                .set("port", draft::text("auto"))
                .because("it must listen on $PORT: where it did was not said");
        }
        if job {
            section.set("when", draft::text("before-start")).set("undo", draft::text("compatible"));
            self.tell_job(&place, key, service);
            self.job_needs(key, service, services);
        } else {
            self.copies(&place, service, section);
            self.tell_perhaps_a_job(&place, key, service, services);
            self.needs(key, service, section);
            let moved = section.value("port") == Some("\"auto\"");
            match service.get("healthcheck").and_then(|node| self.health(&place, node, port, moved)) {
                Some(check) => drop(section.set("readiness", check)),
                None if port.is_some() || is_behind => {
                    let (check, is_guessed) = listened(section);
                    section.set("readiness", check);
                    if is_guessed {
                        let message = "is taken for a server of HTTP, and is ready when it answers: where it speaks something \
                                       else, say readiness = { tcp = true }";
                        self.note(service.line, &place, message);
                    }
                }
                None => {}
            }
            self.ending(&place, service, section);
        }
        self.limits(&place, service, section);
        self.rest(&place, service, job);
        draft.append(own);
    }

    /// A service of a profile does not run unless somebody asks for the profile; a database of a kind that Windlass does
    /// not run, not at all.
    fn leave_out(&mut self, place: &str, service: &Yaml) {
        let Some(node) = service.get("profiles").filter(|node| !node.items().is_empty()) else {
            if let (Some(called), Some(image)) = (foreign(service), service.get("image")) {
                let message = format!(
                    "{called} has no counterpart and was left out: Windlass runs PostgreSQL, Redis and RabbitMQ. Install it on a \
                     machine, and declare where it is and its password under [settings]"
                );
                self.note(image.line, format!("{place}.image"), message);
            }
            return;
        };
        let names: Vec<&str> = node.items().iter().filter_map(Yaml::text).collect();
        let instead = match is_resource(service) {
            true => "write it under [environments.NAME.resources]",
            false => {
                "write it under [environments.NAME.services], or as one of [jobs] with when = \"manual\" for `windlass run`"
            }
        };
        let message =
            format!("was left out, because it runs only with the profile {}: {instead}", names.join(" or "));
        self.note(node.line, format!("{place}.profiles"), message);
    }

    fn of_resource(&mut self, place: &str, name: &str, service: &Yaml) {
        if let Some(message) = self.resources.note(name).map(str::to_owned) {
            let line = service.get("image").map_or(service.line, |image| image.line);
            self.note(line, format!("{place}.image"), message);
        }
        for (key, value) in service.map().iter().filter(|(key, _)| !OF_CONTAINER.contains(&key.as_str())) {
            let message = match key.as_str() {
                "environment" => {
                    for (line, variable, _) in entries(value) {
                        // A file may be there for other services too.
                        let is_told = self.env_files.origin(place, &variable).is_none()
                            || self.resources.is_for(name, &variable);
                        if let Some(message) = self.resources.told(name, &variable).filter(|_| is_told) {
                            self.note(line, self.env_files.place(place, &variable), message);
                        }
                    }
                    continue;
                }
                "labels" if ofelia::are_all_jobs(value) => continue,
                "env_file" if !self.env_files.lack(place) => continue,
                "env_file" => {
                    "is not there to be read: Windlass names the user and makes the password itself"
                }
                "ports" => "the resource is on the loopback address, at a port of its own; `port` fixes it",
                "volumes" => {
                    self.scripts(place, value);
                    "the data lies in Windlass's own directory; the volume's data is not copied"
                }
                "command" => "the server is started with Windlass's options; write others into `options`",
                _ => "has no counterpart for a resource",
            };
            self.note(value.line, format!("{place}.{key}"), message);
        }
    }

    /// What the image runs when the database is made.
    fn scripts(&mut self, place: &str, volumes: &Yaml) {
        for item in volumes.items() {
            let Some(script) =
                mount(item).filter(|mount| mount.target.starts_with("/docker-entrypoint-initdb.d"))
            else {
                continue;
            };
            let what = script.source.unwrap_or(script.target);
            let message = format!(
                "{what} is not run when the database is made: write a job with when = \"once\" that loads it, such as \
                 psql \"$DATABASE_URL\" -f FILE"
            );
            self.note(item.line, format!("{place}.volumes"), message);
        }
    }

    /// The command, the port and the environment.
    fn run(&mut self, place: &str, service: &Yaml, port: Option<u16>, section: &mut Section) {
        let command = self.command(place, service);
        if command.is_none() {
            let line =
                service.get("image").or_else(|| service.get("build")).map_or(service.line, |node| node.line);
            self.note(
                line,
                place,
                format!(
                    "the command is the image's own and not known: replace {PLACEHOLDER:?} by what it runs"
                ),
            );
        }
        let command = command.unwrap_or_else(|| draft::command(&[PLACEHOLDER]));
        let named = port.and_then(|port| with_port(&command, port)).map(|command| inward(&command));
        // The proxy asks the loopback address, whatever the port is.
        let alone = || if port.is_some() { inward(&command) } else { command.clone() };
        section.set("command", named.clone().unwrap_or_else(alone));
        let env = service.get("environment");
        // A program that is told PORT reads it.
        let variable = env.and_then(|env| lookup(env, "PORT")).map(|value| by_default(&value, "$"));
        let told = port.is_some_and(|port| variable == Some(port.to_string()));
        match (port, named) {
            (Some(_), Some(_)) => drop(section.set("port", draft::text("auto"))),
            (Some(_), None) if told => drop(section.set("port", draft::text("auto"))),
            (Some(port), None) if self.fixed.contains(&port) => {
                self.note(
                    service.line,
                    place,
                    format!("another service has port {port}: this one must listen on $PORT"),
                );
                section.set("port", draft::text("auto"));
            }
            (Some(port), None) => {
                self.fixed.push(port);
                section
                    .set("port", port.to_string())
                    .because("if it can listen on $PORT, \"auto\" lets old and new run side by side");
                section.set("strategy", draft::text("recreate"));
            }
            (None, _) => {}
        }
        let env = env.map(|node| self.environment(place, node, port.is_some())).unwrap_or_default();
        if !env.is_empty() {
            section.set("env", draft::inline(&env));
        }
        self.account(place, service, section);
    }

    /// The account and the directory that the container has.
    pub(super) fn account(&mut self, place: &str, service: &Yaml, section: &mut Section) {
        if let Some(user) = service.get("user") {
            let name = user.text().map(|user| by_default(user, "$")).unwrap_or_default();
            let message = match name.split(':').next().unwrap_or_default() {
                "root" | "0" => "it runs with the rights of the account of Windlass",
                _ => {
                    section.comment(format!(
                        "The image runs it as {name}: where Windlass runs as root, `user` names the account of this machine."
                    ));
                    "is an account of the image: it runs as that of Windlass; where that is root, `user` names another one of \
                     this machine"
                }
            };
            self.note(user.line, format!("{place}.user"), message);
        }
        if let Some(directory) = service.get("working_dir") {
            self.note(
                directory.line,
                format!("{place}.working_dir"),
                "is a path of the container; `directory` is relative to the release",
            );
        }
    }

    /// A clock is never there twice; workers of Celery need names of their own, as old and new ones run
    /// side by side.
    fn role(&mut self, place: &str, name: &Name, service: &Yaml, job: bool, section: &mut Section) {
        let command = section.value("command").unwrap_or_default().to_owned();
        let words: Vec<&str> =
            command.split([' ', '"', '/', ',', '\'']).filter(|word| !word.is_empty()).collect();
        if job {
            return;
        }
        if command.starts_with('{') && roles::is_unkept_beat(&words) {
            let line = service.get("command").or_else(|| service.get("entrypoint")).unwrap_or(service).line;
            let message = format!(
                "the schedule of Celery's clock would be a new one in each release: add `--schedule $WINDLASS_SHARED/{0}/schedule` to it, \
                 and {0:?} to build.shared",
                roles::BEAT
            );
            self.note(line, format!("{place}.command"), message);
        }
        if roles::is_clock(name.as_str(), &words) {
            section.set("singleton", "true").because("never two of it");
        } else if roles::is_nameless_worker(&words) {
            let line = service.get("command").or_else(|| service.get("entrypoint")).unwrap_or(service).line;
            let message = "in a deploy the old and the new worker run side by side and would have one node name, which RabbitMQ refuses: \
                           add `-n $WINDLASS_INSTANCE@%h`";
            self.note(line, format!("{place}.command"), message);
        }
    }

    fn copies(&mut self, place: &str, service: &Yaml, section: &mut Section) {
        let deploy = service.get("deploy");
        let replicas = deploy.and_then(|deploy| Some((deploy.get("replicas")?, "deploy.replicas")));
        let Some((replicas, key)) = replicas.or_else(|| Some((service.get("scale")?, "scale"))) else {
            return;
        };
        match replicas.text().and_then(|text| text.parse::<u32>().ok()).filter(|number| *number <= 1000) {
            Some(0..=1) if section.has("strategy") => {}
            Some(1) if section.has("singleton") => {}
            Some(2..) if section.has("singleton") => self.note(
                replicas.line,
                format!("{place}.{key}"),
                "it is a singleton here, as what runs by the clock would run twice: take `singleton` away where several are right",
            ),
            Some(number) if !section.has("strategy") => drop(section.set("replicas", number.to_string())),
            Some(_) => self.note(
                replicas.line,
                format!("{place}.{key}"),
                "copies cannot share a fixed port; write port = \"auto\" first",
            ),
            None => {
                self.note(replicas.line, format!("{place}.{key}"), "is no number that is known");
            }
        }
    }

    /// How it is stopped and started again.
    fn ending(&mut self, place: &str, service: &Yaml, section: &mut Section) {
        let mut stop = Vec::new();
        if let Some(signal) = service.get("stop_signal") {
            match signal.text().filter(|text| Format::Signal.check(text).is_ok()) {
                Some(text) => stop.push(("signal".to_owned(), draft::text(text))),
                None => self.note(signal.line, format!("{place}.stop_signal"), "is no signal that is known"),
            }
        }
        if let Some(grace) = service.get("stop_grace_period") {
            match grace.text().and_then(duration) {
                Some(span) => stop.push(("grace".to_owned(), draft::text(&span.to_string()))),
                None => self.note(
                    grace.line,
                    format!("{place}.stop_grace_period"),
                    "is no length of time that is known",
                ),
            }
        }
        if !stop.is_empty() {
            section.set("stop", draft::inline(&stop));
        }
        let Some(restart) = service.get("restart") else { return };
        let text = restart.text().unwrap_or_default();
        let when = match text.split(':').next().unwrap_or_default() {
            "no" | "false" => "never",
            "on-failure" => "on-failure",
            "always" | "unless-stopped" => return,
            _ => return self.note(restart.line, format!("{place}.restart"), "is no policy that is known"),
        };
        let mut entries = vec![("when".to_owned(), draft::text(when))];
        if let Some(limit) = text.split_once(':').and_then(|(_, limit)| limit.parse::<u16>().ok())
            && (1..=1000).contains(&limit)
        {
            entries.push(("limit".to_owned(), limit.to_string()));
            entries.push(("again".to_owned(), draft::text("0s")));
        }
        section.set("restart", draft::inline(&entries));
    }

    pub(super) fn limits(&mut self, place: &str, service: &Yaml, section: &mut Section) {
        let limits = service.get("deploy").and_then(|deploy| deploy.get("resources")?.get("limits"));
        // With the key that it stands at.
        let limit = |key: &str, old: &'static str| {
            let new = limits
                .and_then(|limits| limits.get(key))
                .map(|node| (node, format!("deploy.resources.limits.{key}")));
            new.or_else(|| Some((service.get(old)?, old.to_owned())))
        };
        let mut entries = Vec::new();
        let mut unknown = Vec::new();
        if let Some((node, key)) = limit("cpus", "cpus") {
            match node
                .text()
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|cpu| (0.01..=1024.0).contains(cpu))
            {
                Some(cpu) => entries.push(("cpu".to_owned(), cpu.to_string())),
                None => unknown.push((node.line, key)),
            }
        }
        if let Some((node, key)) = limit("memory", "mem_limit") {
            match node.text().and_then(bytes) {
                // No limit, there.
                Some(bytes) if bytes.0 == 0 => {}
                Some(bytes) => entries.push(("memory".to_owned(), draft::text(&bytes.to_string()))),
                None => unknown.push((node.line, key)),
            }
        }
        if let Some((node, key)) = limit("pids", "pids_limit") {
            match node
                .text()
                .and_then(|text| text.parse::<u32>().ok())
                .filter(|n| (1..=1_000_000).contains(n))
            {
                Some(number) => entries.push(("processes".to_owned(), number.to_string())),
                None => unknown.push((node.line, key)),
            }
        }
        self.ulimits(place, service, &mut entries);
        if !entries.is_empty() {
            section.set("limits", draft::inline(&entries));
        }
        for (line, key) in unknown {
            self.note(line, format!("{place}.{key}"), "is no limit that is known");
        }
    }

    /// Limits by their names of old: of open files and of processes.
    fn ulimits(&mut self, place: &str, service: &Yaml, entries: &mut Vec<(String, String)>) {
        for (key, value) in service.get("ulimits").map(Yaml::map).unwrap_or_default() {
            let place = format!("{place}.ulimits.{key}");
            let (limit, range) = match key.as_str() {
                "nofile" => ("files", 16..=10_000_000),
                "nproc" => ("processes", 1..=1_000_000),
                _ => {
                    self.note(value.line, place, "has no counterpart: that of the account holds");
                    continue;
                }
            };
            if entries.iter().any(|(other, _)| other == limit) {
                continue;
            }
            // What a program may go up to, where that differs from what it begins with.
            let number = value.get("hard").or_else(|| value.get("soft")).unwrap_or(value).text();
            match number.and_then(|text| by_default(text, "$").parse::<i64>().ok()) {
                Some(number) if range.contains(&number) => {
                    entries.push((limit.to_owned(), number.to_string()));
                }
                // No limit, there.
                Some(-1) => {}
                _ => self.note(value.line, place, "is no limit that is known"),
            }
        }
    }

    /// Everything that was not looked at above.
    pub(super) fn rest(&mut self, place: &str, service: &Yaml, job: bool) {
        for (key, value) in service.map() {
            let message = match key.as_str() {
                "command" | "entrypoint" | "environment" | "user" | "working_dir" | "container_name"
                | "profiles" => continue,
                "ports" | "expose" | "depends_on" | "healthcheck" | "stop_signal" | "stop_grace_period"
                | "restart" | "scale"
                    if !job =>
                {
                    continue;
                }
                "cpus" | "mem_limit" | "pids_limit" | "ulimits" => continue,
                "deploy" => {
                    self.deploy(place, value);
                    continue;
                }
                "volumes" => {
                    self.volumes(place, value);
                    continue;
                }
                "tmpfs" => {
                    for item in value.items() {
                        let target = item.text().and_then(|text| text.split(':').next()).unwrap_or_default();
                        self.note(item.line, format!("{place}.tmpfs"), in_memory(target));
                    }
                    continue;
                }
                "env_file" => {
                    self.env_file(place);
                    continue;
                }
                "depends_on" if job => continue,
                "restart" if job => match value.text() {
                    Some("no" | "false") | None => continue,
                    Some(_) => "a job runs once: a failure ends the deploy, which goes back",
                },
                "image" => {
                    "the image is not used: what it brings must be installed, or made by [build] steps"
                }
                "build" => {
                    if let Some(args) = value.get("args") {
                        let message = "are not carried over: what [build] steps read goes into [build.env]";
                        self.note(args.line, format!("{place}.build.args"), message);
                    }
                    self.tell_build(place, value);
                    continue;
                }
                "extends" => {
                    "is not read: write what it takes from there into this service, and import again"
                }
                "networks" | "network_mode" | "links" | "extra_hosts" | "dns" => {
                    "there are no networks: all processes see the same machine"
                }
                "labels" if ofelia::are_all_jobs(value) => continue,
                "labels" => "labels are not read; routes say what a proxy finds in them",
                "logging" => "output goes to rotated files; see `windlass logs`",
                "secrets" => {
                    self.secrets_of(place, value);
                    continue;
                }
                "configs" => "declare them as settings, with their values in .env",
                "init" | "tty" | "stdin_open" | "platform" | "pull_policy" | "hostname" => {
                    "means nothing without containers"
                }
                "cap_add" | "cap_drop" | "privileged" | "security_opt" | "read_only" | "devices"
                | "sysctls" => "processes run with the rights of their account",
                key if key.starts_with("x-") => continue,
                _ => "has no counterpart",
            };
            self.note(value.line, format!("{place}.{key}"), message);
        }
    }

    fn deploy(&mut self, place: &str, deploy: &Yaml) {
        for (key, value) in deploy.map() {
            match key.as_str() {
                "replicas" => {}
                "resources" => {
                    if let Some(reservations) = value.get("reservations") {
                        self.note(
                            reservations.line,
                            format!("{place}.deploy.resources.reservations"),
                            "nothing is reserved; `limits` are kept",
                        );
                    }
                }
                _ => self.note(
                    value.line,
                    format!("{place}.deploy.{key}"),
                    "has no counterpart; see `strategy`, `restart` and [deploy]",
                ),
            }
        }
    }
}

/// The readiness check for a service that says of none how it is asked, and whether that is a guess at what it speaks.
fn listened(section: &Section) -> (&'static str, bool) {
    let said = ["command", "env"].map(|key| section.value(key).unwrap_or_default()).join(" ");
    let words: Vec<&str> = said.split([' ', '"', '/', ',', '\'', '[', ']']).collect();
    let check = if roles::speaks_http(&words) { roles::ANSWERS } else { roles::LISTENS };
    (check, roles::may_not_speak_http(&words))
}
