//! A database that lies in the release, and begins anew with each: Django's own choice, SQLite.

use std::path::Path;

use windlass_core::spec::Spec;

/// What a project's settings say of another database, which then is the one in production.
const OTHERS: [&str; 5] = ["postgresql", "mysql", "oracle", "dj_database_url", "env.db("];

/// What is wrong with where the settings of a Django project have their database. It is known only as
/// `startproject` writes it, below `BASE_DIR`.
#[must_use]
pub fn emptied(spec: &Spec, directory: &Path) -> Option<String> {
    let manage = std::fs::read_to_string(directory.join("manage.py")).ok()?;
    let module = manage.split_once("DJANGO_SETTINGS_MODULE")?.1.split(['"', '\'']).nth(2)?;
    let module = module.replace('.', "/");
    let (file, text) = [format!("{module}.py"), format!("{module}/__init__.py")]
        .into_iter()
        .find_map(|file| std::fs::read_to_string(directory.join(&file)).ok().map(|text| (file, text)))?;
    let lines = || text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    if lines().any(|line| OTHERS.iter().any(|other| line.contains(other))) {
        return None;
    }
    let line = lines().find(|line| line.contains("BASE_DIR") && line.contains(".sqlite3"))?;
    let parts: Vec<&str> = line.split(['"', '\'', '/']).map(str::trim).collect();
    let is_shared = spec.build.shared.iter().any(|shared| {
        let first = shared.split('/').next().unwrap_or_default();
        parts.contains(&first)
    });
    (!is_shared && !line.contains("env")).then(|| {
        format!(
            "{file} has the database, SQLite, inside the release, so that every release begins with an empty one: let it be \
             BASE_DIR / \"data\" / \"db.sqlite3\", with shared = [\"data\"] in [build], or use PostgreSQL ([resources.db])"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_testkit::sample::shop;

    /// The warning for settings with this `NAME`.
    fn warned(name: &str, shared: &[&str]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| std::fs::write(directory.path().join(path), text).unwrap();
        std::fs::create_dir(directory.path().join("shop")).unwrap();
        write("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n");
        write("shop/settings.py", &format!("DATABASES = {{\n    \"NAME\": {name},\n}}\n"));
        let mut spec = shop();
        spec.build.shared = shared.iter().map(|&shared| shared.to_owned()).collect();
        emptied(&spec, directory.path()).is_some_and(|why| why.starts_with("shop/settings.py has"))
    }

    #[test]
    fn a_database_in_the_release_is_told_of() {
        assert!(warned("BASE_DIR / \"db.sqlite3\"", &[]));
        assert!(warned("os.path.join(BASE_DIR, 'db.sqlite3')", &["media"]));
        assert!(!warned("BASE_DIR / \"data\" / \"db.sqlite3\"", &["data"]));
        assert!(!warned("os.path.join(BASE_DIR, 'data/db.sqlite3')", &["data"]));
        assert!(!warned("os.environ.get('DB', BASE_DIR / 'db.sqlite3')", &[]));
        assert!(!warned("dj_database_url.config(default=f'sqlite:///{BASE_DIR}/db.sqlite3')", &[]));
        assert!(!warned("\"/var/lib/shop/db.sqlite3\"", &[]));
    }

    #[test]
    fn what_is_no_project_of_django_is_not_told_of() {
        assert_eq!(emptied(&shop(), tempfile::tempdir().unwrap().path()), None);
    }
}
