//! Uploads that go into the release, and are gone with the next: `MEDIA_ROOT` of Django.

use std::path::Path;

use windlass_core::manifest::draft;
use windlass_core::spec::Spec;

use super::django::{self, Place};

/// What keeps uploads elsewhere: packages whose storages the settings name.
const ELSEWHERE: &str = "storages.backends";

/// Where the settings of a Django project have uploads written that no other release would have, each with what to
/// write in the manifest.
#[must_use]
pub fn unshared(spec: &Spec, directory: &Path) -> Vec<String> {
    let look = |sources: &django::Sources<'_>, modules: &[django::Module]| {
        let is_elsewhere = modules.iter().any(|module| module.text.contains(ELSEWHERE));
        let places = sources.places(modules, "MEDIA_ROOT").into_iter();
        let within = places.filter_map(|place| match place {
            Place::Within(path) if !is_elsewhere => Some(path),
            _ => None,
        });
        within
            .filter(|path| !spec.build.shared.iter().any(|shared| Path::new(path).starts_with(shared)))
            .collect()
    };
    let lost: Vec<String> = django::of_spec(spec, directory, look).unwrap_or_default();
    let told = lost.iter().map(|path| {
        let all: Vec<String> = spec.build.shared.iter().chain([path]).cloned().collect();
        format!(
            "the settings put uploads (MEDIA_ROOT) into {path}, which lies in the release, so that they are lost with the \
             next one: write shared = {} in [build]",
            draft::texts(&all)
        )
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_testkit::sample::{name, shop, worker};

    fn told(shared: &[&str], settings: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| std::fs::write(directory.path().join(path), text).unwrap();
        std::fs::create_dir_all(directory.path().join("shop/settings")).unwrap();
        write("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.local')\n");
        write("shop/settings/base.py", &format!("APPS_DIR = Path(__file__).parent.parent\n{settings}"));
        write("shop/settings/local.py", "from .base import *\n");
        let mut spec = shop();
        spec.build.shared = shared.iter().map(|&shared| shared.to_owned()).collect();
        unshared(&spec, directory.path())
    }

    #[test]
    fn uploads_that_no_release_shares_are_told_of() {
        let media = "MEDIA_ROOT = str(APPS_DIR / 'media')\n";
        assert_eq!(
            told(&["media"], media),
            [
                "the settings put uploads (MEDIA_ROOT) into shop/media, which lies in the release, so that they are lost with \
              the next one: write shared = [\"media\", \"shop/media\"] in [build]"
            ]
        );
        assert_eq!(told(&["shop/med"], media).len(), 1);
        for shared in ["shop/media", "shop"] {
            assert_eq!(told(&[shared], media), [""; 0]);
        }
        for other in [
            "",
            "MEDIA_ROOT = '/var/media'\n",
            "MEDIA_ROOT = unknown / 'media'\n",
            "MEDIA_ROOT = APPS_DIR / 'media'\nSTORAGES = {'default': {'BACKEND': 'storages.backends.s3.S3Storage'}}\n",
        ] {
            assert_eq!(told(&[], other), [""; 0], "{other}");
        }
    }

    #[test]
    fn the_settings_are_those_that_the_services_are_given() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| std::fs::write(directory.path().join(path), text).unwrap();
        write("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'local')\n");
        write("local.py", "MEDIA_ROOT = 'media'\n");
        write("live.py", "MEDIA_ROOT = os.getenv('MEDIA', 'uploads')\n");
        let told_of = |env: &[(&str, &str)]| {
            let mut spec = shop();
            let mut web = worker("serve");
            let env = env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), windlass_core::spec::Template::literal(*value)));
            web.env = env.collect();
            spec.services.insert(name("web"), web);
            unshared(&spec, directory.path()).concat()
        };
        assert!(told_of(&[]).contains("into media,"));
        let live = ("DJANGO_SETTINGS_MODULE", "live");
        assert!(told_of(&[live]).contains("into uploads,"));
        assert_eq!(told_of(&[live, ("MEDIA", "/var/media")]), "");
    }

    #[test]
    fn what_has_no_end_is_not_read() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let directory = tempfile::tempdir().unwrap();
        mknodat(CWD, directory.path().join("manage.py"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let (told, has_told) = std::sync::mpsc::channel();
        let looked = directory.path().to_owned();
        std::thread::spawn(move || told.send(unshared(&shop(), &looked)));
        let unshared = has_told.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        assert_eq!(unshared, [""; 0]);
    }
}
