//! A row of settings twice as long, each put together from the next, is not looked at four times as often. Counted are
//! looks at templates, as what compares them again and again need not allocate.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::{File, Layers, assemble, check, dotenv};
use crate::manifest;
use crate::name::Name;
use crate::resolve::resolve;
use crate::spec::{LOOKS, Setting};

/// A manifest with a row of settings, all of which the build gets as well, and the last of which is a secret.
fn row(count: usize) -> String {
    let mut text = "[app]\nname = \"shop\"\n\n[services.web]\ncommand = \"serve\"\n\n[settings]\n".to_owned();
    for number in 0..count {
        let value = format!("{{settings.S_{}}}", number + 1);
        let _ = writeln!(text, "S_{number} = {{ value = \"{value}\", services = [\"web\", \"build\"] }}");
    }
    let _ = writeln!(text, "S_{count} = {{ secret = true }}");
    text
}

fn looks(of: impl FnOnce()) -> u64 {
    let before = LOOKS.get();
    of();
    LOOKS.get() - before
}

#[test]
fn a_row_twice_as_long_is_looked_at_about_twice_as_often() {
    let of = |count: usize| {
        let text = row(count);
        looks(|| {
            let (manifest, faults) = manifest::load(&text);
            assert_eq!(faults, []);
            let manifest = manifest.unwrap();
            let declared = manifest.settings("local");
            let parsed = dotenv::parse(".env", &format!("S_{count}=Zk31-blau\n"), &|_| None, &|_| None);
            let files = vec![File { name: ".env".to_owned(), entries: parsed.entries }];
            let assembled = assemble(&declared, Layers { files, ..Layers::default() });
            assert_eq!(check(&declared, &assembled, "windlass.toml"), []);
            let known = IndexMap::from([(format!("S_{count}"), Setting::default())]);
            let spec = resolve(&manifest, "local", &known).unwrap();
            assert_eq!((spec.settings.len(), spec.build.env.len()), (count + 1, count + 1));
            assert!(spec.service_digest(&Name::new("web").unwrap(), "").is_some());
        })
    };
    let (some, twice) = (of(50), of(100));
    assert!(some > 50 && twice * 10 < some * 23, "{some} looks for 50 settings, {twice} for 100");
}
