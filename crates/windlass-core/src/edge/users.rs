//! Who may pass a route that asks for a password: lines `user:password`, and, as in other servers' files of passwords,
//! `# comments`.

/// How a hash begins that another server's file of passwords has.
const HASHES: [&str; 9] = ["$2a$", "$2b$", "$2y$", "$apr1$", "$1$", "$5$", "$6$", "$argon2", "{SHA}"];

/// The users and their passwords. Lines that name none are left out.
pub fn users(lines: &str) -> impl Iterator<Item = (&str, &str)> {
    lines.lines().filter_map(user)
}

/// What is wrong with such lines, each with what to do; shows none of them.
#[must_use]
pub fn amiss(lines: &str) -> Vec<(String, &'static str)> {
    let help = "write a line user:password for each who may";
    if users(lines).next().is_none() {
        return vec![("names nobody".to_owned(), help)];
    }
    let numbered = |is: &dyn Fn(&str) -> bool| {
        let lines = lines.lines().enumerate().filter(|(_, line)| is(line));
        let numbers: Vec<String> = lines.map(|(at, _)| (at + 1).to_string()).collect();
        (!numbers.is_empty()).then(|| format!("line {}", numbers.join(", ")))
    };
    let no_user = numbered(&|line| !is_comment(line) && !line.trim().is_empty() && user(line).is_none());
    let hashed = numbered(&|line| {
        user(line).is_some_and(|(_, password)| HASHES.iter().any(|hash| password.starts_with(hash)))
    });
    let no_user = no_user.map(|at| (format!("has something else than user:password in {at}"), help));
    let hashed = hashed.map(|at| {
        let help = "write the password itself: what is kept of it is a hash all the same";
        (format!("has a hash in {at}, which would be taken for the password"), help)
    });
    no_user.into_iter().chain(hashed).collect()
}

fn user(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let found = line.split_once(':').filter(|(user, password)| !user.is_empty() && !password.is_empty());
    found.filter(|_| !is_comment(line))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str) -> Vec<String> {
        amiss(lines).into_iter().map(|(what, _)| what).collect()
    }

    #[test]
    fn lines_that_name_nobody_are_told_by_their_numbers_and_never_shown() {
        assert_eq!(told("ann:way-in\n\n bob:with:colons \n"), Vec::<String>::new());
        assert_eq!(users("ann:way-in\n bob:with:colons ").last(), Some(("bob", "with:colons")));
        assert_eq!(told("# team a\nann:way-in\n #bob:left"), Vec::<String>::new());
        assert_eq!(users("ann:way-in\n #bob:left").count(), 1);
        for nobody in ["", "\n", "ann", ":way-in\nann:", "#ann:way-in"] {
            assert_eq!(told(nobody), ["names nobody"]);
        }
        assert_eq!(
            told("ann:way-in\nbob\ncid:$2y$05$abc\n:x\ndan:{SHA}abc"),
            [
                "has something else than user:password in line 2, 4",
                "has a hash in line 3, 5, which would be taken for the password"
            ]
        );
    }
}
