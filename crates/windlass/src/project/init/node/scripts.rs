//! Scripts of package.json: which one starts the program in production, and which are for whoever writes it.

use super::Package;

/// Scripts that start it, those that were written for production first.
const STARTING: [&str; 5] = ["start:prod", "start:production", "serve:prod", "prod", "start"];

/// Scripts that come down to another one are followed so far.
const DEEPEST: usize = 4;

/// What a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Production,
    /// It serves the sources of pages to whoever writes them.
    Pages,
    /// It starts a program anew with every change of its sources.
    Changes,
}

/// The script that starts the program in production, and its line.
pub(super) fn production<'package>(package: &Package<'package>) -> Option<(&'static str, &'package str)> {
    let scripts = STARTING.into_iter().filter_map(|name| Some((name, package.script(name)?)));
    scripts.into_iter().find(|(_, line)| purpose(package, line) == For::Production)
}

/// What the line is for.
pub(super) fn purpose(package: &Package<'_>, line: &str) -> For {
    let line = resolved(package, line, DEEPEST);
    let words: Vec<&str> = started(line).collect();
    let program = words.first().copied().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    let told = words.get(1).copied().unwrap_or_default();
    let has = |options: &[&str]| words.iter().any(|word| options.contains(word));
    match program {
        "react-scripts" | "react-app-rewired" | "craco" | "ng" | "webpack-dev-server" | "lite-server"
        | "live-server" | "browser-sync" | "web-dev-server" | "wds" | "ember" | "storybook" | "expo" => {
            For::Pages
        }
        "vite" | "astro" | "rsbuild" if told != "preview" => For::Pages,
        "parcel" if told != "build" => For::Pages,
        "webpack" if has(&["serve", "--watch", "-w"]) => For::Pages,
        "eleventy" | "eleventy.js" if has(&["--serve", "--watch"]) => For::Pages,
        "vue-cli-service" | "docusaurus" | "gatsby" | "vitepress" | "vuepress" | "nuxt" | "nuxi" | "next"
        | "remix" | "react-router" | "quasar" | "snowpack" | "ionic"
            if matches!(told, "serve" | "dev" | "develop") && !(told == "serve" && is_builder(program)) =>
        {
            For::Pages
        }
        "docusaurus" if told == "start" => For::Pages,
        "gatsby" if told == "start" => For::Pages,
        "nodemon" | "ts-node-dev" | "tsnd" | "node-dev" | "concurrently" | "npm-run-all" | "run-p" => {
            For::Changes
        }
        "nest" => For::Changes,
        "node" | "tsx" | "bun" | "deno" if has(&["--watch", "watch", "--hot"]) => For::Changes,
        _ => For::Production,
    }
}

/// Whether `serve` of the program answers what was built.
fn is_builder(program: &str) -> bool {
    matches!(program, "docusaurus" | "gatsby" | "vitepress" | "vuepress")
}

/// The line that a script comes down to: the last of several, and that of the script which it runs.
fn resolved<'package>(package: &Package<'package>, line: &'package str, depth: usize) -> &'package str {
    let last = line.rsplit("&&").next().unwrap_or(line).trim();
    let words: Vec<&str> = started(last).collect();
    let name = match words.as_slice() {
        ["npm" | "pnpm" | "yarn" | "bun", "run" | "run-script", name, ..] => *name,
        ["npm" | "pnpm" | "yarn" | "bun", name] => *name,
        _ => return last,
    };
    match package.script(name).filter(|_| depth > 0) {
        Some(line) => resolved(package, line, depth - 1),
        None => last,
    }
}

/// The words of a script without what only sets variables before them, or finds the program.
pub(super) fn started(script: &str) -> impl Iterator<Item = &str> {
    const SETTERS: [&str; 7] = ["cross-env", "cross-env-shell", "env", "env-cmd", "dotenv", "npx", "exec"];
    /// Options of theirs that a value follows.
    const VALUED: [&str; 8] =
        ["-f", "--file", "-e", "--environments", "-r", "--rc-file", "-v", "--fallback-file"];
    let mut before = "";
    script.split_whitespace().skip_while(move |word| {
        let is_value = VALUED.contains(&std::mem::replace(&mut before, word));
        is_value
            || SETTERS.contains(word)
            || word.starts_with('-')
            || word.contains(".env")
            || word.contains('=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_sources_or_watches_them_is_for_development() {
        let json = serde_json::json!({ "scripts": {
            "dev": "cross-env A=1 vite --host", "serve": "node a.js", "loop": "npm run loop",
        }});
        let package = Package { json: &json, tool: "npm" };
        for (start, is) in [
            ("ng serve", For::Pages),
            ("vite --host", For::Pages),
            ("vite preview", For::Production),
            ("node a.js", For::Production),
            ("PORT=3001 react-scripts start", For::Pages),
            ("cross-env PORT=3001 BROWSER=none react-scripts start", For::Pages),
            ("env-cmd -f .env.local react-scripts start", For::Pages),
            ("env-cmd .env.local react-scripts start", For::Pages),
            ("dotenv -e .env -- react-scripts start", For::Pages),
            ("craco start", For::Pages),
            ("react-app-rewired start", For::Pages),
            ("cross-env NODE_ENV=production node server.js", For::Production),
            ("./serve --port=80 vite", For::Production),
            ("nest start", For::Changes),
            ("docusaurus start", For::Pages),
            ("docusaurus serve", For::Production),
            ("gatsby develop", For::Pages),
            ("npx @11ty/eleventy --serve", For::Pages),
            ("eleventy --serve --quiet", For::Pages),
            ("webpack serve --open", For::Pages),
            ("webpack-dev-server", For::Pages),
            ("vue-cli-service serve", For::Pages),
            ("astro dev", For::Pages),
            ("nuxt dev", For::Pages),
            ("nuxt start", For::Production),
            ("nodemon server.js", For::Changes),
            ("node_modules/.bin/nodemon server.js", For::Changes),
            ("node --watch server.js", For::Changes),
            ("tsx watch src/server.ts", For::Changes),
            ("npm run build && nodemon a.js", For::Changes),
            ("ng build && node server.js", For::Production),
            ("npm run dev", For::Pages),
            ("yarn serve", For::Production),
            ("npm run loop", For::Production),
        ] {
            assert_eq!(purpose(&package, start), is, "{start}");
        }
    }

    #[test]
    fn what_is_for_production_is_preferred() {
        let started = |scripts: serde_json::Value| {
            let json = serde_json::json!({ "scripts": scripts });
            production(&Package { json: &json, tool: "npm" }).map(|(name, _)| name)
        };
        let both = serde_json::json!({ "start": "nest start", "start:prod": "node dist/main" });
        assert_eq!(started(both), Some("start:prod"));
        assert_eq!(
            started(serde_json::json!({ "start": "node a.js", "start:prod": "nodemon" })),
            Some("start")
        );
        assert_eq!(started(serde_json::json!({ "start": "astro dev" })), None);
    }
}
