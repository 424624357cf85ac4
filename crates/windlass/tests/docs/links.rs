//! Links between pages lead to files that are there.

use std::fs;

use crate::{files, repository};

#[test]
fn every_link_leads_somewhere() {
    let mut pages = files(&repository("docs"), ".md");
    pages.extend(["README.md", "CONTRIBUTING.md", "examples/guestbook/README.md"].map(repository));
    let mut checked = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: there is no {target}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 10);
}
